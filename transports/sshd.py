"""The embedded SSH server: who proves a key of ours, or the secret, reaches one service and nothing else.

No file transfer and no forwarding is here, and nothing is ever dialled for anybody: the stream to the
socket `SERVICE` is handed to whom we listen for. Who has a key is given one program, and no shell of the machine.
"""

import asyncio
import contextlib
import hashlib
import os
import socket
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import asyncssh

from pysh.transports import system
from pysh.transports.base import TransportError
from pysh.transports.dial import SILENCE
from pysh.transports.gate import Gate, source_of
from pysh.transports.interactive import METHOD, Server
from pysh.transports.listening import NOTHING, Offers
from pysh.transports.means import EMBEDDED, SERVICE
from pysh.transports.pake import Desk, Result
from pysh.transports.ssh import CIPHERS, KEY_EXCHANGES, PACKET, REKEY_BYTES, WINDOW, send_no_ignore
from pysh.transports.sshsession import Tunnel
from pysh.transports.sshterminal import NOTHING_ELSE, ONLY_WATCHES, Given, Session

LOGIN = 10.0
"""Seconds from a TCP connection to an authenticated one."""
TRIES = 6
"""Attempts to authenticate on one connection. A wrong guess at the secret is the last one at once."""
CHANNELS = 64
"""Streams of one connection at a time."""
KEEPALIVE, KEEPALIVES = 15, 3
BACKLOG = 64
MSG_USERAUTH_FAILURE = 51
HARMLESS = frozenset({"from", "environment", "no-agent-forwarding", "no-X11-forwarding", "no-pty", "no-user-rc"})
"""Options of an authorized key that either are obeyed here or take away what nobody is given."""
NARROW = HARMLESS | {"command", "restrict", "pty", "no-port-forwarding"}
"""The same for one that may only watch, and has no stream."""


class Came(NamedTuple):
    """Who opened a stream."""

    source: str
    address: str
    by: str  # "key" or "secret"


def host_key(path: str) -> asyncssh.SSHKey:
    """Our own host key at `path`, which is made (0600) if it is missing. Raises `TransportError` (`hostkey`)."""
    file = Path(path)
    try:
        with contextlib.suppress(FileExistsError):  # it is there, or another process of ours was faster
            _make(file)
        with open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as opened:
            found = os.fstat(opened.fileno())
            if found.st_uid != os.geteuid() or found.st_mode & 0o077 or not stat.S_ISREG(found.st_mode):
                raise OSError(0, f"mode {stat.S_IMODE(found.st_mode):04o}, and only we may read it")
            return asyncssh.import_private_key(opened.read())
    except (OSError, ValueError) as error:
        text = getattr(error, "strerror", None) or str(error)
        raise TransportError(
            "hostkey", "our own host key cannot be used", f"{path}: {text}", f"ls -l {path}"
        ) from error


def _make(file: Path) -> None:
    if file.is_symlink() or file.exists():
        return
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = file.with_name(f".{os.urandom(4).hex()}")
    key = asyncssh.generate_private_key("ssh-ed25519", comment="pysh")
    with open(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as opened:
        opened.write(key.export_private_key())
    try:
        os.link(made, file)
    finally:
        made.unlink()


class Right(NamedTuple):
    """What an authorized key opens."""

    pty: bool = True
    watches: bool = False  # and nothing else


def authorized(key: asyncssh.SSHKey, path: str, address: str, watching: Sequence[str] = ()) -> Right | None:
    """What the authorized_keys file at `path` lets `key` do from `address`; None for nothing.

    As with sshd the file counts only if nobody else can change it. A key with an option that is not
    obeyed here, such as a forced command, opens nothing, but for one that is forced to one of `watching`.
    """
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            found = os.fstat(file.fileno())
            if found.st_uid not in (os.geteuid(), 0) or found.st_mode & 0o022:
                return None
            options = asyncssh.import_authorized_keys(file.read()).validate(key, address, address)
    except (OSError, ValueError):
        return None
    if options is None:
        return None
    watches = options.get("command") in watching
    if not (NARROW if watches else HARMLESS).issuperset(options):
        return None
    return Right("no-pty" not in options and ("restrict" not in options or "pty" in options), watches)


class Port:
    """A listening socket, and who comes in through it; `came(stream, who)` owns each stream.

    `offers` are the commands that people with a key are given.
    """

    def __init__(
        self, sock: socket.socket, key: asyncssh.SSHKey, *, authorized: str, secret: bytes, desk: Desk,
        came: Callable[[socket.socket, Came], None], offers: Offers = NOTHING, gate: Gate | None = None,
        login: float = LOGIN,
    ) -> None:  # fmt: skip
        self.gate = gate or Gate()
        self.authorized, self.secret, self.offers = authorized, secret, offers
        self.key_hash = hashlib.sha256(key.public_data).digest()
        self._sock, self._desk, self._came, self._login = sock, desk, came, login
        self._tasks: set[asyncio.Task[None]] = set()
        self._options = asyncssh.SSHServerConnectionOptions(
            config=None, server_host_keys=[key], server_version=EMBEDDED, login_timeout=login, tcp_keepalive=True,
            keepalive_interval=KEEPALIVE, keepalive_count_max=KEEPALIVES,
            public_key_auth=True, kbdint_auth=bool(secret), password_auth=False, host_based_auth=False,
            gss_host=None, gss_kex=False, gss_auth=False, allow_scp=False, sftp_factory=None, line_editor=False,
            agent_forwarding=False, x11_forwarding=False, allow_pty=offers.any,
            kex_algs=KEY_EXCHANGES, encryption_algs=CIPHERS, compression_algs=["none"],
            rekey_bytes=REKEY_BYTES, rekey_seconds=3600,
        )  # fmt: skip
        self._run(self._accept())

    def close(self) -> None:
        """Let nobody in any more, and end the connections that are there."""
        for task in self._tasks:
            task.cancel()
        self._sock.close()

    async def compute(self, source: str, side: str, entropy: bytes, theirs: bytes) -> Result:
        """SPAKE2 with our secret, in turn."""
        return await self._desk.compute(source, side, self.secret, entropy, theirs)

    def open(self, tunnel: Tunnel, who: Came) -> None:
        """Hand the stream of `tunnel` over."""
        self._run(self._hand_over(tunnel, who))

    async def _hand_over(self, tunnel: Tunnel, who: Came) -> None:
        self._came(await tunnel.pump.local(), who)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, peer = await loop.sock_accept(self._sock)
            except OSError:
                await asyncio.sleep(0.1)  # no descriptor is left, or it hung up before we came to it
                continue
            address = str(peer[0])
            if why := self.gate.enter(source_of(address), loop.time()):
                refuse(sock, why)
            else:
                self._run(self._serve(sock, address))

    async def _serve(self, sock: socket.socket, address: str) -> None:
        """One connection, from the first byte to its end."""
        loop, door = asyncio.get_running_loop(), Door(self, address)
        try:
            system.give_up_after(sock, SILENCE)
            async with asyncio.timeout(self._login):
                connection = await asyncssh.run_server(sock, options=self._options, server_factory=lambda: door)
        except (asyncssh.Error, OSError, ValueError):
            sock.close()
            return
        finally:
            self.gate.leave(source_of(address), loop.time(), proved=door.proved)
        try:
            await connection.wait_closed()
        finally:
            connection.abort()

    def _run(self, doing: Any) -> None:
        task = asyncio.get_running_loop().create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Door(asyncssh.SSHServer):
    """One connection: what asyncssh asks about it. Whatever is not answered here is refused."""

    def __init__(self, port: Port, address: str) -> None:
        self.proved = False  # a server that returned may as well have been hung up on
        self._port = port
        self._address, self._source = address, source_of(address)
        self._failures = 0
        self._proof: Server | None = None
        self._streams = 0
        self._right: Right | None = None  # of the key that was shown last: the one that let him in

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        send_no_ignore(conn)
        send = conn.send_packet

        def send_packet(kind: int, *parts: bytes, handler: Any = None) -> None:
            send(kind, *parts, handler=handler)
            if kind == MSG_USERAUTH_FAILURE:
                self._failed()

        vars(conn)["send_packet"] = send_packet

    def _failed(self) -> None:
        """An attempt failed, by whatever method; there are not many."""
        self._failures += 1
        if self._failures >= TRIES:
            self._connection.disconnect(asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "too many failures")

    def begin_auth(self, username: str) -> bool:
        return True  # False would mean that there is nothing to prove

    def auth_completed(self) -> None:
        self.proved = True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        # Asked before the signature is looked at, so nothing may follow from it but the answer.
        self._right = authorized(key, self._port.authorized, self._address, self._port.offers.watching)
        return self._right is not None

    def kbdint_auth_supported(self) -> bool:
        return bool(self._port.secret)

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        if submethods != METHOD or self._proof is not None:
            return False  # a person, or a second guess
        self._proof = Server(self._compute, username, self._port.key_hash)
        return "", "", "", [("", False)]

    async def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> Any:
        assert self._proof is not None
        try:
            challenge = await self._proof.challenge(responses)
        except TransportError as error:
            self._failures = TRIES  # one guess a connection
            self._connection.send_auth_banner(f"{error.what}\n")
            return False
        return True if self._proof.proved else ("", "", "", [(challenge, False)])

    async def _compute(self, side: str, entropy: bytes, theirs: bytes) -> Result:
        return await self._port.compute(self._source, side, entropy, theirs)

    def session_requested(self) -> Any:
        if self._by_secret or self._streams >= CHANNELS:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, NOTHING_ELSE)
        self._streams += 1
        offers, right = self._port.offers, self._right or Right()
        given = Given(offers.terminal, offers.plain, offers.run)
        if right.watches:
            given = Given(offers.watch, offers.watch_plain, why=ONLY_WATCHES)
        session = Session(given if right.pty else given._replace(terminal=()), self.stream_ended)
        return self._connection.create_server_channel(encoding=None), session

    @property
    def _by_secret(self) -> bool:
        return self._proof is not None and self._proof.proved

    def unix_connection_requested(self, dest_path: str) -> Any:
        watches = self._right is not None and self._right.watches and not self._by_secret
        if dest_path != SERVICE or watches or self._streams >= CHANNELS:
            return False
        self._streams += 1
        by = "secret" if self._by_secret else "key"
        stream = Inbound(self, self._port, Came(self._source, self._address, by))
        return self._connection.create_unix_channel(encoding=None, window=WINDOW, max_pktsize=PACKET), stream

    def stream_ended(self) -> None:
        """One of the streams is over."""
        self._streams -= 1


class Inbound(Tunnel):
    """A stream that the other side opened."""

    def __init__(self, door: Door, port: Port, who: Came) -> None:
        super().__init__()
        self._door, self._port, self._who = door, port, who

    def session_started(self) -> None:
        self._port.open(self, self._who)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._door.stream_ended()


def refuse(sock: socket.socket, why: str) -> None:
    """Close `sock` with a line that an SSH client may show."""
    with sock, contextlib.suppress(OSError):
        sock.setblocking(False)
        sock.send(f"{why}\r\n".encode())
