"""What is asked of many nodes at a time, what comes of each, and how far it is."""

from collections.abc import Iterator
from typing import Any

import pytest

from pysh.runtime import copying
from pysh.runtime.calls import Call
from pysh.runtime.copying import AT_ONCE, Copied, Meter
from pysh.runtime.node import Node
from pysh.runtime.protocol.frames import Frame, Kind
from pysh.runtime.runner.waiting import block
from tests.runtime.hub_end import DEADLINE, HubEnd, hub_end


@pytest.fixture
def hub() -> Iterator[HubEnd]:
    with hub_end() as hub:
        yield hub


def calls(count: int) -> dict[str, Call]:
    return {f"n{number}@here": Call(len, ("x" * number,), {}, frozenset()) for number in range(count)}


def test_what_comes_of_each_is_told_in_the_order_asked(hub: HubEnd) -> None:
    hub.serve()
    asked = calls(3 * AT_ONCE) | {"bad@here": Call(int, ("no number",), {}, frozenset())}
    results = block(copying._all(asked), DEADLINE)
    assert list(results) == [Node(name) for name in asked]
    assert list(results.ok.values()) == [*range(3 * AT_ONCE)]
    assert isinstance(results[Node("bad@here")], ValueError)


def test_no_more_than_so_many_run_at_once_and_who_ends_it_ends_them(hub: HubEnd) -> None:
    steps = copying._all(calls(AT_ONCE + 3))
    next(steps)
    spawned = [hub.expect(Kind.SPAWN) for _ in range(AT_ONCE)]
    hub.ping()
    assert not [frame for frame in hub.frames if frame.kind == Kind.SPAWN]
    assert copying._calling("copies", ()).apart.isolate
    steps.close()
    cancelled: list[Frame] = [hub.expect(Kind.CANCEL) for _ in range(AT_ONCE)]
    assert {frame.ref for frame in cancelled} == {frame.ref for frame in spawned}


def test_a_path_that_is_none_is_refused_before_anything_is_sent(hub: HubEnd) -> None:
    for path in (4, b"bytes", None, "", "a\0b"):
        for verb in (copying.put, copying.get):
            with pytest.raises((TypeError, ValueError), match="nothing was copied"):
                block(verb(path, None, None))
    assert not hub.frames


@pytest.mark.parametrize(
    ("copied", "text"),
    [
        (Copied("/a/b", 3_100_000, 1, 0, "ab12", 0.1), "/a/b (3.1 MB)"),
        (Copied("/a", 12, 1, 0, "", 0.1), "/a (1 file, 12 B)"),
        (Copied("/a", 0, 0, 0, "", 0.1), "/a (0 files, 0 B)"),
    ],
)
def test_a_copy_is_shown_by_where_it_is_and_how_large(copied: Copied, text: str) -> None:
    assert repr(copied) == text


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(copying, "monotonic", lambda: now[0])
    return now


def test_progress_is_shown_when_it_takes_a_while(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    meter = Meter("data", 4_000_000, True)
    meter.at(1_000_000)
    assert capsys.readouterr().out == ""
    clock[0] += 1
    meter.at(1_000_000)
    assert capsys.readouterr().out == "\rdata 50% of 4.0 MB, 2.0 MB/s"
    meter.at(1_000_000)
    clock[0] += 1
    meter.at(1_000_000)
    meter.close()
    last = "\rdata 100% of 4.0 MB, 2.0 MB/s"
    assert capsys.readouterr().out == f"{last}{last}\n"


@pytest.mark.parametrize("options", [("data", 4, False), ("data", 0, True)])
def test_nothing_is_shown_where_nobody_looks_or_it_is_soon_over(
    clock: list[float], capsys: pytest.CaptureFixture[str], options: tuple[Any, ...]
) -> None:
    meter = Meter(*options)
    clock[0] += 0.9
    meter.at(4)
    meter.close()
    assert capsys.readouterr().out == ""
