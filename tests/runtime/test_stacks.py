"""A worker writes down where its code is, whatever that does."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pysh.runtime import system
from pysh.runtime.task import shown_stack
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


def test_what_led_to_the_code_is_not_shown() -> None:
    text = """\
Thread 0x0000000000000001 (most recent call first):
  File "<n1@here:3>", line 5 in waits

Current thread 0x0000000000000002 (most recent call first):
  File "<n1@here:3>", line 2 in inner
  File "<n1@here:3>", line 8 in outer
  File "/home/me/.cache/pysh/core-1.zip/pysh/runtime/runner/execution.py", line 97 in _perform
  File "/home/me/.cache/pysh/core-1.zip/pysh/runtime/runner/execution.py", line 80 in run
  File "<string>", line 1 in <module>
"""
    assert (
        shown_stack(text)
        == """\
Thread 0x0000000000000001 (most recent call first):
  File "<n1@here:3>", line 5 in waits

Current thread 0x0000000000000002 (most recent call first):
  File "<n1@here:3>", line 2 in inner
  File "<n1@here:3>", line 8 in outer
"""
    )


def test_where_code_waits_in_a_verb_is_not_shown_and_a_prompt_prints_it_as_it_is() -> None:
    head, users = "Current thread 0x1 (most recent call first):\n", '  File "<n1@here:3>", line 2 in waits\n'
    ours = '  File "<core>/pysh/runtime/api.py", line 414 in receive\n'
    assert repr(shown_stack(head + ours + users)) == head + users
    assert shown_stack(head + ours) == head + ours
