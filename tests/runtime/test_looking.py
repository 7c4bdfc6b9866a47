"""What is said of tasks and processes that somebody looks at."""

from collections.abc import Iterator
from typing import Any

import pytest

import pysh
from pysh.runtime import api, looking
from pysh.runtime.looking import Own, split, standing
from pysh.runtime.process import Process
from pysh.runtime.protocol.frames import Kind
from pysh.runtime.protocol.terms import Pid
from tests.runtime.hub_end import DEADLINE, HERE, THERE, HubEnd, hub_end
from tests.runtime.test_dumps import RUNS

BUSY = {"state": "running", "queue": 0}
QUEUED = {
    "state": "queued",
    "why": "3 before it, 2 workers busy on w1",
    "queued": 0.5,
    "working": None,
    "shared": False,
}
RUNNING = {"state": "running", "why": "", "queued": 0.1, "working": 2.31, "shared": False, "limit": None}


@pytest.mark.parametrize(
    ("told", "text", "about", "said"),
    [
        (QUEUED, "", None, "queued for 500 ms: 3 before it, 2 workers busy on w1"),
        ({**QUEUED, "state": "sent", "why": ""}, "", None, "sent for 500 ms to w1"),
        (RUNNING, RUNS, None, "runs in inner at <n1@here:2>:3, for 2.3 s on w1"),
        ({**RUNNING, "limit": 5.0}, "", None, "runs, for 2.3 s of the 5 s that it has on w1"),
        ({**RUNNING, "owner": "n9@far"}, "", None, "runs, for 2.3 s on w1; its owner is on n9@far"),
        ({**RUNNING, "owner": "n9@far", "lost": True}, "", None,
         "runs, for 2.3 s on w1; its owner is on n9@far, and lost: tasks() lists it, and its result is kept"),
        ({**RUNNING, "shared": True}, "", {"state": "waiting", "queue": 4},
         "waits, in receive or for what has not happened yet (4 messages wait for it), for 2.3 s on w1"),
        ({**RUNNING, "shared": True}, "", {"state": "running", "queue": 0},
         "runs, beside others in its runner, for 2.3 s on w1"),
    ],
)  # fmt: skip
def test_where_something_stands_is_one_sentence(told: Any, text: str, about: Any, said: str) -> None:
    assert standing(told, "w1", text, about) == said


HUB = {"queued": 0.1, "working": 0.5}


@pytest.mark.parametrize(
    ("own", "told", "spent", "stages"),
    [
        (Own(0.001, 0.7, True), HUB, (0.45, 0.05, 0.38),
         {"pickled": 1, "on the way": 100, "queued": 100, "to its worker": 50, "unpickled": 50, "ran": 380,
          "result pickled": 20, "total": 701}),
        (Own(0.001, 0.7, False), HUB, (), {"pickled": 1, "queued": 100, "runs so far": 500, "so far": 701}),
        (Own(0.001, 0.2, False), {"queued": 0.1, "working": None}, (), {"pickled": 1, "queued": 100, "so far": 201}),
        (Own(0.001, 0.7, True), {}, (0.5,), {"pickled": 1, "on the way": 200, "ran": 500, "total": 701}),
        (Own(0.001, 0.7, True), {}, (), {"pickled": 1, "total": 701}),
        (Own(), HUB, (), {"queued": 100, "runs so far": 500, "so far": 600}),
        (Own(0.001, 0.5, True), HUB, (0.6, 0.0, 0.6),
         {"pickled": 1, "on the way": 0, "queued": 100, "to its worker": 0, "unpickled": 0, "ran": 600,
          "result pickled": 0, "total": 501}),
    ],
)  # fmt: skip
def test_stages_share_the_time_that_they_took(own: Own, told: Any, spent: Any, stages: dict[str, float]) -> None:
    rows = split(own, told, spent, "n1", "w1")
    assert {row["stage"]: pytest.approx(row["ms"], abs=0.001) for row in rows} == stages


@pytest.fixture
def hub() -> Iterator[HubEnd]:
    with hub_end() as hub:
        yield hub


def test_a_task_that_is_over_is_told_without_asking_anybody(hub: HubEnd) -> None:
    task = api.task(int, 5, on="n2")
    hub.result(hub.expect(Kind.SPAWN), 5, took=0.002)
    assert task.result(DEADLINE) == 5
    assert str(pysh.why(task)).endswith("done after 2 ms; its result is here")
    assert pysh.stack(task) == "it is over: done\n"
    assert not [frame for frame in hub.frames if frame.kind == Kind.REQUEST]


def test_one_that_failed_names_the_place_and_the_error(hub: HubEnd) -> None:
    task = api.task(int, on="n2")
    try:
        compile("1 +", "<x>", "exec")
    except SyntaxError as error:
        hub.error(hub.expect(Kind.SPAWN), error)
    assert isinstance(task.exception(DEADLINE), SyntaxError)
    assert "test_one_that_failed_names_the_place_and_the_error at " in pysh.why(task)
    assert "SyntaxError: invalid syntax" in pysh.why(task)


def test_what_its_node_says_is_shown(hub: HubEnd) -> None:
    asked: list[dict[str, Any]] = []
    told = {**RUNNING, "number": 7, "owner": "n1@here", "lost": False}
    hub.serve(times=lambda args: asked.append(args) or told, stack=lambda _: {"text": RUNS}, process=lambda _: BUSY)
    process = Process(Pid(THERE, 7), "n2@there")
    assert pysh.why(process) == "<n2.7>: runs in inner at <n1@here:2>:3, for 2.3 s on n2"
    assert asked == [{"number": 7}]
    assert pysh.why("n2.7") == pysh.why(process)
    assert "in inner\n" in pysh.stack(process)
    with pytest.raises(TypeError, match="is a process: its time has no stages"):
        pysh.trace(process)
    told["shared"] = True
    assert "isolate=True" in pysh.stack(process)


def test_where_the_time_of_a_task_went_is_a_table(hub: HubEnd) -> None:
    hub.serve(times=lambda _: HUB)
    task = api.task(int, 5)
    assert task.result(DEADLINE) == 5
    rows = pysh.trace(task)
    assert [row["stage"] for row in rows][:2] == ["pickled", "on the way"]
    assert rows[0]["ms"] > 0 and rows[-1]["stage"] == "total"
    columns, fields = rows.__pysh_table__()
    assert columns[0] == "stage" and all(len(field) == 3 for field in fields)


@pytest.mark.parametrize("nothing", [5, None, len, [1]])
def test_what_cannot_be_looked_at_is_refused(hub: HubEnd, nothing: Any) -> None:
    for verb in (pysh.why, pysh.trace, pysh.stack):
        with pytest.raises(TypeError, match="what is looked at is a task"):
            verb(nothing)


def test_the_same_is_there_to_be_awaited() -> None:
    assert looking.meant(Process(Pid(HERE, 3), "n1@here")).asked == {"number": 3}
