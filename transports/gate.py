"""Who may try to prove himself at a listening port: a bounded number at once, and fewer after failures.

It counts and decides; the clock is an argument. A source is an address of IP version 4, or the first
64 bits of one of version 6, of which everybody has more than one can count.
"""

import ipaddress
from collections import Counter, OrderedDict

MOST, EACH = 32, 4
"""How many strangers may be there at once, and how many of one source."""
FREE = 5
"""Failures of a source that cost nothing."""
LONGEST = 600.0
"""Seconds that a source waits at most."""
FORGOTTEN = 3600.0
"""Seconds after its last failure when those of a source are forgotten."""
REMEMBERED = 4096
"""Sources of which failures are remembered; the one that failed longest ago is forgotten first."""


def source_of(address: str) -> str:
    """The source that `address` belongs to."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


def penalty(failures: int) -> float:
    """Seconds that a source waits after that many failures: none at first, then 2, 4, 8 ..."""
    return min(LONGEST, 2.0 ** min(failures - FREE, 32)) if failures > FREE else 0.0


class Gate:
    """Counts the strangers of each source, and the failures."""

    def __init__(self, *, most: int = MOST, each: int = EACH, remembered: int = REMEMBERED) -> None:
        self._most, self._each, self._remembered = most, each, remembered
        self._inside: Counter[str] = Counter()
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, and the last one's time

    def enter(self, source: str, now: float) -> str:
        """Let one more in, to be followed by `leave`; or why not, in words, and then nothing follows."""
        if (seconds := self.waits(source, now)) > 0:
            return f"too many failures came from {source}: try again in {seconds:.0f} s"
        if self._inside[source] >= self._each:
            return f"{self._each} connections from {source} have proved nothing yet"
        if self._inside.total() >= self._most:
            return f"{self._most} connections have proved nothing yet"
        self._inside[source] += 1
        return ""

    def leave(self, source: str, now: float, *, proved: bool) -> None:
        """One who was let in is no stranger any more, or gone without having proved anything."""
        self._inside[source] -= 1
        if not self._inside[source]:
            del self._inside[source]
        count, _ = self._failures.pop(source, (0, 0.0))
        if not proved:
            self._failures[source] = count + 1, now
            while len(self._failures) > self._remembered:
                self._failures.popitem(last=False)

    def waits(self, source: str, now: float) -> float:
        """Seconds until this source is let in again."""
        count, last = self._failures.get(source, (0, 0.0))
        if count and now - last >= FORGOTTEN:
            del self._failures[source]
            return 0.0
        return max(0.0, last + penalty(count) - now) if count else 0.0
