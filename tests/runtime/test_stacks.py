"""A worker writes down where its code is, whatever that does."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pysh.runtime import system
from tests.runtime import victims
from tests.runtime.forking import Node, Worker


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with Node(tmp_path) as made:
        yield made


@pytest.fixture
def worker(node: Node) -> Worker:
    return node.worker()


def dumped(worker: Worker) -> str:
    """What it writes when it is asked."""
    node = worker.node
    os.truncate(node.stacks, 0)
    node.signal(worker, system.STACK_SIGNAL)
    node.wait(lambda: os.fstat(node.stacks).st_size and not system.handles(worker.pid, system.STACK_SIGNAL))
    return os.pread(node.stacks, 65536, 0).decode()


def test_code_that_sleeps_is_found_where_it_sleeps_and_sleeps_on(worker: Worker) -> None:
    job = worker.begin(victims.sleep)
    worker.see("asleep")
    first, second = dumped(worker), dumped(worker)
    assert "in sleep\n" in first and "victims.py" in first
    assert second.count("Current thread") == 1
    worker.cancel(job)
    assert worker.failure(job)["error"] == "TaskCancelled"


def test_code_that_holds_the_gil_is_found_too(worker: Worker) -> None:
    job = worker.begin(victims.hold_the_gil)
    worker.node.wait(lambda: worker.running == job)
    worker.node.wait(lambda: "in hold_the_gil\n" in dumped(worker))
    worker.node.kill(worker)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="nothing tells who has a handler")
def test_code_that_took_the_handler_away_is_not_killed_by_the_question(worker: Worker) -> None:
    def reset(number: int) -> str:
        signal.signal(number, signal.SIG_DFL)
        return "reset"

    assert worker.call(reset, system.STACK_SIGNAL) == "reset"
    worker.node.signal(worker, system.STACK_SIGNAL)
    assert not system.catches(worker.pid, system.STACK_SIGNAL)
    assert worker.call(abs, -3) == 3
