"""Who the other nodes are: how they join, how they are found again, when they are down, and who is told.

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

from pysh.runtime.protocol.actions import Answer, Close, Dial, Meta, Probe, Write
from pysh.runtime.protocol.addresses import Way
from pysh.runtime.protocol.frames import LOCAL, Flag, Frame, Kind, flags_of, kind_of, pack, pages, parse
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.links import Link, first_wins
from pysh.runtime.protocol.member import FAULTS, FINAL, FLAPPING, FULL, SOUND, STEADY, Member, Resume
from pysh.runtime.protocol.standing import read_facts

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

SAY_AFTER = 2.0
"""Seconds without a connection after which whoever sits here is told."""
INSTANT = 0.001
"""Seconds that are none: a timer may come so much too early."""
SLEPT = 5.0
"""Seconds of the machine's sleep that no connection is expected to have outlived."""
PARTED = 256
"""How many sessions that were ended here on purpose are remembered."""


QUESTIONS = 64
"""How many questions of SSH servers may wait for a person's answer."""


class Members:
    """The nodes that this one knows, by their incarnations."""

    def __init__(self, node: "Node") -> None:
        self.peers: dict[bytes, Member] = {}
        self.tokens = count(1)
        self._node = node
        self._numbers = count(1)
        self._asked: dict[int, Frame] = {}
        self._questions: dict[int, dict[str, Any] | None] = {}
        """For each dial that waits for a person's answer its outcome, if it has one already."""
        self._redials: dict[int, Member] = {}
        self._parted: dict[bytes, tuple[int, str]] = {}
        self._asleep: float | None = None

    # joining

    def connect(self, address: str, asked: Frame | None = None, way: Way | None = None, *, asks: bool = False) -> None:
        """Dial `address` on the `way` given; whoever `asked` is answered when that succeeds or fails.

        `asks` tells that he has a person who may be asked things meanwhile.
        """
        known = self._called(address)
        if known is not None and known.met and not known.suspect:
            if asked is not None:
                self._node.reply(asked, {"ok": {**known.view(), "trace": [("ready", 0.0, "it is connected already")]}})
            return
        self._node.actions.append(Dial(self.expect(asked), address, way, asks))

    def expect(self, asked: Frame | None) -> int:
        """The token of a dial to come; whoever `asked` is answered when that succeeds or fails."""
        token = next(self.tokens)
        if asked is not None:
            self._asked[token] = asked
        return token

    def question(self, token: int, text: str, wanted: bool) -> bool:
        """A server on the way of a dial asks something; whether whoever asked for the dial still waits, and is told.

        That answers what he asked last; what comes of the dial answers his own answer.
        """
        asked = self._asked.pop(token, None)
        if asked is not None:
            if len(self._questions) >= QUESTIONS:
                del self._questions[next(iter(self._questions))]  # whoever was asked is gone
            self._questions[token] = None
            self._node.reply(asked, {"ok": {"question": text, "wanted": wanted, "token": token}})
        return asked is not None

    def answer(self, token: int, text: str | None, asked: Frame) -> bool:
        """Pass the answer to a question on; whether there was one. Whoever `asked` hears how it goes on."""
        if token not in self._questions:
            return False
        self._asked[token] = asked
        self._node.actions.append(Answer(token, text))
        if (outcome := self._questions.pop(token)) is not None:
            self._tell_asker(token, outcome)
        return True

    def _tell_asker(self, token: int, outcome: dict[str, Any]) -> bool:
        """Tell whoever asked for the dial `token` what came of it; whether anybody did."""
        if (asked := self._asked.pop(token, None)) is not None:
            self._node.reply(asked, outcome)
        elif token in self._questions:
            self._questions[token] = outcome  # while a person thinks about the answer; it is told behind that
        else:
            return False
        return True

    def _called(self, text: str) -> Member | None:
        """The node that goes by `text`, or the only one whose name before the `@` it is."""
        members = list(self.peers.values())
        short = [member for member in members if member.name.partition("@")[0] == text]
        named = [member for member in members if member.goes_by(text)]
        return named[0] if named else short[0] if len(short) == 1 else None

    def dial_failed(self, token: int, error: dict[str, Any]) -> None:
        """What `Dial` asked for did not come about."""
        if (member := self._redials.pop(token, None)) is not None:
            if member.dialling == token:
                member.dialling = 0
                final = error.get("stage") in FINAL and not error.get("passing")
                member.refused = str(error.get("text")) if final else ""
            if error.get("gone") and member.link is None and not member.ended:
                self.end(member, "ended")
        elif not self._tell_asker(token, error):
            self._node.console.notice(str(error.get("text")), "error")

    def refuse(self, hello: Hello) -> str | None:
        """Why a proven peer may not join, as `code: text`, or None if it may."""
        me = self._node
        if me.stopping:
            return f"shutting_down: {me.name} is stopping"
        if hello.role != "node":
            return None
        if hello.incarnation == me.incarnation:
            return f"self_connect: {me.name} dialled itself"
        if hello.name == me.name or any(not other.suspect for other in self._namesakes(hello)):
            return f"name_taken: {me.name} knows another {hello.name}; start one of the two under another name"
        return None

    def _namesakes(self, hello: Hello) -> list[Member]:
        return [m for m in self.peers.values() if m.name == hello.name and m.incarnation != hello.incarnation]

    def joined(self, link: Link, token: int, alias: str, told: Meta) -> None:
        """A connection with another node is open; `token` is set if we dialled it, as `alias` perhaps.

        Whoever asked for that is `told` too how it went.
        """
        link.told = told
        hello, sought = link.hello, self._redials.pop(token, None)
        self._node.links[link.number] = link
        if sought is not None:
            sought.dialling = 0
            if sought.ended:
                self._bye(link, sought.ended)
                return
        elif token and (refusal := self.refuse(hello)) is not None:
            self._bye(link, "refused")
            self.dial_failed(token, _failure("name", link.address, refusal.partition(": ")[2]))
            return
        for other in self._namesakes(hello):
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
                    self._tell()
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
        self._tell((member, "up", "") if first else None)
        self._say(member)
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
            self._tell_asker(link.dial, {"ok": {**member.view(), **link.told}})

    # without a connection

    def lost(self, link: Link, reason: str) -> None:
        """A connection with another node ended, and nobody said why."""
        member = link.member
        if link.dialled:
            self._tell_asker(link.dial, _failure("ready", link.address, f"the connection was lost at once: {reason}"))
        if member is None or member.ended or member.link not in (None, link):
            return
        if member.link is link:
            self._unwire(member)
        elif member.met or any(other.member is member for other in self._node.links.values()):
            return  # another one is under way, or will be
        elif link.dialled:
            self.end(member, reason)
            return
        self._wait(member)

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

    def _wait(self, member: Member) -> None:
        """It has no connection any more: dial it again, or wait until it does."""
        now = member.lost_at = self._node.now
        if member.met:
            self._tell()
            self._node.later(SAY_AFTER, lambda: self._say(member))
        if now - member.resumed_at >= STEADY:
            member.attempts = 0
            self._attempt(member)
        else:
            member.attempts = min(member.attempts, FLAPPING)
            self._attempt_later(member, member.pause(self._node.jitter()))

    def _attempt(self, member: Member) -> None:
        """Look whether the node lives, and dial it if that is ours to do; again later, until its grace ends."""
        node = self._node
        away = node.now - member.lost_at
        left = max(node.grace, member.grace) - away
        if left <= INSTANT:
            refusal = f": {member.refused.splitlines()[0]}" if member.refused else ""
            self.end(member, f"unreachable for {away:.0f} s{refusal}")
            return
        node.actions.append(Probe(member.incarnation, member.name))
        if member.address and not member.dialling and not member.refused:
            member.dialling = next(self.tokens)
            self._redials[member.dialling] = member
            node.actions.append(Dial(member.dialling, member.address))
        self._attempt_later(member, min(left, member.pause(node.jitter())))

    def _attempt_later(self, member: Member, seconds: float) -> None:
        member.turn += 1
        turn = member.turn
        self._node.later(seconds, lambda: self._attempt(member) if member.turn == turn else None)

    def suspect(self, number: int, suspect: bool, now: float) -> None:
        """A neighbour fell silent, or is heard again."""
        self._node.now = now
        link = self._node.links.get(number)
        member = link.member if link is not None else None
        if member is not None and member.link is link and member.silent != suspect:
            member.silent = suspect
            self._tell()
            self._say(member)

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
                self._attempt(member)

    # bounds

    def filled(self, member: Member) -> None:
        """More is kept for a node than may be: our runners send nothing more there until half of it is gone."""
        member.full = True
        self._tell()

    def relieved(self, member: Member) -> None:
        """A node has received some of what is kept for it."""
        if member.full and member.session.kept <= FULL // 2:
            member.full = False
            self._tell()

    # the end

    def told(self, link: Link, about: Any) -> None:
        """A node says how long it would wait for this one, or how busy it is."""
        if link.member is not None and isinstance(about, dict):
            link.member.grace = float(about.get("grace", link.member.grace))
            link.member.pool = read_facts(about.get("pool")) or link.member.pool

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
                self._node.work.cancel_of(lambda owner: owner.incarnation == member.incarnation)
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
        node.elsewhere = {ref for ref in node.elsewhere if ref.owner.incarnation != member.incarnation}
        self._tell((member, "down", reason))
        node.work.requester_lost(lambda asked: asked.incarnation == member.incarnation)
        node.relations.node_down(member.incarnation)
        node.attachment.lost(member.incarnation, reason, node.now - member.lost_at if member.link is None else 0.0)
        lost = f"; {undelivered} message{'s' * (undelivered > 1)} may not have reached it" if undelivered else ""
        node.console.notice(f"{member.name} is down: {reason}{lost}", "warn")

    def _give_back(self, member: Member, reason: str) -> int:
        """Answer for what was never put on a connection; how many messages nobody acknowledged."""
        sent, waiting = member.session.unacked(), member.session.waiting()
        kept = sent + waiting
        never = member.session.statistics().sent - member.written if member.link is None else 0
        for raw in kept[len(sent) - never :]:
            self._node.undeliverable(parse(raw), member.name, reason)
        return sum(kind_of(raw) == Kind.SEND and not flags_of(raw) & Flag.MORE for raw in kept)

    # telling

    def view(self, after: int = -1) -> list[dict[str, Any]]:
        """This node first, which has the number 0, then the others; those with a number `after` that one."""
        me = self._node
        myself = {
            "name": me.name, "incarnation": me.incarnation, "state": "self", "python": me.python,
            "aliases": [], "load": me.work.jobs.load(), "rtt": None, "number": 0,
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

    def suspects(self) -> list[str]:
        """The labels of the nodes of which whoever sits here was told that they are suspect."""
        return [self.label(member.incarnation) for member in self.peers.values() if member.noticed]

    def _tell(self, event: tuple[Member, str, str] | None = None) -> None:
        """Tell our runners who is there, and what changed."""
        meta: Meta = {}
        if event is not None:
            about, state, reason = event
            meta["event"] = {"name": about.name, "incarnation": about.incarnation, "state": state, "reason": reason}
        frames = self.introductions(Kind.NODES, meta)
        for link in list(self._node.links.values()):
            if link.role in ("evaluator", "program", "worker"):
                for frame in frames:
                    self._node.write(link, frame)

    def _say(self, member: Member) -> None:
        """Tell whoever sits here that a node is suspect, or is back; a short absence is not worth a word."""
        brief = member.link is None and self._node.now < member.lost_at + SAY_AFTER
        if member.ended or brief or member.suspect == member.noticed:
            return
        member.noticed = member.suspect
        if member.suspect:
            self._node.console.notice(f"{member.name} is suspect: nothing comes from it", "warn")
        else:
            self._node.console.notice(f"{member.name} is back")


def _failure(stage: str, address: str, text: str) -> dict[str, Any]:
    return {"error": "ConnectError", "stage": stage, "address": address, "text": text, "executed": "no"}
