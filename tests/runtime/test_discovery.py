"""The directory of the nodes of a machine: claimed, found, and rid of the dead."""

import errno
import fcntl
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pysh.runtime import places
from pysh.runtime.hub import discovery
from pysh.runtime.hub.discovery import Claim, NameTaken, NoSuchNode, alive, claim, find, found, left_alone
from pysh.runtime.places import ConfigError
from pysh.runtime.protocol.terms import BadName
from pysh.transports import unix

INFO = {"incarnation": "ab" * 16, "version": "0.1", "python": "3.11"}


@pytest.fixture(autouse=True)
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYSH_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path / "run"


def started(name: str) -> Claim:
    """A node that is up, as far as this directory is concerned."""
    held = claim(name)
    held.publish(INFO)
    return held


LIFELINE, _KEPT = os.pipe()
"""Its other end is open for as long as the tests run; no child outlives them."""


def rest() -> None:
    """Wait, as a child, to be killed."""
    os.close(_KEPT)
    os.read(LIFELINE, 1)
    os._exit(0)


def child(action: Callable[[], object]) -> tuple[int, str]:
    """A process that does `action`, says what came of it, and then waits to be killed."""
    out, into = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            text = str(action())
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(into, text.encode())
        os.close(into)
        rest()
    os.close(into)
    with open(out) as said:
        return pid, said.read()


def killed(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def files(run: Path) -> list[str]:
    return sorted(path.name for path in run.iterdir() if path.name != ".lock")


def test_a_node_is_found_from_its_publication_to_its_release(run: Path) -> None:
    held = claim("n1@db1")
    assert alive("n1@db1")
    assert found() == []  # it is still starting
    held.publish(INFO)
    (entry,) = found()
    assert entry[:6] == ("n1@db1", f"{run}/n1@db1.sock", os.getpid(), "ab" * 16, "0.1", "3.11")
    assert entry.started > 1.7e9
    held.release()
    held.release()
    assert not alive("n1@db1")
    assert found() == []
    assert files(run) == []


def test_what_a_node_said_stays_until_it_is_said_anew_or_the_name_is_given_up(run: Path) -> None:
    held = started("n1@db1")
    (before,) = found()
    held.publish({"left": 7.0})
    assert found() == [before._replace(left=7.0)]
    held.release()
    held.publish({"left": 8.0})
    assert files(run) == []


def test_shells_that_are_left_alone_are_called_as_attach_finds_them(run: Path) -> None:
    claims = [started(name) for name in ("n1@db1", "n1@db2", "n2@db1", "n3@db1")]
    for held in claims[:3]:
        held.publish({"left": 1.0})
    assert sorted(left_alone(found())) == ["n1@db1", "n1@db2", "n2"]
    assert [find(text).name for text in left_alone(found())] == ["n1@db1", "n1@db2", "n2@db1"]
    for held in claims:
        held.release()


def test_nothing_of_it_is_readable_by_others(run: Path) -> None:
    held = started("n1@db1")
    with unix.listening_socket(held.socket):
        assert files(run) == ["n1@db1.json", "n1@db1.lock", "n1@db1.sock"]
        assert [path for path in run.iterdir() if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
    held.release()


def test_a_name_that_is_held_names_its_holder_and_what_to_do() -> None:
    held = claim("n1@db1")
    with pytest.raises(NameTaken) as caught:
        claim("n1@db1")
    assert f"n1@db1 runs here already (pid {os.getpid()})" in str(caught.value)
    assert str(caught.value).endswith("or choose another name: name=")
    assert "pysh attach n1@db1" in str(caught.value)
    held.release()
    claim("n1@db1").release()


@pytest.mark.parametrize("name", ["n1", "../n1@db1", "n1@", "-n@db1", "n/1@db1", "n1@db1\n"])
def test_what_is_no_name_makes_no_file(run: Path, name: str) -> None:
    with pytest.raises(BadName):
        claim(name)
    assert not run.exists() or files(run) == []


def test_what_a_killed_node_left_is_removed_by_the_next_who_looks(run: Path) -> None:
    def node() -> str:
        held = started("n1@db1")
        unix.listening_socket(held.socket).detach()
        return "up"

    pid, said = child(node)
    assert said == "up"
    assert [entry.pid for entry in found()] == [pid]
    killed(pid)
    assert found() == []
    assert files(run) == []


def test_the_name_of_a_killed_node_is_free_at_once_with_nothing_of_its_past(run: Path) -> None:
    pid, _ = child(lambda: started("n1@db1"))
    (run / "n1@db1.sock").touch()
    killed(pid)
    held = claim("n1@db1")
    assert files(run) == ["n1@db1.lock"]
    assert found() == []
    held.release()


def test_a_pid_that_was_reused_does_not_bring_a_dead_node_back(run: Path) -> None:
    run.mkdir(0o700)
    (run / "n1@db1.lock").write_text(str(os.getpid()))
    (run / "n1@db1.json").write_text(f'{{"name": "n1@db1", "socket": "", "pid": {os.getpid()}}}')
    assert not alive("n1@db1")
    assert found() == []


def test_of_many_that_claim_one_name_at_once_one_wins(run: Path) -> None:
    run.mkdir(0o700)
    for _ in range(5):
        (run / "n1@db1.lock").touch()  # of one that was killed
        racers = [child_at_the_gate() for _ in range(6)]
        for _, gate, _ in racers:
            os.write(gate, b"go")
        said = []
        for _, gate, out in racers:
            with open(out) as outcome:
                said.append(outcome.read(1))
            os.close(gate)
        assert sorted(said) == ["t", "t", "t", "t", "t", "w"]
        for pid, _, _ in racers:
            killed(pid)


def child_at_the_gate() -> tuple[int, int, int]:
    """A process that claims the name when it is told: its pid, the gate, where it tells who won."""
    gate_out, gate = os.pipe()
    out, into = os.pipe()
    pid = os.fork()
    if not pid:
        os.read(gate_out, 2)
        try:
            held = claim("n1@db1")
            os.write(into, b"w" if held else b"")
        except NameTaken:
            os.write(into, b"t")
        rest()
    os.close(gate_out)
    os.close(into)
    return pid, gate, out


def test_who_looks_never_disturbs_who_claims() -> None:
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            found()

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(50):
            held = started("n1@db1")
            assert alive("n1@db1")
            held.release()
    finally:
        stop.set()
        for looker in lookers:
            looker.join()


def test_a_node_is_meant_by_its_full_name_its_short_one_or_this_machine() -> None:
    host = os.uname().nodename.partition(".")[0]
    held = [started("n1@far-name"), started("n2@localhost")]
    for text in ("n1@far-name", "n1", "n1@localhost", f"n1@{host}", f"n1@{host.upper()}"):
        assert find(text).name == "n1@far-name"
    for one in held:
        one.release()


def test_who_is_not_here_is_told_who_is() -> None:
    held = started("n1@db1")
    with pytest.raises(NoSuchNode) as caught:
        find("n2")
    assert caught.value.stage == "find"
    assert str(caught.value) == (
        f"no node 'n2' runs on this machine (here runs n1@db1 (pid {os.getpid()})); start it: pysh --name n2"
    )
    held.release()
    with pytest.raises(NoSuchNode, match="here runs no node"):
        find("n2")


@pytest.mark.parametrize("text", ["n1@db9", "", "-x", "n1\x1b[2J"])
def test_a_name_of_elsewhere_or_of_nothing_finds_nobody_and_prints_safely(text: str) -> None:
    held = started("n1@db1")
    with pytest.raises(NoSuchNode) as caught:
        find(text)
    assert "\x1b" not in str(caught.value)
    assert "pysh ls" in str(caught.value)
    held.release()


def test_a_short_name_that_two_have_is_refused_with_both() -> None:
    held = [started("n1@db1"), started("n1@db2")]
    with pytest.raises(NoSuchNode, match=r"may mean several nodes .n1@db1, n1@db2\); give the full name"):
        find("n1")
    assert find("n1@db2").name == "n1@db2"
    for one in held:
        one.release()


@pytest.mark.parametrize("name", ["n1@" + "long." * 20 + "example", "n1@DB1", "n1@fe80::1"])
def test_a_name_that_is_no_good_file_name_becomes_a_hash(run: Path, name: str) -> None:
    held = started(name)
    (stem,) = {Path(file).stem for file in files(run)}
    assert len(stem) == 16
    with unix.listening_socket(held.socket), unix.connected_socket(find(name).socket):
        pass
    with pytest.raises(NameTaken):
        claim(name)
    held.release()


def test_a_deep_runtime_directory_still_has_sockets_or_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deep(size: int) -> str:
        folder = "/" + os.path.relpath(tmp_path, "/")
        path = f"{folder}/{'d' * (size - len(folder) - 1)}"
        monkeypatch.setenv("PYSH_RUNTIME_DIR", path)
        return path

    if len(str(tmp_path)) > 75:
        pytest.skip("the temporary directory's own path is too long for this")
    deep(unix.MAX_PATH - len("/.sock") - 16)
    held = started("a-rather-long-name@db1")
    with unix.listening_socket(held.socket), unix.connected_socket(held.socket):
        pass
    held.release()
    path = deep(unix.MAX_PATH - len("/.sock") - 15)
    with pytest.raises(ConfigError, match=f"{path}.; choose a shorter one"):
        claim("a-rather-long-name@db1")


def test_nodes_of_the_other_runtime_directory_are_found_and_their_names_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "_runtime_places", lambda: [str(tmp_path / "two")])
    held = started("n1@db1")
    monkeypatch.setattr(places, "_runtime_places", lambda: [str(tmp_path / "one"), str(tmp_path / "two")])
    assert find("n1").socket.startswith(str(tmp_path / "two"))
    with pytest.raises(NameTaken, match=f"pid {os.getpid()}"):
        claim("n1@db1")
    held.release()


def test_a_claim_knows_whether_its_files_were_tidied_away(run: Path) -> None:
    held = started("n1@db1")
    with unix.listening_socket(held.socket):
        os.utime(run / "n1@db1.json", (0, 0))
        assert held.keep()
        assert (run / "n1@db1.json").stat().st_mtime > 1.7e9
        (run / "n1@db1.sock").unlink()
        assert not held.keep()
    held.release()


def test_a_look_that_is_held_up_says_by_what(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "PATIENCE", 0.02)
    held = started("n1@db1")
    with discovery._locked(str(run)), pytest.raises(ConfigError, match=f"fuser -v {run}/.lock"):
        found()
    held.release()


def test_a_file_system_without_locks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(ConfigError, match=r"nothing can be locked .*No locks available.*; choose another"):
        claim("n1@db1")


def test_a_file_that_says_nonsense_of_a_node_hides_that_node_alone(run: Path) -> None:
    held = [started("n1@db1"), started("n2@db1")]
    (run / "n1@db1.json").write_text("{")
    (run / "stray.sock").touch()
    assert [entry.name for entry in found()] == ["n2@db1"]
    for one in held:
        one.release()


def test_looking_needs_no_event_loop() -> None:
    code = "import sys, pysh.runtime.hub.discovery; sys.exit(bool({'asyncio', 'pathlib'} & sys.modules.keys()))"
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", code]) == 0
