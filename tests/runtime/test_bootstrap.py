"""A source on its way through the login shells that people have."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pysh.runtime.hub.bootstrap import MISSING, OLD, command

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
    assert (done.stdout, done.returncode) == (f"\n- no 1 {broken}\n1\n", 0)


def test_a_source_that_refuses_a_python_is_given_to_the_next() -> None:
    source = "import sys\nprint('asked')\nsys.exit(1)"
    done = run(command(source, [sys.executable, sys.executable]))
    refused = f"asked\n\n- no 1 {sys.executable}\n"
    assert (done.stdout, done.returncode) == (f"{refused}{refused}\n- none\n", MISSING)


def test_one_that_is_too_old_has_said_so_itself_and_the_words_are_there_for_it() -> None:
    source = f"import sys\nprint(sys.argv[2:])\nsys.exit({OLD})"
    done = run(command(source, ["python-a", sys.executable], word="w", more="m"))
    assert (done.stdout, done.returncode) == (f"['w', 'm', '{sys.executable}']\n\nw none\n", MISSING)


def test_what_comes_before_is_for_the_login_shell(shell: str) -> None:
    done = run(command("print(1)", [sys.executable], before=["cd /", "pwd"]), shell)
    assert done.stdout == "/\n1\n"


def test_nothing_is_imported_from_the_folder_where_it_runs(tmp_path: Path) -> None:
    for name in ("binascii", "zlib", "json"):
        (tmp_path / f"{name}.py").write_text("print('imported')")
    assert run(command("import json; print(1)", [sys.executable]), cwd=tmp_path).stdout == "1\n"


@pytest.mark.parametrize("python", ["it's", "a!b", "a`b`", "a\nb", "a\\b"])
def test_a_name_that_no_shell_could_take_is_refused(python: str) -> None:
    with pytest.raises(ValueError, match="no name of a Python"):
        command("print(1)", [python])
