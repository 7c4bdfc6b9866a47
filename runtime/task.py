"""What `task()` returns: something that runs elsewhere, or here, and can be waited for."""

import sys
from collections.abc import Callable, Generator
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any

from pysh.runtime.calls import check_seconds
from pysh.runtime.errors import NodeDown, RemoteError, TaskTimeout, rebuild
from pysh.runtime.protocol.frames import Flag, Frame, Kind, pack, unpack
from pysh.runtime.protocol.terms import HUB, Buffer, Payload, Pid
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.waiting import Waiter, refuse_to_block, running_loop

if TYPE_CHECKING:
    from pysh.runtime.node import Node

PENDING: Any = object()
SMALL = 4096
"""Payloads of fewer bytes are copied out of the burst they came in, which is then not kept alive."""


class Task:
    """One function on its way: awaitable anywhere, or waited for with `result()`, as often as wanted.

    Ending a wait never ends the task, whether by `timeout=`, `wait_for`, `gather` or Ctrl-C; `cancel()`
    does, and so do its `limit=` and the end of its owner.
    """

    __slots__ = (
        "_begun", "_client", "_error", "_flags", "_lock", "_meta", "_payload", "_submitted", "_value",
        "dest", "detached", "label", "ref", "source", "waiter",
    )  # fmt: skip

    def __init__(self, client: Client, dest: Pid, label: str, detached: bool = False) -> None:
        self.dest = dest
        self.source = client.pid
        self.ref = client.next_ref()
        self.label = label
        self.detached = detached
        self._client = client
        self.waiter = Waiter(client)
        self._submitted = False
        self._begun: float | None = None
        self._flags: int | None = None
        """Those of the RESULT, once there is one."""
        self._meta = b""
        self._payload: Buffer = b""
        self._lock = Lock()
        self._value: Any = PENDING
        self._error: BaseException | None = None

    def submit(self, meta: bytes, payload: Payload) -> None:
        """Send it; once."""
        client = self._client
        client.track(self.ref, self)
        self._submitted = True
        try:
            client.post(
                Kind.SPAWN,
                self.dest,
                ref=self.ref,
                meta=meta,
                payload=payload,
                source=self.source,
                in_a_row=True,
            )
        except BaseException:  # Ctrl-C too: nobody has a handle on it
            client.forget(self.ref)
            raise

    # what the client tells

    def progressed(self, frame: Frame) -> None:
        """A STAGE came."""
        if frame.options().get("stage") == "started" and self._begun is None:
            self._begun = monotonic()

    def arrived(self, frame: Frame) -> None:
        """The RESULT came. It is looked at where somebody waits for it: that runs code of the user's."""
        payload = frame.payload
        self._payload = bytes(payload) if len(payload) < SMALL else payload
        self._meta = frame.meta
        self._flags = frame.flags
        if frame.flags:
            self._client.failed(self)
        self.waiter.set()

    def lost(self, reason: str) -> None:
        """Its node is gone."""
        if not self.waiter.done:
            executed = "maybe" if self._begun is None else "yes"
            self._error = NodeDown(self._client.view.name_of(self.dest.incarnation), reason, executed=executed)
            self._value = None
            self.waiter.set()

    # what the user asks

    def result(self, timeout: float | None = None) -> Any:
        """The value, or what it raised; `TaskTimeout` after `timeout` seconds, and then wait again."""
        self._wait("result", timeout)
        return self._get()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What it raised, or None; waits like `result`."""
        self._wait("exception", timeout)
        return self.outcome()

    def _wait(self, verb: str, timeout: float | None) -> None:
        if not self.waiter.done:
            refuse_to_block(verb, "await t")
            if not self.waiter.wait(timeout):
                raise TaskTimeout(task=self, seconds=timeout, executed=self.executed)

    def _get(self) -> Any:
        error = self.outcome()
        if error is not None:
            # Each wait has a traceback of its own; how it came about there is its cause. Asked of the base: its
            # class may be the user's.
            raise BaseException.with_traceback(error, None)
        return self._value

    def __await__(self) -> Generator[Any, None, Any]:
        if not self.waiter.done:
            yield from self.waiter.future().__await__()
        return self._get()

    def outcome(self) -> BaseException | None:
        """The error if there is one; reads the result the first time."""
        self._client.unseen.pop(self.ref, None)
        if self._value is PENDING:
            with self._lock:
                if self._value is PENDING:
                    self._read()
        return self._error

    def _read(self) -> None:
        value: Any = None
        error: BaseException | None = None
        payload = self._payload
        flags = self._flags or 0
        try:
            if flags & Flag.FAILED:
                error = rebuild(self._facts())
            elif flags & Flag.ERROR:
                from pysh.runtime.payload import loads_error

                error = loads_error(payload, self._client.view.name_of(self.dest.incarnation))
            else:
                from pysh.runtime.payload import loads

                value = loads(payload)
        except Exception as unreadable:
            error = unreadable
        except KeyboardInterrupt:
            raise  # perhaps the user's own; there is another time to read it
        except BaseException as ending:
            # It came out of what the code there returned, and is not to end who waits here.
            error = RemoteError(type(ending).__name__, str(ending), self._client.view.name_of(self.dest.incarnation))
        self._payload = b""
        self._error, self._value = error, value

    @property
    def value(self) -> Any:
        """What `outcome` found besides an error."""
        return self._value

    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._client.look(self.waiter)

    def add_done_callback(self, callback: "Callable[[Task], object]") -> None:
        """Call `callback(task)` once it has ended: in the running loop if one runs in this thread, else
        in the thread that finds out, where it must not wait."""
        loop = running_loop()

        def happened(_: Waiter) -> None:
            if loop is not None:
                loop.call_soon_threadsafe(callback, self)
                return
            try:
                callback(self)
            except Exception:
                sys.excepthook(*sys.exc_info())

        if loop is not None and not self.waiter.done:
            leave = self._client.wait_in_loop(loop)
            self.waiter.add_callback(lambda _: loop.call_soon_threadsafe(leave))
        self.waiter.add_callback(happened)

    def cancel(self, grace: float = 2) -> bool:
        """End it: an interrupt at once, and after `grace` seconds it is killed. False if it had ended.

        Does not wait; `result()` then raises `TaskCancelled`, or gives the value if that was faster.
        """
        check_seconds("grace", grace)
        if self.waiter.done:
            return False
        meta = pack({"grace": grace})
        self._client.post(Kind.CANCEL, self.dest, ref=self.ref, meta=meta, source=self.source)
        return True

    def give_up(self) -> None:
        """Cancel it if it was sent and can be; for whoever ends without waiting for it."""
        if self._submitted:
            try:
                self.cancel()
            except NodeDown:
                pass

    @property
    def node(self) -> "Node":
        """Where it runs."""
        from pysh.runtime.node import Node

        return Node(self._client.view.name_of(self.dest.incarnation))

    @property
    def status(self) -> str:
        """`sent` (until it has run for a moment), `running`, `done`, `failed`, `cancelled` or `lost`."""
        if not self.done():
            return "sent" if self._begun is None else "running"
        if self._flags is None:
            return "lost"
        if self._flags & Flag.FAILED:
            failure = self._facts().get("error")
            return {"TaskCancelled": "cancelled", "NodeDown": "lost"}.get(failure, "failed")
        return "failed" if self._flags & Flag.ERROR else "done"

    @property
    def output(self) -> str:
        """The last of what it printed; its node keeps that until the result is fetched."""
        refuse_to_block("output", "await asyncio.to_thread(lambda: t.output)")
        dest = Pid(self.dest.incarnation, HUB)
        told = self._client.ask("output", dest=dest, ref=self.ref, owner=list(self.source))
        return str(told.get("text", ""))

    @property
    def started(self) -> bool:
        """Whether its code is known to have begun."""
        return self.executed == "yes"

    @property
    def took(self) -> float | None:
        """The seconds its code ran, there; until then the seconds since it is known to run."""
        if self.waiter.done:
            facts = self._facts()
            return float(facts) if isinstance(facts, float | int) else None
        return None if self._begun is None else monotonic() - self._begun

    @property
    def executed(self) -> str:
        """Whether its code ran: `no`, `maybe` or `yes`."""
        if self._flags is not None:
            return str(self._facts().get("executed", "maybe")) if self._flags & Flag.FAILED else "yes"
        return "maybe" if self._begun is None else "yes"

    def _facts(self) -> Any:
        """The meta of the RESULT: seconds, or of one that the infrastructure made, a dict."""
        return unpack(self._meta) if self._meta else {}

    def __repr__(self) -> str:
        took = self.took
        where = self._client.view.name_of(self.dest.incarnation).partition("@")[0]
        shown = f"<Task {self.ref} on {where} {self.status}"
        return f"{shown}>" if took is None else f"{shown} {took:.1f}s>"
