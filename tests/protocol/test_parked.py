"""What waits in a debugger, as its hub tells it."""

from typing import Any

import pytest

from pysh.runtime.protocol.frames import Frame, Kind, pack
from pysh.runtime.protocol.parked import PLACE, VERBS
from pysh.runtime.protocol.terms import Pid
from tests.protocol.test_requests import answered
from tests.sim.cluster import Cluster, Machine, Program


def park(machine: Machine, number: int, at: str, incarnation: bytes = b"") -> Any:
    """A job of `machine` says where it waits."""
    source = Pid(incarnation or machine.core.incarnation, number)
    frame = Frame(Kind.REQUEST, source, machine.core.me, 1, meta=pack({"at": at}))
    return VERBS["park"](machine.core, None, frame, {"at": at})


@pytest.fixture
def cluster() -> Cluster:
    """A node with one task that runs for a minute, of a program of another one."""
    made = Cluster("a", "b", cores=1)
    made.join("a", "b")
    made.run(1)
    return made


def started(cluster: Cluster) -> tuple[Program, int]:
    program = cluster["a"].program()
    program.task(cluster["b"], b"60000", label="f")
    cluster.run(1)
    [job] = cluster["b"].core.work.jobs
    return program, job.number


def test_where_it_waits_is_told_to_its_owner_and_to_nobody_else(cluster: Cluster) -> None:
    _, number = started(cluster)
    there = cluster["b"]
    assert park(there, number, "f.py:3") == {"ok": True}
    owner = list(next(iter(there.core.work.jobs)).owner)
    assert answered(there, "parked", owner=owner) == [{"number": number, "label": "f", "at": "f.py:3"}]
    assert answered(there, "parked", owner=[owner[0], 999]) == []
    assert answered(there, "times", number=number)["parked"] == "f.py:3"
    park(there, number, "")
    assert answered(there, "parked", owner=owner) == []


def test_only_what_runs_here_can_wait_and_its_place_is_bounded(cluster: Cluster) -> None:
    _, number = started(cluster)
    there = cluster["b"]
    assert park(there, 999, "f.py:3") == park(there, number, "f.py:3", b"x" * 16) == {"ok": False}
    park(there, number, "x" * 5000)
    assert len(answered(there, "times", number=number)["parked"]) == PLACE


def test_one_that_waits_ends_when_the_node_of_its_owner_is_lost_and_others_go_on(cluster: Cluster) -> None:
    program, number = started(cluster)
    there = cluster["b"]
    program.task(there, b"60000", label="g")
    cluster.run(1)
    park(there, number, "f.py:3")
    cluster.kill("a")
    cluster.run(120)
    states = {job.options["label"]: job.state for job in there.core.work.jobs}
    assert states["f"] == "done"
    assert states.get("g") != "cancelled"


def test_nobody_sits_at_a_node_without_a_terminal(cluster: Cluster) -> None:
    assert answered(cluster["b"], "attended", number=1) is False


@pytest.mark.parametrize("known_first", ["its connection", "its process"])
def test_one_that_waits_ends_when_the_shell_that_owns_it_died_though_its_node_lives(
    cluster: Cluster, known_first: str
) -> None:
    shell, other = cluster["a"].program("evaluator"), cluster["a"].program()
    there = cluster["b"]
    for owner, label in ((shell, "f"), (other, "g")):
        owner.task(there, b"60000", label=label)
        cluster.run(1)
        park(there, list(there.core.work.jobs)[-1].number, "f.py:3")
    if known_first == "its process":
        cluster["a"].happens(lambda: cluster["a"].core.evaluator_died("SIGKILL"))
    cluster["a"].hang_up(shell.link)
    cluster.run(5)
    killed = [(there.core.work.jobs.get(each.job), each.signal) for each in there.signals]
    assert [(job and job.options["label"], name) for job, name in killed] == [("f", "SIGKILL")]


def test_a_shell_that_died_while_its_node_was_cut_off_is_told_of_afterwards(cluster: Cluster) -> None:
    shell = cluster["a"].program("evaluator")
    there = cluster["b"]
    shell.task(there, b"600000", label="f")
    cluster.run(1)
    park(there, list(there.core.work.jobs)[-1].number, "f.py:3")
    cluster.cut("a", "b")
    cluster["a"].hang_up(shell.link)
    assert not there.signals
    cluster.run(20)
    assert [each.signal for each in there.signals] == ["SIGKILL"]


def test_who_went_over_to_another_shell_counts_as_there_and_is_told(cluster: Cluster) -> None:
    machine = cluster["a"]
    shell, seat = machine.program("evaluator"), machine.terminal()
    cluster.run(1)
    seat.ask("away")
    cluster.run(1)
    asked = Frame(Kind.REQUEST, Pid(cluster["b"].core.incarnation, 5), machine.core.me, 1)
    assert VERBS["attended"](machine.core, None, asked, {"number": shell.pid.number}) == {"ok": True}
    machine.settle()
    waits = "code on b waits in a debugger for a@sim"
    assert seat.calls == [f"{waits}: Ctrl-D goes back there, and debug() to the code"]
    assert VERBS["attended"](machine.core, None, asked, {"number": shell.pid.number + 1}) == {"ok": False}
