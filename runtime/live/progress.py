"""`progress`: an iterable that shows how far it is, wherever it runs.

On a terminal, and in a notebook, a bar that is written anew; in a task a line that lives on the terminal of its owner;
elsewhere a line for each tenth.
"""

import operator
import os
import sys
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from time import monotonic
from typing import Any, Generic, TypeVar

from pysh.runtime.live import bars, notebook
from pysh.runtime.live.text import fit, plain, width
from pysh.runtime.runner.client import Client

T = TypeVar("T")
TAGGED = 64
"""Columns of a bar that travels, beside the tag of its node."""


def progress(iterable: "Iterable[T] | AsyncIterable[T]", total: int | None = None, label: str = "") -> "Progress[T]":
    """The items of `iterable`, and on standard error how many went by, the rate, and the time left.

    `total` is how many there will be, by default `len(iterable)`, if that is known; `label` stands before the bar.
    `async for` takes asynchronous iterables. On a terminal or in a notebook it is a bar, in a task or process a live
    line of its owner's, elsewhere a line for each 10 % (without a total, every 10 s); nothing for what ends within
    half a second. Raises `TypeError` for what is no iterable.
    """
    if not isinstance(iterable, Iterable | AsyncIterable) and not hasattr(iterable, "__getitem__"):
        raise TypeError(f"progress() takes what a for loop does, such as range(100), not {iterable!r}")
    if total is not None and (isinstance(total, bool) or not isinstance(total, int) or total < 0):
        raise TypeError(f"total= takes a number of items, not {total!r}")
    return Progress(iterable, total, plain(label))


class Progress(Generic[T]):
    """What `progress` returns; each loop over it has a bar of its own."""

    def __init__(self, iterable: Any, total: int | None, label: str) -> None:
        self._iterable = iterable
        self._label = label
        self._total = _length(iterable) if total is None else total

    def __len__(self) -> int:
        if self._total is None:
            raise TypeError("nobody knows how many there are: progress(..., total=...)")
        return self._total

    def __length_hint__(self) -> int:
        return self._total or 0

    def __repr__(self) -> str:
        return f"<progress {self._label or type(self._iterable).__name__}: loop over it>"

    # The clock is read for each item, 40 ns: to skip some would hide that the next one takes a minute.

    def __iter__(self) -> Iterator[T]:
        gauge = Gauge(self._label, self._total)
        clock, due, done = monotonic, gauge.due, 0
        try:
            for item in self._iterable:
                yield item
                done += 1
                if clock() >= due:
                    due = gauge.at(done)
        finally:
            gauge.close(done)

    async def __aiter__(self) -> AsyncIterator[T]:
        gauge = Gauge(self._label, self._total)
        clock, due, done = monotonic, gauge.due, 0
        try:
            async for item in self._iterable:
                yield item
                done += 1
                if clock() >= due:
                    due = gauge.at(done)
        finally:
            gauge.close(done)


def _length(iterable: Any) -> int | None:
    try:
        return operator.length_hint(iterable) or None
    except Exception:  # the user's own `__len__`
        return None


class Gauge:
    """Writes what one loop has to show, until it is closed."""

    def __init__(self, label: str, total: int | None) -> None:
        self._label, self._total = label, total
        self._began = now = monotonic()
        self._pace = bars.Pace(now)
        self._stream = sys.stderr
        self._tty = _is_terminal(self._stream)
        self._moves = self._tty or _travels()
        self._bar = None if self._moves else notebook.bar_on(self._stream)
        self._shown = ""
        self._tenth = 0
        self.due = now + bars.FIRST

    def at(self, done: int) -> float:
        """Show that so many are `done`; when to be called next."""
        now = monotonic()
        rate = self._pace.at(done, now)
        if self._moves:
            columns = _columns(self._stream) if self._tty else TAGGED
            self._rewrite(bars.running(self._label, done, self._total, now - self._began, rate, columns))
            return now + (bars.BAR if self._tty else bars.LIVE)
        if self._bar is not None:
            self._shown = bars.running(self._label, done, self._total, now - self._began, rate, TAGGED)
            self._bar.show(self._shown)
            return now + bars.BAR
        tenth = bars.tenth(done, self._total)
        if tenth > self._tenth or not self._total:
            self._tenth = tenth
            self._line(bars.running(self._label, done, self._total, now - self._began, rate, 80))
        return now + (bars.BAR if self._total else bars.UNKNOWN)

    def close(self, done: int) -> None:
        """The loop is over, or was left: what was shown of it is final."""
        if not self._shown:
            return
        took = monotonic() - self._began
        text = bars.ended(self._label, done, self._total, took)
        if self._moves:
            self._rewrite(text)
            self._write("\n")
        elif self._bar is not None:
            self._bar.end(text)
        else:
            self._line(text)

    def _rewrite(self, text: str) -> None:
        # The cursor goes back to where the line begins, so that what is printed in between replaces it.
        self._write(f"\r{fit(text, max(width(text), width(self._shown)))}\r")
        self._shown = text

    def _line(self, text: str) -> None:
        self._write(text + "\n")
        self._shown = text

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError, AttributeError):
            pass  # nobody can see it; the loop is what matters


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False


def _travels() -> bool:
    """Whether what is printed here is shown elsewhere, where a carriage return rewrites a line."""
    return Client.current is not None and Client.current.role not in ("program", "evaluator")


def _columns(stream: Any) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return 80
