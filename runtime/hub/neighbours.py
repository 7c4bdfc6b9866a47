"""Which of the other nodes run on this machine, and whether they still do: their locks tell at once."""

from contextlib import suppress

from pysh.runtime.hub import discovery
from pysh.runtime.places import ConfigError


class Neighbours:
    """The nodes that were seen to run here; of any other nothing can be told."""

    def __init__(self) -> None:
        self._here: set[bytes] = set()

    def met(self, incarnation: bytes) -> None:
        """A node has connected: note whether it runs on this machine."""
        with suppress(OSError, ConfigError):
            if any(entry.incarnation == incarnation.hex() for entry in discovery.found()):
                self._here.add(incarnation)

    def gone(self, incarnation: bytes, name: str) -> bool:
        """Whether that node ran here and does no more: nobody holds its lock, or another incarnation does."""
        if incarnation not in self._here:
            return False
        try:
            entry = next((entry for entry in discovery.found() if entry.name == name), None)
            gone = entry.incarnation != incarnation.hex() if entry else not discovery.alive(name)
        except (OSError, ConfigError):
            return False
        if gone:
            self._here.discard(incarnation)
        return gone
