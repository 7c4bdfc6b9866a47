"""What a hub is asked is answered in one frame, however much there is to tell."""

from typing import Any

import pytest

from pysh.runtime.protocol.frames import LOCAL, MAX_META, Decoder, Frame, Kind, encode, pack
from pysh.runtime.protocol.hello import Hello
from tests.sim.cluster import Cluster, Machine


def answered(machine: Machine, verb: str, **asked: Any) -> Any:
    """What `machine` answers; the answer fits into a frame."""
    seat = machine.terminal()
    seat.ask(verb, **asked)
    assert len(pack({"ok": seat.answers[-1]})) < MAX_META
    return seat.answers[-1]


def test_a_thousand_tasks_are_told_a_part_at_a_time() -> None:
    cluster = Cluster("a", cores=1)
    there, program = cluster["a"], cluster["a"].program()
    for _ in range(1000):
        program.task(there, b"600000", label="x" * 100)
    cluster.run(1)
    told: list[int] = []
    while page := answered(there, "tasks", after=told[-1] if told else 0):
        told += [row["number"] for row in page]
    assert told == sorted(job.number for job in there.core.work.jobs)
    assert len(told) == 1000


def test_some_processes_are_told_to_who_types_a_pid() -> None:
    cluster = Cluster("a", cores=1)
    there, program = cluster["a"], cluster["a"].program()
    program.task(there, b"600000", label="worker", kind="process", name="db")
    program.task(there, b"600000", label="a task")
    cluster.run(1)
    rows = [row[1:] for row in answered(there, "living")]
    assert rows == [["program", []], ["worker", ["db"]]]


def test_a_thousand_nodes_are_told_in_parts_to_who_is_here_who_comes_and_who_asks() -> None:
    cluster = Cluster("a")
    here = cluster["a"]
    before = here.program()
    for number in range(1000):
        meet(here, f"a-node-with-a-name-{number}@{'h' * 60}")
    names = [here.name, *(f"a-node-with-a-name-{number}@{'h' * 60}" for number in range(1000))]
    after = here.program()
    assert before.nodes == after.nodes == names
    assert [state for state, *_ in before.told] == ["up"] * 1000
    told: list[dict[str, Any]] = []
    while page := answered(here, "nodes", after=told[-1]["number"] if told else -1):
        told += page
    assert [row["name"] for row in told] == names


def meet(here: Machine, name: str) -> None:
    """Have another node connect."""
    link = next(here.links)
    here.wire(link, lambda raws: None)
    here.opened(link, Hello("node", name, here.cluster.random.randbytes(16), bytes(32)))
    told = pack({"session": 1, "yours": 0, "received": 0, "grace": 60.0, "dial": 1})
    here.hear(link, list(Decoder().feed(b"".join(encode(Frame(Kind.RESUME, LOCAL, LOCAL, meta=told))))))


def test_an_answer_that_no_frame_has_room_for_is_told_so() -> None:
    cluster = Cluster("a", cores=1)
    there, program = cluster["a"], cluster["a"].program()
    program.task(there, b"600000", label="x" * 65_400)
    cluster.run(1)
    seat = there.terminal()
    seat.ask("tasks")
    assert "bytes; the limit is 65,536" in seat.answers[-1]["text"]


def test_output_that_is_no_text_is_cut_where_its_text_is_too_long() -> None:
    cluster = Cluster("a", cores=1)
    there, program = cluster["a"], cluster["a"].program()
    ref = program.task(there, b"600000")
    cluster.run(1)
    [job] = there.core.work.jobs
    job.keep_output(b"\xff" * 60_000)
    told = answered(there, "output", owner=list(job.key.owner), ref=ref)
    assert set(told["text"]) == {"\N{REPLACEMENT CHARACTER}"}


@pytest.mark.parametrize(
    ("verb", "asked"),
    [
        ("numbers", {"count": float("inf")}), ("numbers", {"count": []}), ("numbers", {}),
        ("process", {"number": float("inf")}), ("register", {"number": float("nan"), "name": "x"}),
    ],
)  # fmt: skip
def test_a_request_of_no_sense_is_answered_as_such(verb: str, asked: dict[str, Any]) -> None:
    seat = Cluster("a")["a"].terminal()
    seat.ask(verb, **asked)
    assert f"cannot read the request {verb!r}" in seat.answers[-1]["text"]
