"""A node without a connection: it is dialled again, less and less often, until it answers or its grace ends."""

from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.actions import Dial, Probe
from pysh.runtime.protocol.member import FINAL, FLAPPING, STEADY, Member
from pysh.runtime.protocol.roster import SAY_AFTER

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

INSTANT = 0.001
"""Seconds that are none: a timer may come so much too early."""


class Redials:
    """The attempts of `node` to reach others again, by the tokens of their dials."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._sought: dict[int, Member] = {}

    def wait(self, member: Member) -> None:
        """It has no connection any more: dial it again, or wait until it does."""
        now = member.lost_at = self._node.now
        if member.met:
            self._node.members.tell()
            self._node.later(SAY_AFTER, lambda: self._node.members.say(member))
        if now - member.resumed_at >= STEADY:
            member.attempts = 0
            self.attempt(member)
        else:
            member.attempts = min(member.attempts, FLAPPING)
            self._attempt_later(member, member.pause(self._node.jitter()))

    def attempt(self, member: Member) -> None:
        """Look whether the node lives, and dial it if that is ours to do; again later, until its grace ends."""
        node = self._node
        away = node.now - member.lost_at
        left = max(node.grace, member.grace) - away
        if left <= INSTANT:
            refusal = f": {member.refused.splitlines()[0]}" if member.refused else ""
            node.members.end(member, f"unreachable for {away:.0f} s{refusal}")
            return
        node.actions.append(Probe(member.incarnation, member.name))
        if member.address and not member.dialling and not member.refused:
            member.dialling = node.members.dials.expect(None)
            self._sought[member.dialling] = member
            node.actions.append(Dial(member.dialling, member.address))
        self._attempt_later(member, min(left, member.pause(node.jitter())))

    def found(self, token: int) -> Member | None:
        """The node that the dial `token` was to reach again, if any; the dial is under way no more."""
        if (member := self._sought.pop(token, None)) is not None:
            member.dialling = 0
        return member

    def failed(self, token: int, error: dict[str, Any]) -> bool:
        """The dial `token` did not come about; whether it was to reach a node again."""
        if (member := self._sought.pop(token, None)) is None:
            return False
        if member.dialling == token:
            member.dialling = 0
            final = error.get("stage") in FINAL and not error.get("passing")
            member.refused = str(error.get("text")) if final else ""
        if error.get("gone") and member.link is None and not member.ended:
            self._node.members.end(member, "ended")
        return True

    def _attempt_later(self, member: Member, seconds: float) -> None:
        member.turn += 1
        turn = member.turn
        self._node.later(seconds, lambda: self.attempt(member) if member.turn == turn else None)
