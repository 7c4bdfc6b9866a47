"""How a bar of progress reads, and when it is shown: numbers and time in, text out."""

from math import exp

from pysh.runtime.live.text import fit, width
from pysh.runtime.protocol.durations import lasting

FIRST = 0.5
"""Seconds until anything is shown: what ends before needs no bar."""
BAR, LIVE, UNKNOWN = 0.1, 0.5, 10.0
"""Seconds between two states of a bar on a terminal, of one that travels, and between lines where no total is known."""
TENTHS = 10
RECENT = 5.0
"""Seconds over which a rate is smoothed."""
LEAST, MOST = 6, 40
"""Columns of the bar itself."""
_EIGHTHS = " ▏▎▍▌▋▊▉"


class Pace:
    """Items a second, as of late."""

    def __init__(self, now: float) -> None:
        self.rate = 0.0
        self._began = self._at = now
        self._done = 0

    def at(self, done: int, now: float) -> float:
        """The rate, now that so many are `done`."""
        passed = now - self._at
        if passed > 0:
            fresh = (done - self._done) / passed
            weight = 1.0 if self._at == self._began else 1 - exp(-passed / RECENT)
            self.rate += weight * (fresh - self.rate)
            self._at, self._done = now, done
        return self.rate


def running(label: str, done: int, total: int | None, took: float, rate: float, columns: int) -> str:
    """The line of what goes on, in fewer than `columns`: a bar, the count, the rate and the time left."""
    if not total or done > total:
        return fit(_joined(label, f"{done:,}", lasting(took), per_second(rate)), columns - 1).rstrip()
    share = done / total
    left = f"{lasting((total - done) / rate)} left" if rate > 0 else ""
    head, tail = _joined(label, f"{int(100 * share):3d}%"), _joined(f"{done:,}/{total:,}", per_second(rate), left)
    room = min(MOST, columns - 1 - width(head) - width(tail) - 4)
    return fit(f"{head} {_bar(share, room) if room >= LEAST else ''}{tail}", columns - 1).rstrip()


def ended(label: str, done: int, total: int | None, took: float) -> str:
    """The line that stays."""
    of = f" of {total:,}" if total and done != total else ""
    return _joined(
        f"{label}:" if label else "", f"{done:,}{of} in {lasting(took)}", per_second(done / took if took else 0)
    )


def tenth(done: int, total: int | None) -> int:
    """How many tenths are done."""
    return TENTHS * done // total if total else 0


def per_second(rate: float) -> str:
    """A rate: `1,200/s`, `3.4/s`, and of slow ones the time each takes, `5.0 s each`."""
    if rate <= 0:
        return ""
    if rate < 0.5:
        return f"{lasting(1 / rate)} each"
    return f"{rate:,.0f}/s" if rate >= 9.95 else f"{rate:.1f}/s"


def _joined(*parts: str) -> str:
    return "  ".join(part for part in parts if part)


def _bar(share: float, columns: int) -> str:
    eighths = int(share * columns * 8)
    whole, part = divmod(eighths, 8)
    bar = "█" * whole + (_EIGHTHS[part] if part else "")
    return f"|{bar:<{columns}}| "
