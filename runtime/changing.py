"""Asks the actors and supervisors of a node to go over to code that was pushed there, and tells what became of it."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from pysh.runtime.actor import Reply, ask
from pysh.runtime.codechange import CHANGED, CURRENT, METHOD, Code, Fate, told
from pysh.runtime.process import Actor, Process
from pysh.runtime.protocol.terms import Pid
from pysh.runtime.results import fold
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.view import NodeInfo
from pysh.runtime.runner.waiting import Steps, Waiter

PATIENCE = 5.0
"""Seconds that actors have to come to the end of what they do."""


class Changes(NamedTuple):
    """What became of the processes of one node that run code which was pushed."""

    changed: tuple[str, ...] = ()
    kept: tuple[tuple[str, str], ...] = ()
    """Those that keep their code, and why."""
    others: int = 0
    """Processes that cannot be asked: they end on the code that they began with."""

    def __str__(self) -> str:
        parts = [f"changed {', '.join(fold(self.changed))}"] if self.changed else []
        parts += [f"{who} keeps its old code: {why}" for who, why in self.kept]
        if self.others:
            parts.append(f"{self.others} process{'es' if self.others > 1 else ''} of the old code")
        return "; ".join(parts)

    @property
    def back(self) -> str:
        """The same where they went back."""
        parts = [f"changed back {', '.join(fold(self.changed))}"] if self.changed else []
        return "; ".join([*parts, *(f"{who} keeps its code: {why}" for who, why in self.kept)])


class Asked(NamedTuple):
    """The actors of one node, each with the answer that is on its way, or why there is none."""

    info: NodeInfo
    code: dict[str, str]
    replies: dict[str, Reply | Exception]

    def outcome(self, client: Client) -> Steps[Changes]:
        """What has become of them by now."""
        _, others = yield client.ask_later("users", dest=self.info.hub, code=self.code)
        fates = {who: _fate(reply) for who, reply in self.replies.items()}
        changed = tuple(_noted(who, fate.why) for who, fate in fates.items() if fate.what == CHANGED)
        kept = tuple((who, fate.why) for who, fate in fates.items() if fate.what not in (CHANGED, CURRENT))
        return Changes(changed, kept, others)


def change(client: Client, info: NodeInfo, step: str, code: Code) -> Steps[Asked]:
    """Ask each actor of a node that runs code of these names to take a step, between two calls of its."""
    rows: list[Any] = []
    while True:
        after = rows[-1][0] if rows else 0
        page, _ = yield client.ask_later("users", dest=info.hub, code=dict(code), after=after)
        if not page:
            break
        rows += page
    replies: dict[str, Reply | Exception] = {}
    for number, _, label in rows:
        actor = Actor(Process(Pid(info.incarnation, number), info.name), label)
        try:
            reply = replies[f"{actor.process!r} {label}"] = ask(actor, METHOD, (step, dict(code)), {})
            reply.detached = True  # nobody cancels it: it changes after its present call
            reply.waiter.add_callback(lambda _, reply=reply: reply.overlook())  # type: ignore[misc]  # a default binds it
        except Exception as error:
            replies[f"{actor.process!r} {label}"] = error
    return Asked(info, dict(code), replies)


def answered(client: Client, asked: Iterable[Asked], seconds: float = PATIENCE) -> Steps[None]:
    """Wait for all their answers, but no longer than so many seconds: its own hub tells the time."""
    replies = [reply for each in asked for reply in each.replies.values()]
    left = {reply.ref: reply for reply in replies if isinstance(reply, Reply)}
    bell = Waiter(client)

    def came(reply: Reply) -> None:
        left.pop(reply.ref, None)
        if not left:
            bell.set()

    for reply in list(left.values()):
        reply.waiter.add_callback(lambda _, reply=reply: came(reply))  # type: ignore[misc]  # a default binds it
    if left:
        client.ask_later("pause", seconds=seconds).add_callback(bell.set)
        yield bell


def _noted(who: str, why: str) -> str:
    return f"{who} ({why})" if why else who


def _fate(reply: Reply | Exception) -> Fate:
    if isinstance(reply, Exception):
        return Fate("", told(reply))
    if not reply.waiter.done:
        return Fate("", "it is busy; it changes after its present call")
    error = reply.outcome()
    if error is not None:
        return Fate("", told(error))
    value: Any = reply.value
    return Fate(*value)
