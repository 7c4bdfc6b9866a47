"""Another node, from the day it is met until it is down: the conversation with it, whatever carries that.

A connection may break and another take its place; the `Member` and its `Session` stay.
"""

from typing import Any

from pysh.runtime.protocol.frames import FrameError
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.links import Link
from pysh.runtime.protocol.session import Session
from pysh.runtime.protocol.standing import load

GRACE = (60.0, 900.0)
"""Seconds that a node without a connection is waited for, and the same where either end has a terminal."""
FIRST, LONGEST = 0.1, 5.0
"""Seconds between two attempts to reach it, at first and at most."""
STEADY = 1.0
"""A connection that stood for so many seconds is dialled again without waiting."""
FLAPPING = 3
"""Of the attempts before it so many count, at most, against one that stood for less."""
FAULTS = 5
"""So many connections in a row on which it broke the rules, and it is given up; one that stood for `SOUND` seconds
begins a new row."""
SOUND = 60.0
FULL = 16 * 1024 * 1024
"""Bytes kept for it, from which its senders wait until half of them are gone."""
OWED = 2 * FULL
"""Bytes of answers that wait for it, from which it is left: nobody who reads lets so many wait."""
FINAL = frozenset(("hostkey", "sshauth", "cookie", "version"))
"""Stages of `ConnectError` that no second attempt gets past, and that a server may punish."""


class Resume:
    """What both ends of a new connection say first: which session they have, and how far it came.

    `session` is the sender's number for it, `yours` the receiver's, or 0 where the sender does not know
    it yet. No incarnation gives a number twice. Raises `FrameError` for what is no such thing.
    """

    __slots__ = ("dial", "grace", "received", "session", "yours")

    def __init__(self, told: Any) -> None:
        try:
            self.session, self.yours = int(told["session"]), int(told["yours"])
            self.received, self.dial = int(told["received"]), int(told["dial"])
            self.grace = float(told["grace"])
        except (KeyError, TypeError, ValueError) as error:
            raise FrameError(f"malformed RESUME: {error!r}") from error


class Member:
    """One other node, and what is known of it; `link` is the connection that carries its session, if any does."""

    __slots__ = (
        "address",
        "aliases",
        "attempts",
        "dialling",
        "ended",
        "faults",
        "full",
        "grace",
        "hello",
        "link",
        "lost_at",
        "met",
        "names",
        "noticed",
        "number",
        "owed",
        "pool",
        "refused",
        "resumed_at",
        "session",
        "silent",
        "theirs",
        "turn",
        "wire",
        "written",
    )

    def __init__(self, hello: Hello, number: int) -> None:
        self.hello = hello
        self.number = number
        self.theirs = 0  # its own number for this session, once it has told
        self.session = Session(hello.incarnation)
        self.met = False  # whether the session was ever agreed on
        self.link: Link | None = None
        self.wire = 0  # the number of `link`
        self.written = 0  # how many frames were ever put on a connection
        self.address = ""  # where we dialled it
        self.aliases: list[str] = []
        self.pool: dict[str, int] | None = None  # how busy it is, as it last said
        self.names: frozenset[str] = frozenset()  # what is callable there by name, as it last said
        self.grace = 0.0  # what it waits for us
        self.silent = False  # nothing comes, though the connection stands
        self.noticed = False  # whoever sits here was told that it is suspect
        self.full = False
        self.owed = 0  # bytes of answers to it that it may not have received yet
        self.lost_at = self.resumed_at = 0.0
        self.dialling = 0  # the token of the dial that is under way
        self.attempts = 0
        self.faults = 0  # how many connections in a row ended because it broke the rules
        self.turn = 0  # counts the timers that were set; only the last one counts
        self.refused = ""  # why dialling again is of no use
        self.ended = ""  # why, once it is down

    @property
    def name(self) -> str:
        """Its full name."""
        return self.hello.name

    @property
    def incarnation(self) -> bytes:
        """Which start of that node it is."""
        return self.hello.incarnation

    @property
    def load(self) -> int:
        """How busy it is, as it last said."""
        return load(self.pool)

    @property
    def suspect(self) -> bool:
        """Whether nothing comes from it at present."""
        return self.link is None or self.silent

    def view(self) -> dict[str, Any]:
        """What runners are told of it."""
        return {
            "name": self.hello.name,
            "incarnation": self.hello.incarnation,
            "state": "suspect" if self.suspect else "up",
            "python": self.hello.python,
            "aliases": self.aliases,
            "load": self.load,
            "rtt": None if self.link is None else self.link.rtt,
            "full": self.full,
            "number": self.number,
        }

    def answered(self, size: int) -> bool:
        """Count an answer of `size` bytes; whether it asks on and on, and receives nothing of what it asks for."""
        self.owed = min(self.owed, self.session.kept) + size
        return self.owed > OWED

    def goes_by(self, text: str) -> bool:
        """Whether `text` is its name or an alias."""
        return text == self.hello.name or text in self.aliases

    def agrees(self, told: Resume) -> bool:
        """Whether `told` is of the session that we have, or of a new one where we have none yet."""
        return self.theirs in (0, told.session) and told.yours in (0, self.number)

    def resume(self, grace: float) -> dict[str, Any]:
        """What we say first on a new connection, but for which one it is."""
        received = self.session.statistics().received
        return {"session": self.number, "yours": self.theirs, "received": received, "grace": grace}

    def pause(self, jitter: float) -> float:
        """Seconds until the next attempt to reach it; `jitter` is between 0 and 1."""
        wait = min(LONGEST, FIRST * 2.0 ** min(self.attempts, 16)) * (0.5 + 0.5 * jitter)
        self.attempts += 1
        return wait

    def __repr__(self) -> str:
        state = "suspect" if self.suspect else "up"
        return f"<Member {self.name}: {state}, session {self.number}-{self.theirs}>"
