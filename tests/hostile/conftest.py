"""Two nodes, a client that sends hostile programs from one to the other, and somebody who types there."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.hostile.figures import Measured, pooled
from tests.hostile.keys import Cat, Keys, type_until
from tests.hostile.program import Program
from tests.hostile.results import LIMIT
from tests.shell.terminal import Terminal
from tests.system.conftest import PYSH, Home

ROOT = Path(__file__).parents[2]
ECHO = (
    "import os, tty; tty.setraw(0); print('typing'); "
    "[os.write(1, key) for key in iter(lambda: os.read(0, 64), b'')] and None\r"
)
"""What the shell of the node runs meanwhile: every key goes through its hub, there and back."""
DEADLINE = 40.0


class Attack:
    """The nodes n1 and n2 of one home, and what was measured so far."""

    def __init__(self, home: Home, reports: int, client: "subprocess.Popen[bytes]", keys: Keys, cat: Keys) -> None:
        self.home = home
        self.keys = keys
        self.cat = cat
        self.measured: list[Measured] = []
        self._client = client
        self._reports = reports
        self._heard = b""

    def ready(self) -> None:
        """The client has connected the nodes."""
        assert self._line() == "ready"

    def run(self, program: Program) -> dict[str, Any]:
        """Send a program, and type meanwhile; what the client saw."""
        assert self._client.stdin is not None
        self._client.stdin.write(f"{program.name}\n".encode())
        self._client.stdin.flush()
        type_until(self._reports, (self.keys, self.cat), DEADLINE)
        report: dict[str, Any] = json.loads(self._line())
        self.measured.append(
            Measured(program.name, program.storm, self.keys.take(), self.cat.take(), report["kill"]),
        )
        return report

    def judge(self) -> None:
        """Whoever typed noticed nothing."""
        for storm in (False, True):
            keys, cat = pooled(one for one in self.measured if one.storm == storm)
            assert not keys.is_late(cat), f"{keys}, and of cat {cat}"

    def _line(self) -> str:
        while b"\n" not in self._heard:
            assert select.select([self._reports], [], [], DEADLINE)[0], "the client says nothing"
            data = os.read(self._reports, 65536)
            assert data, f"the client died:\n{self._complaints()}"
            self._heard += data
        line, _, self._heard = self._heard.partition(b"\n")
        return line.decode()

    def _complaints(self) -> str:
        return (self.home.folder / "client.log").read_text()[-4000:]


@contextmanager
def client_of(home: Home) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """The client, and where it reports."""
    read, write = os.pipe()
    command = [sys.executable, "-m", "tests.hostile.client", str(write)]
    with (home.folder / "client.log").open("wb") as log:
        client = subprocess.Popen(
            command, env=home.environ, cwd=home.folder, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log,
            pass_fds=[write],
        )  # fmt: skip
    os.close(write)
    try:
        yield read, client
        assert client.stdin is not None
        client.stdin.close()
        assert client.wait(20) == 0
    finally:
        client.kill()
        client.wait()
        os.close(read)


@pytest.fixture(scope="module")
def attack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attack]:
    """n1's client and a terminal of n2; at the end nothing of them is left, and n2's hub is as it was."""
    home = Home(tmp_path_factory.mktemp("h"))
    home.environ["PYTHONPATH"] = str(ROOT)
    home.environ["PYSH_MAX_VALUE"] = str(LIMIT)
    home.node("n2@localhost")
    hub = psutil.Process(home.nodes()[0]["pid"])
    with ExitStack() as stack:
        terminal = stack.enter_context(Terminal([*PYSH, "attach", "n2"], home.environ, cwd=home.folder))
        terminal.wait_for_end("n2@localhost[1]>")
        terminal.type(ECHO)
        terminal.wait_for("typing")
        cat = stack.enter_context(Cat())
        reports, client = stack.enter_context(client_of(home))
        attack = Attack(home, reports, client, Keys(terminal.file), Keys(cat.file))
        attack.ready()
        before = hub.num_fds()
        yield attack
        attack.judge()
        assert hub.num_fds() <= before + 8
    home.end()
