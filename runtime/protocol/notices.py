"""What a person is told without having asked: which of it, how much at a time, and what it is folded into.

A shell tells of its tasks that ended while nobody looked. A task counts as looked at once its outcome was asked for,
so nothing is told while a cell runs, which may still ask, nor within a moment after it. What is told together is a
line each while it is little, and one line for all of it where it is more.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from pysh.runtime.protocol.durations import lasting
from pysh.runtime.protocol.outcome import CANCELLED, DONE, FAILED, LOST

LEVELS = ("info", "warn", "error")
GATHER, LATEST = 0.3, 2.0
"""Seconds after the end of a task, or of the cell that may look at it, until it is told, and at most where more end."""
NEXT, NEXT_FOLDED = 2.0, 10.0
"""Seconds from one batch to the next, the latter after one that had to be folded."""
LONG = 5.0
"""Seconds that a task must have run for its success to be news."""
LINES = 3
"""How many of a batch have a line each."""
KEPT = 10_000
"""Ends that wait to be told or looked at; of others it is only known that there were some."""
TEXT = 300
"""The longest line, in characters."""


class Ended(NamedTuple):
    """How a task ended.

    `called` is `task 7 compute on w1`, `took` its seconds if they are known, `why` what it raised.
    """

    called: str
    how: str
    took: float | None = None
    why: str = ""

    @property
    def is_news(self) -> bool:
        """Whether it is told at all."""
        return self.how != DONE or (self.took or 0) >= LONG

    @property
    def line(self) -> str:
        """All that is told of it."""
        after = "" if self.took is None else f" after {lasting(self.took)}"
        text = f"{self.called} {self.how}{after}{': ' * bool(self.why)}{self.why}"
        return text if len(text) <= TEXT else f"{text[: TEXT - 2]} …"


class Notice(NamedTuple):
    """One line to be shown, and how much it matters."""

    level: str
    text: str


class Endings:
    """The tasks that ended and that nobody has looked at yet: whoever does takes them out of `unseen`."""

    def __init__(self) -> None:
        self.unseen: dict[int, Ended] = {}
        self._beyond = 0
        self._first = 0.0
        self._calm_at = 0.0  # when what ended before may be told
        self._next_at = 0.0

    def ended(self, ref: int, one: Ended, now: float) -> None:
        """A task ended."""
        if not one.is_news:
            return
        if not self.unseen:
            self._first = now
        self._calm_at = max(self._calm_at, min(now + GATHER, self._first + LATEST))
        if len(self.unseen) < KEPT:
            self.unseen[ref] = one
        else:
            self._beyond += 1

    def calm_from(self, now: float) -> None:
        """No cell runs from now on."""
        self._calm_at = now + GATHER

    def due(self) -> float | None:
        """When to call `take`; None while there is nothing to tell."""
        return max(self._calm_at, self._next_at) if self.unseen else None

    def take(self, now: float) -> list[Notice]:
        """What is to be told at `now`, if it is time for that."""
        due = self.due()
        if due is None:
            self._beyond = 0  # somebody looked at all that is known: at the others too, then
        if due is None or now < due:
            return []
        # Others may add to it and take from it meanwhile.
        told = [one for ref in tuple(self.unseen) if (one := self.unseen.pop(ref, None)) is not None]
        beyond, self._beyond = self._beyond, 0
        self._next_at = now + (NEXT if len(told) <= LINES and not beyond else NEXT_FOLDED)
        return folded(told, beyond)


def folded(told: list[Ended], beyond: int = 0) -> list[Notice]:
    """A line for each, or one for all where they are many; `beyond` counts those of which nothing is known."""
    if len(told) <= LINES and not beyond:
        return [Notice(_level([one]), one.line) for one in told]
    counted = Counter(one.how for one in told)
    parts = [f"{counted[how]:,} {how}" for how in (DONE, FAILED, CANCELLED, LOST) if counted[how]]
    first, *others = [*parts, *([f"{beyond:,} more ended"] if beyond else [])]
    number, _, rest = first.partition(" ")
    text = ", ".join([f"{number} task{'s' * (number != '1')} {rest}", *others])
    bad = next((one for one in told if one.how == FAILED), None)
    if bad is not None:
        text = f"{text}; the first that failed: {bad.line}"
    return [Notice(_level(told), text if len(text) <= 2 * TEXT else f"{text[: 2 * TEXT - 2]} …")]


def _level(told: Iterable[Ended]) -> str:
    ways = {one.how for one in told}
    return "error" if FAILED in ways else "warn" if ways & {CANCELLED, LOST} else "info"


class Hush:
    """Which notices a person does not want at present, and how many of them there were."""

    def __init__(self) -> None:
        self.level = ""
        self._held: Counter[str] = Counter()

    def set(self, level: str) -> dict[str, int]:
        """Hold back notices of `level` and less, none if it is empty; how many were held back until now, by level.

        Raises `ValueError` for what is no level.
        """
        if level and level not in LEVELS:
            raise ValueError(f"{level!r} is no level of notices: {', '.join(LEVELS)}")
        held = {name: self._held[name] for name in LEVELS if self._held[name]}
        self.level = level
        self._held.clear()
        return held

    def holds(self, level: str) -> bool:
        """Whether a notice of that level is held back. It is counted then."""
        rank = LEVELS.index(level) if level in LEVELS else 0
        held = bool(self.level) and rank <= LEVELS.index(self.level)
        self._held[LEVELS[rank]] += held
        return held
