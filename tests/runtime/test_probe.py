"""What another machine tells, and what is believed of it."""

import asyncio
import binascii
import json
import os
import shlex
import socket
import zlib
from pathlib import Path
from typing import Any, cast

import pytest

from pysh.runtime.hub import bootstrap, discovery, probe
from pysh.runtime.hub.discovery import Entry, NoSuchNode
from pysh.runtime.hub.probe import Machine
from pysh.transports.base import TransportError
from pysh.transports.control import Ran
from pysh.transports.means import Ended, Passage
from pysh.transports.tunnels import Connection

NODES = tuple(Entry(name, "/s", 1) for name in ("w1@a", "w2@a", "w2@db1"))


class Shell:
    """An SSH connection whose other end is a shell of this machine; `says` is printed in place of the answer."""

    def __init__(self, before: str = "", says: str | None = None) -> None:
        self._before, self._says = before, says
        self.ended: list[asyncio.Future[Ended]] = []

    async def run(self, command: str, stdin: bytes = b"", *, limit: int = 0) -> Ran:
        if self._says is not None:
            marker = _program(command).rpartition(b"main('")[2].partition(b"'")[0]
            return Ran(0, b"\n" + marker + self._says.encode() + b"\n", b"")
        process = await asyncio.create_subprocess_shell(
            self._before + command, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode is not None
        return Ran(process.returncode, out[:limit], err)

    async def stream(self, *, path: str = "", command: str = "") -> Passage:
        if path:
            raise TransportError("refused", "no sockets here")
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_shell(
                self._before + command, stdin=theirs, stdout=theirs, stderr=asyncio.subprocess.PIPE
            )

        async def end() -> Ended:
            _, err = await process.communicate()
            return Ended(process.returncode, err.decode())

        self.ended.append(asyncio.ensure_future(end()))
        return Passage(ours, self.ended[-1])


def _program(command: str) -> bytes:
    """The source that `command` runs."""
    words = shlex.split(command)[8:]  # behind: exec /bin/sh -c SCRIPT pysh PYTHONS WORD MORE
    return zlib.decompress(binascii.a2b_base64("".join(words)))


def survey(*args: Any, **options: Any) -> Any:
    return probe.survey(cast(Connection, Shell(*args, **options)), "db1")


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("PYSH_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path / "run"


async def test_a_machine_says_who_runs_there_whatever_its_shell_prints(runtime: Path) -> None:
    claim = discovery.claim("w1@a")
    claim.publish({"python": "3.12"})
    machine = await survey("echo hello; seq 9000; echo pysh-0000000000000000:{}; ")
    assert [(entry.name, entry.python, entry.pid) for entry in machine.nodes] == [("w1@a", "3.12", os.getpid())]
    assert machine.looked == (str(runtime),)
    claim.release()


async def test_an_answer_behind_too_much_noise_is_not_looked_for() -> None:
    with pytest.raises(TransportError, match="did not answer"):
        await survey("seq 20000; ")


async def test_a_shell_that_ends_is_quoted() -> None:
    with pytest.raises(TransportError, match=r"did not answer .exit status 3; it printed 'go away'") as caught:
        await survey("echo go $(printf '\\033') away >&2; exit 3; ")
    assert caught.value.stage == "find"
    assert "ssh db1 echo hello" in caught.value.hint


async def test_a_machine_without_a_python_names_what_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "PYTHONS", ("no-python-a", "no-python-b"))
    with pytest.raises(TransportError, match=r"no Python 3 runs on db1 .*no-python-a"):
        await survey()


@pytest.mark.parametrize(
    "told",
    [
        "", "[]", "{}", "1", "[" * 9999, '{"nodes": 1}', "null",
        *(
            json.dumps({"host": "h", "python": "3", "executable": "p", "looked": [], "nodes": [node]})
            for node in (
                1, {}, {"name": "w1@a", "socket": "/s"}, {"name": "w1@a", "socket": "s", "pid": 1},
                {"name": "w1@a\x1b[2J", "socket": "/s", "pid": 1}, {"name": "-w@a", "socket": "/s", "pid": 1},
                {"name": "w1@a", "socket": "/s\x1b[2J", "pid": 1}, {"name": "w1@a", "socket": "/s", "pid": "x"},
            )
        ),
    ],
)  # fmt: skip
async def test_an_answer_that_makes_no_sense_is_none(told: str) -> None:
    with pytest.raises(TransportError, match="makes no sense") as caught:
        await survey(says=told)
    assert str(caught.value).isprintable()


async def test_what_failed_there_is_told_without_control_characters() -> None:
    with pytest.raises(TransportError, match=r"could not do what we asked \(no \[2J luck\)"):
        await survey(says=json.dumps({"error": "no \x1b[2J luck"}))


async def test_a_relay_leads_to_a_socket_and_reads_nothing_of_what_follows(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        passage = await probe.stream(cast(Connection, Shell("echo noise; ")), str(tmp_path / "s"), "db1")
        with listener.accept()[0] as sock, passage.sock:
            sock.sendall(b"first words")
            assert await asyncio.get_running_loop().sock_recv(passage.sock, 100) == b"first words"
        assert (await passage.ended).status == 0


async def test_a_relay_to_nowhere_says_so(tmp_path: Path) -> None:
    shell, failing = Shell(), Shell("echo no >&2; exit 7; ")
    with pytest.raises(TransportError, match="No such file"):
        await probe.relay(cast(Connection, shell), str(tmp_path / "none"), "db1")
    with pytest.raises(TransportError, match="exit status 7; it printed 'no'"):
        await probe.relay(cast(Connection, failing), "/s", "db1")
    await asyncio.gather(*shell.ended, *failing.ended)


@pytest.mark.parametrize(
    ("nodes", "found"), [(NODES, "w2@db1"), (NODES[1:2], "w2@a"), (NODES[2:], "w2@db1")]
)  # fmt: skip
def test_a_node_is_found_by_its_name_and_of_two_by_its_host(nodes: tuple[Entry, ...], found: str) -> None:
    assert Machine("a", "3", "p", ("/run",), nodes).find("w2", "db1").name == found


@pytest.mark.parametrize(
    ("nodes", "told"),
    [
        ((), "no node runs there; looked in /run"),
        (NODES[:1], "there runs w1@a"),
        ((Entry("w2@b", "/s", 1), *NODES[:2]), "w2@b, w2@a"),
    ],
)
def test_a_node_that_is_not_there_lists_who_is(nodes: tuple[Entry, ...], told: str) -> None:
    with pytest.raises(NoSuchNode, match=told):
        Machine("a", "3", "p", ("/run",), nodes).find("w2", "db1")
