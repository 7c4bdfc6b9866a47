"""Who the other nodes are: how they join, what they are called, and what is told of them."""

from itertools import count
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.actions import Close, Dial, Meta
from pysh.runtime.protocol.addresses import Way
from pysh.runtime.protocol.frames import LOCAL, Frame, Kind, pack
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.links import Link, first_wins

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node


class Members:
    """The nodes that this one knows, by their incarnations."""

    def __init__(self, node: "Node") -> None:
        self.peers: dict[bytes, Link] = {}
        self.dialling: dict[int, Frame] = {}
        self.tokens = count(1)
        self._node = node

    # joining

    def refuse(self, hello: Hello) -> str | None:
        """Why a proven peer may not join, as `code: text`, or None if it may."""
        me = self._node
        if me.stopping:
            return f"shutting_down: {me.name} is stopping"
        if hello.role != "node":
            return None
        if hello.incarnation == me.incarnation:
            return f"self_connect: {me.name} dialled itself"
        for name, incarnation in [
            (me.name, me.incarnation),
            *((p.hello.name, i) for i, p in self.peers.items()),
        ]:
            if name == hello.name and incarnation != hello.incarnation:
                return f"name_taken: {me.name} knows another {hello.name}; start one of the two under another name"
        return None

    def joined(self, link: Link, token: int, alias: str, told: Meta) -> None:
        """A connection with another node is open; `token` is set if we dialled it, as `alias` perhaps.

        Whoever asked for that is `told` too how it went.
        """
        known = self.peers.get(link.hello.incarnation)
        if known is not None:
            link = self._one_of(known, link)
        if alias and alias != link.hello.name and alias not in link.aliases:
            link.aliases.append(alias)
        self._node.links[link.number] = link
        self.peers[link.hello.incarnation] = link
        self._tell(None if known else (link, "up", ""))
        if token and (asked := self.dialling.pop(token, None)) is not None:
            self._node.reply(asked, {"ok": {**link.view(), **told}})

    def _one_of(self, known: Link, new: Link) -> Link:
        """Two nodes dialled each other at once: both drop the same one of the two connections."""
        me = self._node
        ours, theirs = (me.name, me.incarnation), (new.hello.name, new.hello.incarnation)
        if known.dialled == new.dialled or first_wins(ours, theirs, dialled=known.dialled):
            me.actions.append(Close(new.number))
            return known
        me.actions.append(Close(known.number))
        me.links.pop(known.number, None)
        new.session, new.aliases = known.session, known.aliases
        return new

    def connect(self, address: str, asked: Frame | None = None, way: Way | None = None) -> None:
        """Dial `address` on the `way` given; whoever `asked` is answered when that succeeds or fails."""
        token = next(self.tokens)
        if asked is not None:
            self.dialling[token] = asked
        self._node.actions.append(Dial(token, address, way))

    def dial_failed(self, token: int, error: dict[str, Any]) -> None:
        """What `Dial` asked for did not come about."""
        if (asked := self.dialling.pop(token, None)) is not None:
            self._node.reply(asked, error)
        else:
            self._node.console.notice(str(error.get("text")), "error")

    # leaving

    def lost(self, link: Link, reason: str) -> None:
        """A connection with another node ended."""
        there = link.hello.incarnation
        if self.peers.get(there) is link:
            del self.peers[there]
            self._node.elsewhere = {ref for ref in self._node.elsewhere if ref.owner.incarnation != there}
            self._tell((link, "down", reason))
            self._node.work.requester_lost(lambda asked: asked.incarnation == there)
            self._node.attachment.lost(there, reason)

    def suspect(self, number: int, suspect: bool, now: float) -> None:
        """A neighbour fell silent, or is heard again."""
        self._node.now = now
        link = self._node.links.get(number)
        if link is not None and link.suspect != suspect:
            link.suspect = suspect
            self._tell()

    # telling

    def view(self) -> list[dict[str, Any]]:
        """This node first, then the others."""
        me = self._node
        myself = {
            "name": me.name, "incarnation": me.incarnation, "state": "self", "python": me.python,
            "aliases": [], "load": me.work.jobs.load(), "rtt": None,
        }  # fmt: skip
        return [myself, *(link.view() for link in self.peers.values())]

    def label(self, incarnation: bytes) -> str:
        """How output of a node is tagged: the part of its name before `@`, while that is unique."""
        me = self._node
        names = {peer: link.hello.name for peer, link in self.peers.items()} | {me.incarnation: me.name}
        name = names.get(incarnation, "?")
        short = name.partition("@")[0]
        return short if [n.partition("@")[0] for n in names.values()].count(short) == 1 else name

    def _tell(self, event: tuple[Link, str, str] | None = None) -> None:
        """Tell our runners who is there, and what changed."""
        meta: dict[str, Any] = {"nodes": self.view()}
        if event is not None:
            about, state, reason = event
            who = {"name": about.hello.name, "incarnation": about.hello.incarnation}
            meta["event"] = {**who, "state": state, "reason": reason}
        for link in list(self._node.links.values()):
            if link.role in ("evaluator", "program", "worker"):
                self._node.write(link, Frame(Kind.NODES, LOCAL, LOCAL, meta=pack(meta)))
        if event is not None and event[1] == "down":
            self._node.console.notice(f"{event[0].hello.name} is down: {event[2]}", "warn")
