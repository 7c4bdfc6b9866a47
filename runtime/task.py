"""What `task()` returns: something that runs elsewhere, or here, and can be waited for."""

import sys
from collections.abc import Callable, Generator
from contextlib import suppress
from threading import Lock, get_ident, main_thread
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

from pysh.runtime.calls import check_seconds, check_timeout
from pysh.runtime.dumps import shown_stack
from pysh.runtime.errors import BlockingCall, NodeDown, NoModule, PyshError, RemoteError, TaskTimeout, rebuild
from pysh.runtime.protocol.frames import Flag, Frame, FrameError, Kind, pack, unpack
from pysh.runtime.protocol.outcome import outcome
from pysh.runtime.protocol.terms import HUB, Buffer, Payload, Pid
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.waiting import T, Waiter, may_block, refuse_to_block, running_loop

if TYPE_CHECKING:
    from pysh.runtime.node import Node
    from pysh.runtime.protocol.notices import Ended

PENDING: Any = object()
PATIENCE = 1.0
"""Seconds that a node has to say why a task waits."""
SMALL = 4096
"""Payloads of fewer bytes are copied out of the burst they came in, which is then not kept alive."""


class Task:
    """One function on its way: awaitable anywhere, or waited for with `result()`, as often as wanted.

    Ending a wait never ends the task, whether by `timeout=`, `wait_for`, `gather` or Ctrl-C; `cancel()`
    does, and so do its `limit=` and the end of its owner.
    """

    __slots__ = (
        "_asking", "_begun", "_client", "_error", "_flags", "_lock", "_meta", "_number", "_payload", "_ran",
        "_submitted", "_value", "came", "dest", "detached", "in_shell", "label", "made", "parked", "ref", "sent",
        "source", "waiter",
    )  # fmt: skip

    def __init__(
        self, client: Client, dest: Pid, label: str, detached: bool = False, in_shell: bool = False
    ) -> None:  # fmt: skip
        self.dest = dest
        self.source = client.pid
        self.ref = client.next_ref()
        self.label = label
        self.detached = detached
        self.in_shell = in_shell
        self._client = client
        self.waiter = Waiter(client)
        self.made = self.sent = self.came = 0.0  # when it was about to be pickled, was sent, and had ended
        self.parked = ""  # where it waits in a debugger
        self._submitted = False
        self._number = 0  # which its node gave it, once that has told it
        self._begun: float | None = None
        self._asking: Waiter | None = None  # why it waits, until that is answered or of no interest
        self._flags: int | None = None
        """Those of the RESULT, once there is one."""
        self._meta = b""
        self._payload: Buffer = b""
        self._ran = ""  # whether the code had begun that raised, once the error was read
        self._lock = Lock()
        self._value: Any = PENDING
        self._error: BaseException | None = None

    def submit(self, meta: bytes, payload: Payload) -> None:
        """Send it; once."""
        self._submit(Kind.SPAWN, meta, payload)

    def _submit(self, kind: int, meta: bytes, payload: Payload) -> None:
        send = self._client.post
        self.sent = perf_counter()
        self._track(
            lambda: send(kind, self.dest, ref=self.ref, meta=meta, payload=payload, source=self.source, in_a_row=True)
        )

    def _track(self, send: Callable[[], T]) -> T:
        """`send` it, and hear of what comes of it."""
        client = self._client
        client.track(self.ref, self)
        self._submitted = True
        try:
            return send()
        except BaseException:  # Ctrl-C too: nobody has a handle on it
            client.forget(self.ref)
            raise

    # what the client tells

    def progressed(self, frame: Frame) -> None:
        """A STAGE came."""
        self._number = frame.source.number
        if frame.options().get("stage") == "parked":
            self.parked = str(frame.options().get("at", ""))
        elif frame.options().get("stage") == "started" and self._begun is None:
            self._begun = monotonic()
            self._moved()

    def _moved(self) -> None:
        if (asking := self._asking) is not None:
            asking.set({})

    def arrived(self, frame: Frame) -> None:
        """The RESULT came. It is looked at where somebody waits for it: that runs code of the user's."""
        self.came = perf_counter()
        payload = frame.payload
        if self.dest.number == HUB:  # else it is a call, and that number its actor's
            self._number = self._number or frame.source.number
        self._payload = bytes(payload) if len(payload) < SMALL else payload
        self._meta = frame.meta
        self._flags = frame.flags
        if frame.flags:
            self._client.failed(self)
            if frame.flags & Flag.ERROR and self.dest.number == HUB:
                self._client.last_failed = self
        if (told := self._client.on_ended) is not None:
            told(self)
        self.waiter.set()
        self._moved()

    def lost(self, reason: str) -> None:
        """Its node is gone."""
        if not self.waiter.done:
            executed = "maybe" if self._begun is None else "yes"
            self._error = NodeDown(self._client.view.name_of(self.dest.incarnation), reason, executed=executed)
            self._value = None
            if (told := self._client.on_ended) is not None:
                told(self)
            self.waiter.set()
            self._moved()

    def ending(self, news: float) -> "Ended | None":
        """How it ended; None where that is no news, as a success that took less than `news` seconds."""
        if self._flags == 0 and (spent := self.spent) and spent[0] < news:
            return None
        from pysh.runtime.endings import ending

        kind, _, which = self.called.partition(" ")
        called = f"{'call' if kind == 'Reply' else 'task'} {which}"
        return ending(called, self._flags, self._facts(), self._payload, self._error)

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
        check_timeout(timeout)
        if not self.waiter.done:
            refuse_to_block(verb, "await t")
            self.refuse_to_hold_up(verb)
            try:
                self.end(timeout)
            except KeyboardInterrupt as interrupt:
                interrupt.add_note(self.goes_on())
                raise

    def end(self, timeout: float | None) -> None:
        """Wait until it has ended, for one who sees to it where that is interrupted; `TaskTimeout` as for `result`."""
        if not self.waiter.wait(timeout):
            raise TaskTimeout(task=self, seconds=timeout, executed=self.executed)

    def refuse_to_hold_up(self, verb: str) -> None:
        """Raise `BlockingCall` where a wait for this would keep the very shell that is to run it."""
        client = self._client
        runs_it = client.role == "evaluator" and client.shared
        ours = self.in_shell and runs_it and self.dest.incarnation == client.incarnation
        if ours and not self.waiter.done and get_ident() == main_thread().ident:
            text = f"{verb}() would wait for this shell, which is to run {self.label} itself; write, at a prompt or in"
            raise BlockingCall(verb, "await t", text=f"{text} an async def: await t", executed="")

    def _get(self) -> Any:
        error = self.outcome()
        if error is not None:
            # Each wait has a traceback of its own; how it came about there is its cause. Asked of the base: its
            # class may be the user's.
            raise BaseException.with_traceback(error, None)
        return self._value

    def __await__(self) -> Generator[Any, None, Any]:
        if not self.waiter.done:
            try:
                yield from self.waiter.__await__()
            except GeneratorExit:
                raise
            except BaseException as ended:  # a `CancelledError`; of a Ctrl-C its note is shown
                ended.add_note(self.goes_on())
                raise
        return self._get()

    def is_parked(self) -> bool:
        """Whether it waits in a debugger, by all that the hub of its owner has heard of it until now."""
        with suppress(PyshError, TimeoutError):
            self._client.ask("screen", timeout=PATIENCE)  # what was sent to us before the answer is here with it
        return bool(self.parked)

    def goes_on(self) -> str:
        """What is said where a wait for it was interrupted."""
        if self.parked:
            return f"waits in a debugger at {self.parked}: {self!r}; debug() gets there"
        where = self._where()
        return f'goes on: {self!r}; wait again or cancel() it, by its handle or as its row of tasks(on="{where}")'

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
                self._ran = _ran(payload)
                from pysh.runtime.payload import loads_error

                error = loads_error(payload, self._client.view.name_of(self.dest.incarnation))
                self._say_where(error)
            else:
                from pysh.runtime.payload import loads

                value = loads(payload)
        except Exception as unreadable:
            error = unreadable
            if not isinstance(error, PyshError):
                error.add_note(f"raised here, when the result of <{self.called}> was read; its code ran")
        except KeyboardInterrupt:
            raise  # perhaps the user's own; there is another time to read it
        except BaseException as ending:
            # It came out of what the code there returned, and is not to end who waits here.
            error = RemoteError(type(ending).__name__, str(ending), self._client.view.name_of(self.dest.incarnation))
        if isinstance(error, NoModule) and not error.install:
            error.install = _how_to_install(error)
        self._payload = b""
        self._error, self._value = error, value

    def _say_where(self, error: BaseException) -> None:
        if self.dest.number == HUB and self._number:  # the frames of a call are its actor's
            from pysh.runtime.raised import came_from

            came_from(error, Pid(self.dest.incarnation, self._number))

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
        if self._client.role == "evaluator":
            self.waiter.add_callback(lambda _: self.overlook())  # its end is no news
        self._client.post(Kind.CANCEL, self.dest, ref=self.ref, meta=meta, source=self.source)
        return True

    def give_up(self) -> bool:
        """Cancel it if it was sent and can be, for whoever ends without waiting for it; whether that was done.

        Nobody else has it, and nobody is to be asked to look at it.
        """
        self.waiter.add_callback(lambda _: self.overlook())
        try:
            return self._submitted and self.cancel()
        except NodeDown:
            return False

    def overlook(self) -> None:
        """Nobody is to be asked to look at it, though it failed."""
        self._client.unseen.pop(self.ref, None)

    @property
    def node(self) -> "Node":
        """Where it runs."""
        from pysh.runtime.node import Node

        return Node(self._client.view.name_of(self.dest.incarnation))

    @property
    def number(self) -> int | None:
        """Its number on its node, by which `tasks()` and `pysh tasks` list it there; None while that is not known.

        Its node says it with the first word of it. Before that it is asked, where that may block.
        """
        if not self._number and self._submitted and self._state() == "sent" and may_block():
            self._stand()
        return self._number or None

    @property
    def seen_number(self) -> int:
        """Its number as far as it is known without asking; else 0."""
        return self._number

    @property
    def status(self) -> str:
        """`sent` (until it has run for a moment), `running`, `done`, `failed`, `cancelled` or `lost`.

        Of one that waits its node is asked why, where that may block: `queued: 3 before it, 2 workers busy on w1`.
        """
        state = self._state()
        if state != "sent" or not self._submitted:
            return state
        where = self._where()
        if any(
            info.incarnation == self.dest.incarnation and info.state == "suspect" for info in self._client.view.nodes
        ):
            return f"sent: nothing comes from {where} at present"
        if not may_block():
            return state
        stand = self._stand()
        if self._state() != "sent":
            return self._state()
        if stand.get("state") == "queued":
            return f"queued: {stand['why']}"
        return "running" if stand.get("state") == "running" else state

    def _stand(self) -> dict[str, Any]:
        """Where it stands, as its node says; nothing if that does not answer, or it has begun or ended meanwhile."""
        try:
            asking = self._asking = self._ask_later("standing")
            told = dict((asking.get() if self._state() == "sent" and asking.wait(PATIENCE) else None) or {})
        except PyshError:
            return {}
        finally:
            self._asking = None
        self._number = self._number or int(told.get("number", 0))
        return told

    def _state(self) -> str:
        """What is known of it here."""
        if not self.done():
            return "sent" if self._begun is None else "running"
        if self._flags is None:
            return "lost"
        return outcome(self._flags, self._facts().get("error") if self._flags & Flag.FAILED else None)

    def stack(self) -> str:
        """Where its code is right now, innermost call first, also while that holds the GIL; or why it waits.

        Raises `NodeDown`, and `PyshError` if its node does not know it any more.
        """
        if self.done():
            return f"it is over: {self._state()}\n"
        refuse_to_block("stack", "await asyncio.to_thread(t.stack)")
        return shown_stack(str(self._ask("stack")["text"]))

    def _ask_later(self, verb: str) -> Waiter:
        dest = Pid(self.dest.incarnation, HUB)
        return self._client.ask_later(verb, dest=dest, ref=self.ref, owner=list(self.source))

    def _ask(self, verb: str) -> Any:
        """What its node says of it."""
        waiter = self._ask_later(verb)
        waiter.wait()
        return waiter.get()

    @property
    def output(self) -> str:
        """The last of what it printed; its node keeps that until the result is fetched."""
        refuse_to_block("output", "await asyncio.to_thread(lambda: t.output)")
        return str(self._ask("output").get("text", ""))

    @property
    def started(self) -> bool:
        """Whether its code is known to have begun."""
        return self.executed == "yes"

    @property
    def took(self) -> float | None:
        """The seconds its code ran, there; until then the seconds since it is known to run."""
        if self.waiter.done:
            return next(iter(self.spent), None)
        return None if self._begun is None else monotonic() - self._begun

    @property
    def executed(self) -> str:
        """Whether its code ran: `no`, `maybe` or `yes`."""
        if self._flags is not None:
            payload = self._payload
            if self._flags & Flag.ERROR:
                return self._ran or _ran(payload)  # which is there as long as that is not
            return str(self._facts().get("executed", "maybe")) if self._flags & Flag.FAILED else "yes"
        return "maybe" if self._begun is None else "yes"

    @property
    def spent(self) -> tuple[float, ...]:
        """The seconds in its worker, once it has ended: all, and perhaps until its code was there, and in that."""
        facts = self._facts()
        parts = facts if isinstance(facts, list) else [facts]
        return tuple(float(each) for each in parts) if all(isinstance(each, float | int) for each in parts) else ()

    def _facts(self) -> Any:
        """The meta of the RESULT: seconds, some of them, or of one that the infrastructure made, a dict."""
        return unpack(self._meta) if self._meta else {}

    def _where(self) -> str:
        return self._client.view.name_of(self.dest.incarnation).partition("@")[0]

    def __repr__(self) -> str:
        took = self.took
        shown = f"<{self.called} {self._state()}"
        return f"{shown}>" if took is None else f"{shown} {took:.1f}s>"

    @property
    def called(self) -> str:
        """How it is called where its state says nothing: `Task 12 compute on w1`."""
        which = f"{self._number} {self.label}" if self._number else self.label
        return f"{type(self).__name__} {which} on {self._where()}"


def _ran(payload: Buffer) -> str:
    """Whether the code had begun, as an error's bytes say: what it was called with may have raised that."""
    try:
        return str(unpack(payload)["executed"])
    except (FrameError, KeyError, TypeError):
        return "maybe"


def _how_to_install(error: NoModule) -> str:
    from pysh.runtime.install import command  # which looks through all that is installed

    try:
        return command(error.module, error.python)
    except Exception:  # something that is installed here is broken: that is not what went wrong
        return ""
