"""asyncssh against a real sshd: which keys it shows, and what it puts on the wire."""

import asyncio
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh
import pytest

from pysh.transports import ssh, sshconfig
from pysh.transports.base import TransportError
from pysh.transports.destination import parse
from tests.sshd import USER, Place, keygen, public, until


async def connected(there: Place, text: str = "db1") -> ssh.SSHConnection:
    settings = await sshconfig.resolve(parse(text))
    return await ssh.connect(settings, str(there.home.own_known_hosts), pin=False, hop=None)


@contextmanager
def agent(there: Place, *keys: Path) -> Iterator[None]:
    """An ssh-agent that holds `keys`."""
    path = there.folder / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    os.environ["SSH_AUTH_SOCK"] = str(path)
    try:
        subprocess.run(["sh", "-c", 'until test -S "$0"; do sleep 0.01; done', path], check=True, timeout=5)
        subprocess.run(["ssh-add", "-q", *keys], check=True, timeout=5)
        yield
    finally:
        process.kill()
        process.wait()


def ignored(log: str) -> int:
    """How many empty packets the server got."""
    return log.count("Received SSH2_MSG_IGNORE")


@pytest.mark.parametrize("cipher", sorted(ssh.AEAD))
async def test_no_empty_packet_goes_before_each_packet_where_the_cipher_authenticates(
    there: Place, cipher: str
) -> None:
    server = there.sshd(Ciphers=cipher, LogLevel="DEBUG3", RekeyLimit="1M")
    connection = await connected(there)
    assert (await connection.run("wc -c", b"x" * (3 << 20))).stdout.strip() == b"3145728"
    assert len(re.findall("rekeying in progress|rekey out|rekey after", server.log)) >= 1
    assert ignored(server.log) == 0
    await connection.close()


async def test_with_any_other_cipher_asyncssh_guards_itself_as_it_likes(there: Place) -> None:
    server = there.sshd(Ciphers="aes128-ctr", LogLevel="DEBUG3")
    connection = await connected(there)
    await connection.run("true", b"")
    assert ignored(server.log) > 0
    await connection.close()


async def test_aes_gcm_is_asked_for_first(there: Place) -> None:
    there.sshd()
    connection = await connected(there)
    for direction in ("send_cipher", "recv_cipher"):
        assert connection.ssh.get_extra_info(direction) == "aes128-gcm@openssh.com"
    assert ssh.both_aead(connection.ssh)
    await connection.close()


def test_asyncssh_is_new_enough_for_a_server_that_strangers_reach() -> None:
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", asyncssh.__version__)
    assert found
    assert tuple(map(int, found.groups())) >= (2, 24, 1)


async def test_the_connection_gives_up_when_bytes_stay_unacknowledged(there: Place) -> None:
    there.sshd()
    connection = await connected(there)
    sock = connection.ssh.get_extra_info("socket")
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 20_000
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    await connection.close()


async def test_an_agents_key_lets_us_in(there: Place) -> None:
    there.sshd()
    there.home.host("db1", {"IdentityFile": str(there.folder / "none")})
    there.home.config.write_text(there.home.config.read_text().replace(f"IdentityFile {there.home.key}\n", ""))
    with agent(there, there.home.key):
        await (await connected(there)).close()
    error = await refused(there)
    assert "no key at all" in error.evidence


async def refused(there: Place) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await connected(there)
    assert caught.value.stage == "sshauth"
    return caught.value


async def test_of_a_full_agent_only_the_configured_identity_is_shown(there: Place) -> None:
    server = there.sshd(MaxAuthTries="2")
    others = [keygen(there.folder / f"other{number}") for number in range(4)]
    with agent(there, *others, there.home.key):
        there.home.key.unlink()  # the agent alone has it
        assert "Too many" in (await refused(there)).evidence
        there.home.host("db1", {"IdentitiesOnly": "yes"})
        await (await connected(there)).close()
    assert server.log.count("Accepted publickey") == 1


async def test_an_identity_that_is_encrypted_is_told_of(there: Place) -> None:
    there.sshd()
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", there.home.key], check=True, capture_output=True)
    assert f"{there.home.key} is encrypted: ssh-add it" in (await refused(there)).evidence


async def test_a_certificate_beside_the_identity_lets_us_in(there: Place) -> None:
    authority = keygen(there.folder / "ca")
    server = there.sshd(TrustedUserCAKeys=f"{authority}.pub")
    server.authorized.write_text("")
    sign = ["ssh-keygen", "-q", "-s", authority, "-I", "me", "-n", USER, f"{there.home.key}.pub"]
    subprocess.run(sign, check=True, capture_output=True)
    await (await connected(there)).close()
    moved = shutil.move(f"{there.home.key}-cert.pub", there.folder / "cert.pub")
    there.home.host("db1", {"CertificateFile": str(moved)})
    await (await connected(there)).close()


async def test_a_banner_of_the_server_is_part_of_the_evidence_and_harmless(there: Place) -> None:
    banner = there.folder / "banner"
    banner.write_text("\x1b[31mauthorized use only\x1b[0m\n")
    server = there.sshd(Banner=str(banner))
    server.authorized.write_text("")
    error = await refused(there)
    assert "authorized use only" in error.evidence
    assert str(error).isprintable()


async def test_an_address_of_ip_version_6_is_dialled(there: Place) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this system has no IPv6 on loopback")
    server = there.sshd(ListenAddress="::1")
    there.home.known_hosts.write_text(f"[::1]:{server.port} {public(server.host_key)}\n")
    connection = await connected(there, f"{USER}@[::1]:{server.port}")
    assert (connection.facts.address, connection.facts.verified) == ("::1", "known_hosts")
    await connection.close()


async def test_a_forced_command_does_not_keep_the_first_socket_waiting(there: Place, tmp_path: Path) -> None:
    there.sshd(ForceCommand="sleep 60")
    path = str(tmp_path / "s")
    async with await asyncio.start_unix_server(lambda reader, writer: writer.close(), path):
        connection = await connected(there)
        async with asyncio.timeout(3):
            passage = await connection.stream(path=path)
        passage.sock.close()
        await connection.close()


async def test_a_command_that_a_signal_ended_says_so(there: Place) -> None:
    there.sshd()
    connection = await connected(there)
    assert (await connection.run("kill -9 $$", b"")).status == 137
    await connection.close()
    assert await connection.lost


async def test_what_the_far_end_sends_waits_there_while_nobody_reads(there: Place) -> None:
    """The window bounds what we hold of it, however much there is."""
    there.sshd()
    connection = await connected(there)
    mark = there.folder / "written"
    command = f"for i in $(seq 64); do head -c 1048576 /dev/zero; echo $i > {mark}; done"
    passage = await connection.stream(command=command)
    await until(lambda: mark.exists() and int(mark.read_text().strip() or 0) >= ssh.WINDOW >> 20)
    loop, received = asyncio.get_running_loop(), 0
    assert int(mark.read_text()) < 40
    with passage.sock as sock:
        sock.setblocking(False)
        while data := await loop.sock_recv(sock, 1 << 20):
            received += len(data)
    assert received == 64 << 20
    await connection.close()
