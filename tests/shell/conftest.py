"""A shell's terminal as a user has it: a process on a pty, with a hub behind it that the test plays."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.shell.hub import COOKIE, NAME, Hub
from tests.shell.terminal import Terminal

START = """\
import socket, sys
from pysh.shell import boot
tty = boot.paint(sys.argv[1])
from pathlib import Path
from pysh.shell.settings import Settings
from pysh.shell.terminal import run_terminal
settings = eval(f"Settings({sys.argv[5]})")
connect = lambda: socket.socket(fileno=int(sys.argv[2]))
sys.exit(run_terminal(connect, sys.argv[3].encode(), tty=tty, history=Path(sys.argv[4]), settings=settings))
"""


class Shell(Terminal):
    """A terminal whose hub is `hub`."""

    def __init__(self, hub: Hub, history: Path, env: dict[str, str], **options: Any) -> None:
        self.hub = hub
        cookie = options.pop("cookie", COOKIE)
        words = [NAME, str(hub.end.fileno()), cookie.decode(), str(history), options.pop("settings", "")]
        super().__init__([sys.executable, "-c", START, *words], env, pass_fds=(hub.end.fileno(),), **options)
        hub.end.close()
        self.others[hub.fileno()] = hub.receive

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self.hub.close()

    def prompt(self, cell: int, text: str = "") -> None:
        """Wait until the cursor stands at the prompt of `cell`, behind `text`."""
        line = f"{NAME}[{cell}]> {text}"

        def there() -> bool:
            return self.lines[-1:] == [line.rstrip()] and self.screen.cursor.x == len(line)

        self.wait(there, f"prompt {line!r}")

    def run(self, source: str) -> None:
        """Type `source` and Enter, and wait until it was sent."""
        before = len(self.hub.cells)
        self.type(source + "\r")
        self.wait(lambda: len(self.hub.cells) > before, "cell")


@pytest.fixture
def open_shell(tmp_path: Path) -> Iterator[Callable[..., Shell]]:
    """Opens shells; the hub may be prepared before."""
    with ExitStack() as stack:

        def make(hub: Hub | None = None, **options: Any) -> Shell:
            kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
            env = {**kept, "HOME": str(tmp_path), **options.pop("env", {})}
            return stack.enter_context(Shell(hub or Hub(), tmp_path / "state" / "history", env, **options))

        yield make


@pytest.fixture
def shell(open_shell: Callable[..., Shell]) -> Shell:
    """A shell that is attached and at its first prompt."""
    shell = open_shell()
    shell.wait(lambda: shell.hub.asked, "attach")
    shell.prompt(1)
    return shell
