"""SSH by asyncssh: the client's side, tuned for small messages and for a stock sshd."""

import asyncio
import hashlib
import shlex
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

import asyncssh
from asyncssh.channel import SSHChannel
from asyncssh.connection import SSHConnection as SSHBase

from pysh.transports import dial
from pysh.transports.base import CLOSE_GRACE, TransportError, cleaned
from pysh.transports.control import Facts, Ran, Verified
from pysh.transports.interactive import METHOD, WRONG, Client, Compute
from pysh.transports.means import (
    AES_GCM,
    BROKE,
    DROPPED,
    EMBEDDED,
    KEEPALIVE,
    KEEPALIVES,
    LIMIT,
    LOGIN_TIMEOUT,
    Connection,
    NeedsPerson,
    Passage,
    not_forwarded,
    not_there,
)
from pysh.transports.sshconfig import Settings, Stopwatch
from pysh.transports.sshkeys import Known, agent_keys, identities, judge, known_of, write_down
from pysh.transports.sshsession import Collector, Tunnel

WINDOW = 16 << 20
"""Bytes that the other side may send ahead on one channel: a long link's worth."""
PACKET = 256 * 1024 - 1024
REKEY_BYTES = 32 << 30
"""Half of what AES may encrypt with one key; each renewal stalls the connection for a round trip."""
CIPHERS = [*AES_GCM.split(","), "chacha20-poly1305@openssh.com", "aes128-ctr"]
AEAD = frozenset(CIPHERS[:3])
KEY_EXCHANGES = ["mlkem768x25519-sha256", "curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256"]
MSG_IGNORE = 2
ARM = "true"
"""The command of a session that is opened for its effect alone: see `SSHConnection._arm`."""

S = TypeVar("S", Collector, Tunnel)


async def connect(
    settings: Settings, own: str, *, pin: bool, hop: "SSHConnection | None", prove: Compute | None = None
) -> "SSHConnection":
    """An authenticated connection to the host of `settings`, through `hop` if there is one.

    `own` is pysh's own known_hosts file; `pin` says whether an unknown host key may be written there.
    `prove` is SPAKE2 with the secret that a node which listens asks for; no other server is shown it.
    Raises `TransportError` with one of the stages `resolve tcp hostkey sshauth`.
    """
    watch = Stopwatch()
    sock, address = None, ""
    if hop is None:
        found = await dial.addresses(settings.host, settings.port, settings.family)
        watch.lap("resolve")
        sock = await dial.dial(found, settings.timeout)
        address = str(sock.getpeername()[0])
        watch.lap("tcp")
    known = known_of(settings, [own, *settings.known_hosts])
    login = Login(settings, known, own if pin else "", watch, prove)
    try:
        async with asyncio.timeout(LOGIN_TIMEOUT):
            connection = await login.over({"sock": sock} if hop is None else {"tunnel": hop.ssh})
    except (asyncssh.Error, OSError, ValueError, TransportError) as error:
        if sock:
            sock.close()
        raise (error if isinstance(error, TransportError) else login.failure(error)) from error
    watch.lap("sshauth")
    return SSHConnection(connection, login, address, own)


class Login(asyncssh.SSHClient):
    """One login, watched: it judges the host key, and knows how far it came."""

    def __init__(
        self, settings: Settings, known: Known, pin: str, watch: Stopwatch, prove: Compute | None = None
    ) -> None:
        self.settings, self.watch = settings, watch
        self.verified: Verified = "known_hosts"  # a certificate that asyncssh accepts is not judged here
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._known, self._pin = known, pin
        self._judged: asyncssh.SSHKey | None = None
        self._refusal: TransportError | None = None
        self._shown: list[str] = []  # the keys we showed, for the error
        self._unusable: list[str] = []
        self._banner = ""
        self._prove = prove
        self._proof: Client | None = None
        self._asks: list[str] = []  # the methods of the server that take a person

    async def over(self, way: dict[str, Any]) -> asyncssh.SSHClientConnection:
        """Exchange keys, have the host's judged, and authenticate with the agent's keys and the files'."""
        settings, known = self.settings, self._known
        pairs, self._unusable = identities(settings)
        agent, from_agent = await agent_keys(settings)
        keys = [*from_agent, *pairs]
        self._shown = [f"{key.get_algorithm()} {key.get_comment() or ''}".strip() for key in keys]
        try:
            return await asyncssh.connect(
                settings.host, settings.port, username=settings.user, config=None, client_factory=lambda: self,
                host_key_alias=settings.key_alias or None, server_host_key_algs=known.algorithms(),
                # Plain keys are judged below, where more can be said than yes or no.
                known_hosts=([], list(known.authorities), list(known.revoked) if known.authorities else []),
                client_keys=keys or None, preferred_auth=["keyboard-interactive", "publickey", "password"],
                password_auth=True, kbdint_auth=True,  # as far as is said below
                gss_host=None, disable_trivial_auth=True, agent_path=None, agent_forwarding=False,
                kex_algs=KEY_EXCHANGES, encryption_algs=CIPHERS, compression_algs=["none"],
                rekey_bytes=REKEY_BYTES, rekey_seconds=3600,
                keepalive_interval=KEEPALIVE, keepalive_count_max=KEEPALIVES,
                connect_timeout=None, login_timeout=0, utf8_decode_errors="replace", **way,
            )  # fmt: skip
        finally:
            if agent:
                agent.close()

    # What asyncssh calls.

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        send_no_ignore(conn)
        self._connection = conn

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        if key == self._judged:
            return True  # it is shown anew with each renewal of the session's keys
        try:
            self.verified = judge(key, self._known, self.settings, self._pin)
        except TransportError as error:
            self._refusal = error
            return False
        finally:
            self.watch.lap("hostkey")
        self._judged = key
        return True

    def password_auth_requested(self) -> str | None:
        self._asks.append("password")
        return None  # people are asked by the ssh binary

    def kbdint_auth_requested(self) -> str | None:
        if server_of(self._connection) != EMBEDDED:
            self._asks.append("keyboard-interactive")
            return None  # nobody who is no node is shown anything
        if self._prove is None or self._proof is not None:
            return None  # and no node twice
        key = self._connection.get_server_host_key()
        assert key is not None
        self._proof = Client(self._prove, self.settings.user, hashlib.sha256(key.public_data).digest())
        return METHOD

    async def kbdint_challenge_received(self, name: str, instructions: str, lang: str, prompts: Any) -> list[str]:
        assert self._proof is not None
        return [await self._proof.answer([prompt for prompt, _ in prompts])]

    def auth_banner_received(self, msg: str, lang: str) -> None:
        self._banner = cleaned(msg)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(cleaned(str(exc)) if exc else "it was closed")

    def failure(self, error: Exception) -> TransportError:
        """What `error` means, by how far the login came."""
        text, name = cleaned(str(error)), self.settings.key_name
        if self._refusal:
            return self._refusal
        if isinstance(error, asyncssh.ChannelOpenError):
            stage = "resolve" if "not known" in text else "tcp"
            return TransportError(stage, "the hop cannot reach the host", f"{name}: {text}", f"try there: ssh {name}")
        if isinstance(error, asyncssh.PermissionDenied) and self._proof is not None:
            evidence = f"{name}: {self._banner or text}"
            return TransportError("cookie", WRONG, evidence, "start both with the same --cookie")
        if isinstance(error, TimeoutError):
            text = f"no answer within {LOGIN_TIMEOUT:g} s"
        if "hostkey" in self.watch.milliseconds and isinstance(error, asyncssh.ConnectionLost | OSError):
            return TransportError("sshauth", BROKE, f"{name}: {text}", f"see: ssh -v {name}")
        if isinstance(error, asyncssh.PermissionDenied) or "hostkey" in self.watch.milliseconds:
            return self._refused_us(text)
        if isinstance(error, asyncssh.HostKeyNotVerifiable):
            return TransportError("hostkey", "the host key cannot be trusted", text, f"see: ssh -v {name}")
        hint = "is that an SSH server, and does it let more connections in (MaxStartups)?"
        return TransportError("hostkey", DROPPED, f"{name}: {text}", hint)

    def _refused_us(self, text: str) -> TransportError:
        tried = ", ".join(self._shown) or "no key at all"
        notes = "; ".join(note for note in (text, *self._unusable, self._banner) if note)
        evidence = f"{self.settings.key_name} as {self.settings.user}, with {tried}: {notes}"
        if self._asks:
            what = f"the server wants a person's answer ({' or '.join(dict.fromkeys(self._asks))})"
            return NeedsPerson(what, evidence, self.settings.host)
        if self._unusable:
            return NeedsPerson(
                "the server does not let us in, and a key of ours cannot be used", evidence, self.settings.host
            )
        hint = 'see which keys it takes: ssh -v; for passwords and hardware keys: transport="openssh"'
        return TransportError("sshauth", "the server does not let us in", evidence, hint)


def send_no_ignore(connection: SSHBase) -> None:
    """Keep asyncssh from sending an empty packet before each packet where it protects nothing.

    It is a defence of CBC ciphers, and costs half of the speed. While both directions are AEAD
    ciphers it is left out; they are looked at each time, for a key exchange may change them.
    """
    send = connection.send_packet

    def send_packet(kind: int, *parts: bytes, handler: Any = None) -> None:
        if kind != MSG_IGNORE or not both_aead(connection):
            send(kind, *parts, handler=handler)

    vars(connection)["send_packet"] = send_packet


def server_of(connection: asyncssh.SSHClientConnection) -> str:
    """What the server calls itself."""
    version = str(connection.get_extra_info("server_version", ""))
    return cleaned(version.removeprefix("SSH-2.0-").partition(" ")[0], 64)


def both_aead(connection: SSHBase) -> bool:
    """Whether each direction is encrypted by a cipher that authenticates too."""
    return {connection.get_extra_info("send_cipher"), connection.get_extra_info("recv_cipher")} <= AEAD


class SSHConnection(Connection):
    """A connection by asyncssh."""

    def __init__(self, ssh: asyncssh.SSHClientConnection, login: Login, address: str, own: str) -> None:
        settings, key = login.settings, ssh.get_server_host_key()
        assert key is not None  # without GSS there always is one
        self.ssh = ssh
        self.lost = login.lost
        self.facts = Facts(
            settings.host, settings.port, settings.user, address, "asyncssh", login.verified,
            key.get_algorithm(), key.get_fingerprint(), login.watch.milliseconds, server_of(ssh),
        )  # fmt: skip
        self._pinning = own, settings.key_name, key
        self._armed = False

    async def run(self, command: str, stdin: bytes, limit: int = LIMIT) -> Ran:
        channel, session = await self._execute(lambda: Collector(limit), command)
        try:
            with suppress(OSError):  # it may end, or close its input, before it has read all
                channel.write(stdin)
                channel.write_eof()
            return await session.ran
        finally:
            channel.close()

    async def stream(self, *, path: str = "", command: str = "") -> Passage:
        channel, tunnel = await (self._execute(Tunnel, command) if command else self._forward(path))
        try:
            return Passage(await tunnel.pump.local(), tunnel.ended)
        except BaseException:
            channel.abort()
            raise

    async def _execute(self, factory: Callable[[], S], command: str) -> tuple[SSHChannel[bytes], S]:
        """Start `command` in a session of its own."""
        try:
            channel, session = await self.ssh.create_session(
                factory, command, encoding=None, window=WINDOW, max_pktsize=PACKET
            )
        except (asyncssh.Error, OSError) as error:
            what, hint = "the command could not be started there", "nothing was run; is the connection alive?"
            raise TransportError("cut", what, self._evidence(error), hint) from error
        self._armed = True
        return channel, cast(S, session)

    async def _forward(self, path: str) -> tuple[SSHChannel[bytes], Tunnel]:
        """Have the server connect us to its Unix socket `path`."""
        await self._arm()
        try:
            channel, session = await self.ssh.create_unix_connection(
                Tunnel, path, encoding=None, window=WINDOW, max_pktsize=PACKET
            )
        except asyncssh.ChannelOpenError as error:
            # An sshd says the same of a socket that is not there and of one that it may not reach.
            there = (await self.run(f"test -S {shlex.quote(path)}", b"")).status == 0
            raise (not_forwarded if there else not_there)(path, self.facts.host) from error
        except (asyncssh.Error, OSError) as error:
            raise TransportError("cut", "the connection is gone", self._evidence(error)) from error
        return channel, cast(Tunnel, session)

    async def _arm(self) -> None:
        """Open a session before the first forwarded socket.

        An sshd before 10.1 sets TCP_NODELAY only when a session starts. Without it the second of two
        small writes waits 44 ms for the acknowledgement of the first.
        """
        if not self._armed:
            with suppress(TransportError):  # a server without sessions may forward all the same
                channel, _ = await self._execute(lambda: Collector(0), ARM)
                channel.write_eof()
                channel.close()

    def _evidence(self, error: Exception) -> str:
        if self.lost.done():
            return f"{self.facts.host}: {self.lost.result()}"
        return f"{self.facts.host}: {cleaned(str(error))}"

    def accept(self) -> None:
        if self.facts.verified == "provisional":
            write_down(*self._pinning)
            self.facts = self.facts._replace(verified="accepted-new")

    async def close(self) -> None:
        self.ssh.close()
        try:
            async with asyncio.timeout(CLOSE_GRACE):
                await self.ssh.wait_closed()
        except TimeoutError:
            self.ssh.abort()
