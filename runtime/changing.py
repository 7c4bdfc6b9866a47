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
    ended: tuple[str, ...] = ()
    """Those that are no more."""
    old: int = 0
    """Processes of other code that cannot be asked: they end on what they began with."""
    new: int = 0
    """The same of this code."""

    def __str__(self) -> str:
        return self._told("changed", "keeps its old code", self.old, "old")

    @property
    def back(self) -> str:
        """The same where they went back."""
        return self._told("changed back", "keeps the new code", self.new, "new")

    def _told(self, changed: str, keeps: str, others: int, code: str) -> str:
        parts = [f"{changed} {', '.join(fold(self.changed))}"] if self.changed else []
        parts += [f"{who} {keeps}: {why}" for who, why in self.kept]
        parts += [f"{who} has ended" for who in self.ended]
        if others:
            parts.append(f"{others} process{'es' if others > 1 else ''} of the {code} code")
        return "; ".join(parts)


class Asked(NamedTuple):
    """The actors of one node, each with the answer that is on its way, or why there is none."""

    info: NodeInfo
    code: dict[str, str]
    replies: dict[str, Reply | Exception]

    def outcome(self, client: Client, before: "Asked | None" = None) -> Steps[Changes]:
        """What has become of them by now, and of those that were asked to take the step before."""
        there, old, new = yield from _users(client, self.info, self.code)
        fates = {who: _fate(reply) for who, reply in self.replies.items() if who in there}
        changed = tuple(_noted(who, fate.why) for who, fate in fates.items() if fate.what == CHANGED)
        kept = tuple((who, fate.why) for who, fate in fates.items() if fate.what not in (CHANGED, CURRENT))
        asked = [*(before.replies if before is not None else ()), *self.replies]
        ended = tuple(dict.fromkeys(who for who in asked if who not in there))
        return Changes(changed, kept, ended, old, new)


def change(client: Client, info: NodeInfo, step: str, code: Code) -> Steps[Asked]:
    """Ask each actor of a node that runs code of these names to take a step, between two calls of its."""
    replies: dict[str, Reply | Exception] = {}
    users, _, _ = yield from _users(client, info, code)
    for who, actor in users.items():
        try:
            reply = replies[who] = ask(actor, METHOD, (step, dict(code)), {})
            reply.detached = True  # nobody cancels it: it changes after its present call
            reply.waiter.add_callback(lambda _, reply=reply: reply.overlook())  # type: ignore[misc]  # a default binds it
        except Exception as error:
            replies[who] = error
    return Asked(info, dict(code), replies)


def _users(client: Client, info: NodeInfo, code: Code) -> Steps[tuple[dict[str, Actor], int, int]]:
    """The actors of a node that run code of these names, by what they are called; and how many processes that cannot
    be asked run other code of them, and how many this."""
    rows: list[Any] = []
    while True:
        after = rows[-1][0] if rows else 0
        page, old, new = yield client.ask_later("users", dest=info.hub, code=dict(code), after=after)
        if not page:
            break
        rows += page
    processes = [(Process(Pid(info.incarnation, number), info.name), label) for number, _, label in rows]
    return {f"{process!r} {label}": Actor(process, label) for process, label in processes}, old, new


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
