"""Machines that share a home, and the runtime directory in it: each sees its own nodes, and others by SSH alone."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import until
from tests.system.lab import Host, lab_in


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Host, Host]]:
    """Machines db1 and db2, each with a node w1@localhost."""
    with lab_in(tmp_path) as lab:
        db1 = lab.host("db1", "rack")
        db2 = lab.host("db2", "rack", another=db1)
        for host, other in ((db1, db2), (db2, db1)):
            host.serve(other)
            other.knows(host.name, host, "rack")
            host.home.node("w1@localhost")
        yield db1, db2
        for host in (db1, db2):
            for node in host.home.nodes():
                host.home.pysh("stop", node["node"])


def pids(host: Host, *words: str) -> dict[str, int]:
    """Who runs there, as `pysh ls` on `host` tells it."""
    done = host.home.pysh("ls", "--json", *words)
    assert done.returncode == 0, done.stderr
    return {node["node"]: node["pid"] for node in json.loads(done.stdout)}


def says(host: Host, code: str) -> list[str]:
    done = host.home.script(f"import os\n{code}")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_nodes_of_one_name_on_both_are_two_nodes_and_each_lists_its_own(two: tuple[Host, Host]) -> None:
    db1, db2 = two
    here, there = pids(db1), pids(db2)
    assert list(here) == list(there) == ["w1@localhost"]
    assert here != there
    assert pids(db1, "db2") == there
    assert pids(db2, "db1") == here
    for host in two:
        assert host.home.pysh("rpc", "w1", "-c", "import os; os.uname().nodename").stdout == f"{host.name!r}\n"
        taken = host.home.pysh("node", "--name", "w1@localhost", "--detach")
        assert f"w1@localhost runs here already (pid {pids(host)['w1@localhost']})" in taken.stderr


def test_connect_goes_to_the_machine_that_was_said(two: tuple[Host, Host]) -> None:
    db1, db2 = two
    code = "n = connect({!r})\nprint(n.name, call(lambda: os.uname().nodename, on=n))"
    assert says(db1, code.format("w1@db2")) == ["w1@localhost db2"]
    assert says(db2, code.format("w1@db1")) == ["w1@localhost db1"]
    assert says(db2, code.format("w1")) == ["w1@localhost db2"]


def test_a_node_that_is_started_on_the_other_runs_there_and_is_listed_there_alone(two: tuple[Host, Host]) -> None:
    db1, db2 = two
    code = """
n, m = start_node("w2", host="db2", persist=True), start_node("w2", persist=True)
print(n.name, m.name, *call_all(lambda: os.uname().nodename, on=[n, m]).values())
"""
    assert says(db1, code) == ["w2@db2 w2@db1 db2 db1"]
    assert sorted(pids(db1)) == ["w1@localhost", "w2@db1"]
    assert sorted(pids(db2)) == ["w1@localhost", "w2@db2"]


def test_what_a_killed_node_left_is_removed_on_its_own_machine_and_nothing_of_the_other_is(
    two: tuple[Host, Host],
) -> None:
    db1, db2 = two
    for host, other in ((db1, db2), (db2, db1)):
        before = pids(other)
        sockets = len(list(db1.home.runtime.rglob("w1@localhost.sock")))
        pid = pids(host)["w1@localhost"]
        os.kill(pid, signal.SIGKILL)
        until(lambda pid=pid: not Path(f"/proc/{pid}").exists(), "its end")  # type: ignore[misc]
        assert pids(other) == before
        assert len(list(db1.home.runtime.rglob("w1@localhost.sock"))) == sockets
        assert pids(host) == {}
        assert len(list(db1.home.runtime.rglob("w1@localhost.sock"))) == sockets - 1
