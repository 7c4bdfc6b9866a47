"""Which Python runs the user's code."""

import os
import sys
from pathlib import Path

import pytest

from pysh.runtime import interpreter
from pysh.runtime.interpreter import PythonError, check_python, user_python

NOBODY = 65534


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    return tmp_path


def program(path: Path, text: str = "") -> str:
    """A program at `path`: a shell script, or our own Python."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if text:
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    else:
        path.symlink_to(sys.executable)
    return str(path)


def test_without_any_sign_it_is_our_own(home: Path) -> None:
    assert user_python(cwd=str(home), environ={}) == sys.executable


def test_the_nearest_venv_above_then_the_active_one_then_the_named_one(home: Path) -> None:
    far = program(home / ".venv/bin/python")
    deep = home / "project/src"
    deep.mkdir(parents=True)
    assert user_python(cwd=str(deep), environ={}) == far
    near = program(home / "project/.venv/bin/python")
    assert user_python(cwd=str(deep), environ={}) == near
    active = program(home / "active/bin/python")
    assert user_python(cwd=str(deep), environ={"VIRTUAL_ENV": str(home / "active")}) == active
    assert user_python(far, str(deep), {"VIRTUAL_ENV": str(home / "active")}) == far


def test_an_active_conda_environment_comes_before_a_venv_and_its_base_behind(home: Path) -> None:
    venv, conda = program(home / ".venv/bin/python"), program(home / "conda/bin/python")
    active = {"CONDA_PREFIX": str(home / "conda"), "CONDA_DEFAULT_ENV": "science"}
    assert user_python(cwd=str(home), environ=active) == conda
    assert user_python(cwd=str(home), environ=active | {"CONDA_DEFAULT_ENV": "base"}) == venv
    assert user_python(cwd="/", environ=active | {"CONDA_DEFAULT_ENV": "base"}) == conda
    assert user_python(cwd="/", environ=active | {"CONDA_PREFIX": str(home / "bare")}) == sys.executable
    assert user_python(cwd="/", environ=active | {"VIRTUAL_ENV": str(home / ".venv")}) == venv


@pytest.mark.parametrize("name", ["python3.99", "./tools/python3.99", "tools", "~/tools", "../work/tools/python3.99"])
def test_a_python_may_be_named_by_path_by_folder_or_by_its_name_on_the_path(home: Path, name: str) -> None:
    program(home / "work/tools/python3.99")
    program(home / "work/tools/bin/python")
    program(home / "tools/bin/python")
    found = user_python(name, str(home / "work"), {"PATH": f"/none:{home}/work/tools"})
    assert Path(found).is_absolute()
    assert found.startswith(str(home))


def test_a_named_python_that_is_not_there_is_no_reason_to_take_another(home: Path) -> None:
    with pytest.raises(PythonError, match=r"python=.python3\.99.: no such program on the PATH"):
        user_python("python3.99", str(home), {"PATH": "/none"})
    with pytest.raises(PythonError) as caught:
        user_python("/nope", str(home), {"PATH": "/none"})
    assert 'python="/nope": /nope/bin/python: not there; /nope: not there' in str(caught.value)
    (home / "text").touch()
    for name, reason in (("./text", "text: not executable"), ("./", "a folder")):
        with pytest.raises(PythonError, match=reason):
            user_python(name, str(home), {"PATH": "/none"})


def test_an_active_venv_that_is_gone_is_named(home: Path) -> None:
    with pytest.raises(PythonError, match="VIRTUAL_ENV=/gone"):
        user_python(cwd=str(home), environ={"VIRTUAL_ENV": "/gone"})


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_venv_that_another_user_put_in_our_way_is_not_run(home: Path) -> None:
    python = program(home / ".venv/bin/python")
    os.chown(home / ".venv", NOBODY, NOBODY)
    with pytest.raises(PythonError, match=f"belongs to uid {NOBODY}.*python=.{python}"):
        user_python(cwd=str(home), environ={})
    assert user_python(python, str(home), {}) == python


def test_a_venv_that_anybody_may_change_is_not_run(home: Path) -> None:
    program(home / ".venv/bin/python")
    (home / ".venv").chmod(0o777)
    with pytest.raises(PythonError, match="mode is 0777"):
        user_python(cwd=str(home), environ={})


def test_a_python_is_asked_once_and_again_when_it_changes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = program(home / "bin/python")
    ours = (f"{sys.version_info[0]}.{sys.version_info[1]}", python)
    assert check_python(python) == ours
    with monkeypatch.context() as patched:
        patched.setattr(interpreter, "_ask", lambda _: pytest.fail("it was asked again"))
        assert check_python(python) == ours
        assert check_python(sys.executable)[1] == sys.executable
    Path(python).unlink()
    Path(python).write_bytes(b"\x7fELF, changed")
    Path(python).chmod(0o755)
    with pytest.raises(PythonError, match="cannot be started"):
        check_python(python)


def test_the_notes_of_one_python_do_not_drop_those_of_another(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = program(home / "one/python"), program(home / "other/python")
    answers = {path: check_python(path) for path in (one, other)}
    monkeypatch.setattr(interpreter, "_ask", lambda _: pytest.fail("it was asked again"))
    assert {path: check_python(path) for path in (one, other)} == answers


def test_a_script_such_as_those_of_pyenv_is_asked_every_time(home: Path) -> None:
    python = program(home / "shim", f"printf '3.%s\\n{sys.executable}' $MINOR")
    os.environ["MINOR"] = "12"
    try:
        assert check_python(python) == ("3.12", sys.executable)
        os.environ["MINOR"] = "13"
        assert check_python(python) == ("3.13", sys.executable)
    finally:
        del os.environ["MINOR"]


@pytest.mark.parametrize("version", ["2.7", "3.10"])
def test_a_python_too_old_is_refused_with_path_and_version(home: Path, version: str) -> None:
    python = program(home / "python", f"printf '{version}\\n/x'")
    with pytest.raises(PythonError, match=f"needs Python 3.11 or newer .{python} is Python {version}."):
        check_python(python)


@pytest.mark.parametrize("body", ["exit 3", "echo hello", "echo 'boom: no libpython' >&2; exit 127"])
def test_what_is_no_python_is_refused_with_what_it_said(home: Path, body: str) -> None:
    python = program(home / "python", body)
    with pytest.raises(PythonError, match=f"is no Python .{python}: exit code") as caught:
        check_python(python)
    assert ("boom" in str(caught.value)) == ("boom" in body)


def test_a_python_that_hangs_is_given_up(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "TIMEOUT", 0.05)
    with pytest.raises(PythonError, match="no answer within"):
        check_python(program(home / "python", "exec sleep 60"))


def test_a_cache_that_cannot_be_written_costs_only_time(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    assert check_python(program(home / "python"))
