"""`upgrade`: nodes that go over to other code, one after the other, and all of them back if one of them cannot.

1. Each node is taken, so that nobody else changes its code meanwhile; they are taken in one order, so that of two
   upgrades of the same nodes one is first. Where one is another's already, nothing is done anywhere.
2. One node at a time is cordoned, what runs there has its time to end, the code is brought and imported once; only
   then its names mean it, its actors change, and the check runs there.
3. If any of that fails, that node and those before it go back, the last first. Only once all are through is it final.

A task needs none of this to be run once: it has the code that its name meant when it was accepted.
"""

import sys
from contextlib import suppress
from math import isfinite

from pysh.runtime import needs
from pysh.runtime.calls import Apart, Call, Fn, called, check_seconds, owner_of
from pysh.runtime.changing import PATIENCE, Asked, answered, change
from pysh.runtime.codechange import BACK, KEEP, TRY, told
from pysh.runtime.errors import NodeDown, PyshError, UpgradeFailed
from pysh.runtime.needs import NOTHING, Needs
from pysh.runtime.node import Node, On, select
from pysh.runtime.push import IMPORTING, What, bring, check_sources, located
from pysh.runtime.results import Results
from pysh.runtime.runner.view import NodeInfo
from pysh.runtime.runner.waiting import Steps, Waiter
from pysh.runtime.started import current
from pysh.runtime.task import Task

CHECKING = 60.0
"""Seconds that a check may run on one node."""
MARGIN = 60.0
"""Seconds beyond those that the steps of one node may take, until its hub takes whoever upgrades it for lost."""


class Rolling:
    """One upgrade: `roll` it, and if that is ended by whatever it is, `back`."""

    def __init__(self, what: What, on: On, drain: float, check: Fn | None) -> None:
        check_seconds("drain", drain)
        if isinstance(drain, bool) or not isfinite(drain):
            raise ValueError(f"drain= takes a number of seconds, 0 or more, not {drain!r}; nothing was sent")
        self._client = client = current()
        self._infos, absent = select(client, on)
        for why in absent.values():
            raise why
        self._name, root = located(what, "upgrade")
        self._needed = needs.pushed(self._name, root, client)
        check_sources(self._needed)
        self._code = dict(self._needed.code)
        self.about = f"{self._name} {self._code[self._name][:12]}"
        self._check = None if check is None else checking(check, self._needed)
        self._drain = drain
        self._patience = max(drain, PATIENCE)
        self._seconds = drain + self._patience + IMPORTING + CHECKING + MARGIN
        self._token = client.next_ref()
        self._taken: list[NodeInfo] = []
        self._begun: list[NodeInfo] = []  # whose names may mean the new code
        self._news: dict[bytes, dict[str, str]] = {}  # the names of each that mean something else since
        self._tried: dict[bytes, Asked] = {}
        self._now: NodeInfo | None = None
        self._task: Task | None = None
        self._results = Results()
        self._table: dict[str, str] = {}
        self._final = False

    def roll(self) -> Steps[Results]:
        """Upgrade the nodes in their order."""
        for info in sorted(self._infos, key=lambda info: info.incarnation):
            self._taken.append(info)
            yield self._take(info)
        for info in self._infos:
            self._now = info
            self._renew()
            yield from self._hold(info, cordon=True)
            text = self._results[Node(info.name)] = yield from self._upgrade(info)
            yield from self._hold(info)
            _show(info, text)
        for info in self._infos:
            with suppress(NodeDown):
                yield from self._hold(info)
        self._now, self._begun, self._final = None, [], True
        for info in self._infos:
            with suppress(PyshError):  # it is down
                yield from change(self._client, info, KEEP, self._code)
        yield from self._release()
        return self._results

    def _upgrade(self, info: NodeInfo) -> Steps[str]:
        """One node; what to tell of it."""
        client, hub = self._client, info.hub
        left = yield client.ask_later("drained", dest=hub, seconds=self._drain)
        where = yield from self._done(bring(client, info, self._needed, tried=self._name))
        self._begun.append(info)
        before = yield client.ask_later("pushed", dest=hub, code=self._code, token=self._token)
        news = {name: digest for name, digest in self._code.items() if before.get(name) != digest}
        self._news[info.incarnation] = news
        asked = self._tried[info.incarnation] = yield from change(client, info, TRY, self._code)
        yield from answered(client, [asked], self._patience)
        changes = yield from asked.outcome(client)
        if self._check is not None:
            task = Task(client, hub, self._check.label)
            task.submit(self._check.meta(owner_of(client), "", CHECKING), self._check.payload_for(info))
            if (yield from self._done(task)) is False:
                raise PyshError(f"{self._check.label} returned False")
        tasks = f"{left} task{'s' if left > 1 else ''} left to end on the old code" if left else ""
        return "; ".join(filter(None, (str(where), str(changes), tasks)))

    def _done(self, task: Task) -> Steps[object]:
        self._task = task
        if not task.done():
            yield task.waiter
        self._task = None
        if (error := task.outcome()) is not None:
            raise error
        return task.value

    def _take(self, info: NodeInfo, *, again: bool = False, cordon: bool = False) -> Waiter:
        return self._client.ask_later(
            "upgrade", dest=info.hub, token=self._token, about=self.about, seconds=self._seconds, cordon=cordon,
            again=again,
        )  # fmt: skip

    def _hold(self, info: NodeInfo, *, cordon: bool = False) -> Steps[None]:
        """Go on having a node. Raises `PyshError` where others changed its code since."""
        if others := (yield self._take(info, again=True, cordon=cordon)):
            raise PyshError(f"others pushed {', '.join(others)} on {info.name} since, while it was let go")

    def _renew(self) -> None:
        """Let all know that we are still there."""
        for info in self._taken:
            with suppress(PyshError):  # of one that is down we shall hear when it is its turn
                self._take(info, again=True)

    def _release(self) -> Steps[None]:
        asked = []
        for info in self._taken:
            with suppress(PyshError):
                asked.append(self._client.ask_later("upgraded", dest=info.hub, token=self._token))
        for waiter in asked:
            with suppress(PyshError):
                yield waiter

    # back

    def back(self, error: BaseException) -> Steps[UpgradeFailed | None]:
        """All nodes as they were before, because of this `error`; what to raise in its place, if anything."""
        if self._task is not None:
            self._task.give_up()
        for info in reversed(self._begun):
            try:
                self._table[info.name] = yield from self._undo(info)
            except Exception as why:
                self._table[info.name] = f"not rolled back: {told(why)}"
            _show(info, self._table[info.name])
        yield from self._release()
        if self._final:
            error.add_note(f"the upgrade to {self.about} was done on all nodes")
        if self._now is None:
            return None  # nothing was begun, or all was done
        failed = self._failed(self._now, error)
        if isinstance(error, Exception):
            return failed
        error.add_note(str(failed))
        return None

    def _failed(self, at: NodeInfo, error: BaseException) -> UpgradeFailed:
        for info in self._infos:
            self._table.setdefault(info.name, "not rolled back" if info in self._begun else "nothing was pushed")
        executed = "yes" if self._begun else "no"
        return UpgradeFailed(at.name, self.about, told(error), self._table, executed=executed)

    def let_go(self, error: BaseException) -> None:
        """Hold no node any more, and have `error`, which ended the way back, say how far that was."""
        for info in self._taken:
            with suppress(PyshError):
                self._client.ask_later("upgraded", dest=info.hub, token=self._token)
        if self._now is not None:
            error.add_note(str(self._failed(self._now, error)))

    def _undo(self, info: NodeInfo) -> Steps[str]:
        client = self._client
        yield self._take(info, again=True)  # which it may not be any more, after a long time or an outage
        names = "rolled back"
        try:
            yield client.ask_later("upgraded", dest=info.hub, token=self._token, back=True)
        except PyshError as error:
            names = f"not rolled back as a whole: {told(error)}"
        asked = yield from change(client, info, BACK, self._news.get(info.incarnation, self._code))
        yield from answered(client, [asked], self._patience)
        changes = yield from asked.outcome(client, self._tried.get(info.incarnation))
        return "; ".join(filter(None, (names, changes.back)))


def checking(check: Fn, needed: Needs) -> Call:
    """The call of a check, which runs with the code that is `needed`. Raises `TypeError` and `NotSendable`."""
    call = Call(check, (), {}, frozenset(), Apart(isolate=True))
    own, code = call.needs or NOTHING, dict(needed.code)
    call.needs = Needs(
        tuple({**dict(own.code), **code}.items()), tuple({**dict(own.places), **dict(needed.places)}.items()),
        own.demanded, tuple(name for name in own.fixed if name not in code),
    )  # fmt: skip
    return called(call, f"check {call.label}")


def _show(info: NodeInfo, text: str) -> None:
    """Progress, where somebody looks."""
    if sys.stderr is not None and sys.stderr.isatty():
        print(f"{info.name.partition('@')[0]}: {text}", file=sys.stderr)
