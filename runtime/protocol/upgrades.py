"""The upgrade of a node: whose it is, what its names meant before, and whether tasks are placed elsewhere meanwhile.

One at a time: whoever takes a node has it until he gives it back, ends, or was not heard of for as long as he said.
Then it is open again, with the code that it has by then.
"""

from collections.abc import Callable
from math import isfinite
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.actions import Meta
from pysh.runtime.protocol.blobs import Pushed
from pysh.runtime.protocol.frames import Frame, pages
from pysh.runtime.protocol.jobs import DONE, Job
from pysh.runtime.protocol.links import Link
from pysh.runtime.protocol.pool import fits
from pysh.runtime.protocol.terms import Ref, shown

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

LOOK = 0.02
"""Seconds between two looks at what is left."""
LONGEST = 7 * 86400.0
"""Seconds that anything here may last."""
ABOUT = 200
"""Characters of what an upgrade is said to be."""


class Upgrades:
    """At most one upgrade of `node`, each known by whoever makes it and a number of his."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._by: Ref | None = None
        self._about = ""
        self._since = self._until = 0.0
        self._before: dict[str, Pushed | None] = {}
        self._lost: tuple[Ref, dict[str, Pushed | None]] | None = None
        """Whose it was until he was not heard of any more, and what the names meant before: he may come again."""
        self.others: set[str] = set()
        """The names that others pushed since then, if whose it is had lost it."""
        self.cordoned = False
        """Whether tasks that may go elsewhere had better."""

    def take(self, by: Ref, about: str, seconds: float, *, cordon: bool = False, again: bool = False) -> Meta | None:
        """It is `by`'s for `seconds` from now, `again` if it was; the error where it is another's, or was since."""
        if (refused := self.refuses(by)) is not None:
            return refused
        now = self._node.now
        if self._by != by:
            lost, self._lost = self._lost, None
            was = lost is not None and lost[0] == by
            if again and not was:
                return _gone(f"{self._node.name} was let go meanwhile, and was upgraded by others since")
            self._by, self._about, self._since, self._before = by, about[:ABOUT], now, lost[1] if lost and was else {}
            self.others = self.others if was else set()
        self._until = now + _seconds(seconds)
        self._node.later(self._until - now, self._expire)
        self._cordon(cordon)
        return None

    def refuses(self, by: Ref) -> Meta | None:
        """The error for whoever wants to change the code of this node while another upgrades it."""
        if self._by is None or self._by == by:
            return None
        who = shown(self._node.members.name(self._by.owner.incarnation), self._by.owner.number)
        lasts = f"since {self._node.now - self._since:.0f} s, for {self._until - self._node.now:.0f} s more at most"
        text = f"{self._node.name} is being upgraded to {self._about} by {who}, {lasts}: try again after that"
        return {"error": "PyshError", "text": text, "executed": "no"}

    def pushed(self, by: Ref, code: Pushed) -> Meta | None:
        """Its names mean that `code` from now on; the error where another upgrades it. Raises `ValueError`."""
        if (refused := self.refuses(by)) is not None:
            return refused
        if self._lost is not None and self._lost[0] != by:
            self.others |= code.keys() & self._lost[1].keys()  # they do not go back to what is not the last any more
        before = self._node.work.blobs.pushed(code)
        if self._by == by:
            self._before = before | self._before
        return None

    def back(self, by: Ref) -> Meta | None:
        """The names mean what they meant before the upgrade; the error where it is not `by`'s any more, or where others
        pushed some of them since, which are left."""
        if self._by != by:
            return _gone(f"{self._node.name} is not held by this upgrade any more")
        others, self.others = self.others, set()
        self._node.work.blobs.restore({name: code for name, code in self._before.items() if name not in others})
        self._before = {}
        return _gone(f"others pushed {', '.join(sorted(others))} since, while it was let go") if others else None

    def end(self, by: Ref, *, final: bool = False) -> None:
        """It is nobody's, and open; `final` if `by` has said so and does not come again."""
        if self._by == by:
            self._lost, self.others = None if final else (by, self._before), set()
            self._by, self._before = None, {}
            self._cordon(False)

    def ended(self, number: int) -> None:
        """A process of this node is gone."""
        if self._by is not None and self._by.owner == (self._node.incarnation, number):
            self.end(self._by)

    def node_down(self, incarnation: bytes) -> None:
        """Another node is gone, and all its processes."""
        if self._by is not None and self._by.owner.incarnation == incarnation:
            self.end(self._by)

    def _expire(self) -> None:
        if self._by is not None and self._node.now >= self._until:
            self.end(self._by)

    def _cordon(self, on: bool) -> None:
        if self.cordoned is not on:
            self.cordoned = on
            self._node.work.standing.changed(at_once=True)

    # what has begun before

    def drained(self, frame: Frame, seconds: float) -> None:
        """Answer `frame` with how many of the tasks that are here now are left, once none is or in `seconds`."""
        node, until = self._node, self._node.now + _seconds(seconds)
        left = [job for job in node.work.jobs if not job.is_process and node.work.pid(job) != frame.source]

        def look() -> None:
            left[:] = [job for job in left if job.state != DONE]
            if left and node.now < until:
                node.later(LOOK, look)
            else:
                node.reply(frame, {"ok": len(left)})

        look()

    def users(self, code: Pushed, after: int) -> tuple[list[list[Any]], int, int]:
        """The processes that were started with code of these names.

        Of those with a role, who may change it: number, role and what they are called. Of the others, how many have
        other code than this, and how many have this.
        """
        jobs = [job for job in self._node.work.jobs if job.is_process and job.state != DONE and _shares(job, code)]
        able = sorted((job for job in jobs if _role(job)), key=lambda job: job.number)
        rows = ([job.number, _role(job), job.options.get("label", "")] for job in able if job.number > after)
        others = [fits(job.code, code) for job in jobs if not _role(job)]
        return next(pages(rows)), others.count(False), others.count(True)


def _gone(text: str) -> Meta:
    return {"error": "PyshError", "text": text, "executed": "no"}


def _role(job: Job) -> str:
    return job.options.get("role") or ""


def _shares(job: Job, code: Pushed) -> bool:
    """Whether any of its code has one of these names."""
    return any(job.code.get(name) for name in code)


def _seconds(value: float) -> float:
    if not isfinite(value):
        raise ValueError(f"{value} is no number of seconds")
    return min(max(0.0, value), LONGEST)


# what is asked for by a REQUEST; see `requests`


def _by(frame: Frame, asked: Meta) -> Ref:
    return Ref(frame.source, int(asked.get("token", 0)))


def _upgrade(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    by, about, seconds = _by(frame, asked), str(asked["about"]), float(asked["seconds"])
    flags = {name: bool(asked.get(name)) for name in ("cordon", "again")}
    return node.upgrades.take(by, about, seconds, **flags) or {"ok": sorted(node.upgrades.others)}


def _upgraded(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    if asked.get("back"):
        return node.upgrades.back(_by(frame, asked)) or {"ok": None}
    node.upgrades.end(_by(frame, asked), final=True)
    return {"ok": None}


def _pushed(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    """The answer is what the names meant before."""
    before = node.work.blobs.hashes(asked["code"])
    return node.upgrades.pushed(_by(frame, asked), dict(asked["code"])) or {"ok": before}


def _meant(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    return {"ok": node.work.blobs.meant(dict(asked["code"]))}


def _drained(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> None:
    node.upgrades.drained(frame, float(asked["seconds"]))


def _users(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    """Those after number `after`, as many as an answer has room for, and how many there are besides."""
    return {"ok": list(node.upgrades.users(dict(asked["code"]), int(asked.get("after", 0))))}


def _pause(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> None:
    """An answer after so many seconds."""
    node.later(_seconds(float(asked["seconds"])), lambda: node.reply(frame, {"ok": None}))


VERBS: dict[object, Callable[["Node", Link | None, Frame, Meta], Meta | None]] = {
    "upgrade": _upgrade, "upgraded": _upgraded, "pushed": _pushed, "meant": _meant, "drained": _drained,
    "users": _users, "pause": _pause,
}  # fmt: skip
