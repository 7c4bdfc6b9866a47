"""The ssh process that logs in once and keeps the connection for the others, its master."""

import asyncio
import os
import re
import shlex
import stat
from asyncio.subprocess import STDOUT, Process
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pysh.transports.destination import Destination
from pysh.transports.means import AES_GCM, KEEPALIVE, KEEPALIVES, LOGIN_TIMEOUT
from pysh.transports.sshconfig import Settings, arguments, ssh_binary
from pysh.transports.sshlog import Log
from pysh.transports.sshprocess import ask_master, each_line, end, given, printed, start

READY = "pysh: the master is ready"
"""What the master prints, by its LocalCommand, once it is logged in and listens for the others."""
ASKING_TIMEOUT = 120.0
"""Seconds to log in where a person is asked for something."""

OURS: dict[str, object] = {
    "Compression": "no",
    "Ciphers": f"^{AES_GCM}",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "ClearAllForwardings": "yes",
    "UpdateHostKeys": "no",
    "ServerAliveInterval": KEEPALIVE,
    "ServerAliveCountMax": KEEPALIVES,
    "ConnectionAttempts": 1,
    "ControlMaster": "yes",
    "ControlPersist": "no",
    "RemoteCommand": "none",
    "RequestTTY": "no",
    "LogLevel": "DEBUG1",
    "PermitLocalCommand": "yes",
    "LocalCommand": f"echo {shlex.quote(READY)}",
}
"""Options of a master that are not for the user's configuration to decide."""


class KnownKey(NamedTuple):
    """One line of a known_hosts file, as `ssh-keygen -l -F` tells it."""

    fingerprint: str
    plain: bool  # no authority, and not revoked


_FOUND = re.compile(r"# Host .* found: line \d+ ?(?P<marker>CA|REVOKED)?")


async def known_keys(path: str, name: str) -> list[KnownKey]:
    """The keys that the known_hosts file at `path` holds for the host `name`."""
    keys: list[KnownKey] = []
    marker = ""
    for line in (await printed(["ssh-keygen", "-l", "-F", name, "-f", path])).splitlines():
        if found := _FOUND.match(line):
            marker = found["marker"] or ""
        elif fingerprint := re.search(r"SHA256:\S+", line):
            keys.append(KnownKey(fingerprint[0], not marker))
    return keys


async def users_master(path: str) -> bool:
    """Whether a master of the user's own, and of nobody else's, answers at the control path `path`."""
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return False
    if ssh_binary() is None or not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.geteuid():
        return False
    return await ask_master(path, "check")


class Master:
    """A master of ours; its socket and an unknown host key that it accepts are in `folder`."""

    process: Process

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "master")
        self.new_keys = folder / "known_hosts"
        self._reading: asyncio.Task[None] | None = None

    async def log_in(
        self, settings: Settings, destination: Destination, via: Sequence[str], own: str, *, ask: bool
    ) -> Log:
        """Start it and wait until it is logged in; its log says how that went.

        Raises `TransportError` with the stage that was not reached.
        """
        known = [key for path in (own, *settings.known_hosts) for key in await known_keys(path, settings.key_name)]
        # A key of another kind than the known ones is no unknown key: it is a changed one.
        strict = settings.strict in ("yes", "true") or any(key.plain for key in known)
        options = OURS | {
            "ControlPath": self.path,
            "BatchMode": "no" if ask else "yes",
            "ConnectTimeout": max(1, round(settings.timeout)),
            "StrictHostKeyChecking": "yes" if strict else "accept-new",
            "UserKnownHostsFile": " ".join(f'"{path}"' for path in (self.new_keys, own, *settings.known_hosts)),
        }
        words = ["-N", *(["-J", ",".join(via)] if via else []), *given(options), *arguments(destination)]
        log = Log(settings.key_name, [key.fingerprint for key in known])
        try:
            async with asyncio.timeout(ASKING_TIMEOUT if ask else settings.timeout + LOGIN_TIMEOUT):
                self.process = await start(words, own_session=not ask, stderr=STDOUT)
                await self._ready(log)
        except TimeoutError as error:
            raise log.failure("no answer came in time") from error
        return log

    async def _ready(self, log: Log) -> None:
        """Wait for the line of its LocalCommand; what it says is read for as long as it lives."""
        assert self.process.stdout
        ready = asyncio.Event()
        reading = each_line(self.process.stdout, lambda line: ready.set() if line == READY else log.read(line))
        self._reading = asyncio.create_task(reading)
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([self._reading, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not ready.is_set():
            raise log.failure("ssh ended")

    async def close(self) -> None:
        """End it."""
        if hasattr(self, "process"):
            await end(self.process)
        if self._reading:
            await self._reading
