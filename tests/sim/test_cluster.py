"""Three nodes on a virtual clock: what must hold whatever comes in between."""

from typing import Any

import pytest

from pysh.runtime.protocol.frames import Flag
from tests.sim.cluster import Cluster


def test_a_task_runs_on_another_node_and_its_result_is_let_go_when_fetched() -> None:
    cluster = Cluster("a", "b")
    cluster.join("a", "b")
    program = cluster["a"].program()
    ref = program.task(cluster["b"], b"5")
    cluster.run(1)
    assert [bytes(f.payload) for f in program.results[ref]] == [b"done 5"]
    assert len(cluster["b"].core.work.jobs) == 0
    assert not cluster["a"].core.elsewhere


def test_a_node_that_is_not_connected_is_reported_at_once_and_nothing_ran() -> None:
    cluster = Cluster("a", "b")
    program = cluster["a"].program()
    ref = program.task(cluster["b"], b"5")
    cluster.run(1)
    [answer] = program.results[ref]
    assert answer.flags & Flag.FAILED
    assert answer.options()["error"] == "NodeDown"
    assert answer.options()["executed"] == "no"


def test_two_nodes_that_dial_each_other_at_once_keep_one_connection() -> None:
    cluster = Cluster("a", "b")
    program = cluster["a"].program()
    cluster["a"].dial("b")
    cluster["b"].dial("a")
    cluster.run(1)
    ref = program.task(cluster["b"], b"1")
    cluster.run(1)
    assert len(cluster["a"].core.peers) == len(cluster["b"].core.peers) == 1
    assert len(program.results[ref]) == 1
    assert not program.downs


@pytest.mark.seeds(100)
def test_two_nodes_that_dial_each_other_whenever_they_do_keep_one_connection(seed: int) -> None:
    cluster = Cluster("a", "b", seed=seed, delay=0.01)
    programs = [cluster[name].program() for name in "ab"]
    for name, other in ("ab", "ba"):
        cluster.at(cluster.random.random() * 0.08, lambda name=name, other=other: cluster[name].dial(other))
    cluster.run(2)
    for machine, program in zip(cluster.machines.values(), programs, strict=True):
        assert sum(link.role == "node" for link in machine.core.links.values()) == 1
        assert [what for what, *_ in program.told] == ["up"]


def test_a_node_that_is_killed_is_down_once_and_disturbs_nobody_else() -> None:
    cluster = Cluster("a", "b", "c")
    for one, other in (("a", "b"), ("a", "c"), ("b", "c")):
        cluster.join(one, other)
    program = cluster["a"].program()
    kept = program.task(cluster["c"], b"500")
    cluster.at(0.1, lambda: cluster.kill("b"))
    cluster.run(2)
    assert program.downs == ["b@sim"]
    assert program.nodes == ["a@sim", "c@sim"]
    assert len(program.results[kept]) == 1


def test_a_dead_worker_answers_for_its_job_and_the_rest_runs_elsewhere() -> None:
    cluster = Cluster("a", "b", cores=1)
    cluster.join("a", "b")
    program = cluster["a"].program()
    refs = [program.task(cluster["b"], b"die" if i == 3 else b"1") for i in range(20)]
    cluster.run(5)
    failed = [i for i, ref in enumerate(refs) if program.results[ref][0].flags & Flag.FAILED]
    assert failed == [3]


def test_a_call_by_name_runs_what_was_published_when_it_was_accepted() -> None:
    cluster = Cluster("a", "b", cores=1)
    cluster.join("a", "b")
    there, program = cluster["b"], cluster["a"].program()
    there.publish("compute")
    refs = [program.task(there, b"0", fn="compute") for _ in range(3)]
    cluster.run(0.005)
    there.publish("compute", gone=True)
    cluster.run(1)
    assert [bytes(program.results[ref][0].payload) for ref in refs] == [b"done 10"] * 3


def test_a_name_that_is_not_there_is_told_with_those_like_it_and_who_has_it() -> None:
    cluster = Cluster("a", "b", "c")
    cluster.join("a", "b")
    cluster.join("a", "c")
    program = cluster["a"].program()
    for name, defined in (("b", ("compare", "first")), ("c", ("compute",)), ("a", ("compute", "first"))):
        for each in defined:
            cluster[name].publish(each)
    cluster.run(1)
    asked = [program.task(cluster[name], b"0", fn=fn) for name, fn in (("b", "compute"), ("c", "first"), ("a", "last"))]
    cluster.run(1)
    told = [program.results[ref][0].options() for ref in asked]
    assert told[0] == {
        "error": "NoFunction", "node": "b@sim", "executed": "no", "function": "compute", "why": "",
        "near": ["compare"], "known": 2, "others": ["a@sim", "c@sim"],
    }  # fmt: skip
    assert [each["others"] for each in told[1:]] == [["a@sim", "b@sim"], []]
    assert [each["near"] for each in told[1:]] == [["compute"], ["compute", "first"]]


def test_a_name_that_is_gone_is_gone_for_the_other_nodes_too() -> None:
    cluster = Cluster("a", "b", "c")
    cluster.join("a", "b")
    cluster.join("a", "c")
    program = cluster["a"].program()
    cluster["c"].publish("compute")
    cluster.run(1)
    cluster["c"].publish("compute", gone=True)
    cluster.run(1)
    ref = program.task(cluster["b"], b"0", fn="compute")
    cluster.run(1)
    assert program.results[ref][0].options()["others"] == []


@pytest.mark.parametrize("role", ["program", "terminal"])
def test_nobody_but_its_shell_publishes_the_names_of_a_node(role: str) -> None:
    cluster = Cluster("a")
    cluster["a"].publish("compute", role=role)
    cluster.run(1)
    assert len(cluster["a"].core.work.code) == 0


@pytest.mark.seeds(40)
def test_every_task_is_answered_exactly_once(seed: int) -> None:
    cluster = Cluster("a", "b", "c", seed=seed, cores=2)
    for one, other in (("a", "b"), ("a", "c"), ("b", "c")):
        cluster.join(one, other)
    programs = [cluster[name].program() for name in "abc"]
    asked: list[tuple[int, int, str]] = []

    def ask() -> None:
        who, there = cluster.random.randrange(3), cluster.random.choice("abc")
        work = b"die" if cluster.random.random() < 0.05 else str(cluster.random.randrange(200)).encode()
        ref = programs[who].task(cluster[there], work)
        asked.append((who, ref, there))
        if cluster.random.random() < 0.1:
            cluster.at(cluster.random.random() / 10, lambda: programs[who].cancel(cluster[there], ref))

    for _ in range(200):
        cluster.at(cluster.random.random() * 5, ask)
    cluster.run(120)
    for who, ref, there in asked:
        assert len(programs[who].results.get(ref, [])) == 1, (who, ref, there)
    for machine in cluster.machines.values():
        assert len(machine.core.work.jobs) == 0
        assert not machine.core.elsewhere
        assert not machine.core.work.pool.waiting


@pytest.mark.parametrize(
    ("work", "options", "executed"),
    [(b"die", {}, "yes"), (b"torn", {}, "maybe"), (b"die", {"values": {"1f": ["/df", 5]}}, "maybe")],
)
def test_p6_a_task_whose_worker_is_lost_runs_nowhere_else(work: bytes, options: dict[str, Any], executed: str) -> None:
    cluster = Cluster("a", "b")
    cluster.join("a", "b")
    program = cluster["a"].program()
    ref = program.task(cluster["b"], work, **options)
    cluster.run(10)
    [answer] = program.results[ref]
    assert answer is not None
    assert (answer.options()["error"], answer.options()["executed"]) == ("WorkerDied", executed)


def test_a_run_is_a_function_of_its_seed() -> None:
    def trace(seed: int) -> list[tuple[int, bytes]]:
        cluster = Cluster("a", "b", seed=seed)
        cluster.join("a", "b")
        program = cluster["a"].program()
        for _ in range(50):
            program.task(cluster["b"], str(cluster.random.randrange(50)).encode())
        cluster.run(10)
        return [(ref, bytes(frames[0].payload)) for ref, frames in program.results.items()]

    assert trace(7) == trace(7)
    assert trace(7) != trace(8)
