"""Actors: how one is started, how its methods are called, and how the process of one answers."""

import sys
from collections.abc import Callable
from functools import partial
from time import perf_counter
from types import CoroutineType
from typing import TYPE_CHECKING, Any, NoReturn

from pysh.runtime import codechange
from pysh.runtime.calls import NO_TIES, Apart, Args, Call, Kwargs, making, refuse_unmeant
from pysh.runtime.codechange import Change, Code, Fate
from pysh.runtime.errors import NotSendable, PyshError, VersionSkew, describe
from pysh.runtime.messages import exit_signal, taken, until_room, while_received
from pysh.runtime.node import On
from pysh.runtime.payload import dumps, dumps_error, loads
from pysh.runtime.process import Actor
from pysh.runtime.protocol.frames import Flag, Frame, Kind, pack
from pysh.runtime.protocol.relations import KILL
from pysh.runtime.protocol.terms import Payload, Pid
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.interrupts import Cancelled
from pysh.runtime.runner.output import flush
from pysh.runtime.runner.waiting import Steps, block
from pysh.runtime.started import current
from pysh.runtime.task import Task
from pysh.runtime.verbs import NOT_OF_SPAWN, spawn_call

if TYPE_CHECKING:
    import asyncio

ACTOR_OPTIONS = frozenset(("on", "sync"))
NOT_OF_ACTOR = {
    **NOT_OF_SPAWN,
    "name": "spawn(): an actor m is named by register(name, m)", "link": "spawn(): link(m) does that for an actor m",
    "monitor": "spawn(): monitor(m) does that for an actor m",
    "isolate": "spawn(): an actor has a worker to itself anyway",
    **dict.fromkeys(("memory", "cpu", "where"), "spawn() and task(), which actors have not"),
}  # fmt: skip
MAKE = ""
"""The method of the first call, which is answered once the object is made."""


class Reply(Task):
    """One call on its way to an actor: awaited, or waited for with `result()`, as any task.

    Ending a wait leaves it as it is. It is not cancelled alone: what ends an actor ends all its calls.
    """

    __slots__ = ()

    @property
    def number(self) -> int | None:
        """None: it is no task of its node's."""
        return None

    def submit(self, meta: bytes, payload: Payload) -> None:
        """Send it; once."""
        self._submit(Kind.CALL, meta, payload)

    def cancel(self, grace: float = 2) -> bool:  # noqa: ARG002 (a task's)
        """Raise `PyshError`, unless it has ended."""
        if self.waiter.done:
            return False
        raise PyshError(f"{self.label}() is not cancelled alone: stop() or kill() ends its actor, with all its calls")

    def give_up(self) -> bool:
        """Nothing: the actor goes on."""
        return False

    def goes_on(self) -> str:
        return f"goes on: {self!r}; stop() or kill() ends its actor, with all its calls"

    def __repr__(self) -> str:
        shown = super().__repr__()
        return shown if self.waiter.done else f"{shown[:-1]}: await it for its value>"

    @property
    def output(self) -> str:
        """Nothing: what an actor prints goes to the terminal of its owner."""
        return ""


def ask(actor: Actor, method: str, args: Args, kwargs: Kwargs) -> Reply:
    """Call a method; does not wait for it to run."""
    client, pid = current(), actor.process.pid
    payload = dumps((args, kwargs), portable=client.view.is_foreign(pid.incarnation))
    while_received(until_room(client, pid), actor)
    client.check_known(pid.incarnation)
    reply = Reply(client, pid, method or "make")
    reply.submit(pack({"method": method}), payload)
    return reply


def start(cls: Callable[..., Any], args: Args, kwargs: Kwargs, on: On, apart: Apart) -> Steps[Actor]:
    """An actor, once its object is made."""
    if isinstance(cls, type):
        refuse_unmeant(getattr(cls, "__init__"), kwargs, NOT_OF_ACTOR, cls.__name__)  # noqa: B009 (mypy)
    return (yield from started(making(serve, cls, args, kwargs, ACTOR_OPTIONS, apart), on))


def started(call: Call, on: On) -> Steps[Actor]:
    """The same of what is pickled already."""
    process = yield from spawn_call(call, on, NO_TIES)
    actor = Actor(process, call.label)
    try:
        reply = ask(actor, MAKE, (), {})
        yield reply.waiter
    except BaseException:  # Ctrl-C too: nobody has a handle on it
        exit_signal(actor, KILL)
        raise
    reply.result()
    return actor


# what runs in the process of an actor


def serve(cls: Callable[..., Any], args: Args, kwargs: Kwargs) -> NoReturn:
    """Make the object and answer its calls, until the process ends. A failure to make it is told by its answer."""
    desk = Desk(current())
    desk.make(desk.first(), partial(cls, *args, **kwargs))
    try:
        while True:
            desk.answer(desk.next())
    finally:
        desk.close()


def refuse(error: Exception) -> NoReturn:
    """Answer the first call with why there is no object, in place of `serve`, which cannot begin."""
    desk = Desk(current())
    desk.make(desk.first(), partial(_raise, error), lambda _: "no")
    raise error  # never: it has ended


def _raise(error: Exception) -> NoReturn:
    raise error


class Desk:
    """Takes the calls of the process that runs here, and answers each before the next."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._made: Any = None
        self._runner: asyncio.Runner | None = None
        self._object = Change(client, self._called)
        self.change: Callable[[str, Code, Pid], Fate] = self._changed
        """Goes over to other code, or back, as somebody asks."""

    def first(self) -> Frame:
        """The call that the object is made for, before any other that may have come."""
        queue = self._client.mailbox.calls
        call: Frame = block(taken(self._client, queue, lambda call: call.options()["method"] == MAKE))
        return call

    def next(self) -> Frame:
        """The next call, waited for."""
        call: Frame = block(taken(self._client, self._client.mailbox.calls, lambda _: True))
        return call

    def make(self, call: Frame, make: Callable[[], Any], ran: Callable[[Exception], str] = lambda _: "yes") -> Any:
        """The object, once it is made, and `call` answered by that; `ran` says of an error whether the code did."""
        try:
            self._made = make()
        except Exception as error:
            self._raised(call, error, ran(error))
            sys.exit(f"{type(error).__name__}: {error}".rstrip(": "))
        self._post(call, 0, b"", dumps(None))
        return self._made

    def answer(self, call: Frame) -> None:
        """Run the method that `call` means, and answer with what comes of it."""
        if (talk := self._client.talk) is not None and talk.is_late(call):
            return
        try:
            self._answer(call)
        finally:
            if (talk := self._client.talk) is not None:
                talk.ends()

    def _answer(self, call: Frame) -> None:
        begun, since = "no", perf_counter()
        try:
            args, kwargs = loads(call.payload)
            begun = "yes"
            method = call.options()["method"]
            if method == codechange.METHOD:
                step, code = args
                value = tuple(self.change(step, code, call.source))
            else:
                value = self._called(getattr(self._made, method), *args, **kwargs)
        except Cancelled:
            raise  # its process ends, and its hub answers
        except BaseException as error:
            self._raised(call, error, begun, perf_counter() - since)
            if isinstance(error, SystemExit | KeyboardInterrupt):
                raise
            return
        try:
            payload = dumps(value, portable=self._client.view.is_foreign(call.source.incarnation))
        except (NotSendable, VersionSkew) as error:
            self._post(call, Flag.FAILED, pack({**describe(error), "executed": "yes"}))
        else:
            self._post(call, 0, pack(perf_counter() - since), payload)

    def _changed(self, step: str, code: Code, source: Pid) -> Fate:
        self._made, fate = self._object.run(self._made, step, code, source)
        return fate

    def _called(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What a function of the user's returns, awaited if that is to be."""
        value = function(*args, **kwargs)
        return self._loop().run(value) if isinstance(value, CoroutineType) else value

    def _raised(self, call: Frame, error: BaseException, executed: str, took: float = 0.0) -> None:
        self._post(call, Flag.ERROR, pack(took), dumps_error(error, executed))

    def _post(self, call: Frame, flags: int, meta: bytes, payload: Payload = b"") -> None:
        flush()
        self._client.post(Kind.ANSWER, call.source, ref=call.ref, flags=flags, meta=meta, payload=payload)

    def close(self) -> None:
        """Cancel what its async methods left running."""
        if self._runner is not None:
            self._runner.close()

    def _loop(self) -> "asyncio.Runner":
        """What runs the async methods: one loop for the life of the actor, which rests between them."""
        if self._runner is None:
            import asyncio

            self._runner = asyncio.Runner()
        return self._runner
