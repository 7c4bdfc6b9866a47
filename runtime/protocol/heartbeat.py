"""Whether the peer of a connection is still there, told by when it was last heard.

Anything it sends counts as life. Only a peer that has been quiet for a while is asked (a PING, which it
must answer), so a busy connection carries no heartbeats at all.
"""

from typing import NamedTuple

LATE = 1.0
"""A tick this many seconds after it was due shows that this process itself stood still."""


class Ping(NamedTuple):
    """Ask the peer for a sign of life."""


class Suspect(NamedTuple):
    """The peer has been silent for longer than a healthy one is. Nothing is lost yet."""

    for_seconds: float


class Recovered(NamedTuple):
    """A suspect was heard again."""


class Silent(NamedTuple):
    """The peer has been silent for too long and is given up, once and for good."""

    for_seconds: float


Event = Ping | Suspect | Recovered | Silent


class State:
    """What is believed of the peer; BACK is a suspect that was heard, until that has been said."""

    WELL, SUSPECT, BACK, GONE = "well", "suspect", "back", "gone"


class Heartbeat:
    """The clock of one connection: `heard` when bytes came, `tick` when `next_deadline` is reached.

    A peer is asked after `every` seconds of silence and as often again, suspected after `suspect_after`
    and given up after `give_up_after` (which may be changed at any time).
    """

    def __init__(
        self, every: float = 2.0, suspect_after: float = 5.0, give_up_after: float = 60.0, *, now: float
    ) -> None:
        self.every = every
        self.suspect_after = suspect_after
        self.give_up_after = give_up_after
        self.state = State.WELL
        self._quiet_since = now
        self._asked_at = now

    def heard(self, now: float) -> None:
        """Note that bytes of the peer came."""
        self._quiet_since = now
        if self.state == State.SUSPECT:
            self.state = State.BACK

    def tick(self, now: float) -> list[Event]:
        """What is to be done or said at `now`; nothing any more once the peer was given up."""
        if self.state == State.GONE:
            return []
        events: list[Event] = []
        if self.state == State.BACK:
            self.state = State.WELL
            events.append(Recovered())
        self._excuse(now)
        silence = now - self._quiet_since
        if now >= self._give_up_at:
            self.state = State.GONE
            return [*events, Silent(silence)]
        if now >= self._suspect_at:
            self.state = State.SUSPECT
            events.append(Suspect(silence))
        if now >= self._ask_at:
            self._asked_at = now
            events.append(Ping())
        return events

    def next_deadline(self) -> float:
        """When `tick` has something to do next, if nothing is heard until then."""
        if self.state == State.GONE:
            return _NEVER
        if self.state == State.BACK:
            return self._quiet_since  # which is past: that it recovered is to be said at once
        return min(self._ask_at, self._suspect_at, self._give_up_at)

    def __repr__(self) -> str:
        return f"<Heartbeat every {self.every:g} s: {self.state}>"

    @property
    def _ask_at(self) -> float:
        return max(self._quiet_since, self._asked_at) + self.every

    @property
    def _suspect_at(self) -> float:
        return self._quiet_since + self.suspect_after if self.state == State.WELL else _NEVER

    @property
    def _give_up_at(self) -> float:
        return self._quiet_since + self.give_up_after

    def _excuse(self, now: float) -> None:
        """Leave out of the silence the time in which this process did not run.

        It was stopped, or starved: what the peer sent meanwhile lies in the socket, unread, and a loop
        may well run its timers before it reads.
        """
        late = now - self.next_deadline()
        if late > LATE:
            self._quiet_since += late


_NEVER = float("inf")
