"""Real nodes in a private home: every test ends with no process, socket or file of theirs left."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.shell.terminal import Terminal
from tests.sshd import SSHD, Place, Sshd, place
from tests.warm import warm

DEADLINE = 15.0
CONNECT = "n2 = connect('n2@localhost')\n"
"""How a script of a test that uses `n2` begins."""
PYSH = [sys.executable, "-m", "pysh"]


def until(condition: Callable[[], Any], what: str, seconds: float = DEADLINE) -> Any:
    """Wait for `condition` to be true; its value. Looking takes a quarter of the time at most."""
    end = time.monotonic() + seconds
    while True:
        looked = time.monotonic()
        if value := condition():
            return value
        now = time.monotonic()
        assert now < end, f"not within {seconds:g} s: {what}"
        time.sleep(min(max(0.01, 3 * (now - looked)), 0.2))


class Home:
    """A machine's worth of nodes, seen by nobody else; `prefix` is a command that runs others, elsewhere perhaps."""

    def __init__(self, folder: Path, prefix: Sequence[str] = ()) -> None:
        self.folder = folder
        self.prefix = prefix
        self.runtime = folder / "run"
        warm(folder)
        self.environ = {
            **{k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "PYTHONPATH", "PYSH_OS_FALLBACKS")},
            "HOME": str(folder), "PYSH_RUNTIME_DIR": str(self.runtime), "TERM": "xterm",
        }  # fmt: skip

    def pysh(
        self, *words: str, stdin: str | None = None, timeout: float = 30.0, **env: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a pysh command to its end."""
        return self.run([*PYSH, *words], stdin=stdin, timeout=timeout, **env)

    def run(
        self, command: list[str], *, stdin: str | None = None, timeout: float = 30.0, **env: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run any command to its end, in this home."""
        return subprocess.run(
            [*self.prefix, *command], env=self.environ | env, cwd=self.folder, text=True, timeout=timeout,
            input=stdin, stdin=subprocess.DEVNULL if stdin is None else None, capture_output=True,
        )  # fmt: skip

    def node(self, name: str, *words: str) -> str:
        """Start a headless node; its full name."""
        done = self.pysh("node", "--name", name, "--detach", *words)
        assert done.returncode == 0, done.stderr
        return name

    def script(self, code: str, *words: str, timeout: float = 30.0) -> "subprocess.CompletedProcess[str]":
        """Run `code` as a `.pysh` file."""
        file = self.folder / "script.pysh"
        file.write_text(code)
        return self.pysh(*words, str(file), timeout=timeout)

    def nodes(self) -> list[dict[str, Any]]:
        """What runs here."""
        listed: list[dict[str, Any]] = json.loads(self.pysh("ls", "--json").stdout)
        return listed

    def processes(self) -> list[psutil.Process]:
        """Every living process that was started with this home."""
        return [p for p in psutil.process_iter() if p.pid != os.getpid() and self._ours(p)]

    def _ours(self, process: psutil.Process) -> bool:
        try:
            return process.status() != psutil.STATUS_ZOMBIE and process.environ().get("HOME") == str(self.folder)
        except psutil.Error:
            return False

    def end(self) -> None:
        """Stop every node; nothing may be left, and what ran until now tidies up after itself."""
        hubs = [process for process in self.processes() if is_hub(process)]
        stopped = self._stems({process.pid for process in hubs})
        for process in hubs:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        try:
            until(lambda: not self.processes(), "the end of every process")
        finally:
            for process in self.processes():
                print("left behind:", process.pid, process.cmdline())
                process.kill()
        left = self._left()
        assert not [file for file in left if Path(file).stem in stopped], left
        if left:
            self.nodes()  # a node that was killed is tidied up after by whoever looks next
        assert not self._left(), self._left()

    def _stems(self, pids: set[int]) -> set[str]:
        """How the files of the nodes with these hubs are called."""
        told = {}
        for file in self.runtime.rglob("*.json"):
            with suppress(FileNotFoundError):  # its node ends by itself just now
                told[file.stem] = json.loads(file.read_text())
        return {stem for stem, about in told.items() if about.get("pid") in pids}

    def _left(self) -> list[str]:
        return [file.name for file in self.runtime.rglob("*") if file.name != ".lock" and not file.is_dir()]


def is_hub(process: psutil.Process) -> bool:
    """Whether it is one that lives."""
    try:
        return any("pysh.runtime.hub" in word for word in process.cmdline())
    except psutil.Error:
        return False


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A private home, checked to be empty of processes and sockets at the end."""
    made = Home(tmp_path)
    yield made
    made.end()


@pytest.fixture
def n2(home: Home) -> str:
    """The name of a node that runs in the home."""
    return home.node("n2@localhost")


def ok(done: "subprocess.CompletedProcess[str]") -> str:
    """What a command printed that succeeded."""
    assert done.returncode == 0, done.stderr
    return done.stdout


class Screens(ExitStack):
    """Opens terminals of one home, and closes them at the end."""

    def __init__(self, home: Home) -> None:
        super().__init__()
        self._home = home

    def open(self, *words: str) -> Terminal:
        """A terminal that runs `pysh WORDS`."""
        return self.run([*PYSH, *words])

    def run(self, command: list[str]) -> Terminal:
        """A terminal that runs any command."""
        options = {"size": (30, 100), "cwd": self._home.folder}
        return self.enter_context(Terminal([*self._home.prefix, *command], self._home.environ, **options))


@pytest.fixture
def screens(home: Home) -> Iterator[Screens]:
    """Opens terminals with `screens.open("attach", "n1")`."""
    with Screens(home) as made:
        yield made


class Machines:
    """`here` goes by ssh to where `there` lives; each sees its own nodes alone."""

    def __init__(self, folder: Path, made: Place) -> None:
        cookie = folder / "cookie"
        cookie.touch(0o600)
        cookie.write_text("a_cookie_for_both\n")
        self.place = made
        self.here, self.there = Home(made.home.path), Home(folder / "there")
        self.here.environ |= made.home.environ
        for home in (self.here, self.there):
            home.environ["PYSH_COOKIE_FILE"] = str(cookie)

    def sshd(
        self, alias: str = "db1", *, known: bool = True, env: str = "", program: str = SSHD, **options: str
    ) -> Sshd:
        """A server that leads to `there`; `env` has more of its environment, as sshd's SetEnv."""
        given = f"PYSH_RUNTIME_DIR={self.there.runtime} {env}"
        return self.place.sshd(alias, known=known, program=program, SetEnv=given.strip(), **options)

    def end(self) -> None:
        """Stop every node of both; nothing of them may be left behind an sshd either."""
        with ExitStack() as both:
            both.callback(self.there.end)
            both.callback(self.here.end)
        for server in self.place.servers:
            if server.process:
                until(lambda server=server: not server.sessions(), "the end of what sshd runs", 5)  # type: ignore[misc]


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Machines]:
    """Two machines, empty again at the end."""
    with place(tmp_path / "here") as made:
        both = Machines(tmp_path, made)
        yield both
        both.end()
