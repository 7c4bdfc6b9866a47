"""`Executor`: nodes as a pool of the standard library's `concurrent.futures`, over tasks."""

import concurrent.futures
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from pysh.runtime.calls import Call, Fn, owner_of, synced
from pysh.runtime.node import On, all_nodes, choose, resolve
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.waiting import Waiter
from pysh.runtime.started import current
from pysh.runtime.task import Task

A_NODE = 32
"""How many tasks each node has at once, unless told otherwise."""


class Executor(concurrent.futures.Executor):
    """Runs functions as tasks on the nodes `on`, each on the least loaded then; of `concurrent.futures`.

    Its futures are that module's own, for `asyncio.wrap_future`, `as_completed` and the like. At most
    `max_workers` tasks (default: 32 for each of the nodes) are at the nodes at once, running or about to, and
    these are not cancelled any more; what is submitted besides waits here. Functions and arguments travel as
    they are when they are submitted, where `NotSendable` is raised; all else that `task` raises comes of the future.
    `sync` is that of `task`.
    """

    def __init__(self, on: On = all_nodes, max_workers: int | None = None, sync: str = "auto") -> None:
        client = current()
        nodes = len(resolve(client, on))  # which raises where one is not connected
        if not isinstance(max_workers, int | None):
            raise TypeError(f"max_workers= takes a number of tasks, or None, not {max_workers!r}; nothing was sent")
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        self._apart = synced(sync)
        self._line = _Line(client, on, max_workers or A_NODE * nodes)
        weakref.finalize(self, self._line.close).atexit = False

    def submit(self, fn: Fn, /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """A future for `fn(*args, **kwargs)`, a function or the name of one as for `task`; all keywords are its own.

        Raises `RuntimeError` after `shutdown`.
        """
        self._line.check_open()
        future: Future[Any] = Future()
        self._line.put(_Item(future, Call(fn, args, kwargs, frozenset(), self._apart)))
        return future

    def map(
        self, fn: Callable[..., Any], *iterables: Iterable[Any], timeout: float | None = None, chunksize: int = 1,
        **options: Any,
    ) -> Iterator[Any]:  # fmt: skip
        """`fn` of each row of `iterables`, in order, `chunksize` of them in one task.

        The iterator raises `TimeoutError` when something is not there `timeout` seconds from now.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        if chunksize == 1:
            return super().map(fn, *iterables, timeout=timeout, **options)
        rows = _batches(zip(*iterables, strict=False), chunksize)
        return _chained(super().map(partial(_each, fn), rows, timeout=timeout, **options))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more; with `cancel_futures` cancel what waits here, and with `wait` wait for all else."""
        self._line.close(cancel=cancel_futures)
        if wait:
            self._line.join()

    def __repr__(self) -> str:
        return f"<Executor: {self._line}>"


class _Item(NamedTuple):
    future: "Future[Any]"
    call: Call


class _Line:
    """What was submitted, and the thread that hands it out and settles the futures: user code may run there."""

    def __init__(self, client: Client, on: On, most: int) -> None:
        self._client, self._on, self._most = client, on, most
        self._waiting: deque[_Item] = deque()
        self._ended: deque[tuple[Future[Any], Task]] = deque()
        self._out = 0
        self._closed = False
        self._lock = threading.Lock()
        self._bell = Waiter(client)
        self._thread: threading.Thread | None = None

    def __str__(self) -> str:
        return f"{self._out} running, {len(self._waiting)} waiting{', shut down' if self._closed else ''}"

    def check_open(self) -> None:
        """Raise `RuntimeError` after the end, `NodeDown` if the node here is gone."""
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        self._client.check_open()

    def put(self, item: _Item) -> None:
        """Hand `item` out in its turn."""
        with self._lock:
            self.check_open()
            self._waiting.append(item)
            if self._thread is None:
                # A worker must not keep it longer than its job, and ends with that if it does.
                daemon = self._client.role != "worker"
                self._thread = threading.Thread(target=self._run, name="pysh-executor", daemon=daemon)
                self._thread.start()
        self._bell.set()

    def close(self, *, cancel: bool = False) -> None:
        """Take no more; what waits is handed out all the same, unless it is to be cancelled."""
        with self._lock:
            self._closed = True
            cancelled = list(self._waiting) if cancel else []
            if cancel:
                self._waiting.clear()
        for item in cancelled:
            item.future.cancel()
            item.future.set_running_or_notify_cancel()
        self._bell.set()

    def join(self) -> None:
        """Wait until every future is done."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    # in the thread

    def _run(self) -> None:
        while True:
            # A new one before the look, so that nothing comes unseen between the two.
            bell = self._bell = Waiter(self._client)
            while self._ended:
                self._settle(*self._ended.popleft())
            while self._out < self._most and self._hand_out():
                pass
            if self._over():
                return
            if not self._ended:
                bell.wait()

    def _over(self) -> bool:
        """Whether nothing is left and nothing will come."""
        with self._lock:
            self._closed = self._closed or bool(self._client.lost)
            return self._closed and not (self._out or self._waiting or self._ended)

    def _hand_out(self) -> bool:
        """Send the first that waits; whether there was one."""
        try:
            future, call = self._waiting.popleft()
        except IndexError:
            return False
        self._out += 1
        if not future.set_running_or_notify_cancel():
            self._out -= 1
            return True
        try:
            info = choose(self._client, self._on)
            payload = call.payload_for(info)
            task = Task(self._client, info.hub, call.label)
            task.submit(call.meta(owner_of(self._client), ""), payload)
        except Exception as error:
            self._out -= 1
            future.set_exception(error)
        else:
            task.waiter.add_callback(lambda _: self._tell(future, task))
        return True

    def _tell(self, future: "Future[Any]", task: Task) -> None:
        self._ended.append((future, task))
        self._bell.set()

    def _settle(self, future: "Future[Any]", task: Task) -> None:
        self._out -= 1
        if (error := task.outcome()) is not None:
            future.set_exception(BaseException.with_traceback(error, None))
        else:
            future.set_result(task.value)


def _each(fn: Callable[..., Any], rows: list[tuple[Any, ...]]) -> list[Any]:
    """What runs for several rows of a `map` at once."""
    return [fn(*row) for row in rows]


def _batches(rows: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while batch := list(islice(rows, size)):
        yield batch


def _chained(batches: Iterator[list[Any]]) -> Iterator[Any]:
    for batch in batches:
        batch.reverse()
        while batch:
            yield batch.pop()  # and keep none of them
