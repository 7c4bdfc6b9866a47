"""What is sent to a machine that has nothing of ours, run as it is there: a text, by any Python."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pysh.runtime import places
from pysh.runtime.hub import discovery, there
from tests.system.conftest import until

SOURCE = Path(there.__file__).read_text()


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("PYSH_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path / "run"


def start(*args: str, python: str = sys.executable) -> "subprocess.Popen[bytes]":
    words = [python, "-S", "-E", "-c", f"{SOURCE}\nmain{('mark:', *args)!r}"]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def survey(python: str = sys.executable) -> dict[str, object]:
    out, err = start(python=python).communicate(timeout=10)
    assert not err, err
    assert out.startswith(b"\nmark:")
    told: dict[str, object] = json.loads(out.removeprefix(b"\nmark:"))
    return told


@pytest.mark.parametrize("name", ["python3", *(f"python3.{minor}" for minor in range(7, 16))])
def test_every_python_there_may_be_lists_the_living_nodes(folder: Path, name: str) -> None:
    if not (python := shutil.which(name)) or subprocess.run([python, "-c", ""], capture_output=True).returncode:
        pytest.skip(f"there is no {name} here")
    with_it = discovery.claim("w1@db1")
    with_it.publish({"python": "3.12", "version": "1-2", "incarnation": "ab"})
    starting = discovery.claim("starting@db1")  # it said nothing of itself yet
    (folder / "dead@db1.lock").touch()
    (folder / "dead@db1.json").write_text("{}")
    told = survey(python)
    [node] = told["nodes"]  # type: ignore[misc]
    assert (node["name"], node["pid"], node["python"]) == ("w1@db1", os.getpid(), "3.12")  # type: ignore[has-type]
    assert node["socket"] == str(folder / "w1@db1.sock")  # type: ignore[has-type]
    assert told["looked"] == [str(folder)]
    for claim in (with_it, starting):
        claim.release()


def test_without_a_runtime_directory_nobody_runs_there_and_none_is_made(folder: Path) -> None:
    assert survey()["nodes"] == []
    assert not folder.exists()


def test_a_directory_that_another_machine_used_first_is_looked_at_where_our_nodes_are(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(places, "_machine", lambda: b"another 42")
        others = discovery.claim("w1@db1")
        others.publish({})
    ours = discovery.claim("w1@db1")
    ours.publish({})
    told = survey()
    assert told["looked"] == [places.runtime_dir()]
    assert [node["socket"] for node in told["nodes"]] == [ours.socket] != [others.socket]  # type: ignore[attr-defined]
    for claim in (others, ours):
        claim.release()


def test_a_directory_that_others_may_enter_is_not_believed(folder: Path) -> None:
    claim = discovery.claim("w1@db1")
    claim.publish({})
    folder.chmod(0o755)
    assert survey()["nodes"] == []
    folder.chmod(0o700)
    claim.release()


def test_what_is_looked_at_is_looked_at_by_one_at_a_time(folder: Path) -> None:
    claim = discovery.claim("w1@db1")
    with discovery._locked(str(folder)):
        asked = start()
        out, _ = asked.communicate(timeout=10)
    assert "holds the runtime directory" in json.loads(out.removeprefix(b"\nmark:"))["error"]
    claim.release()


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "s"))
        sock.listen()
        yield sock


def test_it_leads_to_a_socket_and_ends_with_it(listener: socket.socket, tmp_path: Path) -> None:
    relay = start(str(tmp_path / "s"))
    assert relay.stdin
    assert relay.stdout
    assert relay.stdout.readline() + relay.stdout.readline() == b"\nmark:{}\n"
    with listener.accept()[0] as sock:
        data = os.urandom(3 << 20)
        sending = threading.Thread(target=sock.sendall, args=(data,))
        sending.start()
        relay.stdin.write(b"question")
        relay.stdin.flush()
        assert relay.stdout.read(len(data)) == data
        sending.join()
        assert sock.recv(100) == b"question"
        sock.sendall(b"the last word")
    assert relay.stdout.read() == b"the last word"
    assert relay.wait(5) == 0
    relay.communicate()


def test_it_ends_when_whoever_asked_is_gone(listener: socket.socket, tmp_path: Path) -> None:
    relay = start(str(tmp_path / "s"))
    assert relay.stdin
    with listener.accept()[0] as sock:
        relay.stdin.write(b"goodbye")
        relay.stdin.close()
        assert relay.wait(5) == 0
        assert sock.recv(100) == b"goodbye"
        assert sock.recv(100) == b""
    for pipe in (relay.stdout, relay.stderr):
        assert pipe
        pipe.close()


def test_the_last_words_of_whoever_asked_arrive_also_where_it_reads_no_more(
    listener: socket.socket, tmp_path: Path
) -> None:
    relay = start(str(tmp_path / "s"))
    assert relay.stdin
    assert relay.stdout
    relay.stdout.readline(), relay.stdout.readline()
    with listener.accept()[0] as sock:
        until(lambda: psutil.Process(relay.pid).num_threads() == 2, "it reads both ways")
        relay.stdout.close()
        sock.sendall(b"an answer that nobody takes")
        until(lambda: psutil.Process(relay.pid).num_threads() == 1, "it knows that nobody does")
        relay.stdin.write(b"goodbye")
        relay.stdin.close()
        assert relay.wait(5) == 0
        assert sock.recv(100) == b"goodbye"
    assert relay.stderr
    relay.stderr.close()


def test_a_socket_that_is_not_there_is_said_and_not_raised(tmp_path: Path) -> None:
    out, err = start(str(tmp_path / "none")).communicate(timeout=10)
    assert not err
    assert "No such file" in json.loads(out.removeprefix(b"\nmark:"))["error"]
