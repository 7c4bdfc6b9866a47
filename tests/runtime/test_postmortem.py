"""The frames of what failed, in a real worker of a hub that the test plays."""

import gc
import os
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from pysh.runtime.payload import dumps
from pysh.runtime.postmortem import FUNCTION
from pysh.runtime.protocol.frames import Kind
from pysh.runtime.runner import worker as workers
from tests.runtime.forking import Node, Worker
from tests.runtime.test_parking import Debugged


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with Node(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture
def somebody(node: Node) -> Debugged:
    return Debugged(node.worker())


class Large:
    """Something that would be noticed if it stayed."""


seen: list[weakref.ref[Large]] = []


def fails(n: int) -> Any:
    k, large = n * 2, Large()
    seen.append(weakref.ref(large))
    return [k][5]


def takes_and_fails() -> Any:
    data = bytearray(workers.GROWTH + (1 << 20))
    for at in range(0, len(data), 4096):
        data[at] = 1
    return [len(data)][5]


def left() -> int:
    """How many of what the failures here held are there."""
    return sum(each() is not None for each in seen)


def failed(worker: Worker, function: Any = fails, *args: Any, frames: bool = True) -> int:
    """A job whose owner may look at its frames; its number."""
    job = worker.begin(function, *args, frames=frames)
    worker.error(job)
    return job


def looks(somebody: Debugged, job: int) -> int:
    """Somebody looks at the frames of that job; the job that does it."""
    number = somebody.worker.node.next_job()
    somebody.worker.send(Kind.SPAWN, number, number, dumps(((job,), {})), fn=FUNCTION, frames_of=job)
    return number


def test_they_are_there_after_the_answer_and_other_jobs_and_once_more(somebody: Debugged) -> None:
    job = failed(somebody.worker, fails, 4)
    assert somebody.worker.call(os.getpid) == somebody.worker.pid
    for _ in range(2):
        look = looks(somebody, job)
        assert somebody.says(look, None)[0].endswith("-> return [k][5]\n(Pdb) ")
        assert somebody.says(look, "p k, n") == ("(8, 4)\n(Pdb) ", False)
        assert somebody.says(look, "up")[0].startswith("*** Oldest frame")
        assert somebody.says(look, "q")[1]
        assert somebody.result(look) is None
    assert b"waits: " not in somebody.worker.output  # whoever asked for it knows


def test_a_look_is_ended_by_a_cancel_and_the_frames_stay(somebody: Debugged) -> None:
    job = failed(somebody.worker, fails, 4)
    look = looks(somebody, job)
    somebody.says(look, None)
    somebody.worker.cancel(look)
    somebody.wait(lambda: [f for f in somebody.worker.frames if f.kind == Kind.RESULT and f.source.number == look])
    look = looks(somebody, job)
    assert somebody.says(look, "p k") == ("8\n(Pdb) ", False)
    somebody.says(look, "c")
    assert somebody.result(look) is None


def test_only_those_of_the_last_failure_are_held(somebody: Debugged) -> None:
    first = failed(somebody.worker, fails, 1)
    for n in range(3):
        failed(somebody.worker, fails, n)
    assert somebody.worker.call(left) == 1
    look = looks(somebody, first)
    somebody.wait(lambda: [f for f in somebody.worker.frames if f.kind == Kind.RESULT and f.source.number == look])
    assert "or its frames went just now" in str(somebody.worker.error(look))


def test_a_failure_before_any_code_of_the_users_takes_their_place(somebody: Debugged) -> None:
    first = failed(somebody.worker, fails, 1)
    job = somebody.worker.begin_named("no_such_module:f", frames=True)
    somebody.worker.error(job)
    somebody.worker.call(gc.collect)
    assert somebody.worker.call(left) == 0
    for gone in (first, job):
        assert "failed before any code of yours ran, or" in str(somebody.worker.error(looks(somebody, gone)))


@pytest.mark.parametrize("frames", [True, False])
def test_nothing_is_held_where_that_is_not_wanted_any_more_or_never_was(somebody: Debugged, frames: bool) -> None:
    job = failed(somebody.worker, fails, 1, frames=frames)
    somebody.worker.call(gc.collect)
    assert somebody.worker.call(left) == frames
    somebody.worker.send(Kind.CANCEL, job, job)
    assert somebody.worker.call(left) == 0


def test_a_worker_that_took_much_stays_until_it_is_given_something_else(node: Node) -> None:
    somebody = Debugged(node.worker())
    job = failed(somebody.worker, takes_and_fails)
    look = looks(somebody, job)
    assert somebody.says(look, "p len(data)") == (f"{workers.GROWTH + (1 << 20)}\n(Pdb) ", False)
    somebody.says(look, "q")
    assert somebody.result(look) is None
    somebody.worker.begin(os.getpid)
    node.wait(lambda: somebody.worker.lost, somebody.worker)


def test_a_worker_that_took_much_ends_once_nobody_wants_its_frames(node: Node) -> None:
    worker = node.worker()
    job = failed(worker, takes_and_fails)
    worker.send(Kind.CANCEL, job, job)
    node.wait(lambda: worker.lost, worker)


def leaves_a_thread() -> None:
    import threading

    threading.Thread(target=time.sleep, args=(60,)).start()
    raise ValueError("left one")


def test_a_worker_whose_job_left_a_thread_ends_all_the_same(node: Node) -> None:
    worker = node.worker()
    failed(worker, leaves_a_thread)
    node.wait(lambda: worker.lost, worker)
