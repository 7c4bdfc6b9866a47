import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pysh.runtime import system
from tests.runtime import victims
from tests.runtime.forking import DEADLINE, SECRET, Node, Worker, alive


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with Node(tmp_path_factory.mktemp("home")) as node:
        yield node


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Node]:
    with Node(tmp_path) as node:
        yield node


def children(worker: Worker) -> list[int]:
    """Wait for the three children that a victim of ours has started."""
    worker.see("asleep")
    line = next(line for line in worker.output.splitlines() if line.startswith(b"children"))
    return [int(pid) for pid in line.split()[1:]]


def wait_until(condition: Callable[[], bool], seconds: float = 1.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        os.sched_yield()


def wait_for_ends(pids: list[int], seconds: float = 1.0) -> None:
    wait_until(lambda: not any(alive(pid) for pid in pids), seconds)


def test_it_says_that_it_is_ready_and_in_which_python(fresh: Node) -> None:
    fresh.wait(lambda: bool(fresh.messages))
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert fresh.messages == [{"ready": True, "python": version, "executable": sys.executable}]


def test_a_forked_worker_is_told_with_its_pid_and_works(node: Node) -> None:
    worker = node.worker()
    assert worker.call(os.getpid) == worker.pid
    assert worker.call(os.getppid) == node.process.pid


@pytest.mark.parametrize(
    ("victim", "code"),
    [
        (victims.crash, -signal.SIGSEGV),
        (victims.leave, 3),
        (lambda code: os.kill(os.getpid(), signal.SIGKILL), -signal.SIGKILL),
    ],
)
def test_the_end_of_a_worker_is_reported_with_its_status(node: Node, victim: Any, code: int) -> None:
    """P9: nothing that a worker does to itself stops the fork server."""
    worker, other = node.worker(), node.worker()
    job = worker.begin(victim, *([code] if victim is not victims.crash else []))
    assert node.exit_of(worker) == code
    assert worker.running == job
    assert other.call(abs, -1) == 1


def test_a_segfault_leaves_its_stack_in_the_output(node: Node) -> None:
    worker = node.worker()
    worker.begin(victims.crash)
    worker.see("in crash")
    assert b"Fatal Python error: Segmentation fault" in worker.output


def test_a_worker_that_is_not_wanted_ends_cleanly(node: Node) -> None:
    worker = node.worker()
    worker.sock.close()
    worker.lost = True
    assert node.exit_of(worker) == 0
    assert worker.output == b""


@pytest.mark.parametrize("victim", [victims.spin_deaf, victims.hold_the_gil, victims.flood])
def test_the_last_rung_ends_what_heeds_nothing(node: Node, victim: Any) -> None:
    """P8: gone within a second, whatever it does."""
    worker = node.worker()
    worker.begin(victim)
    node.wait(lambda: bool(worker.output), worker)
    started = time.monotonic()
    for number in (signal.SIGINT, signal.SIGTERM) if victim is victims.spin_deaf else ():
        node.signal(worker, number, group=True)
    node.kill(worker)
    assert node.exit_of(worker) == -signal.SIGKILL
    assert time.monotonic() - started < 1


def test_the_second_rung_ends_what_holds_the_gil(node: Node) -> None:
    worker = node.worker()
    job = worker.begin(victims.hold_the_gil)
    worker.see("matching")
    worker.cancel(job)
    node.signal(worker, signal.SIGTERM, group=True)
    assert node.exit_of(worker, 1) == -signal.SIGTERM


def test_what_a_killed_worker_started_is_gone_when_its_end_is_reported(node: Node) -> None:
    """P8: with the children it started."""
    worker = node.worker()
    worker.begin(victims.start_children_and_sleep)
    pids = children(worker)
    assert len(pids) == 3
    assert all(alive(pid) for pid in pids)
    node.kill(worker)
    node.exit_of(worker, 1)
    assert not any(alive(pid) for pid in pids)


def test_what_a_crashed_worker_started_is_gone_when_its_end_is_reported(node: Node) -> None:
    worker = node.worker()
    worker.begin(victims.start_children_and_crash)
    assert node.exit_of(worker) == -signal.SIGSEGV
    pids = [int(pid) for pid in worker.output.splitlines()[0].split()[1:]]
    assert len(pids) == 3
    assert not any(alive(pid) for pid in pids)


def test_what_a_living_worker_started_is_left_alone_when_another_dies(node: Node) -> None:
    worker, other = node.worker(), node.worker()
    worker.begin(victims.start_children_and_sleep)
    pids = children(worker)
    node.kill(other)
    node.exit_of(other)
    assert all(alive(pid) for pid in pids)
    node.kill(worker)
    node.exit_of(worker)


def test_what_breeds_is_killed_to_the_last(node: Node) -> None:
    worker = node.worker()
    worker.begin(victims.breed)
    node.wait(lambda: worker.output.count(b"\n") > victims.CROWD // 2, worker)
    node.kill(worker)
    assert node.exit_of(worker, 1) == -signal.SIGKILL
    assert not any(alive(int(pid)) for pid in worker.output.split())


def test_what_hops_from_pid_to_pid_is_caught(fresh: Node) -> None:
    worker, other = fresh.worker(), fresh.worker()
    worker.begin(victims.hop)
    assert fresh.exit_of(worker, 1) == 3
    wait_until(lambda: system.children(fresh.process.pid) == [other.pid])
    assert other.call(abs, -1) == 1


def test_the_end_of_the_hub_is_the_end_of_all_within_a_second(tmp_path: Path) -> None:
    with Node(tmp_path) as node:
        deaf, busy, idle = node.worker(), node.worker(), node.worker()
        deaf.begin(victims.spin_deaf)
        busy.begin(victims.start_children_and_sleep)
        deaf.see("spinning")
        pids = [*children(busy), deaf.pid, busy.pid, idle.pid]
        assert all(alive(pid) for pid in pids)
        started = time.monotonic()
        node.sock.close()
        node.process.wait(1)
        wait_for_ends(pids, 1 - (time.monotonic() - started))


def test_the_end_of_the_fork_server_is_the_end_of_its_workers(tmp_path: Path) -> None:
    with Node(tmp_path) as node:
        workers = [node.worker(), node.worker()]
        workers[0].begin(victims.spin_deaf)
        workers[0].see("spinning")
        node.process.kill()
        wait_for_ends([worker.pid for worker in workers], 1)


def test_workers_forked_from_now_on_are_where_the_shell_is(fresh: Node, tmp_path: Path) -> None:
    before = fresh.worker()
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "here.py").write_text("found = 42")
    root = str(Path(__file__).parents[2])
    told = [str(folder), root, *sys.path]
    fresh.order(paths={"cwd": str(folder), "sys_path": told})
    after = fresh.worker()
    seen = after.call(victims.surroundings)
    assert seen["cwd"] == str(folder)
    assert seen["sys_path"][: len(told)] == told
    assert seen["sys_path"][len(told) :] in ([], [seen["sys_path"][-1]])
    assert after.call(lambda: __import__("here").found) == 42
    assert before.call(os.getcwd) == str(tmp_path)


def test_a_folder_that_is_gone_keeps_nobody_from_working(fresh: Node) -> None:
    fresh.order(paths={"cwd": "/nowhere/at/all", "sys_path": sys.path})
    assert fresh.worker().call(abs, -1) == 1


def test_what_lies_in_the_current_folder_is_not_run_by_the_fork_server(tmp_path: Path) -> None:
    for name in ("asyncio", "traceback", "cloudpickle"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken')")
    with Node(tmp_path) as node:
        node.wait(lambda: bool(node.messages))
        assert node.worker().call(abs, -1) == 1


def test_a_fork_that_fails_is_reported_as_an_end(node: Node) -> None:
    number = len(node.workers) + 1
    worker = node.workers[number] = Worker(node, number, node.slots.take())
    node.order(fork=number, secret=SECRET.hex(), slot=worker.slot)
    assert node.exit_of(worker) == 255
    assert "descriptors" in node.messages[-1]["error"]
    worker.let_go()
    assert node.worker().call(abs, -1) == 1


def test_orders_in_one_piece_find_their_own_descriptors(node: Node) -> None:
    workers = [node.fork() for _ in range(5)]
    for worker in workers:
        node.wait(lambda worker=worker: worker.welcomed and bool(worker.pid), worker)  # type: ignore[misc]
        assert worker.call(os.getpid) == worker.pid


def test_a_hub_that_does_not_listen_does_not_stop_it(fresh: Node) -> None:
    worker = fresh.worker()
    worker.begin(victims.spin_deaf)
    worker.see("spinning")
    for _ in range(3000):  # each is answered by a line that nobody reads
        fresh.order(fork=99, secret="", slot=0)
    fresh.order(signal=worker.number, sig=int(signal.SIGKILL), group=True)
    wait_for_ends([worker.pid], DEADLINE)


def test_without_the_systems_help_it_still_kills_what_it_can_find(tmp_path: Path) -> None:
    with Node(tmp_path, PYSH_OS_FALLBACKS="1") as node:
        worker = node.worker()
        worker.begin(victims.start_children_and_sleep)
        ours, far, orphan = children(worker)
        try:
            node.kill(worker)
            assert node.exit_of(worker) == -signal.SIGKILL
            wait_for_ends([ours, far], 1)
            assert alive(orphan)  # its parent was gone before: nothing leads to it any more
        finally:
            os.kill(orphan, signal.SIGKILL)
        crashed = node.worker()
        crashed.begin(victims.leave, 3)
        assert node.exit_of(crashed) == 3
