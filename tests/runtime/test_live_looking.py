"""What the live view asks, with hubs of the test's: one of them never answers."""

from collections.abc import Iterator
from typing import Any

import pytest

from pysh.runtime.live import looking as module
from pysh.runtime.live.looking import MOST, Looking
from pysh.runtime.live.model import NODES, PROCESSES, TASKS
from pysh.runtime.live.top import snapshot
from pysh.runtime.protocol.frames import Frame, Kind
from tests.runtime.hub_end import HERE, N1, N2, THERE, HubEnd, hub_end


@pytest.fixture
def hub() -> Iterator[HubEnd]:
    with hub_end() as hub:
        yield hub


def process(number: int, **more: Any) -> dict[str, Any]:
    return {"number": number, "name": None, "label": "f", "kind": "sync", "state": "running", "age": 2.0, "queue": 0,
            "memory": 12_000_000, "os_pid": 1, "mates": 0} | more  # fmt: skip


def task(number: int, **more: Any) -> dict[str, Any]:
    return {"number": number, "kind": "task", "label": "f", "status": "running", "owner": "n1@here", "age": 70.0} | more


def asked(hub: HubEnd) -> dict[tuple[str, bytes], Frame]:
    """The requests that came, of which nothing more is under way."""
    hub.ping()
    requests = [frame for frame in hub.frames if frame.kind == Kind.REQUEST]
    hub.frames = [frame for frame in hub.frames if frame.kind != Kind.REQUEST]
    return {(frame.options()["verb"], frame.dest.incarnation): frame for frame in requests}


def answer(hub: HubEnd, frame: Frame, rows: list[dict[str, Any]]) -> None:
    hub.send(Kind.REPLY, source=frame.dest, dest=frame.source, ref=frame.ref, meta={"ok": rows})


def test_a_node_that_does_not_answer_holds_up_no_other_and_is_not_asked_again(
    hub: HubEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking = Looking(hub.client)
    looking.ask()
    first = asked(hub)
    verbs = ("nodes", HERE), ("tasks", HERE), ("processes", HERE), ("tasks", THERE), ("processes", THERE)
    assert set(first) == set(verbs)
    answer(hub, first["nodes", HERE], [N1 | {"tasks": 1, "number": 0}, N2 | {"tasks": 0, "number": 1}])
    answer(hub, first["processes", HERE], [process(9)])
    answer(hub, first["tasks", HERE], [])
    hub.ping()
    looking.advance()
    for frame in asked(hub).values():
        answer(hub, frame, [])
    hub.ping()
    looking.advance()
    rows = looking.rows()
    assert [row.fields[1] for row in rows[NODES]] == ["self", "up"]
    assert [row.fields[0] for row in rows[PROCESSES]] == ["<n1.9>"]
    looking.ask()
    assert not {verb for verb, incarnation in asked(hub) if incarnation == THERE}
    monkeypatch.setattr(module, "SILENT", 0.0)
    assert looking.rows()[NODES][1].fields[1].startswith("silent ")


def test_rows_of_others_are_cleaned_and_processes_are_no_tasks(hub: HubEnd) -> None:
    hub.serve(
        nodes=lambda _: [],
        processes=lambda told: [] if told["after"] else [process(7, label="\x1b[2Jx\n", kind="shell"), process(8)],
        tasks=lambda told: [] if told["after"] else [task(3, label="a\x07b"), task(8, kind="process")],
    )
    looking = Looking(hub.client)
    looking.ask()
    while looking.waits:
        looking.advance()
    rows = looking.rows()
    assert rows[PROCESSES][0].fields[2:6] == ("x ", "shell", "running", "2.0 s")
    assert [row.fields for row in rows[TASKS] if row.incarnation == HERE] == [
        ("3", "n1@here", "a?b", "task", "running", "n1@here", "1 min 10 s")
    ]


def test_no_more_is_asked_of_a_node_than_is_worth_showing(hub: HubEnd) -> None:
    pages = []

    def page(told: dict[str, Any]) -> list[dict[str, Any]]:
        pages.append(told["after"])
        return [process(told["after"] + number) for number in range(1, 101)]

    hub.serve(nodes=lambda _: [], processes=page, tasks=lambda _: [])
    looking = Looking(hub.client)
    looking.ask()
    while looking.waits:
        looking.advance()
    rows = looking.rows()[PROCESSES]
    assert len([row for row in rows if row.incarnation == HERE]) == MOST
    assert max(pages) < MOST


def test_a_node_that_goes_takes_its_rows_along(hub: HubEnd) -> None:
    hub.serve(nodes=lambda _: [], processes=lambda told: [] if told["after"] else [process(7)], tasks=lambda _: [])
    looking = Looking(hub.client)
    looking.ask()
    while looking.waits:
        looking.advance()
    assert {row.incarnation for row in looking.rows()[PROCESSES]} == {HERE, THERE}
    hub.tell_nodes(N1, reason="shutdown")
    hub.client.ask("ping")
    looking.ask()
    assert {row.incarnation for row in looking.rows()[PROCESSES]} == {HERE}


def test_a_picture_is_printed_without_a_terminal(hub: HubEnd) -> None:
    hub.serve(
        nodes=lambda told: [] if told["after"] >= 0 else [N1 | {"tasks": 1, "number": 0}],
        processes=lambda _: [],
        tasks=lambda told: [] if told["after"] else [task(3)],
    )
    first, second = snapshot(hub.client).split("\n\n")
    assert first.split("\n")[0].split() == ["node", "state", "rtt", "load", "lately", "tasks"]
    assert second.split("\n")[1].split() == ["3", "n1@here", "f", "task", "running", "n1@here", "1", "min", "10", "s"]
