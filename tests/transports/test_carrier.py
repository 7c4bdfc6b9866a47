"""A carrier over a real sshd: what it tells of each stage, what it carries, what it leaves behind."""

import asyncio
import base64
import hashlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncssh
import pytest

from pysh.transports import dial
from pysh.transports.base import TransportError
from pysh.transports.means import BROKE
from pysh.transports.tunnels import Carrier
from tests.sshd import Place, alive, descendants, keygen, public, until

MEANS = ["asyncssh", "openssh"]


async def failure(awaitable: Awaitable[object]) -> TransportError:
    """The error that `awaitable` ends with; every such error comes within 3 seconds."""
    began = time.monotonic()
    with pytest.raises(TransportError) as caught:
        await awaitable
    assert time.monotonic() - began < 3
    return caught.value


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(folder: Path, answer: Answer) -> AsyncIterator[str]:
    """The path of a Unix socket where `answer` serves whoever comes."""
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        serving.add(task)
        await answer(reader, writer)
        writer.close()

    path = str(folder / "listening")
    async with await asyncio.start_unix_server(serve, path):
        yield path
    await asyncio.gather(*serving)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with what is said."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def two_writes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each question with two small writes."""
    while await reader.read(100):
        writer.write(b"a")
        await asyncio.sleep(0.0005)
        writer.write(b"b")


async def said(sock: socket.socket, words: bytes, size: int | None = None) -> bytes:
    """What comes back for `words`, on a stream that is closed then."""
    reader, writer = await asyncio.open_connection(sock=sock)
    writer.write(words)
    answer = await reader.readexactly(size or len(words))
    writer.close()
    return answer


@pytest.mark.parametrize("transport", MEANS)
async def test_a_connection_tells_its_host_key_and_how_long_each_stage_took(
    there: Place, carrier: Carrier, transport: str
) -> None:
    server = there.sshd()
    facts = (await carrier.connect("db1", transport=transport)).facts
    assert (facts.host, facts.port, facts.address) == ("127.0.0.1", server.port, "127.0.0.1")
    assert (facts.means, facts.verified, facts.algorithm) == (transport, "known_hosts", "ssh-ed25519")
    assert list(facts.milliseconds) == ["resolve", "tcp", "hostkey", "sshauth"]
    assert facts.key_hash == key_hash(server.host_key)


def key_hash(key: Path) -> bytes:
    """SHA-256 of a host key's blob."""
    return hashlib.sha256(base64.b64decode(public(key).split()[1])).digest()


@pytest.mark.parametrize("transport", MEANS)
async def test_a_command_gets_its_input_and_returns_what_it_printed_and_its_status(
    there: Place, carrier: Carrier, transport: str
) -> None:
    there.sshd()
    connection = await carrier.connect("db1", transport=transport)
    ran = await connection.run("cat; echo complaint >&2; exit 3", b"\0binary\xff" * 50_000)
    assert (ran.status, ran.stdout, ran.stderr, ran.cut) == (3, b"\0binary\xff" * 50_000, b"complaint\n", 0)
    ran = await connection.run("head -c 100000 /dev/zero", limit=1000)
    assert (len(ran.stdout), ran.cut) == (1000, 99_000)
    ran = await connection.run("exit 0", b"never read" * 100_000)
    assert ran.status == 0


async def test_what_a_command_reads_is_in_nobodys_command_line(there: Place, carrier: Carrier) -> None:
    there.sshd()
    secret = os.urandom(16).hex().encode()
    for transport in MEANS:
        connection = await carrier.connect("db1", transport=transport)
        ran = await connection.run("cat; cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null", secret)
        assert ran.stdout.count(secret) == 1


@pytest.mark.parametrize("transport", MEANS)
async def test_two_streams_and_two_connects_share_one_connection(
    there: Place, carrier: Carrier, transport: str, tmp_path: Path
) -> None:
    server = there.sshd()
    async with listening(tmp_path, echo) as path:
        one, other = await asyncio.gather(*(carrier.connect("db1", transport=transport) for _ in range(2)))
        assert one is other
        passages = await asyncio.gather(one.stream(path=path), other.stream(path=path), one.stream(command="cat"))
        assert await asyncio.gather(*(said(passage.sock, b"hello") for passage in passages)) == [b"hello"] * 3
    assert server.log.count("Accepted publickey") == 1


async def test_the_first_session_is_a_command_also_when_a_socket_is_asked_for(
    there: Place, carrier: Carrier, tmp_path: Path
) -> None:
    """A reply of two small writes waits 44 ms for an acknowledgement where no session came first."""
    server = there.sshd(LogLevel="DEBUG1")
    took = []
    async with listening(tmp_path, two_writes) as path:
        stream = await (await carrier.connect("db1")).stream(path=path)
        reader, writer = await asyncio.open_connection(sock=stream.sock)
        for _ in range(30):
            began = time.perf_counter()
            writer.write(b"question")
            await reader.readexactly(2)
            took.append(time.perf_counter() - began)
        writer.close()
    assert statistics.median(took) < 0.010
    assert server.log.index("ctype session") < server.log.index("ctype direct-streamlocal")


@pytest.mark.parametrize("transport", MEANS)
async def test_no_socket_there_is_found_out_and_the_connection_goes_on(
    there: Place, carrier: Carrier, transport: str
) -> None:
    there.sshd()
    connection = await carrier.connect("db1", transport=transport)
    assert (await failure(connection.stream(path="/nonexistent/socket"))).stage == "find"
    assert (await connection.run("echo here")).stdout == b"here\n"


@pytest.mark.parametrize("transport", MEANS)
@pytest.mark.parametrize("option", ["AllowStreamLocalForwarding no", "DisableForwarding yes"])
async def test_a_server_that_forwards_no_sockets_says_refused_and_carries_commands(
    there: Place, carrier: Carrier, option: str, transport: str, tmp_path: Path
) -> None:
    name, value = option.split()
    there.sshd(**{name: value})
    connection = await carrier.connect("db1", transport=transport)
    async with listening(tmp_path, echo) as path:
        error = await failure(connection.stream(path=path))
    assert error.stage == "refused"
    assert await said((await connection.stream(command="cat")).sock, b"relayed") == b"relayed"


async def test_a_stream_tells_how_its_command_ended(there: Place, carrier: Carrier) -> None:
    there.sshd()
    for transport in MEANS:
        connection = await carrier.connect("db1", transport=transport)
        stream = await connection.stream(command="echo not installed >&2; exit 127")
        assert await stream.ended == (127, "not installed")
        for status in range(20):  # also when it ends at once
            async with asyncio.timeout(5):
                ended = await connection.stream(command=f"exit {status}")
                assert (await ended.ended).status == status
            ended.sock.close()
        with stream.sock as sock:
            sock.setblocking(True)
            assert sock.recv(1) == b""


@pytest.mark.parametrize("transport", MEANS)
async def test_an_unknown_host_name_fails_at_resolve(carrier: Carrier, transport: str) -> None:
    error = await failure(carrier.connect("no-such-host.invalid", transport=transport))
    assert error.stage == "resolve"
    assert "no-such-host.invalid" in str(error)


@pytest.mark.parametrize("transport", MEANS)
async def test_a_closed_port_fails_at_tcp(there: Place, carrier: Carrier, transport: str) -> None:
    there.sshd().stop()
    error = await failure(carrier.connect("db1", transport=transport))
    assert error.stage == "tcp"
    assert "refused" in str(error).lower()


@pytest.mark.parametrize("transport", MEANS)
async def test_a_port_that_answers_nothing_fails_at_tcp_in_its_time(
    there: Place, carrier: Carrier, hole: dial.Address, transport: str
) -> None:
    _, (host, port) = hole
    there.home.host("hole", {"HostName": host, "Port": port, "ConnectTimeout": 1})
    error = await failure(carrier.connect("hole", transport=transport))
    assert error.stage == "tcp"


@pytest.mark.parametrize("transport", MEANS)
async def test_a_server_that_is_no_sshd_fails_at_hostkey(there: Place, carrier: Carrier, transport: str) -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(web, "127.0.0.1", 0) as server:
        there.home.host("web", {"HostName": "127.0.0.1", "Port": server.sockets[0].getsockname()[1]})
        error = await failure(carrier.connect("web", transport=transport))
    assert error.stage == "hostkey"


@pytest.mark.parametrize("transport", MEANS)
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
async def test_another_host_key_than_the_known_one_is_refused_with_both_fingerprints(
    there: Place, carrier: Carrier, transport: str, kind: str
) -> None:
    server = there.sshd(known=False)
    before = keygen(there.folder / "before", "-t", kind)
    there.home.know(server, before)
    error = await failure(carrier.connect("db1", hostkey="accept-new", transport=transport))
    assert error.stage == "hostkey"
    for key in (before, server.host_key):
        assert fingerprint(key) in error.evidence
    assert "Accepted" not in server.log


def fingerprint(key: Path) -> str:
    """The host key's fingerprint as OpenSSH writes it."""
    return "SHA256:" + base64.b64encode(key_hash(key)).decode().rstrip("=")


@pytest.mark.parametrize("transport", MEANS)
async def test_a_revoked_host_key_is_refused(there: Place, carrier: Carrier, transport: str) -> None:
    server = there.sshd()
    there.home.know(server, marker="@revoked")
    error = await failure(carrier.connect("db1", transport=transport))
    assert (error.stage, error.what) == ("hostkey", "the host key is revoked")
    assert fingerprint(server.host_key) in error.evidence


@pytest.mark.parametrize("transport", MEANS)
async def test_an_unknown_host_key_is_provisional_and_written_nowhere(
    there: Place, carrier: Carrier, transport: str
) -> None:
    there.sshd(known=False)
    connection = await carrier.connect("db1", transport=transport)
    assert connection.facts.verified == "provisional"
    assert not there.home.own_known_hosts.exists()
    assert there.home.known_hosts.read_text() == ""


@pytest.mark.parametrize("transport", MEANS)
async def test_an_accepted_host_key_is_written_into_our_own_file_and_known_from_then_on(
    there: Place, carrier: Carrier, transport: str
) -> None:
    server = there.sshd(known=False)
    connection = await carrier.connect("db1", transport=transport, hostkey="accept-new")
    assert connection.facts.verified == "accepted-new"
    assert there.home.own_known_hosts.read_text() == f"{server.name} {public(server.host_key)}\n"
    assert there.home.own_known_hosts.stat().st_mode & 0o777 == 0o600
    connection.close()
    for later in MEANS:
        assert (await carrier.connect("db1", transport=later)).facts.verified == "known_hosts"


@pytest.mark.parametrize("transport", MEANS)
async def test_a_provisional_host_key_can_be_accepted_later(there: Place, carrier: Carrier, transport: str) -> None:
    server = there.sshd(known=False)
    connection = await carrier.connect("db1", transport=transport)
    await connection.accept()
    assert connection.facts.verified == "accepted-new"
    assert public(server.host_key) in there.home.own_known_hosts.read_text()


@pytest.mark.parametrize("transport", MEANS)
async def test_strict_checking_in_the_configuration_refuses_an_unknown_host_key(
    there: Place, carrier: Carrier, transport: str
) -> None:
    there.sshd(known=False)
    there.home.host("db1", {"StrictHostKeyChecking": "yes"})
    error = await failure(carrier.connect("db1", transport=transport))
    assert (error.stage, error.what) == ("hostkey", "the host key is unknown")


@pytest.mark.parametrize("transport", MEANS)
async def test_a_certificate_of_a_known_authority_verifies_the_host(
    there: Place, carrier: Carrier, transport: str
) -> None:
    authority, key = keygen(there.folder / "ca"), keygen(there.folder / "hostkey")
    sign = ["ssh-keygen", "-q", "-s", authority, "-I", "db1", "-h", "-n", "127.0.0.1,db1", f"{key}.pub"]
    subprocess.run(sign, check=True, capture_output=True)
    server = there.sshd(known=False, host_key=key, HostCertificate=f"{key}-cert.pub")
    there.home.know(server, authority, "@cert-authority")
    facts = (await carrier.connect("db1", transport=transport)).facts
    assert (facts.verified, facts.algorithm, facts.key_hash) == ("known_hosts", "ssh-ed25519", key_hash(key))


@pytest.mark.parametrize("transport", MEANS)
async def test_hashed_names_and_aliases_of_host_keys_count(there: Place, carrier: Carrier, transport: str) -> None:
    server = there.sshd()
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", there.home.known_hosts], check=True, capture_output=True)
    assert "127.0.0.1" not in there.home.known_hosts.read_text()
    assert (await carrier.connect("db1", transport=transport)).facts.verified == "known_hosts"
    there.home.known_hosts.write_text(f"cluster {public(server.host_key)}\n")
    there.home.host("db2", {"HostName": "127.0.0.1", "Port": server.port, "HostKeyAlias": "cluster"})
    assert (await carrier.connect("db2", transport=transport)).facts.verified == "known_hosts"


@pytest.mark.parametrize("transport", MEANS)
async def test_a_key_that_the_server_does_not_take_fails_at_sshauth_and_is_shown_once(
    there: Place, carrier: Carrier, transport: str
) -> None:
    server = there.sshd()
    server.authorized.write_text("")
    error = await failure(carrier.connect("db1", transport=transport))
    assert error.stage == "sshauth"
    assert server.log.count("Connection from") == 1


@pytest.mark.parametrize("transport", MEANS)
async def test_a_connection_that_breaks_while_we_log_in_is_no_refusal(
    there: Place, carrier: Carrier, transport: str
) -> None:
    class Breaks(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            self._connection = conn

        def begin_auth(self, username: str) -> bool:
            self._connection.abort()
            return True

    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.listen("127.0.0.1", 0, server_host_keys=[key], server_factory=Breaks, config=None)
    error = await failure(carrier.connect(f"127.0.0.1:{server.get_port()}", transport=transport))
    assert (error.stage, error.what) == ("sshauth", BROKE)
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("transport", MEANS)
async def test_an_unknown_user_fails_at_sshauth(there: Place, carrier: Carrier, transport: str) -> None:
    there.sshd()
    error = await failure(carrier.connect("nobody-here@db1", transport=transport))
    assert error.stage == "sshauth"


@pytest.mark.parametrize("transport", MEANS)
async def test_a_hop_is_verified_and_authenticated_by_itself(
    there: Place, carrier: Carrier, transport: str, tmp_path: Path
) -> None:
    bastion, inner = there.sshd("bastion"), there.sshd("inner")
    connection = await carrier.connect("inner", via=["bastion"], transport=transport)
    assert connection.facts.verified == "known_hosts"
    assert (await connection.run("echo $SSH_CONNECTION")).stdout.split()[3] == str(inner.port).encode()
    assert bastion.log.count("Accepted publickey") == 1
    there.home.host("behind", {"HostName": "127.0.0.1", "Port": inner.port, "ProxyJump": "bastion"})
    connection = await carrier.connect("behind", transport=transport)
    assert (await connection.run("echo through")).stdout == b"through\n"


async def test_a_hop_is_shared_and_ends_with_the_last_that_leads_through_it(there: Place, carrier: Carrier) -> None:
    bastion = there.sshd("bastion")
    there.sshd("one")
    there.sshd("two")
    one, two = [await carrier.connect(name, via=["bastion"]) for name in ("one", "two")]
    assert bastion.log.count("Accepted publickey") == 1
    one.close()
    assert (await two.run("echo still")).stdout == b"still\n"
    two.close()
    await until(lambda: "Disconnected from user" in bastion.log or "Connection closed" in bastion.log)


@pytest.mark.parametrize("transport", MEANS)
async def test_a_hop_whose_host_key_changed_is_refused(there: Place, carrier: Carrier, transport: str) -> None:
    bastion = there.sshd("bastion", known=False)
    there.home.know(bastion, keygen(there.folder / "before"))
    inner = there.sshd("inner")
    error = await failure(carrier.connect("inner", via=["bastion"], transport=transport))
    assert error.stage == "hostkey"
    assert "Connection from" not in inner.log


@pytest.mark.parametrize("transport", MEANS)
async def test_unknown_hops_are_written_down_where_that_is_asked_for_and_known_from_then_on(
    there: Place, carrier: Carrier, transport: str
) -> None:
    servers = [there.sshd(name, known=False) for name in ("outer", "bastion", "inner")]
    way = ["outer", "bastion"]
    connection = await carrier.connect("inner", via=way, transport=transport)
    assert connection.facts.verified == "provisional"
    assert not there.home.own_known_hosts.exists()
    connection.close()
    connection = await carrier.connect("inner", via=way, transport=transport, hostkey="accept-new")
    written = there.home.own_known_hosts.read_text()
    assert all(public(server.host_key) in written for server in servers)
    connection.close()
    there.home.host("*", {"StrictHostKeyChecking": "yes"})
    for later in MEANS:
        assert (await carrier.connect("inner", via=way, transport=later)).facts.verified == "known_hosts"


async def test_a_way_in_a_circle_is_found_out(there: Place, carrier: Carrier) -> None:
    there.home.host("a", {"ProxyJump": "b"})
    there.home.host("b", {"ProxyJump": "a"})
    assert (await failure(carrier.connect("a"))).stage == "resolve"


@pytest.mark.parametrize("text", ["-oProxyCommand=touch x", "a;b@h", "$(x)@h", "h:0", "h\n", "", "a b"])
async def test_a_text_that_is_no_destination_is_refused_before_anything(carrier: Carrier, text: str) -> None:
    error = await failure(carrier.connect(text))
    assert error.stage == "resolve"
    assert "\n" not in str(error)


async def test_a_connection_that_breaks_says_so_and_the_next_connect_dials_anew(there: Place, carrier: Carrier) -> None:
    server = there.sshd()
    for transport in MEANS:
        connection = await carrier.connect("db1", transport=transport)
        stream = await connection.stream(command="cat")
        assert server.process
        for pid in descendants(server.process.pid):
            os.kill(pid, signal.SIGKILL)
        assert await connection.lost
        with stream.sock as sock:
            assert await asyncio.get_running_loop().sock_recv(nonblocking(sock), 1) == b""
        assert (await failure(connection.run("true"))).stage == "cut"
        again = await carrier.connect("db1", transport=transport)
        assert (await again.run("echo back")).stdout == b"back\n"


def nonblocking(sock: socket.socket) -> socket.socket:
    """`sock` itself, for an event loop."""
    sock.setblocking(False)
    return sock


async def test_a_cancelled_connect_and_a_cancelled_command_end_there(there: Place, carrier: Carrier) -> None:
    there.sshd()
    connection = await carrier.connect("db1")
    mark = there.folder / "pid"
    running = asyncio.create_task(connection.run("exec cat"))
    running.cancel()
    await asyncio.wait([running])
    endless = asyncio.create_task(connection.run(f"echo $$ > {mark}; exec tail -f /dev/null", b""))
    await until(lambda: mark.exists() and mark.read_text().strip())
    endless.cancel()
    await asyncio.wait([endless])
    assert (await connection.run("echo free")).stdout == b"free\n"
    with suppress(ProcessLookupError):  # sshd lets a command run on whose channel is gone, until it writes
        os.kill(int(mark.read_text()), signal.SIGTERM)


@pytest.mark.parametrize("fallbacks", ["0", "1"])
async def test_when_the_hub_is_killed_the_carrier_and_each_ssh_are_gone_within_a_second(
    there: Place, monkeypatch: pytest.MonkeyPatch, fallbacks: str
) -> None:
    monkeypatch.setenv("PYSH_OS_FALLBACKS", fallbacks)
    there.sshd()
    script = f"""
import asyncio, sys
from pysh.transports.tunnels import Carrier
async def main():
    carrier = await Carrier.start({str(there.home.own_known_hosts)!r})
    for transport in ("asyncssh", "openssh"):
        connection = await carrier.connect("db1", transport=transport)
        stream = await connection.stream(command="cat")
    print("up", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    hub = await asyncio.create_subprocess_exec(sys.executable, "-P", "-c", script, stdout=asyncio.subprocess.PIPE)
    assert hub.stdout
    assert await hub.stdout.readline() == b"up\n"
    below = descendants(hub.pid)
    folders = len(list(there.sockets.iterdir()))
    hub.kill()
    await hub.wait()
    assert (len(below) >= 3, folders) == (True, 1)
    await until(lambda: not any(map(alive, below)), seconds=1)
    assert list(there.sockets.iterdir()) == []


async def test_when_the_carrier_is_killed_its_ssh_processes_go_and_each_wait_ends(there: Place) -> None:
    there.sshd()
    carrier = await Carrier.start(str(there.home.own_known_hosts))
    connection = await carrier.connect("db1", transport="openssh")
    running = asyncio.create_task(connection.run("exec tail -f /dev/null"))
    await until(lambda: len(descendants(carrier.pid)) >= 2)
    below = descendants(carrier.pid)
    os.kill(carrier.pid, signal.SIGKILL)
    assert (await failure(running)).stage == "cut"
    assert "carrier is gone" in await connection.lost
    await until(lambda: not any(map(alive, below)), seconds=1)
    assert (await failure(carrier.connect("db1"))).stage == "cut"
    await carrier.close()


async def test_a_carrier_that_cannot_be_started_leaves_nothing(there: Place) -> None:
    with pytest.raises(FileNotFoundError):
        await Carrier.start(str(there.home.own_known_hosts), python="/nonexistent/python")
    assert list(there.sockets.iterdir()) == []


async def test_a_carrier_imports_nothing_of_the_runtime_and_asyncssh_only_when_it_is_the_means(
    there: Place, carrier: Carrier
) -> None:
    there.sshd()
    assert await modules_loaded("import pysh.transports.carrier") == set()
    await carrier.connect("db1", transport="openssh")
    assert "cryptography" not in Path(f"/proc/{carrier.pid}/maps").read_text()
    await carrier.connect("db1", transport="asyncssh")
    assert "cryptography" in Path(f"/proc/{carrier.pid}/maps").read_text()
    assert await modules_loaded("import pysh.transports.ssh, pysh.transports.openssh") == {"asyncssh"}


async def modules_loaded(code: str) -> set[str]:
    """Which of the modules that matter `code` loads."""
    code += """
import sys
print(*{name.split('.')[0] if 'pysh' not in name else name for name in sys.modules
        if name.startswith(('asyncssh', 'pysh.runtime', 'pysh.shell'))})
"""
    asked = await asyncio.create_subprocess_exec(sys.executable, "-P", "-c", code, stdout=asyncio.subprocess.PIPE)
    printed, _ = await asked.communicate()
    assert asked.returncode == 0
    return set(printed.decode().split())


async def test_the_users_own_master_is_used_and_left_alone(there: Place, carrier: Carrier) -> None:
    server = there.sshd()
    there.home.host("db1", {"ControlPath": str(there.folder / "control")})
    words = ["ssh", "-M", "-N", "db1"]
    master = await asyncio.create_subprocess_exec(*words, env=os.environ | there.home.environ)
    await until(lambda: (there.folder / "control").exists())
    connection = await carrier.connect("db1")
    assert (connection.facts.means, connection.facts.verified) == ("openssh", "known_hosts")
    assert await said((await connection.stream(command="cat")).sock, b"by the master") == b"by the master"
    connection.close()
    assert server.log.count("Accepted publickey") == 1
    assert master.returncode is None
    master.terminate()
    await master.wait()


async def test_an_option_that_only_the_binary_knows_makes_it_the_means(there: Place, carrier: Carrier) -> None:
    server = there.sshd()
    proxy = f"{sys.executable} {there.folder / 'proxy.py'}"
    (there.folder / "proxy.py").write_text(PROXY.format(port=server.port))
    there.home.host("db1", {"ProxyCommand": proxy})
    assert (await carrier.connect("db1")).facts.means == "openssh"
    error = await failure(carrier.connect("db1", transport="asyncssh"))
    assert (error.stage, error.evidence) == ("resolve", "proxycommand")


PROXY = """
import socket, sys, threading, os
sock = socket.create_connection(("127.0.0.1", {port}))
def up():
    while data := os.read(0, 65536):
        sock.sendall(data)
    os._exit(0)
threading.Thread(target=up, daemon=True).start()
while data := sock.recv(65536):
    os.write(1, data)
"""


async def test_without_an_ssh_binary_asyncssh_reads_the_configuration(
    there: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(there.folder / "empty"))
    carrier = await Carrier.start(str(there.home.own_known_hosts), log=2)
    error = await failure(carrier.connect("db1.invalid"))
    assert error.stage == "resolve"
    assert (await failure(carrier.connect("db1", transport="openssh"))).what == "there is no ssh binary"
    await carrier.close()
