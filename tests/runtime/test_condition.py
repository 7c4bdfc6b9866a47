"""What a worker does about a job that changed its process."""

import builtins
import functools
import os
import pickle
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from tests.runtime.forking import Node, Worker
from tests.runtime.victims import FOR_EVER

ROOT = os.getuid() == 0


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with Node(tmp_path_factory.mktemp("home")) as node:
        yield node


@pytest.fixture(scope="module")
def worker(node: Node) -> Worker:
    return node.worker()


def change(how: Callable[..., Any], *args: Any) -> str:
    """A job that takes long enough to be looked after."""
    how(*args)
    time.sleep(0.001)
    return "changed"


SPOILING = {
    "lowers a limit": (resource.setrlimit, resource.RLIMIT_NOFILE, (32, 32)),
    "makes itself less important": (os.nice, 1),
    "closes a stream": (os.close, 1),
    "puts a file in the place of a stream": (lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), 2),),
    "forbids imports": (setattr, builtins, "__import__", None),
    "breaks the pickler": (setattr, pickle, "loads", None),
    "forgets modules": (lambda: sys.modules.pop("os"),),
    "empties the path": (lambda: sys.path.clear(),),
    "lowers the limit of the stack": (lambda: sys.setrecursionlimit(200),),
    "traces": (lambda: sys.settrace(lambda *_: None),),
}
AS_ROOT: dict[str, tuple[Any, ...]] = {
    "becomes somebody else": (lambda: os.setresuid(61_234, 61_234, 61_234),),
    "takes another root": (os.chroot, "/usr"),
}


@pytest.mark.parametrize("name", SPOILING | (AS_ROOT if ROOT else {}))
def test_a_worker_that_is_not_what_it_was_answers_and_goes(node: Node, name: str) -> None:
    worker = node.worker()
    assert worker.call(functools.partial(change, *(SPOILING | AS_ROOT)[name])) == "changed"
    assert node.exit_of(worker) == 0


def raise_a_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    sys.path.append("/nowhere")
    sys.setrecursionlimit(5000)


def test_a_worker_that_may_do_as_much_as_before_stays(worker: Worker) -> None:
    assert worker.call(change, raise_a_limit) == "changed"
    assert worker.call(os.getpid) == worker.pid


def test_clocks_that_a_job_wound_up_do_not_strike_the_next(worker: Worker) -> None:
    def wind_up() -> None:
        for clock, number in ((signal.ITIMER_PROF, signal.SIGPROF), (signal.ITIMER_VIRTUAL, signal.SIGVTALRM)):
            signal.signal(number, signal.SIG_DFL)
            signal.setitimer(clock, 0.01)

    def burn() -> int:
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass
        return os.getpid()

    assert worker.call(change, wind_up) == "changed"
    assert worker.call(burn) == worker.pid


def test_signals_that_a_job_blocked_reach_the_next(worker: Worker) -> None:
    assert worker.call(change, signal.pthread_sigmask, signal.SIG_BLOCK, signal.valid_signals()) == "changed"
    assert worker.call(lambda: len(signal.pthread_sigmask(signal.SIG_BLOCK, ()))) == 0


def test_children_that_ended_are_waited_for(worker: Worker) -> None:
    def leave() -> None:
        for _ in range(3):
            subprocess.Popen(["true"])

    def ended() -> bool:
        children = psutil.Process(worker.pid).children()
        return all(child.status() == psutil.STATUS_ZOMBIE for child in children)

    assert worker.call(change, leave) == "changed"
    worker.node.wait(ended, worker)
    assert worker.call(change, abs, 1) == "changed"
    assert psutil.Process(worker.pid).children() == []


def test_what_a_cancelled_job_started_goes_with_its_worker(node: Node) -> None:
    def start() -> None:
        child = subprocess.Popen(["sleep", str(FOR_EVER)], start_new_session=True)
        print("child", child.pid, flush=True)
        time.sleep(FOR_EVER)

    worker = node.worker()
    job = worker.begin(start)
    worker.see("\n")
    child = int(worker.output.split()[1])
    worker.cancel(job)
    assert worker.failure(job)["error"] == "TaskCancelled"
    assert node.exit_of(worker) == 0
    assert not psutil.pid_exists(child)


def test_what_a_job_started_that_was_not_cancelled_is_left_alone(worker: Worker) -> None:
    child = worker.call(lambda: subprocess.Popen(["sleep", str(FOR_EVER)]).pid)
    assert worker.call(change, abs, 1) == "changed"
    assert psutil.Process(child).ppid() == worker.pid
    os.kill(child, signal.SIGKILL)
