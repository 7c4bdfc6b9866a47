"""The cookie proved by SPAKE2 to a real node, as one dials who cannot know whose host key it saw."""

import base64
import hashlib
import os
import socket
import threading
import time
from pathlib import Path

import psutil
import pytest

from pysh.runtime.hub.proving import machine_keys
from pysh.runtime.protocol.handshake import HandshakeError, Work
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.runner.greet import greet
from pysh.transports.pake import compute
from tests.sshd import keygen, public
from tests.system.conftest import Home, until


class Node:
    """A running node, and the host key of its machine."""

    def __init__(self, home: Home, **env: str) -> None:
        key = keygen(home.folder / "ssh_host_ed25519_key")
        self.host_key = hashlib.sha256(base64.b64decode(public(key).split()[1])).digest()
        home.environ |= {"PYSH_HOST_KEYS": str(home.folder), **env}
        home.node("n1")
        self.cookie = home.pysh("cookie", "show").stdout.strip().encode()
        self.home = home
        self.socket = str(next(home.runtime.glob("*.sock")))

    def greet(self, cookie: bytes = b"", host_key: bytes = b"") -> str:
        """Prove its cookie, or another, with SPAKE2; the name of the node."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(self.socket)
            hello = Hello("terminal", "", os.urandom(16), os.urandom(32))
            peer, _ = greet(sock, hello, cookie or self.cookie, host_key=host_key or self.host_key, compute=calculate)
            return peer.name

    def carriers(self) -> list[psutil.Process]:
        """The carriers that run for it."""
        return [p for p in self.home.processes() if "pysh.transports.carrier" in p.cmdline()]


def calculate(work: Work) -> tuple[bytes, bytes]:
    """What a carrier would."""
    return compute(*work)


def test_the_cookie_is_proved_over_a_host_key_that_the_machine_has(home: Home) -> None:
    node = Node(home)
    assert node.carriers() == []
    assert node.greet().partition("@")[0] == "n1"
    assert node.greet().partition("@")[0] == "n1"
    assert len(node.carriers()) == 1
    for wrong in ({"cookie": b"a guess"}, {"host_key": b"k" * 32}):
        with pytest.raises(HandshakeError) as caught:
            node.greet(**wrong)
        assert (caught.value.code, caught.value.ours) == ("bad_cookie", False)
    for process in [*node.carriers(), *home.processes()]:
        shown = " ".join([*process.cmdline(), *process.environ().values()])
        assert node.cookie.decode() not in shown


def test_many_prove_themselves_at_once_and_the_node_answers_meanwhile(home: Home) -> None:
    node = Node(home)
    names: list[str] = []
    threads = [threading.Thread(target=lambda: names.append(node.greet())) for _ in range(6)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    assert home.nodes()[0]["node"].startswith("n1@")
    assert home.pysh("rpc", "n1", "-c", "6 * 7").stdout == "42\n"
    assert time.monotonic() - began < 5
    for thread in threads:
        thread.join()
    assert len(names) == 6


def test_a_node_without_spake2_says_that_it_is_missing(home: Home) -> None:
    (home.folder / "without").mkdir()
    (home.folder / "without" / "spake2.py").write_text("raise ImportError('no spake2 here')\n")
    node = Node(home, PYTHONPATH=str(home.folder / "without"))
    with pytest.raises(HandshakeError, match="SPAKE2 is missing: no spake2 here") as caught:
        node.greet()
    assert caught.value.code == "no_spake2"


def test_a_carrier_that_dies_meanwhile_fails_one_proof_and_no_other(home: Home) -> None:
    node = Node(home)
    node.greet()
    (carrier,) = node.carriers()
    carrier.kill()
    until(lambda: not node.carriers(), "the carrier's end")
    assert node.greet().partition("@")[0] == "n1"


def test_host_keys_are_read_from_files_and_folders_and_others_vouch_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    paths = [keygen(tmp_path / "etc" / "ssh_host_ed25519_key"), keygen(tmp_path / "other_key")]
    (tmp_path / "etc" / "ssh_host_rsa_key.pub").write_text("nonsense\n")
    monkeypatch.setenv("PYSH_HOST_KEYS", f"{tmp_path / 'etc'}:{tmp_path / 'other_key.pub'}:{tmp_path / 'missing'}")
    blobs = [base64.b64decode(public(path).split()[1]) for path in paths]
    assert machine_keys() == tuple(hashlib.sha256(blob).digest() for blob in blobs)
