"""Whether somebody sits at a shell, as other shells see it, and which others wait for somebody."""

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from pysh.runtime.hub import discovery
from pysh.runtime.places import ConfigError

if TYPE_CHECKING:
    from pysh.runtime.hub.server import Server


def changed(server: "Server", on: bool) -> None:
    """A terminal came, or the last one is gone: write it down; tell the first who else is left alone.

    The prompt stands by then, so nobody waits for this.
    """
    first = on and not server.attended
    server.attended = True
    with suppress(OSError, ConfigError):  # told to nobody, and nothing else is lost
        if not first:
            server.claim.publish({"left": 0.0 if on else time.time()})
            return
        for short in discovery.left_alone(discovery.found()):
            server.core.shells.notice(f"{short} is still here: pysh attach {short}")
        server.carry_out()
