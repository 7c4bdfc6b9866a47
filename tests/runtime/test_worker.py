import functools
import os
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from pysh.runtime.payload import dumps, dumps_function
from pysh.runtime.protocol.frames import Kind, pack
from pysh.runtime.protocol.terms import Pid
from tests.runtime import victims
from tests.runtime.forking import ASKER, INCARNATION, Node, Worker


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with Node(tmp_path_factory.mktemp("home")) as node:
        yield node


@pytest.fixture
def worker(node: Node) -> Iterator[Worker]:
    worker = node.worker()
    yield worker
    node.kill(worker)
    node.exit_of(worker)


def test_it_is_alone_in_its_process_group_and_has_no_terminal(node: Node, worker: Worker) -> None:
    seen = worker.call(victims.surroundings)
    assert seen["pid"] == seen["pgid"] == worker.pid
    assert seen["ppid"] == node.process.pid
    assert (seen["terminal"], seen["argv"], seen["oom"]) == (False, [""], 500)
    assert seen["faulthandler"]


def test_it_holds_no_descriptors_but_its_own(node: Node) -> None:
    workers = [node.worker() for _ in range(3)]
    seen = [worker.call(victims.surroundings)["fds"] for worker in workers]
    for fds in seen:
        assert fds[0] == "/dev/null"
        assert fds[1] == fds[2]
        assert fds[1].startswith("pipe:")
        rest = {fd: what for fd, what in fds.items() if fd > 2}
        shared = [what for what in rest.values() if "pysh-slots" in what or "pysh-stacks" in what]
        sockets = [what for what in rest.values() if what.startswith("socket:")]
        assert len(shared) == 2
        assert len(sockets) <= 3  # to the hub, and the two of its own that wake a reader
        assert len(rest) == len(shared) + len(sockets)
    each = [set(fds.values()) - {"/dev/null"} for fds in seen]
    for one, other in pairwise(each):
        assert all("pysh-slots" in what or "pysh-stacks" in what for what in one & other)


def test_nothing_in_a_fork_servers_hands_reaches_a_program_that_a_job_starts(worker: Worker) -> None:
    listed = worker.call(lambda: __import__("subprocess").check_output(["ls", "-l", "/proc/self/fd"], close_fds=False))
    assert b"socket:" not in listed
    assert b"pysh-slots" not in listed


def test_its_slot_names_the_job_while_it_runs_and_is_cleared_after_the_result(worker: Worker) -> None:
    """P4: at no moment a job that ran looks as if it had not begun."""
    job = worker.begin(victims.sleep)
    worker.see("asleep")
    assert worker.running == job
    worker.cancel(job)
    worker.failure(job)
    worker.node.wait(lambda: worker.running == 0)


def test_jobs_sent_ahead_run_in_order(worker: Worker) -> None:
    jobs = [worker.begin(lambda n: n, n) for n in range(50)]
    assert [worker.value(job) for job in jobs] == list(range(50))
    numbers = [frame.source.number for frame in worker.frames if frame.kind == Kind.RESULT]
    assert numbers == jobs


def test_a_result_tells_how_long_the_job_ran(worker: Worker) -> None:
    took, found, ran = worker.result(worker.begin(lambda: __import__("time").sleep(0.05))).options()
    assert 0.05 <= ran < took < 5
    assert 0 < found < took - ran
    bad = worker.result(worker.begin(lambda: __import__("time").sleep(0.05) or 1 / 0)).options()
    assert bad[2] >= 0.05 and bad[1] > 0
    never = worker.result(worker.begin_named("no_module:f")).options()
    assert never[0] == never[1] and never[2] == 0


def test_a_large_argument_and_a_large_result_arrive_whole(worker: Worker) -> None:
    data = os.urandom(3 << 20)
    assert worker.call(lambda: data) == data


def test_a_job_that_was_sent_ahead_is_withdrawn_before_it_begins(worker: Worker) -> None:
    first = worker.begin(lambda: (print("first", flush=True), __import__("time").sleep(0.1)))
    second = worker.begin(victims.sleep)
    third = worker.begin(abs, -3)
    worker.see("first")
    worker.send(Kind.CANCEL, second, second)
    assert worker.value(third) == 3
    assert worker.failure(second) == {"error": "TaskCancelled", "reason": "cancel", "executed": "no"}
    assert worker.result(first)
    assert b"asleep" not in worker.output


def test_a_cancel_frame_for_the_running_job_changes_nothing(worker: Worker) -> None:
    job = worker.begin(lambda: (print("on", flush=True), __import__("time").sleep(0.05), 7)[-1])
    worker.see("on")
    worker.send(Kind.CANCEL, job, job)
    assert worker.value(job) == 7
    assert worker.call(abs, -1) == 1


def test_a_function_may_be_named_by_text(worker: Worker) -> None:
    assert worker.value(worker.begin_named("os.path:join", "a", "b")) == "a/b"
    assert worker.value(worker.begin_named("builtins:str.upper", "a")) == "A"
    assert isinstance(worker.error(worker.begin_named("no.such:thing")), ModuleNotFoundError)
    assert isinstance(worker.error(worker.begin_named("os.path:nothing")), AttributeError)


def test_a_bare_name_comes_with_its_function(worker: Worker) -> None:
    job = worker.begin_named("double", 4, function=dumps_function(lambda n: 2 * n))
    assert worker.value(job) == 8


def test_a_job_knows_its_own_pid_and_whose_it_is(worker: Worker) -> None:
    def whoami() -> tuple[int, tuple[bytes, int]]:
        from pysh.runtime.runner.client import Client

        client = Client.current
        assert client is not None
        return client.pid.number, tuple(client.owner)  # type: ignore[return-value, arg-type]

    job = worker.begin(whoami)
    assert worker.value(job) == (job, tuple(ASKER))
    job = worker.begin(whoami, owner=[INCARNATION, 9])
    assert worker.value(job) == (job, (INCARNATION, 9))


def test_what_was_printed_is_there_when_the_result_is(worker: Worker) -> None:
    job = worker.begin(lambda: print("no newline", end=""))
    worker.see("no newline")
    assert worker.value(job) is None


def test_the_next_job_finds_everything_as_it_was(node: Node, worker: Worker) -> None:
    before = worker.call(victims.surroundings)
    assert worker.call(victims.make_a_mess) == worker.pid
    after = worker.call(victims.surroundings)
    assert after == before
    worker.call(functools.partial(print, "still"))
    worker.see("still")
    job = worker.begin(victims.sleep)
    worker.see("asleep")
    worker.cancel(job)
    assert worker.failure(job)["error"] == "TaskCancelled"


def test_a_worker_with_a_thread_left_answers_and_goes(node: Node) -> None:
    worker = node.worker()
    assert worker.call(victims.leave_a_thread) == "left"
    assert node.exit_of(worker) == 0


def test_a_daemon_thread_may_stay(worker: Worker) -> None:
    assert worker.call(victims.leave_a_daemon) == "left"
    assert worker.call(abs, -1) == 1


def test_workers_do_not_draw_the_same_numbers(node: Node) -> None:
    workers = [node.worker() for _ in range(3)]
    assert len({worker.call(victims.draw) for worker in workers}) == 3


def test_a_job_that_waits_gives_back_what_waits_behind_it(worker: Worker) -> None:
    def receives() -> str:
        from pysh.runtime.runner.client import Client
        from pysh.runtime.runner.waiting import Waiter

        client = Client.current
        assert client is not None
        waiter = Waiter(client)
        client.mailbox.announce(waiter)
        print("waiting", flush=True)
        waiter.wait(10)
        return "received"

    waits = worker.begin(receives)
    behind = [worker.begin(abs, -1), worker.begin(abs, -2)]
    assert worker.got(Kind.BLOCKED, waits)
    for job in behind:
        assert worker.got(Kind.RETURNED, job).ref == job
    late = worker.begin(abs, -3)
    assert worker.got(Kind.RETURNED, late).ref == late
    worker.send(Kind.SEND, waits, 1, b"\x80\x05N.")
    assert worker.value(waits) == "received"
    assert worker.got(Kind.UNBLOCKED, waits)
    assert worker.call(abs, -4) == 4
    assert {frame.source.number for frame in worker.frames if frame.kind == Kind.RESULT}.isdisjoint([*behind, late])


def test_a_forked_child_has_no_hub_and_gives_no_answer(worker: Worker) -> None:
    job = worker.begin(victims.fork_and_return)
    child = worker.value(job)
    worker.see(f"child {child}")
    assert sum(frame.source.number == job for frame in worker.frames) == 1
    assert worker.call(victims.fork_and_raise) is True
    worker.see("RuntimeError: in the fork")
    assert worker.call(os.getpid) == worker.pid


def test_a_flood_waits_for_its_reader_and_can_be_cancelled(node: Node, worker: Worker) -> None:
    worker.reading = False
    job = worker.begin(victims.flood)
    node.wait(lambda: Path(f"/proc/{worker.pid}/wchan").read_text() not in ("", "0") and worker.running == job)
    worker.cancel(job)
    worker.reading = True
    assert worker.failure(job)["error"] == "TaskCancelled"
    assert worker.call(abs, -1) == 1


def test_a_worker_that_closes_everything_is_an_end_and_no_more(node: Node) -> None:
    worker = node.worker()
    worker.begin(lambda: os.closerange(0, 1024))
    node.exit_of(worker)
    assert node.worker().call(abs, -1) == 1


def test_a_spawn_is_answered_to_whoever_sent_it(worker: Worker) -> None:
    job = worker.begin(abs, -1)
    frame = worker.result(job)
    assert (frame.dest, frame.source) == (ASKER, Pid(INCARNATION, job))
    assert pack(frame.options())


def test_a_signal_that_ends_it_leaves_the_job_in_its_slot(node: Node) -> None:
    """P6: whoever looks at its slot knows that the job had begun."""
    worker = node.worker()
    job = worker.begin(victims.sleep)
    worker.see("asleep")
    node.signal(worker, signal.SIGTERM, group=True)
    assert node.exit_of(worker) == -signal.SIGTERM
    assert worker.running == job


def hurry(worker: Worker) -> None:
    """SIGURG, as the hub has it sent; returns once the worker has taken notice."""
    os.kill(worker.pid, signal.SIGURG)
    worker.node.wait(lambda: _pending(worker.pid) == 0)


def _pending(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return sum(int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigPnd", "ShdPnd")))


def test_a_job_that_waits_does_not_notice_that_it_is_hurried(worker: Worker) -> None:
    def receives() -> str:
        from pysh.runtime.api import receive

        return str(receive())

    job = worker.begin(receives)
    worker.got(Kind.BLOCKED, job)
    for _ in range(20):
        hurry(worker)
    worker.send(Kind.SEND, job, 1, dumps("message"))
    assert worker.value(job) == "message"


def test_a_hurry_in_the_middle_of_a_write_waits_for_nothing(worker: Worker, tmp_path: Path) -> None:
    def sends(go: Path) -> None:
        from pysh.runtime.runner.client import Client

        while not go.exists():
            pass

        client = Client.current
        assert client is not None
        send = client._outbox._send

        def hurried(data: object) -> int:
            signal.raise_signal(signal.SIGURG)
            return send(data)  # type: ignore[arg-type]

        client._outbox._send = hurried
        client.post(Kind.STAGE, client.pid)
        client._outbox._send = send
        signal.raise_signal(signal.SIGURG)

    job = worker.begin(sends, tmp_path / "go")
    behind = worker.begin(abs, -1)
    (tmp_path / "go").touch()
    assert worker.value(job) is None
    assert worker.got(Kind.RETURNED, behind)
