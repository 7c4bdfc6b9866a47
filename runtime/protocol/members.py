"""What happens to the other nodes: how they join, what becomes of their sessions, and when they are down.

A connection is lost, and what follows:

1. The session stays, and its node is `suspect`. What is sent to it is numbered and kept. Whoever dialled
   it dials again, at once and then less and less often; the other end waits.
2. On a new connection both ends say first which session they have, and how much of it they received
   (RESUME). What the other lacks is sent again; what came twice is dropped.
3. The node is down at once on proof: it says BYE, its name is no longer held on this machine, or another
   incarnation of it answers. Else it is when it was away for longer than the grace of both ends, or
   broke the rules on one connection after the other.
4. An end that has given a session up cannot agree on it any more. The other end learns so from its
   RESUME: the node is down there as well, and up again, in a new session.
"""

from itertools import count
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.actions import Close, Dial, Meta, Write
from pysh.runtime.protocol.addresses import Way
from pysh.runtime.protocol.code import read_names
from pysh.runtime.protocol.dials import Dials
from pysh.runtime.protocol.frames import LOCAL, Flag, Frame, Kind, flags_of, kind_of, pack, parse
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.links import Link, first_wins
from pysh.runtime.protocol.member import FAULTS, FULL, SOUND, Member, Resume
from pysh.runtime.protocol.redials import Redials
from pysh.runtime.protocol.roster import Roster
from pysh.runtime.protocol.standing import read_facts

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

SLEPT = 5.0
"""Seconds of the machine's sleep that no connection is expected to have outlived."""
PARTED = 256
"""How many sessions that were ended here on purpose are remembered."""


class Members(Roster):
    """The nodes that `node` knows, and what happens to them."""

    def __init__(self, node: "Node") -> None:
        super().__init__(node)
        self.dials = Dials(node)
        self._redials = Redials(node)
        self._numbers = count(1)
        self._parted: dict[bytes, tuple[int, str]] = {}
        self._asleep: float | None = None

    # joining

    def connect(self, address: str, asked: Frame | None = None, way: Way | None = None, *, asks: bool = False) -> None:
        """Dial `address` on the `way` given; whoever `asked` is answered when that succeeds or fails.

        `asks` tells that he has a person who may be asked things meanwhile.
        """
        known = self.called(address)
        if known is not None and known.met and not known.suspect:
            if asked is not None:
                self._node.reply(asked, {"ok": {**known.view(), "trace": [("ready", 0.0, "it is connected already")]}})
            return
        self._node.actions.append(Dial(self.dials.expect(asked), address, way, asks))

    def dial_failed(self, token: int, error: dict[str, Any]) -> None:
        """What `Dial` asked for did not come about."""
        if not self._redials.failed(token, error) and not self.dials.tell(token, error):
            self._node.shells.notice(str(error.get("text")), "error")

    def refuse(self, hello: Hello) -> str | None:
        """Why a proven peer may not join, as `code: text`, or None if it may."""
        me = self._node
        if me.stopping:
            return f"shutting_down: {me.name} is stopping"
        if hello.role != "node":
            return None
        if hello.incarnation == me.incarnation:
            return f"self_connect: {me.name} dialled itself"
        if hello.name == me.name or any(not other.suspect for other in self.namesakes(hello)):
            return f"name_taken: {me.name} knows another {hello.name}; start one of the two under another name"
        return None

    def joined(self, link: Link, token: int, alias: str, told: Meta) -> None:
        """A connection with another node is open; `token` is set if we dialled it, as `alias` perhaps.

        Whoever asked for that is `told` too how it went.
        """
        link.told = told
        hello, sought = link.hello, self._redials.found(token)
        self._node.links[link.number] = link
        if sought is not None and sought.ended:
            self._bye(link, sought.ended)
            return
        if sought is None and token and (refusal := self.refuse(hello)) is not None:
            self._bye(link, "refused")
            self.dial_failed(token, _failure("name", link.address, refusal.partition(": ")[2]))
            return
        for other in self.namesakes(hello):
            self.end(other, "restarted")
        if sought is not None and sought.incarnation != hello.incarnation and not sought.ended:
            self.end(sought, f"{hello.name} answers at its address")
        member = self.peers.get(hello.incarnation) or self._begin(hello)
        link.member, link.session = member, member.session
        if token:
            member.address, member.refused = link.address, ""
            if alias and not member.goes_by(alias):
                member.aliases.append(alias)
                if member.met:
                    self.tell()
        if token or hello.incarnation not in self._parted:  # else it speaks first, and may be told goodbye
            self._say_resume(link, member)

    def _begin(self, hello: Hello) -> Member:
        member = self.peers[hello.incarnation] = Member(hello, next(self._numbers))
        return member

    def _say_resume(self, link: Link, member: Member) -> None:
        link.greeted = True
        meta = pack({**member.resume(self._node.grace), "dial": link.dial if link.dialled else 0})
        self._node.write(link, Frame(Kind.RESUME, LOCAL, LOCAL, meta=meta))

    # resuming

    def resumed(self, link: Link, told: Resume) -> None:
        """The other end of a new connection says where it stands: go on from there."""
        member = link.member
        if member is None or self._was_parted(link, told):
            return
        if not link.greeted:
            self._say_resume(link, member)
        member.grace = told.grace
        link.dial = link.dial if link.dialled else told.dial
        carrier = member.link
        if carrier is not None and carrier is not link:
            if not self._replaces(link, carrier):
                self._drop(link)
                self._answer(link, member)
                return
            self._drop(carrier)
            self._unwire(member)
        if not member.agrees(told):
            if not member.met:
                return  # it has to give up what it has, and will say so
            member = self._renew(link, member)
            if told.yours:
                return  # it has something to give up as well
        self._carry(link, member, told)

    def _renew(self, link: Link, member: Member) -> Member:
        """The other end has given up this session: so do we, and begin a new one on the same connection."""
        self.end(member, "it gave this session up", keep=link)
        new = self._begin(link.hello)
        new.address, new.aliases, new.grace = member.address, member.aliases, member.grace
        link.member, link.session = new, new.session
        self._say_resume(link, new)
        return new

    def _carry(self, link: Link, member: Member, told: Resume) -> None:
        """`link` carries the session from now on."""
        node, first = self._node, not member.met
        again = member.session.resume(told.received, node.now)
        member.theirs, member.link, member.wire, member.met = told.session, link, link.number, True
        member.resumed_at, member.silent = node.now, False
        member.turn += 1
        self._parted.pop(member.incarnation, None)
        for raw in again:
            node.actions.append(Write(link.number, [raw.header, raw.body]))
        node.write(link, node.work.standing.report())
        self.tell((member, "up", "") if first else None)
        if first and not link.dialled:  # else whoever asked for it is answered
            node.shells.notice(f"{member.name} is up: it connected to this node")
        self.say(member)
        self._answer(link, member)
        node.go_on(member)
        node.acknowledge_soon(link)

    def _replaces(self, new: Link, old: Link) -> bool:
        """Which of two connections stays. Both ends decide alike, from who dialled them and in which order."""
        if new.dialled == old.dialled:
            return new.dial > old.dial
        if old.member is not None and old.member.silent:
            return True  # it is as good as lost, and its other end will see that
        me = self._node
        ours, theirs = (me.name, me.incarnation), (new.hello.name, new.hello.incarnation)
        return first_wins(ours, theirs, dialled=new.dialled)

    def _answer(self, link: Link, member: Member) -> None:
        if link.dialled:
            self.dials.tell(link.dial, {"ok": {**member.view(), **link.told}})

    # without a connection

    def lost(self, link: Link, reason: str) -> None:
        """A connection with another node ended, and nobody said why."""
        member = link.member
        if link.dialled:
            self.dials.tell(link.dial, _failure("ready", link.address, f"the connection was lost at once: {reason}"))
        if member is None or member.ended or member.link not in (None, link):
            return
        if member.link is link:
            self._unwire(member)
        elif member.met or any(other.member is member for other in self._node.links.values()):
            return  # another one is under way, or will be
        elif link.dialled:
            self.end(member, reason)
            return
        self._redials.wait(member)

    def broke_rules(self, link: Link, fault: str) -> None:
        """A connection with another node cannot go on: `fault` is what came. It parts with one that goes on so."""
        member = link.member
        if member is not None and not member.ended:
            member.faults = member.faults + 1 if self._node.now - member.resumed_at < SOUND else 1
            if member.faults >= FAULTS:
                reason = f"{FAULTS} connections in a row broke the rules: {fault}"
                if member.link is not link:
                    self._bye(link, reason)
                self.part(member, reason)
                return
        self.lost(link, fault)

    def _unwire(self, member: Member) -> None:
        member.link, member.wire = None, 0
        member.written = member.session.statistics().sent

    def suspect(self, number: int, suspect: bool, now: float) -> None:
        """A neighbour fell silent, or is heard again."""
        self._node.now = now
        link = self._node.links.get(number)
        member = link.member if link is not None else None
        if member is not None and member.link is link and member.silent != suspect:
            member.silent = suspect
            self.tell()
            self.say(member)

    def slept(self, asleep: float, now: float) -> None:
        """This machine has slept for so many seconds in all: after a longer sleep every node is dialled anew."""
        before, self._asleep = self._asleep, asleep
        if before is None or asleep - before < SLEPT:
            return
        self._node.now = now
        for member in [member for member in self.peers.values() if member.address]:
            member.dialling = member.attempts = 0
            if (link := member.link) is not None:
                self._drop(link)
                self.lost(link, "this machine slept")
            else:
                self._redials.attempt(member)

    # bounds

    def filled(self, member: Member) -> None:
        """More is kept for a node than may be: our runners send nothing more there until half of it is gone."""
        member.full = True
        self.tell()

    def relieved(self, member: Member) -> None:
        """A node has received some of what is kept for it."""
        if member.full and member.session.kept <= FULL // 2:
            member.full = False
            self.tell()

    # the end

    def told(self, link: Link, about: Any) -> None:
        """A node says how long it would wait for this one, how busy it is, or what is callable there by name."""
        if link.member is not None and isinstance(about, dict):
            link.member.grace = float(about.get("grace", link.member.grace))
            if (pool := read_facts(about.get("pool"))) is not None:
                was, link.member.pool = link.member.pool or {}, pool
                self._node.work.standing.heard(at_once=("cordoned" in pool) is not ("cordoned" in was))
            if (names := read_names(about.get("names"))) is not None:
                link.member.names = names

    def tell_grace(self) -> None:
        """Tell every node how long this one would wait for it: a terminal came or went."""
        frame = Frame(Kind.ABOUT, LOCAL, LOCAL, meta=pack({"grace": self._node.grace}))
        for member in self.peers.values():
            if member.link is not None:
                self._node.write(member.link, frame)

    def gone(self, incarnation: bytes, now: float) -> None:
        """There is proof that a node lives no more."""
        self._node.now = now
        member = self.peers.get(incarnation)
        if member is not None and member.link is None:
            self.end(member, "ended")

    def said_bye(self, link: Link, reason: str) -> None:
        """The other end parts with us, for good."""
        member = link.member
        self._drop(link)
        self.lost(link, reason)
        if member is not None and member.link is None and not member.ended:
            if reason == "shutdown":
                self._node.work.ending.cancel_of(lambda owner: owner.incarnation == member.incarnation)
            self.end(member, reason)

    def part(self, member: Member, reason: str) -> None:
        """End a session on purpose; an end that does not hear it now is told when it dials again."""
        if member.link is not None:
            self._node.flush(member)
            self._bye(member.link, reason)
        self._parted[member.incarnation] = member.number, reason
        if len(self._parted) > PARTED:
            del self._parted[next(iter(self._parted))]
        self.end(member, reason)

    def _was_parted(self, link: Link, told: Resume) -> bool:
        number, reason = self._parted.get(link.hello.incarnation, (0, ""))
        if link.dialled or not number or told.yours != number:
            return False
        self._bye(link, reason)
        if link.member is not None and not link.member.met:
            self.end(link.member, reason)
        return True

    def _bye(self, link: Link, reason: str) -> None:
        self._node.write(link, Frame(Kind.BYE, LOCAL, LOCAL, meta=pack({"reason": reason})))
        self._drop(link)

    def _drop(self, link: Link) -> None:
        if self._node.links.pop(link.number, None) is not None:
            self._node.actions.append(Close(link.number))

    def end(self, member: Member, reason: str, keep: Link | None = None) -> None:
        """A session is over: whoever waits for something of it is told, once, and after all that came."""
        node = self._node
        member.ended = reason
        member.turn += 1
        if self.peers.get(member.incarnation) is member:
            del self.peers[member.incarnation]
        for link in [link for link in node.links.values() if link.member is member and link is not keep]:
            self._drop(link)
        undelivered = self._give_back(member, reason)
        if not member.met:
            return
        there = member.incarnation
        node.elsewhere = {ref: lasts for ref, lasts in node.elsewhere.items() if ref.owner.incarnation != there}
        self.tell((member, "down", reason))
        node.work.requester_lost(lambda asked: asked.incarnation == member.incarnation)
        node.relations.node_down(member.incarnation)
        node.upgrades.node_down(member.incarnation)
        node.attachment.lost(member.incarnation, reason, node.now - member.lost_at if member.link is None else 0.0)
        told = [] if node.stopping else [f"{member.name} is down: {reason}"]  # else it is this node that leaves
        if undelivered:
            told.append(f"{undelivered} message{'s' * (undelivered > 1)} may not have reached {member.name}")
        if told:
            node.shells.notice("; ".join(told), "warn", gone=member.incarnation)

    def _give_back(self, member: Member, reason: str) -> int:
        """Answer for what was never put on a connection; how many messages nobody acknowledged."""
        sent, waiting = member.session.unacked(), member.session.waiting()
        kept = sent + waiting
        never = member.session.statistics().sent - member.written if member.link is None else 0
        for raw in kept[len(sent) - never :]:
            self._node.undeliverable(parse(raw), member.name, reason)
        return sum(kind_of(raw) == Kind.SEND and not flags_of(raw) & Flag.MORE for raw in kept)


def _failure(stage: str, address: str, text: str) -> dict[str, Any]:
    return {"error": "ConnectError", "stage": stage, "address": address, "text": text, "executed": "no"}
