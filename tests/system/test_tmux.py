"""The prompt in tmux, as many people have it: another terminal than the one that the other tests play."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sshd import alive
from tests.system.conftest import PYSH, Home, until

TMUX = shutil.which("tmux")
NAME = "n1@localhost"


class Pane:
    """One window of a tmux server of the test's own."""

    def __init__(self, folder: Path, home: Home, command: list[str]) -> None:
        self._server = [str(TMUX), "-S", str(folder / "tmux"), "-f", "/dev/null"]
        self._environ = {**home.environ, "TERM": "xterm-256color"}
        self._do("new-session", "-d", "-x", "80", "-y", "24", "-c", str(home.folder), *command)
        self._process = int(self._do("display-message", "-p", "#{pane_pid}"))

    def _do(self, *words: str) -> str:
        done = subprocess.run([*self._server, *words], env=self._environ, capture_output=True, text=True, timeout=10)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def keys(self, *names: str) -> None:
        """Press keys, as tmux calls them."""
        self._do("send-keys", *names)

    def lines(self) -> list[str]:
        """The lines of the screen."""
        return self._do("capture-pane", "-p").rstrip().split("\n")

    def ends(self, *lines: str) -> None:
        """Wait until the screen ends with these lines."""
        until(lambda: self.lines()[-len(lines) :] == list(lines), f"last lines {lines}")

    def resize(self, columns: int) -> None:
        """Make the window that wide."""
        self._do("resize-window", "-x", str(columns), "-y", "24")

    def wait_end(self) -> None:
        """Wait until what ran in it has ended, and the server with it."""
        until(lambda: not alive(self._process), "the end of what ran there")

    def close(self) -> None:
        """End it, if it runs."""
        if alive(self._process):
            self._do("kill-server")
            self.wait_end()


@pytest.fixture
def pane(home: Home, tmp_path: Path) -> Iterator[Pane]:
    made = Pane(tmp_path, home, [*PYSH, "--rm", "--name", NAME])
    yield made
    made.close()


@pytest.mark.skipif(TMUX is None, reason="there is no tmux")
def test_a_session_in_tmux_looks_as_anywhere(pane: Pane) -> None:
    pane.ends(f"{NAME}[1]>")
    pane.keys("2+2", "Enter")
    pane.ends(f"{NAME}[1]> 2+2", "4", f"{NAME}[2]>")
    pane.keys("def f(x):", "Enter", "return [x] * 3", "Enter", "Enter")
    pane.ends(f"{NAME}[2]> def f(x):", "             ...     return [x] * 3", f"{NAME}[3]>")
    pane.resize(40)
    pane.keys("f(1)", "Enter")
    pane.ends(f"{NAME}[3]> f(1)", "[1, 1, 1]", f"{NAME}[4]>")
    pane.keys("half")
    pane.ends(f"{NAME}[4]> half")
    pane.keys("C-c")
    pane.keys("Up")
    pane.ends(f"{NAME}[4]> f(1)")
    pane.keys("C-c", "import time; time.sleep(60)", "Enter")
    pane.keys("C-c")
    until(lambda: "KeyboardInterrupt" in pane.lines(), "the end of the cell")
    pane.keys("exit()", "Enter")
    pane.wait_end()
