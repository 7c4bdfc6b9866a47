"""Code that a shell runs before its first cell, in a real evaluator, and whose file is ours alone."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pysh.runtime import project
from pysh.runtime.protocol.frames import Kind
from pysh.runtime.runner import startup
from tests.runtime.scripted_hub import Shell


@pytest.fixture
def rc(tmp_path: Path) -> Path:
    """Where the code is, in a folder of ours."""
    folder = tmp_path / "pysh"
    folder.mkdir(0o700)
    return folder / "rc.pysh"


@pytest.fixture
def open_shell(tmp_path: Path, rc: Path) -> Iterator[Callable[[str], Shell]]:
    """Opens a shell that begins with some code."""
    with ExitStack() as stack:

        def opened(code: str) -> Shell:
            rc.touch(0o600)
            rc.write_text(code)
            return stack.enter_context(Shell(tmp_path, rc=str(rc)))

        yield opened


def begun(shell: Shell) -> bool:
    asked = [frame.options() for frame in shell.frames if frame.kind == Kind.REQUEST]
    return {"verb": "begun"} in asked


def test_its_names_are_those_of_the_first_cell(open_shell: Callable[[str], Shell]) -> None:
    shell = open_shell("import asyncio\nx = await asyncio.sleep(0, 41)\ndef up(n):\n    return n + 1\nme\nx")
    assert "NameError" in shell.text("_")
    assert shell.text("up(x)") == "42"
    assert begun(shell)


def test_a_missing_file_is_none(tmp_path: Path) -> None:
    with Shell(tmp_path, rc=str(tmp_path / "no")) as shell:
        assert shell.text("2 + 2") == "4"
        assert shell.screen == b""
        assert begun(shell)


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("x = 1\n1 / 0", ["has failed", '", line 2, in <module>', "1 / 0", "ZeroDivisionError: division by zero"]),
        ("x = = 1", ["has failed", '", line 1', "SyntaxError: invalid syntax"]),
        ("import sys\nsys.exit(3)", ["wanted to exit"]),
        ("input()", ["has failed", "EOFError"]),
        ("import sys\nsys.stderr = None\nprint(nothing)", ["has failed", "NameError"]),
    ],
)
def test_what_goes_wrong_is_shown_and_the_shell_goes_on(
    open_shell: Callable[[str], Shell], rc: Path, code: str, shown: list[str]
) -> None:
    shell = open_shell(code)
    assert shell.text("2 + 2") == "4"
    shell.see(f"pysh: {rc} {shown[0]}")
    for text in shown[1:]:
        shell.see(text)
    assert begun(shell)


@pytest.mark.parametrize(
    "hang", ["while True: pass", "import time\ntime.sleep(60)", "import asyncio\nawait asyncio.sleep(60)"]
)
def test_ctrl_c_ends_it_and_not_the_cell_that_waits(
    open_shell: Callable[[str], Shell], rc: Path, hang: str
) -> None:  # fmt: skip
    shell = open_shell(f"x = 1\nprint('begun')\n{hang}")
    shell.see("begun")
    ref = shell.begin("x + 1")
    shell.wait(lambda: any(frame.kind == Kind.INPUT and frame.ref == ref for frame in shell.frames))
    shell.type(b"\x03")
    shell.see(f"pysh: {rc} was interrupted")
    assert shell.done(ref)["text"] == "2"


def test_whoever_waits_for_it_is_told_so(open_shell: Callable[[str], Shell], rc: Path) -> None:
    shell = open_shell("import time\ntime.sleep(60)")
    shell.begin("1")
    shell.see(f"pysh: {rc} has been running for 2 s, and cells wait for it; Ctrl-C in one ends it")


def test_an_eval_meanwhile_is_refused_with_the_reason(open_shell: Callable[[str], Shell], rc: Path) -> None:
    shell = open_shell("print('begun')\nimport time\ntime.sleep(60)")
    shell.see("begun")
    told = shell.ask("eval", source="1")
    assert f"s with {rc}" in told["text"]
    assert told["executed"] == "no"


def test_a_folder_whose_name_would_steer_the_terminal_does_not(tmp_path: Path) -> None:
    folder = tmp_path / "\x1b[2J\n\u200b"
    folder.mkdir(0o700)
    (folder / "rc.pysh").touch(0o600)
    (folder / "rc.pysh").write_text("1 / 0")
    with Shell(tmp_path, rc=str(folder / "rc.pysh")) as shell:
        shell.wait(lambda: b"ZeroDivisionError" in shell.screen)
        assert b"\x1b[2J" not in shell.screen
        assert f"pysh: {tmp_path}/?[2J??/rc.pysh has failed".encode() in shell.screen


def world_writable(rc: Path) -> None:
    rc.chmod(0o646)


def in_a_folder_of_all(rc: Path) -> None:
    rc.parent.chmod(0o777)


def of_another(rc: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(rc, 12345, -1)


def a_pipe(rc: Path) -> None:
    rc.unlink()
    os.mkfifo(rc)


def a_folder(rc: Path) -> None:
    rc.unlink()
    rc.mkdir()


def huge(rc: Path) -> None:
    rc.write_text("#" * (startup.LARGEST + 1))


def latin(rc: Path) -> None:
    rc.write_bytes(b"x = 1\ny = '\xe9'\n")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (world_writable, "others may write it: chmod go-w {rc}"),
        (in_a_folder_of_all, "others may put another one in its place: chmod go-w {rc.parent}"),
        (of_another, f"it belongs to uid 12345, and we are {os.geteuid()}"),
        (a_pipe, "it is no file"),
        (a_folder, "Is a directory"),
        (huge, "it has more than 1,048,576 bytes"),
        (latin, "its line 2 is no UTF-8"),
    ],
)
def test_a_file_that_cannot_be_trusted_or_read_is_not_run(
    rc: Path, capfd: pytest.CaptureFixture[str], make: Callable[[Path], None], why: str
) -> None:
    rc.touch(0o600)
    make(rc)
    assert startup.startup(str(rc)) is None
    assert capfd.readouterr().err == f"pysh: {rc} was not run: {why.format(rc=rc)}\n"


def test_a_link_leads_to_a_file_of_ours(rc: Path, tmp_path: Path) -> None:
    dotfiles = tmp_path / "dotfiles"
    dotfiles.mkdir(0o700)
    (dotfiles / "rc").touch(0o600)
    (dotfiles / "rc").write_text("x = 1")
    rc.symlink_to(dotfiles / "rc")
    begun = startup.startup(str(rc))
    assert begun is not None
    begun.tell({"kind": "none"})


def test_the_code_of_a_trusted_project_runs_behind_the_users_own(
    tmp_path: Path, rc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / ".pysh.toml"
    path.write_text("[start]\ncode = '''\nordered = [mine, input]\n1 / 0\n'''\n")
    rc.touch(0o600)
    rc.write_text("mine = 41\n")
    with Shell(tmp_path, rc=str(rc), project=str(path)) as shell:
        shell.see("is there, and was not read: trust() shows")
        assert shell.text("mine, 'ordered' in globals()") == "(41, False)"
    project.trust(project.read(str(path)))
    with Shell(tmp_path, rc=str(rc), project=str(path)) as shell:
        assert shell.text("ordered[0]") == "41"
        shell.see(f'File "{path}", line 4, in <module>')
        assert begun(shell)
        assert shell.text("import sys; sys.stdin.isatty()") == "True"
    path.write_text("[start\n")
    project.trust(project.read(str(path)))
    with Shell(tmp_path, project=str(path)) as shell:
        shell.see("the configuration is no TOML")
        assert shell.text("2 + 2") == "4"
        assert begun(shell)
