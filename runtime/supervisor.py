"""Supervisors: a process that starts its children, and starts them again as `protocol.restarts` decides."""

import sys
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from math import inf
from time import monotonic
from typing import Any, NamedTuple

from pysh.runtime import actor, codechange, messages
from pysh.runtime.actor import MAKE, Desk, ask, started
from pysh.runtime.calls import SHARED, Apart, Call, Ties, making
from pysh.runtime.codechange import BACK, CHANGE, CHANGED, KEPT, TRY, Code, Fate
from pysh.runtime.errors import PyshError
from pysh.runtime.live.tree import Tree
from pysh.runtime.messages import check_registered
from pysh.runtime.node import On
from pysh.runtime.payload import dumps, loads
from pysh.runtime.process import Actor, Down, Exit, Process
from pysh.runtime.protocol import restarts
from pysh.runtime.protocol.frames import Frame
from pysh.runtime.protocol.jobs import NORMAL, SHUTDOWN
from pysh.runtime.protocol.relations import KILL
from pysh.runtime.protocol.restarts import PERMANENT, Action, Restarts, Rule, Start, Stop
from pysh.runtime.protocol.terms import Parts, Pid
from pysh.runtime.results import Rows
from pysh.runtime.runner.mailbox import MISSING, Mailbox
from pysh.runtime.runner.swapped import Swapped
from pysh.runtime.runner.waiting import Steps, Waiter, block
from pysh.runtime.started import current
from pysh.runtime.verbs import spawn_call

CHILD_OPTIONS = frozenset(("restart", "shutdown"))
COLUMNS = ("name", "process", "restart", "restarts")


class Child:
    """A child spec: what a supervisor starts, a process that runs `fn`, or an actor if that is a class.

    It is registered as `name`. `restart` is `permanent` (started again however it ended), `transient` (unless
    it ended with `normal` or `shutdown`) or `temporary` (never). Told to end it has `shutdown` seconds until it
    is killed: 0 kills it at once, None lets it take its time. (Code that traps no exits has 2 s, whatever is said.)
    """

    def __init__(
        self, name: str, fn: Callable[..., Any], /, *args: Any, restart: str = PERMANENT,
        shutdown: float | None = 5.0, **kwargs: Any,
    ) -> None:  # fmt: skip
        self.name = check_registered(name)
        self.fn, self.args, self.kwargs = fn, args, kwargs
        self.restart, self.shutdown = restart, shutdown

    @property
    def rule(self) -> Rule:
        """How it is treated."""
        return Rule(self.name, self.restart, self.shutdown)

    @property
    def is_actor(self) -> bool:
        """Whether it is an object whose methods are called."""
        return isinstance(self.fn, type)

    def call(self, apart: Apart = SHARED) -> Call:
        """What its process runs. Raises as `spawn` and `actor` do."""
        if self.is_actor:
            return making(actor.serve, self.fn, self.args, self.kwargs, CHILD_OPTIONS, apart)
        return Call(self.fn, self.args, self.kwargs, CHILD_OPTIONS, apart)

    def uses(self, code: Code) -> bool:
        """Whether it runs code of one of these names."""
        needs = self.call().needs
        return needs is not None and any(name in code for name, _ in needs.code)

    def __repr__(self) -> str:
        return f"<Child {self.name} {self.restart}>"


def start(
    children: Iterable[Child | Callable[..., Any]], strategy: str, intensity: tuple[int, float], on: On, apart: Apart
) -> Steps[Actor]:  # fmt: skip
    """A supervisor, once all its children were started."""
    if not isinstance(children, Iterable):
        raise TypeError(f"supervise() takes children in a list or the like, not {children!r}; nothing was started")
    specs = [_spec(child) for child in children]
    Restarts([spec.rule for spec in specs], strategy, intensity)  # what makes no sense is told here
    for spec in specs:
        spec.call(apart)  # and what cannot be sent
    call = making(serve, Supervisor, (specs, strategy, intensity, messages.me(), apart), {}, frozenset(), apart)
    return (yield from started(call, on))


def _spec(child: "Child | Callable[..., Any]") -> Child:
    if not isinstance(child, Child) and not callable(child):
        raise TypeError(
            f"a child is a Child(name, fn, *args), or a function or class, not {child!r}; nothing was started"
        )
    return child if isinstance(child, Child) else Child(getattr(child, "__name__", ""), child)


def serve(cls: "type[Supervisor]", args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """The process of a supervisor: until it is told to end, its parent ends, or it gives up."""
    desk = Desk(current())
    made = desk.make(desk.first(), partial(cls, *args, **kwargs), _ran)
    desk.change, made._answer = made._change, desk.answer
    while (call := made._next()) is not None:
        desk.answer(call)


def _ran(error: Exception) -> str:
    """Whether code of a child ran, where `error` is why there is no supervisor."""
    return (isinstance(error, PyshError) and error.executed) or "yes"


class Trial(NamedTuple):
    """Code that may turn out to be no good: how it was before, and which children were started since."""

    swapped: Swapped
    specs: dict[str, Child]
    code: Code
    since: set[str]


class Supervisor:
    """The children of one supervisor, and what may be asked of it: made once all were started."""

    _answer: Callable[[Frame], None]
    """Runs a call and answers it."""

    def __init__(
        self, specs: Sequence[Child], strategy: str, intensity: tuple[int, float], parent: Process, apart: Apart
    ) -> None:  # fmt: skip
        self._client = current()
        self._apart = apart
        self._specs = {spec.name: spec for spec in specs}
        self._core = Restarts([spec.rule for spec in specs], strategy, intensity)
        self._running: dict[str, Process | Actor] = {}
        self._children: dict[Process, str] = {}
        self._failure: Exception | None = None
        self._ran = False  # whether any child was started
        self._trial: Trial | None = None
        self._later: deque[Frame] = deque()  # calls that wait until it is as it should be
        self._reason: str | None = None
        block(messages.trap_exits(True))
        self._do(self._core.begin(monotonic()))
        while self._failure is not None and self._reason is None:
            message = self._received()
            if isinstance(message, Frame):
                self._later.append(message)
            else:
                self._heed(message)
        if self._reason is not None:
            failure = self._failure or PyshError(self._reason)
            if isinstance(failure, PyshError) and self._ran:
                failure.executed = "yes"
            failure.add_note(f"the supervisor ended with all its children: {self._reason}")
            raise failure
        block(messages.link(parent))

    def tree(self) -> Tree:
        """Its children below it, as `children` tells them."""
        below = (
            "  ".join(str(row[column]) for column in row if row[column] not in (None, "")) for row in self.children()
        )
        return Tree(f"supervisor {messages.me()}", below)

    def children(self) -> Rows:
        """A row for each child: what runs as it now, its `restart`, and how often it was started again."""
        rows = Rows(COLUMNS)
        for name, spec in self._specs.items():
            facts = name, self._running.get(name), spec.restart, self._core.restarted[name]
            rows.append(dict(zip(COLUMNS, facts, strict=True)))
        return rows

    def child(self, name: str) -> Process | Actor | None:
        """The process or actor that runs as child `name` now; None if none does. Raises `KeyError`."""
        return self._running.get(self._specs[name].name)

    # other code

    def _change(self, step: str, code: Code, source: Pid) -> Fate:
        """Start the functions among the children anew with other code, or with that before; what is told of it."""
        trial, self._trial = self._trial, None
        if step == BACK and trial is not None:
            trial.swapped.put_back()
            # An actor that was started meanwhile has nothing to go back to.
            return self._renewed(trial.specs, trial.code, trial.since)
        if step not in (CHANGE, TRY) or codechange.is_current(code):
            return codechange.unchanged(step, code)
        packed = dumps(self._specs)
        try:
            swapped = codechange.swap(self._client, code, source)
        except Exception as error:
            return Fate(KEPT, codechange.told(error))
        try:
            # Functions, classes and arguments, as they are in the new modules.
            specs = loads(packed.join() if isinstance(packed, Parts) else packed)
        except (Exception, SystemExit) as error:
            swapped.put_back()
            return Fate(KEPT, codechange.told(error))
        self._trial = Trial(swapped, self._specs, code, set()) if step == TRY else None
        return self._renewed(specs, code)

    def _renewed(self, specs: dict[str, Child], code: Code, since: Collection[str] = ()) -> Fate:
        self._specs = specs
        of_it = [name for name, spec in specs.items() if (not spec.is_actor or name in since) and spec.uses(code)]
        self._do(self._core.renew(of_it, monotonic()))
        while self._core.busy and self._reason is None:
            message = self._received()
            if not isinstance(message, Frame):
                self._heed(message)
            elif message.options()["method"] == codechange.METHOD:
                self._later.append(message)
            else:
                self._answer(message)
        return Fate(CHANGED)

    # what happens

    def _next(self) -> Frame | None:
        """The next call, once what came before it was seen to; None once the supervisor has ended normally."""
        while self._reason is None:
            message = self._later.popleft() if self._later else self._received()
            if isinstance(message, Frame):
                return message
            self._heed(message)
        if self._reason != NORMAL:
            sys.exit(self._reason)
        return None

    def _received(self) -> Any:
        """The next message or call, `MISSING` at the deadline."""
        boxes = [self._client.mailbox, self._client.mailbox.calls]
        while True:
            waiter = Waiter(self._client)
            for box in boxes:
                box.announce(waiter)
            try:
                for box in boxes:
                    if (message := self._taken(box)) is not MISSING:
                        return message
                self._client.check_open()
                due = self._core.next_deadline()
                if not waiter.wait(None if due == inf else max(0.0, due - monotonic())):
                    return MISSING
            finally:
                for box in boxes:
                    box.renounce(waiter)

    def _heed(self, message: Any) -> None:
        now = monotonic()
        if message is MISSING:
            self._do(self._core.tick(now))
        elif isinstance(message, Down):
            name = self._children.pop(message.pid, None)
            if name is not None:
                self._running.pop(name, None)
                self._do(self._core.ended(name, message.reason, now))
        elif not isinstance(message, Exit):
            print(f"{messages.me()}: a supervisor takes no messages; one was dropped", file=sys.stderr)
        elif message.pid not in self._children:  # of its parent, or of whoever stops it
            self._do(self._core.shut_down(message.reason, now))

    def _taken(self, box: Mailbox) -> Any:
        try:
            message, _ = box.take(lambda _: True)
        except Exception as unreadable:
            return unreadable
        self._client.received()
        return message

    # what is done about it

    def _do(self, actions: Iterable[Action]) -> None:
        todo = deque(actions)
        while todo:
            action = todo.popleft()
            if isinstance(action, restarts.Exit):
                self._reason = action.reason
            elif isinstance(action, Start):
                todo.extend(self._start(self._specs[action.name]))
            else:
                reason = SHUTDOWN if isinstance(action, Stop) else KILL
                messages.exit_signal(self._running[action.name], reason)

    def _start(self, spec: Child) -> list[Action]:
        try:
            self._running[spec.name] = self._spawned(spec)
        except Exception as error:
            self._failure = error
            what = (error.text or error.what()) if isinstance(error, PyshError) else error
            return self._core.ended(spec.name, f"{type(error).__name__}: {what}".rstrip(": "), monotonic())
        self._ran = True
        if self._trial is not None:
            self._trial.since.add(spec.name)
        return self._core.started(spec.name, monotonic())

    def _spawned(self, spec: Child) -> Process | Actor:
        call = spec.call(self._apart)
        # The link takes it down with its supervisor; the monitor tells of its end, also if it undoes the link.
        process = block(spawn_call(call, None, Ties(spec.name, link=True, monitor=True)))
        self._children[process] = spec.name
        if not spec.is_actor:
            return process
        made = Actor(process, call.label)
        try:
            ask(made, MAKE, (), {}).result()
        except Exception:
            # It is gone, and its name is free, only when this has come.
            block(messages.receive(lambda message: isinstance(message, Down) and message.ref == process.ref))
            self._client.mailbox.drop(lambda record: isinstance(record, Exit) and record.pid == process)
            del self._children[process]
            raise
        return made
