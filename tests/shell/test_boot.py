import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.shell.conftest import Shell
from tests.shell.terminal import Terminal

ENV = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
PAINT = "from pysh.shell import boot; tty = boot.paint('n1@here'); "


def painted(code: str, **env: str) -> Terminal:
    """A process that paints the prompt and runs `code`."""
    return Terminal([sys.executable, "-c", PAINT + code], {**ENV, **env})


def test_the_first_paint_imports_next_to_nothing() -> None:
    report = (
        "import sys, pysh.shell; before = {*sys.modules}; from pysh.shell import boot; boot.Tty().paint('n1> '); "
        "print('\\r\\n', *sorted({*sys.modules} - before))"
    )
    with Terminal([sys.executable, "-c", report], ENV) as terminal:
        assert terminal.wait_exit() == 0
        assert terminal.lines[1].split() == ["atexit", "errno", "pysh.shell.boot", "pysh.shell.theme", "termios"]


def test_typing_is_silent_until_somebody_reads() -> None:
    with painted("import sys; print('ready'); sys.stdin.readline()") as terminal:
        terminal.wait_for("n1@here[1]> ready")
        terminal.type("secret")
        terminal.type("\n")
        assert terminal.wait_exit() == 0
        assert terminal.lines == ["n1@here[1]> ready"]


@pytest.mark.parametrize("end", ["", "raise SystemExit(3)", "1/0", "import os; os.kill(os.getpid(), 15)"])
def test_the_modes_come_back_whatever_ends_it(end: str) -> None:
    with painted(end) as terminal:
        terminal.wait_exit()
        assert terminal.modes == terminal.found
        assert terminal.raw.count(b"\x1b[?2004h") == terminal.raw.count(b"\x1b[?2004l") == 1


def test_a_child_that_ends_leaves_the_modes_alone() -> None:
    fork = (
        "import os, sys; pid = os.fork(); pid or sys.exit(); os.waitpid(pid, 0); print('ready'); sys.stdin.readline()"
    )
    with painted(fork) as terminal:
        terminal.wait(lambda: any("ready" in line for line in terminal.lines))
        assert terminal.modes != terminal.found
        terminal.type("\n")
        assert terminal.wait_exit() == 0


def test_a_prompt_that_was_only_painted_goes_away_at_the_end() -> None:
    with painted("tty.restore(); raise SystemExit('no such node')") as terminal:
        assert terminal.wait_exit() == 1
        assert "n1@here" not in terminal.screen.display[0]


def test_a_dumb_terminal_gets_no_paint() -> None:
    with painted("print(tty)", TERM="dumb") as terminal:
        assert terminal.wait_exit() == 0
        assert terminal.raw == b"None\r\n"


def test_a_signal_before_the_editor_is_there_ends_it_with_its_number() -> None:
    with painted("import sys; print('ready'); sys.stdin.readline()") as terminal:
        terminal.wait_for("n1@here[1]> ready")
        terminal.send_signal(signal.SIGINT)  # which is no reason to end
        terminal.send_signal(signal.SIGTERM)
        assert terminal.wait_exit() == -signal.SIGTERM


def test_what_is_waiting_is_read_without_waiting_for_more() -> None:
    code = "import sys; print('ready'); [None for _ in iter(tty.typed, b'x\\r')]; print(tty.typed())"
    with painted(code) as terminal:
        terminal.wait_for("n1@here[1]> ready")
        terminal.type("x\r")
        assert terminal.wait_exit() == 0
        assert "b''" in terminal.lines[-1]


def test_the_prompt_is_there_before_the_editor_could_be(open_shell: Callable[..., Shell]) -> None:
    """A generous bound: what is protected is that nobody imports the editor first."""
    started = time.monotonic()
    shell = open_shell()
    shell.prompt(1)
    first = time.monotonic() - started
    shell.wait(lambda: shell.hub.asked)
    assert first < (time.monotonic() - started) * 0.7


def test_no_heavy_module_is_imported_for_a_first_prompt(open_shell: Callable[..., Shell], tmp_path: Path) -> None:
    report = tmp_path / "modules"
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        f"import atexit, sys; atexit.register(lambda: open({str(report)!r}, 'w').write(' '.join(sys.modules)))"
    )
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    shell = open_shell(env={"PYTHONPATH": path})
    shell.wait(lambda: shell.hub.asked)
    shell.prompt(1)
    shell.type("\x04")
    assert shell.wait_exit() == 0
    banned = {
        "rich",
        "jedi",
        "asyncssh",
        "sqlite3",
        "multiprocessing",
        "pdb",
        "cloudpickle",
        "pickle",
        "importlib.metadata",
        "stack_data",
        "pygments.styles",
        "argparse",
        "tomllib",
    }
    modules = set(report.read_text().split())
    assert modules & banned == set()
    assert len(modules) < 420
