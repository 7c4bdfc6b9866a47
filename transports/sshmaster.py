"""The ssh process that logs in once and keeps the connection for the others, its master."""

import asyncio
import os
import re
import shlex
import stat
from asyncio.subprocess import STDOUT, Process
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pysh.transports.asking import Ask, Desk
from pysh.transports.base import TransportError
from pysh.transports.means import AES_GCM, KEEPALIVE, KEEPALIVES, LOGIN_TIMEOUT
from pysh.transports.sshconfig import Settings, Stop, arguments, ssh_binary
from pysh.transports.sshlog import Log
from pysh.transports.sshprocess import ask_master, each_line, end, given, printed, start

READY = "pysh: the master is ready"
"""What the master prints, by its LocalCommand, once it is logged in and listens for the others."""
ASKING_TIMEOUT = 120.0
"""Seconds to log in where a person is asked for something."""

EACH: dict[str, object] = {
    "Compression": "no",
    "Ciphers": f"^{AES_GCM}",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "ClearAllForwardings": "yes",
    "UpdateHostKeys": "no",
    "ServerAliveInterval": KEEPALIVE,
    "ServerAliveCountMax": KEEPALIVES,
    "ConnectionAttempts": 1,
    "RemoteCommand": "none",
    "RequestTTY": "no",
}
"""Options of a master and of the ssh of each hop that are not for the user's configuration to decide."""
OURS: dict[str, object] = EACH | {
    "ControlMaster": "yes",
    "ControlPersist": "no",
    "LogLevel": "DEBUG1",
    "PermitLocalCommand": "yes",
    "LocalCommand": f"echo {shlex.quote(READY)}",
}
"""The same of a master. A hop may go through a master of the user's own."""


def through(stops: Sequence[Stop], options: Sequence[dict[str, object]]) -> dict[str, object]:
    """What makes ssh go to the last of `stops` through those before it, each with its own of `options`.

    ssh's own `-J` would give a hop none of them: it would not even find a key that is written down here alone.
    """
    if len(stops) < 2:
        return {}
    (destination, _), (_, last) = stops[-2:]
    there = EACH | options[-2] | through(stops[:-1], options[:-1])
    words = [ssh_binary() or "ssh", *given(there), "-W", f"[{last.host}]:{last.port}", *arguments(destination)]
    return {"ProxyCommand": shlex.join(words).replace("%", "%%")}


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
    """A master of ours to the last of `stops`, through those before it.

    `own` is pysh's own known_hosts file; the socket, and the unknown host keys that it meets, are in `folder`.
    `pin` says that the user accepts those.
    """

    process: Process

    def __init__(self, stops: Sequence[Stop], own: str, folder: Path, *, pin: bool) -> None:
        self.path = str(folder / "master")
        self.new_keys = [folder / f"known_hosts-{number}" for number in range(len(stops))]
        """For each stop the file of its host key, which is there if it was unknown."""
        self._stops, self._own, self._folder, self._pin = stops, own, folder, pin
        self._desk: Desk | None = None
        self._reading: asyncio.Task[None] | None = None

    async def log_in(self, ask: Ask | None) -> Log:
        """Start it and wait until it is logged in; its log says how that went.

        What a server asks on the way is for `ask`; without it nobody is asked. Raises `TransportError` with the
        stage that was not reached.
        """
        checks = [await self._known(stop.settings) for stop in self._stops]
        options = [
            self._options(*each, ask=ask is not None) for each in zip(self._stops, checks, self.new_keys, strict=True)
        ]
        destination, settings = self._stops[-1]
        last = OURS | options[-1] | through(self._stops, options) | {"ControlPath": self.path}
        log = Log(settings.key_name, [key.fingerprint for key in checks[-1]], str(destination))
        self._desk = Desk(self._folder, ask, self._check_vouched) if ask else None
        try:
            async with asyncio.timeout(ASKING_TIMEOUT if ask else settings.timeout + LOGIN_TIMEOUT):
                words = ["-N", *given(last), *arguments(destination)]
                if self._desk:
                    await self._desk.open()
                environ = self._desk.environ if self._desk else None
                self.process = await start(words, stderr=STDOUT, env=environ)
                await self._ready(log)
        except TimeoutError as error:
            raise log.failure("no answer came in time") from error
        return log

    async def _known(self, settings: Settings) -> list[KnownKey]:
        files = (self._own, *settings.known_hosts)
        return [key for path in files for key in await known_keys(path, settings.key_name)]

    def _options(self, stop: Stop, known: Sequence[KnownKey], new_keys: Path, *, ask: bool) -> dict[str, object]:
        """How the host key of a stop is checked, and whether somebody may be asked on the way there."""
        settings = stop.settings
        # A key of another kind than the known ones is no unknown key: it is a changed one.
        strict = settings.strict in ("yes", "true") or any(key.plain for key in known)
        return {
            "BatchMode": "no" if ask else "yes",
            "ConnectTimeout": max(1, round(settings.timeout)),
            "StrictHostKeyChecking": "yes" if strict else "accept-new",
            "UserKnownHostsFile": " ".join(f'"{path}"' for path in (new_keys, self._own, *settings.known_hosts)),
        }

    async def _ready(self, log: Log) -> None:
        """Wait for the line of its LocalCommand; what it says is read for as long as it lives."""
        assert self.process.stdout
        ready = asyncio.Event()
        reading = each_line(self.process.stdout, lambda line: ready.set() if line == READY else log.read(line))
        self._reading = asyncio.create_task(reading)
        waiting = asyncio.create_task(ready.wait())
        ends: list[asyncio.Future[Any]] = [self._reading, waiting, *([self._desk.over] if self._desk else [])]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._desk and self._desk.over.done():
            raise self._desk.over.result()
        if not ready.is_set():
            raise log.failure("ssh ended")
        if self._desk:
            self._desk.close()

    def _check_vouched(self) -> None:
        """Raise `TransportError` (`hostkey`) where a host on the way showed a key that nobody vouches for."""
        unknown = [s.settings.key_name for s, keys in zip(self._stops, self.new_keys, strict=True) if keys.exists()]
        if unknown and not self._pin:
            what = f"nobody vouches for the host key of {unknown[0]}, and no answer of a person goes there"
            by_hand = f"compare it and accept it by hand: ssh {self._stops[-1].destination}"
            hint = f'{by_hand}; or have it written down: hostkey="accept-new"'
            raise TransportError("hostkey", what, "known_hosts has nothing of it", hint)

    async def close(self) -> None:
        """End it."""
        if self._desk:
            self._desk.close()
        if hasattr(self, "process"):
            await end(self.process)
        if self._reading:
            await self._reading
