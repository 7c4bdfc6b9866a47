"""Paths to what cannot travel."""

import socket
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pysh.runtime import payload, unsendable
from pysh.runtime.errors import NotSendable
from tests.runtime.elsewhere import Prompt


class Holder:
    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)

    def method(self) -> None: ...


def generate() -> Iterator[int]:
    yield 1


class Stubborn:
    def __reduce__(self) -> Any:
        raise RuntimeError("not me")


LOCK = threading.Lock()


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (LOCK, "value"),
        ([1, LOCK], "value[1]"),
        ({"a": (LOCK,)}, "value['a'][0]"),
        ({1: {"deep": Holder(x=[LOCK])}}, "value[1]['deep'].x[0]"),
        (Holder(method=Holder(lock=LOCK).method), "value.method.__self__.lock"),
        (partial(print, 1, end=LOCK), "value.keywords['end']"),
        (partial(print, LOCK), "value.args[0]"),
        (ValueError("x", LOCK), "value.<args>[1]"),
        (generate(), "value"),
        (Stubborn(), "value"),
        ([Stubborn()], "value[0]"),
        (lambda x=LOCK: x, "value.<defaults>[0]"),
        (lambda *, x=LOCK: x, "value.<defaults>['x']"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",  # an address in it would differ from run to run
)
def test_the_path_leads_to_what_cannot_travel(value: Any, path: str) -> None:
    with pytest.raises(NotSendable) as caught:
        payload.dumps(value)
    assert caught.value.path == path
    assert caught.value.__cause__ is not None


def test_the_path_goes_through_globals_and_classes() -> None:
    shell = Prompt()
    shell("import threading\nlock = threading.Lock()\ndef helper(): return lock\ndef f(): return helper()")
    with pytest.raises(NotSendable) as caught:
        payload.dumps_call(shell["f"], (), {})
    assert caught.value.path == "f.<global helper>.<global lock>"
    shell("class Service:\n    lock = threading.Lock()")
    with pytest.raises(NotSendable) as caught:
        payload.dumps_call(shell("lambda: Service()"), (), {})
    assert caught.value.path == "<lambda>.<global Service>.lock"


def test_a_circle_is_walked_once() -> None:
    first, second = Holder(), Holder()
    first.second, second.first, first.lock = second, first, LOCK  # type: ignore[attr-defined]
    with pytest.raises(NotSendable) as caught:
        payload.dumps(first)
    assert caught.value.path == "value.lock"


def test_the_text_says_type_reason_and_what_to_do() -> None:
    with socket.socket() as sock, pytest.raises(NotSendable) as caught:
        payload.dumps_call(print, (), {"to": sock})
    assert str(caught.value) == (
        "cannot send kwargs['to'] (socket.socket); cannot pickle 'socket' object; open it inside the"
        " function. Nothing ran."
    )


def test_the_search_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsendable, "SECONDS", 0.05)
    value = [[list(range(1000)) for _ in range(300)] for _ in range(30)]
    deep = Holder(value=value, inner=Holder(value=value, inner=Holder(value=value, lock=LOCK)))
    started = time.monotonic()
    with pytest.raises(NotSendable) as caught:
        payload.dumps(deep)
    assert time.monotonic() - started < 5
    assert caught.value.path.startswith("value")


def test_endless_nesting_is_refused() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(NotSendable, match="recursion"):
        payload.dumps(nested)


def test_an_open_file_is_refused_and_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large"
    path.write_text("x" * 100)
    for mode in ("r", "rb", "r+", "w"):
        with path.open(mode) as file, pytest.raises(NotSendable, match=r"put\(path\) takes it there") as caught:
            payload.dumps((len, [file]))
        assert caught.value.path == "value[1][0]"
    with path.open("w") as file:
        monkeypatch.setattr(sys, "stdout", file)
        assert payload.loads(payload.dumps([sys.stdout])) == [file]  # that of where it comes to
