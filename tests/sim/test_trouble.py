"""Cuts, stalls one way, restarts and suspended nodes under load: what is promised holds for every seed."""

from collections.abc import Callable
from math import inf
from typing import Any

import pytest

from pysh.runtime.protocol import flow, session
from pysh.runtime.protocol.flow import Backlog
from pysh.runtime.protocol.frames import Kind, Raw, kind_of
from pysh.runtime.protocol.links import Link
from pysh.runtime.protocol.member import Member, Resume
from pysh.runtime.protocol.members import Members
from pysh.runtime.protocol.node import Node
from pysh.runtime.protocol.redials import Redials
from pysh.runtime.protocol.session import Session
from tests.sim.trouble import Trouble

ENOUGH = 30
"""Seeds within which every planted bug must show."""


@pytest.fixture(autouse=True)
def tight(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window that a burst fills, so that messages wait for it in the worst of moments."""
    monkeypatch.setattr(session, "LARGE", 1000)
    monkeypatch.setattr(flow, "LEAST", 2500)


@pytest.mark.seeds(200)
def test_P1_P2_P3_P5_P15_hold_in_any_trouble(seed: int) -> None:
    assert Trouble(seed).problems() == []


# What the checks above are worth: each finds a bug that is planted for it.


def doubled(receive: Callable[..., str]) -> Callable[..., str]:
    """P2: what is sent once more is taken twice."""

    def planted(self: Session, seq: int, ack: int, size: int, now: float) -> str:
        receive(self, seq, ack, size, now)
        return "new"

    return planted


def forgetful(told: Callable[..., None]) -> Callable[..., None]:
    """No bug yet: an end of a connection that does not say what it has is sent everything once more."""

    def planted(self: Resume, meta: dict[str, Any]) -> None:
        told(self, {**meta, "received": 0})

    return planted


def holed(receive: Callable[..., str]) -> Callable[..., str]:
    """P2: what was lost with a connection is missed by nobody."""

    def planted(self: Session, seq: int, ack: int, size: int, now: float) -> str:
        self._received = max(self._received, seq - 1)
        return receive(self, seq, ack, size, now)

    return planted


def swapped(put: Callable[..., None]) -> Callable[..., None]:
    """P1: now and then a message overtakes the one before it."""
    held: dict[int, Raw] = {}

    def planted(self: Node, member: Member, raw: Raw) -> None:
        before = held.pop(id(member), None)
        if before is None and kind_of(raw) == Kind.SEND and member.session.statistics().sent % 7 == 0:
            held[id(member)] = raw
            return
        put(self, member, raw)
        if before is not None:
            put(self, member, before)

    return planted


def hasty(holds_back: Callable[..., bool]) -> Callable[..., bool]:
    """P1: a small message overtakes the large one before it, which waits for the window."""
    return lambda self, raw: False


def stuck(release: Callable[..., list[Raw]]) -> Callable[..., list[Raw]]:
    """P2: what waits for the window is forgotten."""
    return lambda self, now: []


def announced_twice(end: Callable[..., None]) -> Callable[..., None]:
    """P3: a node is down twice."""

    def planted(self: Members, member: Member, reason: str, keep: Link | None = None) -> None:
        end(self, member, reason, keep)
        if member.met:
            self.tell((member, "down", reason))

    return planted


def patient(attempt: Callable[..., None]) -> Callable[..., None]:
    """P5: a node that never comes back is waited for for ever."""

    def planted(self: Redials, member: Member) -> None:
        member.grace = inf
        attempt(self, member)

    return planted


def contagious(lost: Callable[..., None]) -> Callable[..., None]:
    """P15: with one connection all others of its node are dropped."""

    def planted(self: Members, link: Link, reason: str) -> None:
        lost(self, link, reason)
        for other in [other for other in self._node.links.values() if other.member is not None]:
            self._drop(other)
            lost(self, other, reason)

    return planted


@pytest.mark.parametrize(
    ("promise", "owner", "name", "plant"),
    [
        ("P1", Node, "_put", swapped),
        ("P1", Backlog, "holds_back", hasty),
        ("P2", Session, "release", stuck),
        ("P2", Session, "receive", doubled),
        ("P2", Session, "receive", holed),
        ("P3", Members, "end", announced_twice),
        ("P5", Redials, "attempt", patient),
        ("P15", Members, "lost", contagious),
    ],
)
def test_a_planted_bug_is_found(
    monkeypatch: pytest.MonkeyPatch, promise: str, owner: type, name: str, plant: Callable[[Any], Any]
) -> None:
    monkeypatch.setattr(owner, name, plant(getattr(owner, name)))
    if plant is holed:
        monkeypatch.setattr(Session, "unacked", lambda self: [])
    elif plant is doubled:
        monkeypatch.setattr(Resume, "__init__", forgetful(Resume.__init__))
    assert any(text.startswith(f"{promise}:") for seed in range(ENOUGH) for text in Trouble(seed).problems())
