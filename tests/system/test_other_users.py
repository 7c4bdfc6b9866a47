"""Two users on one machine: what is one's is not the other's, whatever the file modes allow."""

import os
import subprocess
import sys

import pytest

from tests.system.conftest import Home

NOBODY = 65534
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")

COME = f"""\
import os, socket, sys, time
from pysh.runtime import config
from pysh.runtime.protocol.handshake import Handshake, Hello
os.chdir({{folder!r}})  # now: the folders above are not for nobody
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
sock = socket.socket(socket.AF_UNIX)
sock.settimeout(10)
sock.connect({{name!r}})
shake = Handshake(Hello("terminal", "", os.urandom(16), os.urandom(32)), {{cookie!r}}, dialling=True, now=0)
try:
    sock.sendall(shake.data_to_send())
    print(sock.recv(4))
except (BrokenPipeError, ConnectionResetError):
    print(b"")
"""
"""Greets the node at a socket as `nobody`, with its own cookie, and prints what it answers."""

LURE = f"""\
import os, socket
from pysh.runtime.hub.discovery import claim
held = claim("n1@localhost")
held.publish({{}})
sock = socket.socket(socket.AF_UNIX)
sock.bind(held.socket)
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
sock.listen()
print("ready", flush=True)
near, _ = sock.accept()
print(near.recv(4096), flush=True)
"""
"""Listens as `nobody` where a node n1 of ours would, and prints what whoever comes says first."""


def test_another_user_is_refused_by_a_node_before_it_reads_a_byte(home: Home) -> None:
    home.node("n2@localhost")
    cookie = home.pysh("cookie", "show").stdout.strip().encode()
    home.runtime.chmod(0o777)
    (home.runtime / "n2@localhost.sock").chmod(0o777)
    code = COME.format(folder=str(home.runtime), name="n2@localhost.sock", cookie=cookie)
    stranger = home.run([sys.executable, "-c", code])
    home.runtime.chmod(0o700)
    assert (stranger.stdout, stranger.stderr) == ("b''\n", "")
    assert home.run([sys.executable, "-c", without_leaving_root(code)]).stdout == "b'PYSH'\n"
    assert home.pysh("rpc", "n2", "-c", "6 * 7").stdout == "42\n"


def without_leaving_root(code: str) -> str:
    """`code` that stays who we are: what it meets then shows that nothing else refused it."""
    return "".join(line for line in code.splitlines(keepends=True) if "setuid" not in line)


@pytest.mark.parametrize("how", ["attach", "rpc", "stop", "connect"])
def test_the_socket_of_another_user_is_told_nothing_and_named_with_its_owner(home: Home, how: str) -> None:
    lure = subprocess.Popen([sys.executable, "-c", LURE], env=home.environ, stdout=subprocess.PIPE, text=True)
    assert lure.stdout is not None
    try:
        assert lure.stdout.readline() == "ready\n"
        done = visit(home, how)
        assert "the other end runs as another user" in done.stderr
        assert f"n1@localhost.sock: nobody (uid {NOBODY}), and we are root (uid 0)" in done.stderr
        assert "sudo -u nobody pysh" in done.stderr
        assert lure.stdout.readline() == "b''\n"
    finally:
        lure.kill()
        lure.communicate()


def visit(home: Home, how: str) -> "subprocess.CompletedProcess[str]":
    """Go to n1 by a command, or from a script."""
    if how == "connect":
        done = home.pysh("-c", "connect('n1@localhost')")
        assert done.returncode == 1
        assert "ConnectError: [tcp]" in done.stderr
        return done
    done = home.pysh(how, "n1", *(("-c", "1") if how == "rpc" else ()))
    assert done.returncode == 3
    return done
