import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pysh.runtime.errors import NotSendable, RemoteError, rebuild
from tests.runtime import victims
from tests.runtime.forking import NAME, Node, Worker

YES = {"error": "TaskCancelled", "reason": "cancel", "executed": "yes"}
NO = {**YES, "executed": "no"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with Node(tmp_path_factory.mktemp("home")) as node:
        yield node


@pytest.fixture(scope="module")
def worker(node: Node) -> Worker:
    return node.worker()


def test_an_exception_is_the_jobs_and_its_frames_are_its_own(worker: Worker) -> None:
    error = worker.error(worker.begin(lambda: [].pop()))
    assert isinstance(error, IndexError)
    text = str(error.__cause__)
    assert "<lambda>" in text
    assert "runner" not in text


@pytest.mark.parametrize(
    ("name", "args", "line"),
    [
        ("json:nope", (), "AttributeError: module 'json' has no attribute 'nope'"),
        ("math:sqrt", (), "TypeError: math.sqrt() takes exactly one argument (0 given)"),
        (
            "no_module:f",
            (),
            f"NoModule: {NAME} has no module 'no_module' in {sys.executable}; install there what has it. Nothing ran.",
        ),
    ],
)
def test_what_cannot_even_be_called_is_told_without_frames_of_ours(
    worker: Worker, name: str, args: tuple[Any, ...], line: str
) -> None:
    told = str(worker.error(worker.begin_named(name, *args)).__cause__)
    assert told.splitlines()[:2] == [f"on {NAME}:", line]


def test_a_missing_module_is_told_with_where_it_was_looked_for(worker: Worker, node: Node) -> None:
    error = worker.error(worker.begin_named("no_module:f"))
    assert f"with {sys.executable}: a node takes the folder it was started in" in error.__notes__[0]
    called = worker.error(worker.begin(lambda: __import__("no_module")))
    assert called.__notes__ == error.__notes__


def test_a_coroutine_runs_in_a_loop(worker: Worker) -> None:
    assert worker.call(victims.add, 2, 3) == 5
    error = worker.error(worker.begin(victims.fail))
    assert isinstance(error, LookupError)
    assert "asyncio" not in str(error.__cause__).replace("LookupError: async", "")


@pytest.mark.parametrize("code", [0, 3, None, "words"])
def test_exit_ends_the_job_and_not_the_worker(worker: Worker, code: Any) -> None:
    error = worker.error(worker.begin(victims.call_exit, code))
    assert isinstance(error, RemoteError)
    assert error.type == "SystemExit"
    assert worker.call(abs, -1) == 1


@pytest.mark.parametrize(
    ("victim", "name"),
    [(victims.interrupt_oneself, "KeyboardInterrupt"), (victims.cancel_oneself, "CancelledError")],
)
def test_a_job_that_interrupts_itself_was_not_cancelled(worker: Worker, victim: Any, name: str) -> None:
    error = worker.error(worker.begin(victim))
    assert isinstance(error, RemoteError)
    assert error.type.endswith(name)


def test_a_result_that_cannot_travel_is_one_error_of_code_that_ran(worker: Worker) -> None:
    told = worker.failure(worker.begin(lambda: {"a": [threading.Lock()]}))
    error = rebuild(told)
    assert isinstance(error, NotSendable)
    assert error.path == "result['a'][0]"
    assert "return what it says, or keep it where it is" in str(error)
    assert error.executed == "yes"
    assert "Nothing ran" not in str(error)


@pytest.mark.parametrize("victim", [lambda: [].pop(), victims.fail])
def test_a_process_that_raises_prints_the_frames_of_the_user(worker: Worker, victim: Any) -> None:
    worker.result(worker.begin(victim, kind="process"))
    worker.see("IndexError: pop from empty list" if victim is not victims.fail else "LookupError: async")
    assert worker.output.startswith(b"Traceback (most recent call last):\n")
    assert b"/pysh/runtime/" not in worker.output
    assert b"asyncio" not in worker.output
    worker.output = b""


@pytest.mark.parametrize("victim", [victims.sleep, victims.nap])
def test_a_process_that_is_cancelled_or_exits_prints_nothing(worker: Worker, victim: Any) -> None:
    worker.output = b""
    job = worker.begin(victim, kind="process")
    worker.see("asleep")
    worker.cancel(job)
    assert worker.failure(job) == YES
    worker.result(worker.begin(victims.call_exit, 3, kind="process"))
    assert worker.call(print, "next") is None
    worker.see("next")
    assert worker.output == b"asleep\nnext\n"
    worker.output = b""


def test_what_a_process_returns_is_not_sent(worker: Worker) -> None:
    result = worker.result(worker.begin(threading.Lock, kind="process"))
    assert (result.flags, bytes(result.payload)) == (0, b"")


def test_an_error_that_cannot_even_be_looked_at_is_told(worker: Worker) -> None:
    told = worker.failure(worker.begin(victims.raise_untellable))
    assert (told["error"], told["type"], told["executed"]) == ("RemoteError", "Untellable", "yes")
    assert "SystemExit" in told["text"]
    assert worker.call(abs, -1) == 1


def test_an_error_that_hides_its_frames_is_told(worker: Worker) -> None:
    assert "Hidden" in repr(worker.error(worker.begin(victims.raise_hidden)))
    assert worker.call(abs, -1) == 1


def test_a_payload_that_is_no_pickle_is_an_error(worker: Worker) -> None:
    job = worker.node.next_job()
    worker.send(16, job, job, b"\x80\x05garbage")
    assert worker.result(job).flags
    assert worker.call(abs, -1) == 1


def test_there_is_nobody_to_be_asked(worker: Worker) -> None:
    error = worker.error(worker.begin(victims.ask))
    assert isinstance(error, EOFError)
    assert "a task has no terminal" in str(error)
    assert worker.call(victims.read_stdin) == ""


# cancelled


@pytest.mark.parametrize("victim", [victims.sleep, victims.nap])
def test_a_cancelled_job_ends_at_once(worker: Worker, victim: Any) -> None:
    job = worker.begin(victim)
    worker.see("asleep")
    started = time.monotonic()
    worker.cancel(job)
    assert worker.failure(job) == YES
    assert time.monotonic() - started < 0.5
    worker.output = b""


def test_a_cancelled_job_can_tidy_up_but_not_swallow_it_by_chance(worker: Worker) -> None:
    job = worker.begin(victims.sleep_until_told, "tidied")
    worker.see("asleep")
    worker.cancel(job)
    assert worker.failure(job) == YES
    worker.see("tidied")
    assert b"swallowed" not in worker.output
    worker.output = b""


def test_a_cancelled_coroutine_can_tidy_up(worker: Worker) -> None:
    job = worker.begin(victims.nap_until_told)
    worker.see("asleep")
    worker.cancel(job)
    assert worker.failure(job) == YES
    worker.see("tidied")
    worker.output = b""


def test_a_job_that_swallows_its_cancel_on_purpose_has_its_result(worker: Worker) -> None:
    job = worker.begin(victims.swallow)
    worker.see("asleep")
    worker.cancel(job)
    assert worker.value(job) == "Cancelled"
    worker.output = b""


def test_a_job_that_is_still_being_unpickled_did_not_run(worker: Worker) -> None:
    """P6: `executed` is about the function, not about what carries it."""
    job = worker.begin(print, victims.SlowToLoad())
    worker.see("asleep")
    worker.cancel(job)
    assert worker.failure(job) == NO
    worker.output = b""


def test_a_cancel_that_comes_before_its_job_keeps_it_from_running(worker: Worker) -> None:
    job = worker.node.next_job() + 1
    worker.cancel(job)
    assert worker.begin(victims.sleep) == job
    assert worker.failure(job) == NO


def test_a_cancel_that_comes_too_late_hits_nobody(worker: Worker) -> None:
    first = worker.begin(abs, -1)
    assert worker.value(first) == 1
    second = worker.begin(victims.work_through, 0.2)
    worker.node.wait(lambda: worker.running == second)
    worker.cancel(first)
    assert worker.value(second) == "done"


def test_a_storm_of_cancels_hits_each_job_or_misses_it_but_never_the_worker(worker: Worker) -> None:
    """Each job is either whole or cancelled, and each has one answer."""
    answers = {"whole": 0, "cancelled": 0}
    for _ in range(150):
        job = worker.begin(lambda: sum(range(2000)))
        worker.cancel(job)
        result = worker.result(job)
        if result.flags:
            assert worker.failure(job) in (YES, NO)
        else:
            assert worker.value(job) == 1999000
        answers["cancelled" if result.flags else "whole"] += 1
    assert worker.call(threading.active_count) == 1
    assert sum(answers.values()) == 150


def test_a_job_that_waits_for_another_can_be_cancelled(worker: Worker) -> None:
    def waits() -> None:
        from pysh.runtime.runner.client import Client
        from pysh.runtime.runner.waiting import Waiter

        assert Client.current is not None
        print("waiting", flush=True)
        Waiter(Client.current).wait()

    job = worker.begin(waits)
    worker.see("waiting")
    worker.node.wait(lambda: any(frame.source.number == job for frame in worker.frames), worker)
    worker.cancel(job)
    assert worker.failure(job) == YES
    assert worker.call(abs, -1) == 1


class Bad:
    """Pickles as a call that raises where it is unpickled."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], self.call[1:]


def test_an_argument_that_cannot_be_rebuilt_is_told_apart_from_what_the_function_raises(worker: Worker) -> None:
    error = worker.error(worker.begin(len, Bad(int, "x"), label="len"))
    assert isinstance(error, NotSendable)
    assert str(error) == (
        f"what len was to be called with cannot be rebuilt on {NAME}: "
        "ValueError: invalid literal for int() with base 10: 'x'. Nothing ran."
    )
    assert "execution.py" not in str(error.__cause__)
    assert isinstance(worker.error(worker.begin(int, "x")), ValueError)
