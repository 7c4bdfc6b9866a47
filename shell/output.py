"""The output of code that runs elsewhere: bytes of many processes go in, tagged lines and bars come out.

Time is an argument and nothing is written here. Whoever writes calls `take` when `due` says so; between
two calls lines gather, so that a flood costs the terminal one repaint and never the user's keys.
"""

from codecs import IncrementalDecoder, getincrementaldecoder
from collections import deque
from collections.abc import Hashable
from math import inf
from typing import NamedTuple

from pysh.runtime.protocol.cleaning import visible
from pysh.runtime.protocol.frames import Frame

GATHER = 0.03
"""Seconds between two batches of lines."""
REPAINT = 0.1
"""Seconds between two states of the live lines, and between two batches of a flood."""
HOLD = 0.15
"""Seconds until a line without an end is shown as it is so far."""
STALE, STALE_BAR = 10.0, 60.0
"""Seconds without news until an unfinished line, or a bar, is taken for finished."""

WIDTH = 4096
"""The longest line, in characters; a longer one goes on in the next."""
BATCH, CALM = 32 * 1024, 8 * 1024
"""How many characters are shown at once, and while somebody types: on a slow terminal the echo of a key
comes behind them. While more wait, nobody gets new credit."""
KEEP = 8 * 1024 * 1024
"""How many characters may wait; senders that keep to their credit never get there."""
LIVE = 8
"""How many live lines are shown."""
PAUSE = 0.3
"""Seconds of silence that end a flood of which no more is to be shown."""
TOLD = 1.0
"""Seconds between two counts of what is left out of it."""
SOURCES = 256
"""How many processes may have an unfinished line."""


class Tagged(NamedTuple):
    """One line of output; `label` says whose it is, and is empty for this node's own shell."""

    label: str
    text: str


class Batch(NamedTuple):
    """What to show now: finished lines, then the live ones (None: as they were), and whom to give credit."""

    lines: list[Tagged]
    live: list[Tagged] | None
    credit: dict[Hashable, int]


class Source:
    """One process: its unfinished line, and when it last said something."""

    def __init__(self, label: str, now: float) -> None:
        self.label = label
        self.text = ""
        self.shown = ""  # its unfinished line as it was last handed out
        self.bar = False  # it goes back to the line's beginning: a bar
        self.began = now  # when its unfinished line began
        self.changed = now
        self.skipped_until = 0.0  # unless it says something before
        self._decoder: IncrementalDecoder = getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes, now: float) -> list[str]:
        """The lines that `data` completes."""
        *lines, rest = (self.text + self._decoder.decode(data)).split("\n")
        if lines or not self.text:
            self.began = now
        if lines:
            self.bar = False
            self.shown = ""
        self.bar = self.bar or "\r" in rest
        self.text = _rewritten(rest)
        self.changed = now
        pieces = [piece for line in lines for piece in _pieces(visible(line))]
        if len(self.text) > WIDTH:
            *more, self.text = _pieces(self.text)
            pieces += more
        return pieces

    @property
    def visible(self) -> str:
        """Its unfinished line as a terminal would show it."""
        return visible(self.text)

    @property
    def shown_at(self) -> float:
        """When its unfinished line may be seen."""
        return self.began if self.bar else self.began + HOLD

    @property
    def stale_at(self) -> float:
        """When its unfinished line counts as finished."""
        return self.changed + (STALE_BAR if self.bar else STALE)


class Output:
    """What arrived and is not shown yet."""

    def __init__(self) -> None:
        self._sources: dict[Hashable, Source] = {}
        self._lines: deque[Tagged] = deque()
        self._waiting = 0  # characters in _lines
        self._dropped = 0
        self._told_at = 0.0  # when to say how many were dropped, at the earliest
        self._credit: dict[Hashable, int] = {}
        self._live: list[Tagged] = []
        self._batch_at = 0.0
        self._repaint_at = 0.0

    def feed(self, key: Hashable, label: str, data: bytes, now: float) -> None:
        """Take output of the process that `key` stands for."""
        source = self._sources.get(key)
        if source is None:
            self._make_room()
            source = self._sources[key] = Source(label, now)
        self._credit[key] = self._credit.get(key, 0) + len(data)
        lines = source.feed(data, now)
        if now < source.skipped_until:
            source.skipped_until = now + PAUSE
            self._dropped += len(lines)
            return
        for text in lines:
            self._put(Tagged(source.label, text))

    def skip(self, now: float) -> None:
        """Count what waits to be shown instead of showing it, and what its senders add before they pause."""
        if not self._lines:
            return
        for key in self._credit.keys() & self._sources.keys():
            self._sources[key].skipped_until = now + PAUSE
        self._dropped += len(self._lines)
        self._lines.clear()
        self._waiting = 0
        self._told_at = now + PAUSE

    def take_frame(self, frame: Frame, now: float) -> None:
        """Take an OUTPUT; the one that ends its task ends the line it is in too."""
        told, key = frame.options(), (frame.source, frame.ref)
        if frame.payload:
            self.feed(key, str(told.get("label", "?")), bytes(frame.payload), now)
        if told.get("end"):
            self.end(key)

    def end(self, key: Hashable) -> None:
        """The process is gone: its last line is finished."""
        if (source := self._sources.pop(key, None)) is not None and source.visible:
            self._put(Tagged(source.label, source.visible))

    def end_of(self, incarnation: bytes) -> None:
        """A node is down: so is what runs there, and its last lines are finished."""
        for key in [*self._sources]:
            if isinstance(key, tuple) and key[0].incarnation == incarnation:
                self.end(key)

    @property
    def waits(self) -> bool:
        """Whether there are lines that are not handed out yet."""
        return bool(self._lines)

    def due(self) -> float | None:
        """When to call `take` next; None until something arrives."""
        times = [self._batch_at] if self._lines or self._credit else []
        if self._dropped:
            times.append(max(self._batch_at, self._told_at))
        for source in self._sources.values():
            if source.visible:
                times.append(source.stale_at)
                if source.visible != source.shown:
                    times.append(max(source.shown_at, self._repaint_at))
        return min(times, default=None)

    def take(self, now: float, *, calm: bool = False, everything: bool = False) -> Batch:
        """What is to be shown at `now`: little if `calm`; with `everything`, also what would wait."""
        stale = [key for key, source in self._sources.items() if source.visible and source.stale_at <= now]
        for key in stale:
            self.end(key)
        lines: list[Tagged] = []
        if now >= self._batch_at or everything:
            lines = self._some(inf if everything else CALM if calm else BATCH)
            if self._dropped and not self._lines and (now >= self._told_at or everything):
                lines.append(Tagged("", f"… {self._dropped:,} line{'s' * (self._dropped > 1)} not shown"))
                self._dropped, self._told_at = 0, now + TOLD if self._told_at else 0.0
            if lines:
                self._batch_at = now + (REPAINT if self._lines else GATHER)
        credit: dict[Hashable, int] = {}
        if not self._lines:
            credit, self._credit = self._credit, {}
        return Batch(lines, self._repainted(now, bool(lines)), credit)

    @property
    def live(self) -> list[Tagged]:
        """The live lines as they were last handed out."""
        return self._live

    def _put(self, line: Tagged) -> None:
        if self._waiting > KEEP:
            self._dropped += 1
            return
        self._lines.append(line)
        self._waiting += len(line.text) + 1

    def _some(self, most: float) -> list[Tagged]:
        """The next lines, of `most` characters or a line more."""
        lines: list[Tagged] = []
        size = 0
        while self._lines and size < most:
            line = self._lines.popleft()
            size += len(line.text) + 1
            lines.append(line)
        self._waiting -= size
        return lines

    def _repainted(self, now: float, moved: bool) -> list[Tagged] | None:
        """The live lines if they differ from what is shown, and are not repainted too often."""
        repaint = now >= self._repaint_at
        if not repaint and not moved:
            return None
        # Too early for news of the others a line that was finished must not stay behind as a live one.
        for source in self._sources.values() if repaint else ():
            source.shown = source.visible if source.shown_at <= now else ""
        unfinished = [source for source in self._sources.values() if source.shown]
        live = [Tagged(source.label, source.shown) for source in unfinished[:LIVE]]
        if len(unfinished) > LIVE:
            live.append(Tagged("", f"… and {len(unfinished) - LIVE} more"))
        if live == self._live:
            return None
        self._live = live
        if repaint:
            self._repaint_at = now + REPAINT
        return live

    def _make_room(self) -> None:
        """Forget the process that has been silent for longest, if there are too many."""
        if len(self._sources) >= SOURCES:
            self.end(min(self._sources, key=lambda key: self._sources[key].changed))


def _rewritten(line: str) -> str:
    """An unfinished line with what was overwritten in it left out."""
    if "\r" not in line:
        return line
    return visible(line) + ("\r" if line.endswith("\r") else "")


def _pieces(line: str) -> list[str]:
    """`line` in pieces of at most `WIDTH` characters; an empty one is one piece."""
    return [line[start : start + WIDTH] for start in range(0, len(line), WIDTH)] or [""]
