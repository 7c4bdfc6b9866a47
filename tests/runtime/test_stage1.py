"""From a command line to a node, on a machine that has nothing of pysh: without SSH, which only carries it."""

import hashlib
import json
import os
import select
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pysh.runtime.hub import core_zip, stage0
from tests.pythons import python
from tests.system.conftest import until

WORD = "0123456789abcdef"
MINOR = "{}.{}".format(*sys.version_info)
SETTINGS = {"role": "headless", "name": "w1@there", "cookie": "00ff", "persistent": True}


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bytes]:
    """The zip as a starter has it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(core_zip, "_in_use", {})
        yield Path(core_zip.node_zip()).read_bytes()


class There:
    """A machine, and one start on it."""

    def __init__(self, folder: Path, core: bytes) -> None:
        self.folder, self.core = folder, core
        self.runtime, self.cache = folder / "run", folder / ".cache/pysh"
        self.environ = {"HOME": str(folder), "PYSH_RUNTIME_DIR": str(self.runtime), "PATH": "/usr/bin:/bin"}
        self.started: list[subprocess.Popen[bytes]] = []

    def begin(self, python: str = sys.executable, core: bytes | None = None) -> bool:
        """Run the line; whether the core was there already."""
        core = self.core if core is None else core
        line = stage0.command(WORD, hashlib.sha256(self.core).hexdigest(), MINOR, python=python)
        process = subprocess.Popen(
            ["/bin/sh", "-c", line], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=self.environ, cwd=self.folder, bufsize=0, process_group=0,
        )  # fmt: skip
        self.started.append(process)
        self._answers = stage0.Answers(WORD)
        up = stage0.Search().heard(self.answer())
        assert up is not None
        packed = zlib.compress(core, 1)
        self.send(b"0\n" if up.has_core else f"{len(packed)}\n".encode() + packed)
        return up.has_core

    def start(self, **settings: Any) -> dict[str, Any]:
        """Say what the node is to be; the answer."""
        self.send(json.dumps(SETTINGS | settings).encode() + b"\n")
        told: dict[str, Any] = json.loads(self.answer())
        return told

    def keep(self) -> None:
        """Start a node that outlives its start."""
        self.begin()
        self.start()
        self.send(b"keep\n")
        assert self.answer() == ""
        assert self.process.wait(10) == 0

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        return self.started[-1]

    def send(self, data: bytes) -> None:
        assert self.process.stdin
        view = memoryview(data)
        while view:
            view = view[self.process.stdin.write(view) :]

    def answer(self, seconds: float = 10.0) -> str:
        """The next answer."""
        assert self.process.stdout
        while select.select([self.process.stdout], [], [], seconds)[0]:
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                return ""
            if answers := self._answers.feed(data):
                return answers[0]
        raise AssertionError("no answer came")

    def go(self) -> None:
        """The starter is gone."""
        assert self.process.stdin
        self.process.stdin.close()

    def processes(self) -> list[psutil.Process]:
        """All that lives there."""

        def ours(process: psutil.Process) -> bool:
            try:
                home = process.environ().get("HOME")
                return home == str(self.folder) and process.status() != psutil.STATUS_ZOMBIE
            except psutil.Error:
                return False

        return [process for process in psutil.process_iter() if ours(process)]

    def left(self) -> list[str]:
        """Files of nodes, and half-written ones."""
        names = [file.name for file in self.runtime.glob("*") if file.name not in (".lock", "logs")]
        return names + [file.name for file in self.cache.glob("*.zip.*")]

    def clean(self) -> None:
        """Nothing is left."""
        until(lambda: not self.processes() and not self.left(), "the end of all there", 5)


@pytest.fixture
def there(tmp_path: Path, core: bytes) -> Iterator[There]:
    made = There(tmp_path, core)
    yield made
    for process in made.processes():
        process.kill()
    for started in made.started:
        for stream in (started.stdin, started.stdout, started.stderr):
            assert stream
            stream.close()
        started.wait(10)


@pytest.mark.parametrize("minor", ["3.11", "3.12", "3.13"])
def test_a_node_runs_from_memory_in_any_python_that_is_new_enough(there: There, minor: str) -> None:
    assert not there.begin(python(minor))
    told = there.start()
    assert told["name"] == "w1@there"
    assert told["warning"] == ""
    (hub,) = [process for process in there.processes() if process.pid == told["pid"]]
    assert "00ff" not in json.dumps([hub.cmdline(), hub.environ()])
    assert os.getsid(hub.pid) == hub.pid
    assert sorted(there.left()) == ["w1@there.json", "w1@there.lock", "w1@there.sock"]
    there.go()
    there.clean()
    assert there.process.wait(10) == 0


def test_a_node_that_is_kept_outlives_its_start_and_the_next_start_finds_the_core(there: There) -> None:
    there.keep()
    (hub,) = there.processes()
    (kept,) = there.cache.iterdir()
    assert (kept.stat().st_mode & 0o777, there.cache.stat().st_mode & 0o777) == (0o600, 0o700)
    assert there.begin()
    there.go()
    hub.terminate()
    there.clean()


def test_a_node_that_is_held_lives_as_long_as_its_start(there: There) -> None:
    there.begin()
    there.start()
    there.send(b"hold\n")
    assert len(there.processes()) >= 2
    there.go()
    there.clean()


def test_a_core_that_was_changed_is_not_used(there: There) -> None:
    there.keep()
    (kept,) = there.cache.iterdir()
    kept.write_bytes(kept.read_bytes()[:-1] + b"x")
    assert not there.begin()
    there.go()
    for process in there.processes():
        process.terminate()
    there.clean()


def test_a_core_that_comes_damaged_is_not_run(there: There) -> None:
    there.begin(core=b"PK and so on")
    assert there.answer() == ""
    assert there.process.stderr
    assert b"what came is not what was sent" in there.process.stderr.read()
    there.clean()


def test_a_name_that_is_taken_is_told_and_changes_nothing(there: There) -> None:
    there.keep()
    there.begin()
    told = there.start()
    assert told["error"] == "NameTaken"
    assert there.process.wait(10) == 0
    (hub,) = there.processes()
    hub.terminate()
    there.clean()


def test_a_hub_that_dies_at_its_start_leaves_its_last_words_and_nothing_else(there: There) -> None:
    there.begin()
    told = there.start(name="no full name")
    assert told["error"] == "hub" or told["error"] == "BadName"
    there.begin()
    told = there.start(cookie="no hexadecimal")
    assert told["error"] == "hub"
    assert "non-hexadecimal number found" in told["log"]
    there.clean()


KILLED: list[tuple[str, Callable[[There], int]]] = [
    ("the hub", lambda there: next(p.pid for p in there.processes() if "w1@there" in p.cmdline())),
    ("stage 1", lambda there: there.process.pid),
]


@pytest.mark.parametrize(("what", "pid"), KILLED, ids=[what for what, _ in KILLED])
def test_whatever_is_killed_before_the_answer_was_taken_nothing_stays(
    there: There, what: str, pid: Callable[[There], int]
) -> None:
    there.begin()
    there.start()
    if what == "stage 1":
        os.killpg(pid(there), signal.SIGKILL)
    else:
        os.kill(pid(there), signal.SIGKILL)
    there.clean()


def test_a_starter_that_goes_away_before_the_answer_leaves_nothing(there: There) -> None:
    for wait in (0.0, 0.02, 0.05, 0.1, 0.2):
        there.begin()
        there.send(json.dumps(SETTINGS).encode() + b"\n")
        time.sleep(wait)  # each at another point of the start
        there.go()
        there.clean()


@pytest.mark.parametrize("when", ["before the core", "within the core", "before the settings"])
def test_a_starter_that_goes_away_early_leaves_nothing(there: There, when: str) -> None:
    if when == "before the settings":
        there.begin()
    else:
        line = stage0.command(WORD, hashlib.sha256(there.core).hexdigest(), MINOR, python=sys.executable)
        process = subprocess.Popen(
            ["/bin/sh", "-c", line], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=there.environ, bufsize=0,
        )  # fmt: skip
        there.started.append(process)
        if when == "within the core":
            there.send(b"1000000\n" + b"x" * 1000)
    there.go()
    there.clean()


def test_without_files_in_memory_the_core_is_a_file_that_goes_with_the_node(there: There) -> None:
    there.environ |= {"PYSH_OS_FALLBACKS": "1", "TMPDIR": str(there.folder / "tmp")}
    (there.folder / "tmp").mkdir()
    there.begin()
    there.start()
    assert len(list((there.folder / "tmp").glob("pysh-*.zip"))) == 1
    there.go()
    there.clean()
    assert not list((there.folder / "tmp").iterdir())


def test_without_a_home_it_works_all_the_same(there: There) -> None:
    there.environ |= {"XDG_CACHE_HOME": "/proc/none", "XDG_STATE_HOME": "/proc/none"}
    there.keep()
    assert (there.runtime / "logs/w1@there.log").exists()
    for process in there.processes():
        process.terminate()
    there.clean()
