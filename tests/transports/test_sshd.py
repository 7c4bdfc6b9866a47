"""The embedded server: who comes in, what is there for him, and what strangers can do to it."""

import asyncio
import hashlib
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from pysh.transports import sshd
from pysh.transports.base import TransportError
from pysh.transports.listening import NOTHING, Offers
from pysh.transports.means import SERVICE
from pysh.transports.pake import Desk
from pysh.transports.tunnels import Carrier
from tests.sshd import Place, alive, keygen, public, until

SECRET = b"a cookie"


class Listening:
    """A carrier that listens, who came in, and how to get there."""

    def __init__(self, there: Place, carrier: Carrier) -> None:
        self.there, self.carrier = there, carrier
        self.came: list[tuple[socket.socket, str, str]] = []
        self.near: list[socket.socket] = []
        self.closed = False
        self.key = there.folder / "own" / "host_ed25519"
        self.authorized = there.home.ssh / "authorized_keys"

    async def start(self, secret: bytes = SECRET, offers: Offers = NOTHING) -> None:
        self.listener = await self.carrier.listen(
            "127.0.0.1", 0, key=str(self.key), authorized=str(self.authorized), secret=secret,
            came=self._take, offers=offers,
        )  # fmt: skip
        self.port = self.listener.port

    async def stream(self, client: Carrier, **options: Any) -> tuple[socket.socket, socket.socket]:
        """Both ends of a stream that goes through the server."""
        connection = await client.connect(f"127.0.0.1:{self.port}", **options)
        near = (await connection.stream(path=SERVICE)).sock
        self.near.append(near)
        await until(lambda: self.came)
        return near, self.came[-1][0]

    def _take(self, *who: Any) -> None:
        self.came.append(who)
        if self.closed:
            who[0].close()

    def close(self) -> None:
        self.closed = True
        for sock in (*self.near, *(sock for sock, *_ in self.came)):
            sock.close()


@pytest.fixture
async def listening(there: Place, carrier: Carrier) -> AsyncIterator[Listening]:
    made = Listening(there, carrier)
    await made.start()
    yield made
    made.close()


@pytest.fixture
async def client(there: Place) -> AsyncIterator[Carrier]:
    started = await Carrier.start(str(there.home.own_known_hosts), log=2)
    yield started
    await started.close()
    assert not alive(started.pid)


async def say(one: socket.socket, other: socket.socket, data: bytes = b"hello") -> bytes:
    """What `other` reads of what is written to `one`."""
    loop = asyncio.get_running_loop()
    for sock in (one, other):
        sock.setblocking(False)
    await loop.sock_sendall(one, data)
    async with asyncio.timeout(5):
        return await loop.sock_recv(other, len(data))


async def test_a_node_comes_in_by_the_cookie_and_both_ends_see_one_host_key(
    listening: Listening, client: Carrier
) -> None:
    near, far = await listening.stream(client, secret=SECRET)
    assert await say(near, far) == await say(far, near) == b"hello"
    assert listening.came[0][1:] == ("127.0.0.1", "secret")
    connection = await client.connect(f"127.0.0.1:{listening.port}", secret=SECRET)
    assert (connection.facts.server, connection.facts.verified) == ("pysh", "provisional")
    assert connection.facts.key_hash == listening.listener.key_hash
    near.close()
    assert await asyncio.get_running_loop().sock_recv(far, 1) == b""


async def test_a_node_comes_in_by_an_authorized_key_without_the_cookie(listening: Listening, client: Carrier) -> None:
    error = await refused(client.connect(f"127.0.0.1:{listening.port}"))
    assert error.stage == "sshauth"
    listening.authorized.write_text(public(listening.there.home.key) + "\n")
    near, far = await listening.stream(client)
    assert await say(near, far) == b"hello"
    assert listening.came[0][2] == "key"


async def refused(awaitable: Any) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await awaitable
    return caught.value


async def test_another_cookie_is_told_and_costs_a_connection(listening: Listening, client: Carrier) -> None:
    error = await refused(client.connect(f"127.0.0.1:{listening.port}", secret=b"a guess"))
    assert error.stage == "cookie"
    assert "the cookies differ" in error.what
    assert "--cookie" in error.hint


async def test_an_sshd_is_never_shown_that_there_is_a_cookie(there: Place, client: Carrier) -> None:
    server = there.sshd(LogLevel="DEBUG3", KbdInteractiveAuthentication="yes")
    await client.connect("db1", secret=SECRET)
    assert "method keyboard-interactive" not in server.log


@pytest.mark.parametrize("options", ['command="true"', "restrict", "no-port-forwarding", 'from="10.0.0.1"', "no-such"])
async def test_a_key_with_strings_attached_opens_nothing(listening: Listening, client: Carrier, options: str) -> None:
    listening.authorized.write_text(f"{options} {public(listening.there.home.key)}\n")
    assert (await refused(client.connect(f"127.0.0.1:{listening.port}"))).stage == "sshauth"


async def test_a_file_of_keys_that_others_can_write_opens_nothing(listening: Listening, client: Carrier) -> None:
    listening.authorized.write_text(public(listening.there.home.key) + "\n")
    listening.authorized.chmod(0o666)
    assert (await refused(client.connect(f"127.0.0.1:{listening.port}"))).stage == "sshauth"


def ssh(listening: Listening, *words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """The ssh binary of a person, with whatever it offers by itself."""
    given = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=INFO"]
    return subprocess.run(
        ["ssh", *given, "-p", str(listening.port), *words], input=stdin, capture_output=True, text=True, timeout=20
    )


async def test_nobody_gets_a_shell_a_file_or_a_forward(listening: Listening) -> None:
    listening.authorized.write_text(public(listening.there.home.key) + "\n")
    for words in ("127.0.0.1", "127.0.0.1 true"):
        done = await asyncio.to_thread(ssh, listening, *words.split())
        assert (done.returncode, done.stdout) == (1, "")
        assert "to run code: pysh rpc" in done.stderr
    done = await asyncio.to_thread(ssh, listening, "-tt", "127.0.0.1")
    assert (done.returncode, done.stdout) == (255, "")
    assert "PTY allocation request failed" in done.stderr
    connection = await logged_in(listening)
    for opening in (
        connection.open_connection("127.0.0.1", 22),
        connection.open_connection("pysh-node", 1),
        connection.open_unix_connection("/run/user/0/bus"),
        connection.open_unix_connection(f"{SERVICE}/"),
        connection.start_sftp_client(),
        connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 22),
    ):
        with pytest.raises((asyncssh.Error, asyncssh.ChannelListenError)):
            await opening
    connection.abort()
    assert listening.came == []


async def test_with_a_command_for_terminals_alone_all_else_is_refused(listening: Listening, client: Carrier) -> None:
    await listening.start(offers=Offers(terminal=["/bin/echo", "hello"]))
    listening.authorized.write_text(public(listening.there.home.key) + "\n")
    for words in ("127.0.0.1", "127.0.0.1 true", "-tt 127.0.0.1 true"):
        done = await asyncio.to_thread(ssh, listening, *words.split())
        assert (done.returncode, "to run code: pysh rpc" in done.stderr, done.stdout) == (1, True, "")
    assert (await asyncio.to_thread(ssh, listening, "-tt", "127.0.0.1")).stdout == "hello\n"
    listening.authorized.write_text(f"no-pty {public(listening.there.home.key)}\n")
    done = await asyncio.to_thread(ssh, listening, "-tt", "127.0.0.1")
    assert (done.returncode, done.stdout) == (255, "")
    near, far = await listening.stream(client)
    assert await say(near, far) == b"hello"


async def test_a_key_that_may_only_watch_is_given_that_and_nothing_else(listening: Listening, client: Carrier) -> None:
    full, watch = ["/bin/echo", "all"], ["/bin/echo", "watch"]
    await listening.start(offers=Offers(full, full, full, watch, watch_plain=["/bin/cat"], watching=["w n1"]))
    key = public(listening.there.home.key)
    for options in ('command="w n1"', 'restrict,pty,command="w n1"'):
        listening.authorized.write_text(f"{options} {key}\n")
        assert (await asyncio.to_thread(ssh, listening, "-tt", "127.0.0.1")).stdout == "watch\n"
        assert (await asyncio.to_thread(ssh, listening, "127.0.0.1", stdin="lines")).stdout == "lines"
        done = await asyncio.to_thread(ssh, listening, "127.0.0.1", "x")
        assert (done.returncode, done.stdout, "may only watch" in done.stderr) == (1, "", True)
        connection = await client.connect(f"127.0.0.1:{listening.port}")
        assert await refused(connection.stream(path=SERVICE))
    listening.authorized.write_text(f'restrict,command="w n1" {key}\n')
    assert (await asyncio.to_thread(ssh, listening, "-tt", "127.0.0.1")).returncode == 255
    listening.authorized.write_text(f'command="w n2" {key}\n')
    assert "Permission denied" in (await asyncio.to_thread(ssh, listening, "127.0.0.1")).stderr


async def test_a_command_has_its_two_outputs_apart_and_its_status(listening: Listening) -> None:
    await listening.start(offers=Offers(plain=["/bin/cat"], run=["/bin/sh", "-c", "eval "]))
    listening.authorized.write_text(public(listening.there.home.key) + "\n")
    done = await asyncio.to_thread(ssh, listening, "127.0.0.1", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr.splitlines()[-1]) == (7, "out\n", "err")
    text = "".join(f"{number}\n" for number in range(200_000))
    assert (await asyncio.to_thread(ssh, listening, "127.0.0.1", stdin=text)).stdout == text
    done = await asyncio.to_thread(ssh, listening, "127.0.0.1", "kill -9 $$")
    assert done.returncode == 128 + 9


async def test_the_cookie_alone_opens_no_session(listening: Listening, client: Carrier) -> None:
    await listening.start(offers=Offers(terminal=["/bin/echo", "hello"]))
    connection = await client.connect(f"127.0.0.1:{listening.port}", secret=SECRET)
    assert (await refused(connection.run("true"))).stage == "cut"


async def logged_in(listening: Listening, **options: Any) -> asyncssh.SSHClientConnection:
    given: dict[str, Any] = {
        "known_hosts": None,
        "config": None,
        "agent_path": None,
        "client_keys": [str(listening.there.home.key)],
    }
    return await asyncssh.connect("127.0.0.1", listening.port, **given | options)


@pytest.mark.parametrize("method", ["none", "password", "keyboard-interactive", "hostbased"])
async def test_no_other_method_lets_anybody_in_and_no_cookie_can_be_typed(listening: Listening, method: str) -> None:
    """Not even the right one: what is shown to a prompt could be shown to anybody."""
    asked: list[str] = []

    class Person(asyncssh.SSHClient):
        def kbdint_auth_requested(self) -> str:
            return ""

        def kbdint_challenge_received(self, name: str, instructions: str, lang: str, prompts: Any) -> list[str]:
            asked.append(name)
            return [SECRET.decode() for _ in prompts]

        def password_auth_requested(self) -> str | None:
            return SECRET.decode() if not self.__dict__.setdefault("tried", False) else None

    with pytest.raises((asyncssh.Error, OSError)):
        await logged_in(listening, client_keys=None, client_factory=Person, preferred_auth=method, login_timeout=5)
    assert asked == []


async def test_streams_of_one_connection_are_bounded_and_their_end_frees_a_place(
    listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening.authorized.write_text(public(listening.there.home.key) + "\n")
    connection = await logged_in(listening)
    writers = [(await connection.open_unix_connection(SERVICE))[1] for _ in range(sshd.CHANNELS)]
    with pytest.raises(asyncssh.ChannelOpenError):
        await connection.open_unix_connection(SERVICE)
    writers[0].close()
    await until(lambda: len(listening.came) == sshd.CHANNELS)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with suppress(asyncssh.ChannelOpenError):
            await connection.open_unix_connection(SERVICE)
            break
    else:
        pytest.fail("no place was freed")
    connection.abort()


async def test_our_host_key_is_made_once_and_is_for_nobody_else(listening: Listening, there: Place) -> None:
    assert listening.key.stat().st_mode & 0o777 == 0o600
    assert sshd.host_key(str(listening.key)).get_fingerprint() == listening.listener.fingerprint
    digest = hashlib.sha256(sshd.host_key(str(listening.key)).public_data).digest()
    assert digest == listening.listener.key_hash
    listening.key.chmod(0o640)
    with pytest.raises(TransportError, match="mode 0640"):
        sshd.host_key(str(listening.key))
    link = there.folder / "link"
    link.symlink_to(keygen(there.folder / "other"))
    with pytest.raises(TransportError) as caught:
        sshd.host_key(str(link))
    assert caught.value.stage == "hostkey"


async def test_a_port_that_is_taken_is_named(listening: Listening, carrier: Carrier) -> None:
    with pytest.raises(TransportError, match=f"127.0.0.1:{listening.port}: Address already in use") as caught:
        await carrier.listen(
            "127.0.0.1", listening.port, key=str(listening.key), authorized="", secret=b"x", came=print
        )
    assert caught.value.stage == "tcp"


# strangers


async def port(tmp_path: Path, **options: Any) -> sshd.Port:
    """A server in this very process, whose parts can be looked at."""
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    key = sshd.host_key(str(tmp_path / "host_key"))
    made = sshd.Port(sock, key, authorized="", secret=SECRET, desk=Desk(), came=lambda *_: None, **options)
    made.address = sock.getsockname()  # type: ignore[attr-defined]
    return made


async def ended(reader: asyncio.StreamReader, seconds: float = 5) -> bytes:
    """What came until the other side hung up."""
    async with asyncio.timeout(seconds):
        with suppress(ConnectionError):
            return await reader.read(-1)
    return b""


async def test_a_fifth_stranger_from_one_address_is_turned_away_and_another_address_is_not(tmp_path: Path) -> None:
    server = await port(tmp_path)
    held = [await asyncio.open_connection(*server.address) for _ in range(4)]
    reader, writer = await asyncio.open_connection(*server.address)
    assert b"4 connections from 127.0.0.1 have proved nothing yet" in await ended(reader)
    other, second = await asyncio.open_connection(*server.address, local_addr=("127.0.0.2", 0))
    assert (await other.readline()).startswith(b"SSH-2.0-pysh")
    for one in (*(writer for _, writer in held), writer, second):
        one.close()
    server.close()
    await asyncio.sleep(0)


async def test_who_proves_nothing_in_time_is_hung_up_on_however_he_trickles(tmp_path: Path) -> None:
    server = await port(tmp_path, login=0.5)
    reader, writer = await asyncio.open_connection(*server.address)
    began = time.monotonic()

    async def trickle() -> None:
        with suppress(ConnectionError):
            for byte in b"SSH-2.0-" + b"x" * 200:
                writer.write(bytes((byte,)))
                await writer.drain()
                await asyncio.sleep(0.02)

    task = asyncio.create_task(trickle())
    await ended(reader)
    assert 0.4 < time.monotonic() - began < 2
    task.cancel()
    writer.close()
    server.close()
    await asyncio.sleep(0)


async def test_a_length_that_claims_gigabytes_ends_the_connection_at_once(tmp_path: Path) -> None:
    server = await port(tmp_path)
    reader, writer = await asyncio.open_connection(*server.address)
    await reader.readline()
    writer.write(b"SSH-2.0-x\r\n" + (0x7FFFFFFF).to_bytes(4) + os.urandom(100))
    began = time.monotonic()
    await ended(reader)
    assert time.monotonic() - began < 1
    writer.close()
    server.close()
    await asyncio.sleep(0)


def test_asyncssh_is_new_enough_to_be_shown_to_strangers() -> None:
    assert tuple(map(int, asyncssh.__version__.split(".")[:3])) >= (2, 24, 1)
