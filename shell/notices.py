"""Notices on their way to the screen: a few at once, the rest as there is time, and those that are too many counted.

Time is an argument, as for the output of code that runs elsewhere.
"""

from collections import deque

AT_ONCE = 10
"""How many notices are shown however fast they come."""
EVERY = 0.2
"""Seconds after which one more may be shown."""
KEEP = 100
"""How many may wait; of more the oldest are left out, and counted."""


class Notices:
    """What came and is not shown yet, as lines."""

    def __init__(self) -> None:
        self._waiting: deque[str] = deque()
        self._left_out = 0
        self._allowed = float(AT_ONCE)
        self._at = 0.0

    def put(self, line: str) -> None:
        """A notice came."""
        self._waiting.append(line)
        if len(self._waiting) > KEEP:
            self._waiting.popleft()
            self._left_out += 1

    def due(self, now: float) -> float | None:
        """When to call `take` next; None while nothing waits."""
        if not self._waiting:
            return None
        return now + max(0.0, 1 - self._allowance(now)) * EVERY

    def take(self, now: float, *, everything: bool = False) -> list[str]:
        """What is to be shown at `now`."""
        self._allowed, self._at = self._allowance(now), now
        count = len(self._waiting) if everything else min(len(self._waiting), int(self._allowed))
        lines = [self._waiting.popleft() for _ in range(count)]
        self._allowed = max(0.0, self._allowed - count)
        if self._left_out and lines:
            lines.insert(0, f"… {self._left_out:,} notice{'s' * (self._left_out > 1)} not shown")
            self._left_out = 0
        return lines

    def _allowance(self, now: float) -> float:
        return min(float(AT_ONCE), self._allowed + (now - self._at) / EVERY)
