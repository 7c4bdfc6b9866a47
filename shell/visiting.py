"""`attach(n)` at a prompt: this terminal at the shell of another node for a while."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from pysh.runtime.places import ConfigError
from pysh.runtime.protocol.cleaning import clean
from pysh.runtime.protocol.frames import Frame, FrameError, Kind
from pysh.runtime.protocol.handshake import HandshakeError
from pysh.runtime.protocol.terms import BadName
from pysh.shell.console import Console, HubLost, Refused
from pysh.transports.base import TransportError

FAILURES = (TransportError, HandshakeError, HubLost, Refused, BadName, ConfigError, FrameError, OSError)
"""What may come of going there and of being there, and is no end of the shell at home."""

Reach = Callable[[str], AbstractContextManager[Console]]
"""Gives a connection to the node of that address, not opened yet, for as long as it is used."""


def nowhere(there: str) -> AbstractContextManager[Console]:
    """For a terminal that has one shell alone."""
    raise Refused(f"this terminal cannot go over; in another one: pysh attach {there}")


def visit(
    reach: Reach, home: Console, there: str, stay: Callable[[Console], object], say: Callable[[str], None]
) -> list[Frame]:
    """Go over to the node `there` and `stay` as long as the user likes; what `home` said last before that.

    The shell at home is told that nobody looks meanwhile. What goes wrong is said.
    """
    there = home.address if there == home.name and home.address else there
    try:
        with reach(there) as console:
            console.open()
            home.ask("away")
            say(f"at {console.name}; Ctrl-D comes back to {home.title}")
            stay(console)
    except FAILURES as error:
        say(f"pysh: {clean(there)}: {error}")
    # What else it sent it keeps for when we are back.
    return [frame for frame in home.take() if frame.kind == Kind.NOTICE]


def calls(home: Console) -> list[Frame]:
    """What `home` has for whoever is elsewhere: notices that somebody is wanted there. The rest is kept for later.

    Raises what `Console.receive` does.
    """
    home.receive()
    frames = home.take()
    home.put_back([frame for frame in frames if not _is_call(frame)])
    return [frame for frame in frames if _is_call(frame)]


def _is_call(frame: Frame) -> bool:
    return frame.kind == Kind.NOTICE and bool(frame.options().get("call"))
