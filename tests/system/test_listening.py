"""A node that listens by itself: another comes in through its port, by the cookie, and nobody else does."""

import asyncio
import os
import re
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import psutil
import pytest

from pysh.runtime.protocol.handshake import HandshakeError
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.runner.greet import greet
from pysh.transports.base import TransportError
from pysh.transports.means import SERVICE
from pysh.transports.pake import compute
from pysh.transports.tunnels import Carrier, Connection
from tests.sshd import public
from tests.system.conftest import PYSH, Home, Machines, Screens, until


def listening(home: Home, *words: str) -> int:
    """Start n1 so that it listens on a free port; that port."""
    home.node("n1", "--listen", "0", *words)
    return port_of(home)


def port_of(home: Home) -> int:
    """The port that n1 says it listens at."""
    (node,) = home.nodes()
    host, _, port = node["listens"].partition(":")
    assert host == "127.0.0.1"
    return int(port)


def cookie(home: Home) -> bytes:
    return home.pysh("cookie", "show").stdout.strip().encode()


@asynccontextmanager
async def connected(home: Home, port: int, secret: bytes) -> AsyncIterator[Connection]:
    """An SSH connection to the node that listens at `port`."""
    carrier = await Carrier.start(str(home.folder / "known_hosts"))
    try:
        yield await carrier.connect(f"127.0.0.1:{port}", secret=secret)
    finally:
        await carrier.close()


def prove(sock: socket.socket, secret: bytes, host_key: bytes) -> str:
    """Prove the cookie to the node itself; its name."""
    with sock:
        hello = Hello("terminal", "", os.urandom(16), os.urandom(32))
        peer, _ = greet(sock, hello, secret, host_key=host_key, compute=lambda work: compute(*work))
        return peer.name


async def test_the_cookie_opens_the_port_and_then_the_node(home: Home) -> None:
    port, secret = listening(home), cookie(home)
    async with connected(home, port, secret) as connection:
        assert connection.facts.server == "pysh"
        for _ in range(2):
            sock = (await connection.stream(path=SERVICE)).sock
            name = await asyncio.to_thread(prove, sock, secret, connection.facts.key_hash)
            assert name.startswith("n1@")
        # A channel alone proves nothing: not with another cookie, another key, or the other suite.
        for wrong in ({"secret": b"a guess"}, {"host_key": b"k" * 32}, {"host_key": b""}):
            given: dict[str, Any] = {"secret": secret, "host_key": connection.facts.key_hash, **wrong}
            sock = (await connection.stream(path=SERVICE)).sock
            with pytest.raises(HandshakeError) as caught:
                await asyncio.to_thread(prove, sock, **given)
            assert caught.value.code == ("suite" if not given["host_key"] else "bad_cookie")


async def test_another_cookie_does_not_get_through_the_port(home: Home) -> None:
    port = listening(home)
    with pytest.raises(TransportError) as caught:
        async with connected(home, port, b"a guess"):
            pass
    assert caught.value.stage == "cookie"


async def test_the_server_is_there_again_after_its_carrier_was_killed(home: Home) -> None:
    port, secret = listening(home), cookie(home)
    (carrier,) = carriers(home)
    carrier.kill()
    await asyncio.to_thread(until, lambda: carriers(home) not in ([], [carrier]), "another carrier")

    async def again() -> None:
        async with connected(home, port, secret) as connection:
            sock = (await connection.stream(path=SERVICE)).sock
            assert await asyncio.to_thread(prove, sock, secret, connection.facts.key_hash)

    async with asyncio.timeout(10):
        while True:
            try:
                return await again()
            except TransportError as error:
                assert error.stage == "tcp"
                await asyncio.sleep(0.05)


def carriers(home: Home) -> list[psutil.Process]:
    found = []
    for process in home.processes():
        with suppress(psutil.Error):
            found += [process] if "pysh.transports.carrier" in process.cmdline() else []
    return found


def test_the_cookie_is_in_no_command_line_and_environment_of_a_node_that_listens(home: Home) -> None:
    secret = os.urandom(8).hex()
    (home.folder / "secret").write_text(secret)
    (home.folder / "secret").chmod(0o600)
    home.node("n1", "--listen", "0", "--cookie-file", str(home.folder / "secret"))
    processes = home.processes()
    assert carriers(home)
    for process in processes:
        assert secret not in " ".join([*process.cmdline(), *process.environ().values()])
    assert home.pysh("stop", "n1", "--cookie-file", str(home.folder / "secret")).returncode == 0


def test_a_node_in_the_foreground_says_where_it_listens(home: Home) -> None:
    node = subprocess.Popen(
        [*PYSH, "node", "--name", "n1", "--listen", "0"], env=home.environ, stdout=subprocess.PIPE, text=True
    )
    assert node.stdout
    assert re.match(r"n1@\S+ is up and listens at 127\.0\.0\.1:\d+; Ctrl-C ends it\n", node.stdout.readline())
    node.send_signal(signal.SIGINT)
    assert node.wait(10) == 130
    node.stdout.close()


@pytest.mark.parametrize(
    ("place", "text", "code"), [("nonsense", "write --listen 2022", 2), ("192.0.2.1:2022", "192.0.2.1:2022", 3)]
)
def test_a_node_that_cannot_listen_does_not_start_and_says_why(home: Home, place: str, text: str, code: int) -> None:
    done = home.pysh("node", "--name", "n1", "--detach", "--listen", place)
    assert done.returncode == code
    assert text in done.stderr
    assert home.nodes() == []


def test_a_program_listens_where_start_or_the_command_line_says(home: Home) -> None:
    code = "import subprocess, sys\nstart({})\nsubprocess.run([sys.executable, '-m', 'pysh', 'ls', '--json'])\n"
    for words, arguments in (((), "listen='0'"), (("--listen", "0"), "")):
        done = home.script(code.format(arguments), *words)
        assert '"listens": "127.0.0.1:' in done.stdout, done.stderr
    done = home.script("start(listen='nonsense')")
    assert "[resolve] this is no place to listen at" in done.stderr


def test_a_killed_hub_leaves_no_server_behind(home: Home) -> None:
    port = listening(home)
    (node,) = home.nodes()
    psutil.Process(node["pid"]).kill()
    until(lambda: not carriers(home), "the carrier's end")
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", port)) != 0


def test_nodes_of_two_machines_meet_at_the_port_of_one_without_an_sshd(both: Machines) -> None:
    port = listening(both.there)
    place = f"127.0.0.1:{port}"
    done = both.here.script(f"""
n = connect("n1@{place}", trace=True)
print(call(lambda: 6 * 7, on=n), call(lambda: node().name.partition("@")[0], on="n1"))
disconnect(n)
print(call(lambda: 1, on=connect("n1@{place}")))
try:
    connect("n2@{place}")
except ConnectError as error:
    print(error)
""")
    assert done.returncode == 0, done.stderr
    assert "42 n1\n1\n[find] n1@" in done.stdout.replace("\r", "")
    assert "answers there, and no n2" in done.stdout
    key = (both.place.home.path / "state" / "pysh" / "known_hosts").read_text()
    assert key.startswith(f"[127.0.0.1]:{port} ssh-ed25519 ")


def test_a_node_with_another_cookie_is_told_at_the_port(both: Machines) -> None:
    port = listening(both.there)
    done = both.here.pysh("--cookie", "another", "-c", f"connect('n1@127.0.0.1:{port}')")
    assert done.returncode == 1
    assert "ConnectError: [cookie] the cookies differ" in done.stderr
    assert "Nothing ran." in done.stderr


def test_a_listening_node_is_asked_attached_to_and_stopped_from_another_machine(both: Machines) -> None:
    place = f"n1@127.0.0.1:{listening(both.there)}"
    assert both.here.pysh("rpc", place, "-c", "6 * 7").stdout == "42\n"
    done = both.here.pysh("attach", "--plain", place, stdin="print(6 * 8)\n")
    assert done.returncode == 0
    assert "48" in done.stdout
    assert both.here.pysh("stop", place).returncode == 0
    assert both.there.nodes() == []


def authorize(both: Machines) -> None:
    """Have the key from here open what listens there."""
    folder = both.there.folder / ".ssh"
    folder.mkdir(mode=0o700)
    (folder / "authorized_keys").write_text(public(both.place.home.key) + "\n")


def test_the_ssh_binary_is_a_way_to_a_listening_node_for_who_has_a_key(both: Machines) -> None:
    place = f"n1@127.0.0.1:{listening(both.there)}"
    code = f'n = connect("{place}", transport="openssh")\nprint(call(lambda: 6 * 7, on=n))\n'
    done = both.here.script(code)
    assert "[sshauth]" in done.stderr
    authorize(both)
    done = both.here.script(code + f'disconnect(n)\nprint(call(lambda: 1, on=connect("{place}", transport="openssh")))')
    assert done.stdout == "42\n1\n", done.stderr
    done = both.here.pysh("--cookie", "another", "-c", code)
    assert "ConnectError: [cookie]" in done.stderr, "a key alone makes nobody a node"


def test_a_person_with_a_key_has_the_shell_of_the_node_by_plain_ssh(both: Machines) -> None:
    secret = both.there.folder / "secret"
    secret.touch(0o600)
    secret.write_text("of_this_node_alone")
    port = listening(both.there, "--cookie-file", str(secret))
    authorize(both)
    ssh = ["ssh", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR", "-p", str(port), "127.0.0.1"]
    with Screens(both.here) as screens:
        terminal = screens.run(ssh)
        terminal.wait(lambda: re.search(r"n1@\S+\[1\]>$", terminal.lines[-1] if terminal.lines else ""), "prompt")
        terminal.type("x = 6 * 7\r")
        terminal.type("import os; os.get_terminal_size()\r")
        terminal.wait_for("os.terminal_size(columns=100, lines=30)")
        second = screens.run(ssh)
        second.wait(lambda: re.search(r"n1@\S+\[3\]>$", second.lines[-1] if second.lines else ""), "prompt")
        second.type("\x04")
        assert second.wait_exit() == 0
        terminal.type("\x04")
        assert terminal.wait_exit() == 0
        again = screens.run(ssh)
        again.wait(lambda: re.search(r"n1@\S+\[3\]>$", again.lines[-1] if again.lines else ""), "prompt")
        again.type("x\r")
        again.wait(lambda: "42" in again.lines, "value")
        again.process.kill()  # the line is cut: the node stays
        until(lambda: not attached(both.there), "the end of the terminal there")
        assert both.there.pysh("rpc", "n1", "-c", "x", "--cookie-file", str(secret)).stdout == "42\n"
    for process in both.there.processes():
        assert "of_this_node_alone" not in " ".join([*process.cmdline(), *process.environ().values()])
    assert both.there.pysh("stop", "n1", "--cookie-file", str(secret)).returncode == 0


def attached(home: Home) -> list[psutil.Process]:
    """The terminals of a home."""
    found = []
    for process in home.processes():
        with suppress(psutil.Error):
            found += [process] if "attach" in process.cmdline() else []
    return found


def test_a_node_that_stops_ends_the_terminal_of_who_came_by_ssh(both: Machines) -> None:
    port = listening(both.there)
    authorize(both)
    with Screens(both.here) as screens:
        ssh = ["ssh", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR", "-p", str(port), "127.0.0.1"]
        terminal = screens.run(ssh)
        terminal.wait(lambda: re.search(r"n1@\S+\[1\]>$", terminal.lines[-1] if terminal.lines else ""), "prompt")
        assert both.there.pysh("stop", "n1").returncode == 0
        assert terminal.wait_exit() in (5, 255)
