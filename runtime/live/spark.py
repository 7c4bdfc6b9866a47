"""Numbers as a line of bars."""

from collections.abc import Iterable
from math import isfinite, isnan

from pysh.runtime.node import Shown

BARS = "▁▂▃▄▅▆▇█"


def spark(values: Iterable[float | None], low: float | None = None, high: float | None = None) -> Shown:
    """A sparkline of `values`, one character each: `▁▂▅█`.

    `low` and `high` are what the lowest and the highest bar stand for, by default the least and the greatest of the
    values; what is beyond them is drawn as they are. None and NaN are gaps. Raises `TypeError` for what is no number.
    """
    numbers = [None if value is None or isnan(value) else float(value) for value in values]
    known = [number for number in numbers if number is not None]
    if not known:
        return Shown(" " * len(numbers))
    finite = [number for number in known if isfinite(number)] or [0.0]
    bottom = min(finite) if low is None else low
    top = max(finite) if high is None else high
    return Shown("".join(" " if number is None else _bar(number, bottom, top) for number in numbers))


def _bar(number: float, bottom: float, top: float) -> str:
    if number > top or number == top > bottom:
        return BARS[-1]
    if number <= bottom or top <= bottom:
        return BARS[0]
    return BARS[min(len(BARS) - 1, int((number - bottom) / (top - bottom) * len(BARS)))]
