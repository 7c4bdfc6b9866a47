"""A source on its way through the login shells that people have."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pysh.runtime.hub.bootstrap import MISSING, command

SHELLS = ("sh", "bash", "dash", "zsh", "csh", "tcsh", "fish")
LONG = "\n# " + os.urandom(4000).hex()


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    if not (found := shutil.which(request.param)):
        pytest.skip(f"there is no {request.param} here")
    return found


def run(line: str, shell: str = "/bin/sh", **options: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([shell, "-c", line], capture_output=True, text=True, **options)  # type: ignore[call-overload, no-any-return]


def test_a_long_source_comes_through_every_login_shell(shell: str) -> None:
    done = run(command("print('$HOME', \"it's\", '!\\\\')" + LONG), shell)
    assert (done.stdout, done.returncode) == ("$HOME it's !\\\n", 0)


def test_the_first_python_that_can_runs_it(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho not me >&2; exit 1\n")
    broken.chmod(0o755)
    done = run(command("print(1)", ["no-such-python", str(broken), "$HERE/python", "false"]), env={
        "PATH": os.environ["PATH"], "HERE": str(Path(sys.executable).parent)
    })  # fmt: skip
    assert (done.stdout, done.returncode) == ("1\n", 0)


def test_a_source_that_refuses_a_python_is_given_to_the_next() -> None:
    source = "import sys\nprint('asked')\nsys.exit(1)"
    done = run(command(source, [sys.executable, sys.executable]))
    assert (done.stdout, done.returncode) == ("asked\nasked\n", MISSING)


def test_without_a_python_each_complaint_is_there_to_be_shown() -> None:
    done = run(command("print(1)", ["python-a", "/no/python-b"]))
    assert done.returncode == MISSING
    assert "python-a" in done.stderr
    assert "/no/python-b" in done.stderr


def test_nothing_is_imported_from_the_folder_where_it_runs(tmp_path: Path) -> None:
    for name in ("binascii", "zlib", "json"):
        (tmp_path / f"{name}.py").write_text("print('imported')")
    assert run(command("import json; print(1)", [sys.executable]), cwd=tmp_path).stdout == "1\n"


@pytest.mark.parametrize("python", ["it's", 'a"b', "a`b`", "a\nb"])
def test_a_name_that_no_shell_could_take_is_refused(python: str) -> None:
    with pytest.raises(ValueError, match="no name of a Python"):
        command("print(1)", [python])
