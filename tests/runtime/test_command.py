"""A command and how it ends: what is kept of its output, and that nothing of it is left."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from pysh.runtime import command
from pysh.runtime.command import KEPT, Completed, calling, run
from tests.system.conftest import until


def ran(cmd: str | list[str], *, check: bool = False, stream: bool = False, **env: str) -> Completed:
    return run(cmd, None, env, check, stream)


@pytest.fixture
def marker() -> str:
    """What no other process has in its environment."""
    return os.urandom(8).hex()


def named(marker: str) -> list[psutil.Process]:
    """The living processes that have `marker` in their environment."""

    def has(process: psutil.Process) -> bool:
        try:
            return process.status() != psutil.STATUS_ZOMBIE and process.environ().get("MARKER") == marker
        except psutil.Error:
            return False

    return [process for process in psutil.process_iter() if has(process)]


def test_text_is_for_a_shell_and_a_list_for_a_program() -> None:
    assert ran("echo $((6 * 7)); echo oops >&2; exit 3")[:3] == (3, "42\n", "oops\n")
    assert ran(["echo", "$HOME", "a  b"])[:3] == (0, "$HOME a  b\n", "")
    assert ran("echo $A$PATH", A="5").stdout == f"5{os.environ['PATH']}\n"
    assert ran("cat").stdout == ""
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        ran(["no-such-program"])


def test_it_runs_in_the_folder_that_is_named(tmp_path: Path) -> None:
    assert run("pwd", str(tmp_path), {}, False, False).stdout == f"{tmp_path}\n"
    with pytest.raises(FileNotFoundError):
        run("pwd", str(tmp_path / "gone"), {}, False, False)


def test_a_status_is_an_error_where_it_is_to_be_checked() -> None:
    assert ran("true", check=True).status == 0
    with pytest.raises(subprocess.CalledProcessError) as caught:
        ran("echo said; exit 4", check=True)
    assert (caught.value.returncode, caught.value.stdout) == (4, "said\n")


def test_what_it_prints_is_passed_on_as_it_comes(capfd: pytest.CaptureFixture[str]) -> None:
    assert ran("echo out; echo err >&2", stream=True)[:3] == (0, "out\n", "err\n")
    assert capfd.readouterr() == ("out\n", "err\n")
    ran("echo out; echo err >&2")
    assert capfd.readouterr() == ("", "")


def test_of_endless_output_the_last_is_kept() -> None:
    text = ran(["python3", "-c", f"print('a' * {3 * KEPT}); print('the end')"]).stdout
    said, _, rest = text.partition("\n")
    assert said == f"[{2 * KEPT + 9:,} bytes before this were left out]"
    assert len(rest) == KEPT and rest.endswith("a\nthe end\n")


def test_what_it_leaves_in_the_background_is_not_waited_for_and_ends_with_it(marker: str) -> None:
    started = time.monotonic()
    assert ran("sleep 100 & echo gone", MARKER=marker)[:2] == (0, "gone\n")
    assert time.monotonic() - started < 50
    until(lambda: not named(marker), "the end of what it left")


def interrupted(start: Callable[[], object], marker: str) -> None:
    """Run `start`, which is interrupted once something with `marker` runs."""

    def interrupt() -> None:
        until(lambda: len(named(marker)) > 1, "the command")
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell has in the background
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            start()
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)


def test_what_ends_it_gives_the_command_a_ctrl_c_and_kills_what_is_left(
    marker: str, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    interrupted(lambda: ran("sleep 100 & sleep 100", MARKER=marker), marker)
    until(lambda: not named(marker), "the end of all of it")
    monkeypatch.setattr(command, "LAST_WORDS", 0.05)
    interrupted(lambda: ran("trap '' INT; sleep 100 & sleep 100 & wait; sleep 100", MARKER=marker), marker)
    until(lambda: not named(marker), "the end of all of it")


SHOWN = [
    (Completed(0, "out\n", "", 0.1), "exit 0"),
    (Completed(3, "out\n", "err\n", 0.1), "exit 3"),
    (Completed(-9, "", "", 0.1), "killed by SIGKILL"),
    (Completed(-99, "", "", 0.1), "killed by signal 99"),
    (Completed(0, "out\n", "", 0.1, streamed=False), "out"),
    (Completed(3, "out\n", "err\n", 0.1, streamed=False), "out\nerr\nexit 3"),
    (Completed(0, "", "", 0.1, streamed=False), "exit 0"),
]


@pytest.mark.parametrize(("completed", "text"), SHOWN, ids=[row[1] for row in SHOWN])
def test_what_was_shown_as_it_came_is_not_shown_again(completed: Completed, text: str) -> None:
    assert repr(completed) == text


@pytest.mark.parametrize("cmd", ["", " ", [], b"ls", 4], ids=repr)
def test_what_is_no_command_is_refused_before_anything_is_sent(cmd: object) -> None:
    with pytest.raises((TypeError, ValueError), match="nothing was sent"):
        calling(cmd, None, None, False, True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cmd", "cwd", "env", "said"),
    [
        ("ls", None, "A=1", 'env= takes a dict, such as {"A": "1"}, not \'A=1\''),
        (["echo", 5], None, None, "not 5: write '5'"),
        ("ls", 7, None, "cwd= takes a path, not 7"),
    ],
)
def test_what_a_command_cannot_have_is_named(cmd: Any, cwd: Any, env: Any, said: str) -> None:
    with pytest.raises(TypeError) as caught:
        calling(cmd, cwd, env, False, True)
    assert said in str(caught.value) and "nothing was sent" in str(caught.value)


def test_it_is_listed_as_a_shell_shows_it() -> None:
    assert calling("ls | wc", None, None, False, True).label == "$ ls | wc"
    assert calling(["ls", Path("/tmp")], None, None, False, True).label == "$ ls /tmp"
