"""SSH by the ssh binary: for passwords, second factors, hardware keys, and masters that are there.

A master logs in once and keeps the connection. Each command is a further, small ssh that hands its
own standard input and output to the master, and to reach a Unix socket there the master listens on
one here: no byte of a stream passes through us. Where the user has a master of his own (ControlPath),
that one is used and left alone.
"""

import asyncio
import contextlib
import shlex
import shutil
import socket
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pysh.transports.asking import Ask
from pysh.transports.base import TransportError, cleaned
from pysh.transports.control import Facts, Ran, Verified
from pysh.transports.hostkeys import append
from pysh.transports.means import (
    BROKEN,
    EMBEDDED,
    LIMIT,
    NOTED,
    Bounded,
    Connection,
    Ended,
    Passage,
    not_forwarded,
    not_there,
)
from pysh.transports.sshconfig import Settings, Stop
from pysh.transports.sshmaster import Master, users_master
from pysh.transports.sshprocess import ask_master, collect, end, feed, given, start


async def connect(
    stops: Sequence[Stop], own: str, sockets: str, *, users: bool, pin: bool, ask: Ask | None
) -> "OpenSSHConnection":
    """A connection to the last of `stops`, through those before it.

    `own` is pysh's own known_hosts file, and `sockets` a folder that only we can enter; `users` says
    whether a master of the user's own will do, and `pin` whether unknown host keys may be written down.
    `ask` asks a person what ssh wants to know, such as a password; without it nobody ever is. Raises
    `TransportError` with one of the stages `resolve tcp hostkey sshauth`.
    """
    settings = stops[-1].settings
    folder = Path(tempfile.mkdtemp(dir=sockets))
    try:
        if users and await users_master(settings.control_path):
            # It checked the host key as its user told it to.
            unsure = settings.strict in ("no", "off", "false")
            facts = _facts(settings, "provisional" if unsure else "known_hosts", {}, {})
            return OpenSSHConnection(facts, settings.control_path, own, folder, None)
        return await _with_master(stops, own, folder, pin=pin, ask=ask)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


async def _with_master(
    stops: Sequence[Stop], own: str, folder: Path, *, pin: bool, ask: Ask | None
) -> "OpenSSHConnection":
    master = Master(stops, own, folder, pin=pin)
    try:
        log = await master.log_in(ask)
        if pin:
            for keys in master.new_keys[:-1]:  # those of the hops; the last one's are the connection's to accept
                if keys.exists():
                    append(own, keys.read_bytes())
    except BaseException:
        await master.close()
        raise
    verified: Verified = "provisional" if master.new_keys[-1].exists() else "known_hosts"
    facts = _facts(stops[-1].settings, verified, log.found, log.watch.milliseconds)
    connection = OpenSSHConnection(facts, master.path, own, folder, master)
    if pin:
        connection.accept()
    return connection


def _facts(settings: Settings, verified: Verified, found: Mapping[str, str], milliseconds: dict[str, float]) -> Facts:
    algorithm = found.get("algorithm", "").removesuffix("-cert-v01@openssh.com")
    return Facts(
        settings.host, settings.port, settings.user, found.get("address", ""), "openssh", verified,
        algorithm, found.get("fingerprint", ""), milliseconds, cleaned(found.get("server", ""), 64),
    )  # fmt: skip


class OpenSSHConnection(Connection):
    """A connection by the ssh binary: through a master of ours, or through the user's own."""

    def __init__(self, facts: Facts, path: str, own: str, folder: Path, master: Master | None) -> None:
        self.facts = facts
        self.lost = asyncio.get_running_loop().create_future()
        self._path, self._own, self._folder, self._master = path, own, folder, master
        self._forwards: dict[str, str] = {}  # the local socket for each that the master leads to there
        self._forwarding = asyncio.Lock()
        self._commands: set[Process] = set()
        self._watching = asyncio.create_task(self._watch(master.process)) if master else None

    async def run(self, command: str, stdin: bytes, limit: int = LIMIT) -> Ran:
        out, err = Bounded(limit), Bounded(limit)
        process = await self._start(command, stdin=PIPE)
        assert process.stdin
        assert process.stdout
        assert process.stderr
        try:
            feeding = feed(process.stdin, stdin)
            await asyncio.gather(feeding, collect(process.stdout, out), collect(process.stderr, err))
            status = await process.wait()
        finally:
            await self._end(process)
        if status == BROKEN and self.lost.done():
            raise self._gone()
        return Ran(status, bytes(out.data), bytes(err.data), out.dropped + err.dropped)

    async def stream(self, *, path: str = "", command: str = "") -> Passage:
        if path:
            return Passage(await self._forwarded(path), asyncio.get_running_loop().create_future())
        ours, theirs = socket.socketpair()
        try:
            process = await self._start(command, stdin=theirs, stdout=theirs)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return Passage(ours, asyncio.ensure_future(self._ended(process)))

    async def _forwarded(self, path: str) -> socket.socket:
        """A socket that the master leads to the socket `path` there.

        The command that is run meanwhile tells whether that one is there. The server answers in order:
        at the command's end a refusal has come, and shows as the end of the stream. A node that listens runs
        no commands, and has that one socket.
        """
        sock = await self._dialled(path)
        if self.facts.server == EMBEDDED:
            return sock
        try:
            if (await self.run(f"test -S {shlex.quote(path)}", b"")).status:
                raise not_there(path, self.facts.host)
            with contextlib.suppress(BlockingIOError):
                if not sock.recv(1, socket.MSG_PEEK):
                    raise not_forwarded(path, self.facts.host)
        except BaseException:
            sock.close()
            raise
        return sock

    async def _dialled(self, path: str) -> socket.socket:
        """A socket connected to the master, which then has it connected to `path` there."""
        async with self._forwarding:
            local = self._forwards.get(path, str(self._folder / str(len(self._forwards))))
            if path not in self._forwards and not await ask_master(self._path, "forward", "-L", f"{local}:{path}"):
                raise self._gone()
            self._forwards[path] = local
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.setblocking(False)
            sock.connect(local)
        except OSError as error:
            sock.close()
            raise self._gone() from error
        return sock

    async def _start(self, command: str, **ends: Any) -> Process:
        """Have the master start `command`. When the master is gone this fails, and dials nobody."""
        if self.lost.done():
            raise self._gone()
        options = given({"ControlPath": self._path, "ControlMaster": "no", "ProxyCommand": "false"})
        process = await start(["-F", "none", "-T", *options, "--", self.facts.host, command], **ends)
        self._commands.add(process)
        return process

    async def _ended(self, process: Process) -> Ended:
        complaint = Bounded(NOTED)
        assert process.stderr
        try:
            await collect(process.stderr, complaint)
            status = await process.wait()
        finally:
            await self._end(process)
        return Ended(status, cleaned(complaint.data.decode(errors="replace")))

    async def _end(self, process: Process) -> None:
        self._commands.discard(process)
        await end(process)

    async def _watch(self, master: Process) -> None:
        status = await master.wait()
        if not self.lost.done():
            self.lost.set_result(f"ssh ended with the exit status {status}")

    def _gone(self) -> TransportError:
        why = self.lost.result() if self.lost.done() else "its master does not answer"
        return TransportError("cut", "the connection is gone", f"{self.facts.host}: {why}")

    def accept(self) -> None:
        if self.facts.verified == "provisional" and self._master:
            append(self._own, self._master.new_keys[-1].read_bytes())
            self.facts = self.facts._replace(verified="accepted-new")

    async def close(self) -> None:
        if not self.lost.done():
            self.lost.set_result("it was closed")
        for process in list(self._commands):
            await self._end(process)
        if self._master:
            await self._master.close()
        else:
            for path, local in self._forwards.items():
                await ask_master(self._path, "cancel", "-L", f"{local}:{path}")
        shutil.rmtree(self._folder, ignore_errors=True)
