"""The other nodes that this one knows, as they are shown and told of: to runners, and to whoever sits here."""

from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.actions import Meta
from pysh.runtime.protocol.code import SHOWN
from pysh.runtime.protocol.frames import LOCAL, MAX_META, Frame, FrameError, Kind, pack, pages
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.member import Member

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

SAY_AFTER = 2.0
"""Seconds without a connection after which whoever sits here is told."""


class Roster:
    """The nodes that `node` knows, by their incarnations."""

    def __init__(self, node: "Node") -> None:
        self.peers: dict[bytes, Member] = {}
        self._node = node

    def called(self, text: str) -> Member | None:
        """The node that goes by `text`, or the only one whose name before the `@` it is."""
        members = list(self.peers.values())
        named = [member for member in members if member.name == text]
        called = [member for member in members if member.goes_by(text) or member.name.partition("@")[0] == text]
        return named[0] if named else called[0] if len(called) == 1 else None

    def namesakes(self, hello: Hello) -> list[Member]:
        """The nodes that have the name of `hello` and are another start than it."""
        return [m for m in self.peers.values() if m.name == hello.name and m.incarnation != hello.incarnation]

    def view(self, after: int = -1) -> list[dict[str, Any]]:
        """This node first, which has the number 0, then the others; those with a number `after` that one."""
        me = self._node
        myself = {
            "name": me.name, "incarnation": me.incarnation, "state": "self", "python": me.python,
            "aliases": [], "load": me.work.standing.load, "rtt": None, "number": 0,
        }  # fmt: skip
        others = (member.view() for member in self.peers.values() if member.met and member.number > after)
        return [*([myself] if after < 0 else []), *others]

    def introductions(self, kind: int, meta: Meta) -> list[Frame]:
        """`meta`, and all the nodes there are: a frame of `kind`, and more where one has no room for them.

        All of them but the last say that there is `more`.
        """
        *most, last = pages(self.view())
        metas: list[Meta] = [*({"nodes": page, "more": True} for page in most), {"nodes": last}]
        metas[0] |= meta
        kinds = [kind, *[Kind.NODES] * len(most)]
        return [Frame(kind, LOCAL, LOCAL, meta=pack(meta)) for kind, meta in zip(kinds, metas, strict=True)]

    def name(self, incarnation: bytes) -> str:
        """The full name of a node that is known at present; else the beginning of its incarnation."""
        if incarnation == self._node.incarnation:
            return self._node.name
        member = self.peers.get(incarnation)
        return member.name if member is not None else incarnation.hex()[:8]

    def label(self, incarnation: bytes) -> str:
        """How output of a node is tagged: the part of its name before `@`, while that is unique."""
        me = self._node
        names = {peer: member.name for peer, member in self.peers.items()} | {me.incarnation: me.name}
        name = names.get(incarnation, "?")
        short = name.partition("@")[0]
        return short if [n.partition("@")[0] for n in names.values()].count(short) == 1 else name

    def knowing(self, failure: Frame) -> Frame:
        """A `failure`; one for want of a function says which other nodes have it, as far as that is known here.

        One that is no sense goes on as it came: that is for whoever waits for it to say.
        """
        try:
            told = failure.options()
        except FrameError:
            return failure
        if not isinstance(told, dict) or told.get("error") != "NoFunction":
            return failure
        name, me = str(told.get("function")), self._node
        others = [member.name for member in self.peers.values() if name in member.names]
        if name in me.work.code:
            others.insert(0, me.name)
        meta = pack({**told, "others": others[:SHOWN]})
        return failure._replace(meta=meta) if len(meta) <= MAX_META else failure

    def suspects(self) -> list[str]:
        """The labels of the nodes of which whoever sits here was told that they are suspect."""
        return [self.label(member.incarnation) for member in self.peers.values() if member.noticed]

    def tell(self, event: tuple[Member, str, str] | None = None) -> None:
        """Tell our runners who is there, and what changed."""
        meta: Meta = {}
        if event is not None:
            about, state, reason = event
            meta["event"] = {"name": about.name, "incarnation": about.incarnation, "state": state, "reason": reason}
        frames = self.introductions(Kind.NODES, meta)
        for link in list(self._node.links.values()):
            if link.role in ("evaluator", "program", "worker", "apartment"):
                for frame in frames:
                    self._node.write(link, frame)

    def say(self, member: Member) -> None:
        """Tell whoever sits here that a node is suspect, or is back; a short absence is not worth a word."""
        brief = member.link is None and self._node.now < member.lost_at + SAY_AFTER
        if member.ended or brief or member.suspect == member.noticed:
            return
        member.noticed = member.suspect
        if member.suspect:
            self._node.shells.notice(f"{member.name} is suspect: nothing comes from it", "warn")
        else:
            self._node.shells.notice(f"{member.name} is back")
