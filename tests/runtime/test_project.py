"""`.pysh.toml`: where it is found, when it is trusted, and what it says."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pysh.runtime import project
from pysh.runtime.errors import PyshError
from pysh.runtime.helpers import trusting
from pysh.runtime.helpers.trusting import told, trust
from pysh.runtime.places import ConfigError
from pysh.runtime.project import Project


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where it is kept what is trusted."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "pysh" / "trusted"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    return folder / ".pysh.toml"


def test_the_nearest_file_is_found(file: Path) -> None:
    (below := file.parent / "a" / "b").mkdir(parents=True)
    assert project.find(str(below)) == ""
    file.touch()
    assert project.find(str(below)) == project.find(str(file.parent)) == str(file)
    (file.parent / "a" / ".pysh.toml").touch()
    assert project.find(str(below)) == str(file.parent / "a" / ".pysh.toml")


def test_what_is_trusted_is_this_content_at_this_path(file: Path, state: Path) -> None:
    other = Project(f"{file}2", b"x = 1\n")
    first, second = Project(str(file), b"x = 1\n"), Project(str(file), b"x = 2\n")
    assert project.why_not_trusted(first) == (
        f"{file} is there, and was not read: trust() shows what it would do, and asks"
    )
    project.trust(other)
    project.trust(first)
    assert project.why_not_trusted(first) == project.why_not_trusted(other) == ""
    assert project.why_not_trusted(second).startswith(f"{file} has changed since it was trusted, and was not read")
    project.trust(second)
    assert project.why_not_trusted(second) == project.why_not_trusted(other) == ""
    assert project.why_not_trusted(first) != ""
    assert (state.stat().st_mode & 0o777, len(state.read_text().splitlines())) == (0o600, 2)


def test_of_those_who_trust_at_once_none_is_lost(file: Path) -> None:
    all_of_them = [Project(f"{file}{n}", b"") for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(project.trust, all_of_them))
    assert [project.why_not_trusted(each) for each in all_of_them] == [""] * 40


def test_a_path_makes_no_second_line(file: Path, state: Path) -> None:
    other = Project(str(file), b"x = 1\n")
    project.trust(Project(f"{file}2", b""))
    before = state.read_bytes()
    crafted = Project(f"/a\n{other.digest}  {other.path}", b"")
    with pytest.raises(ConfigError, match="a path of several lines cannot be trusted"):
        project.trust(crafted)
    assert state.read_bytes() == before
    lines = f"/a\r{other.digest}  {other.path}"
    project.trust(Project(lines, b""))
    assert project.why_not_trusted(Project(lines, b"")) == ""
    assert project.why_not_trusted(other) != ""
    assert project.why_not_trusted(Project("/e\x1b[31m\n", b"")).startswith("/e?[31m? is there, ")


def test_what_others_could_have_written_trusts_nothing(file: Path, state: Path) -> None:
    found = Project(str(file), b"")
    project.trust(found)
    state.chmod(0o666)
    assert project.why_not_trusted(found) != ""
    state.chmod(0o600)
    state.write_bytes(b"\xff\n\n" + found.digest.encode() + b" no\n")
    assert project.why_not_trusted(found) != ""


def test_a_file_that_cannot_be_read_says_so(file: Path) -> None:
    for wrong in ("is no file", "has more than 65,536 bytes", "No such file"):
        if wrong == "is no file":
            os.mkfifo(file)
        elif wrong.startswith("has"):
            file.unlink()
            file.write_bytes(b"#" * 65_537)
        else:
            file.unlink()
        with pytest.raises(ConfigError, match=wrong):
            project.read(str(file))


def test_its_code_has_the_lines_of_the_file() -> None:
    data = b"[shell]\ntheme = 'dark'\n[start]\ncode = '''\nx = 1\n1 / 0\n'''\n"
    says = project.said(Project("/p", data))
    assert says.tables["shell"] == {"theme": "dark"}
    assert says.code == "\n\n\n\nx = 1\n1 / 0\n"
    assert project.said(Project("/p", b'[start]\ncode = "x\\n1"\n')).code == "x\n1"
    for nothing in (b"", b"[start]\n", b'[start]\ncode = "\\n"\n', b"[shell]\n"):
        assert project.said(Project("/p", nothing)).code == ""


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\n[start]\ncode = 5\n", r"start-up code is no text \(/p:2\)"),
        (b"start = 5\n", r"start-up code is no text \(/p:1\)"),
        (b"[start]\nrun = 'x'\n", r"start-up code is no text \(/p:1\)"),
        (b"[start\n", r"no TOML \(/p:1: "),
        (b"#\n\xff\n", r"no UTF-8 \(/p:2\)"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_line(data: bytes, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        project.said(Project("/p", data))


def test_all_that_it_would_do_is_shown_and_nothing_hides_there() -> None:
    data = b"[shell]\ntheme = 'dark'\n[start]\ncode = '''\nimport shop\n\n'''\n"
    lines = [*told(Project("/p", data))]
    assert lines[1:] == ["sets [shell]", "  theme = 'dark'", "runs at the start, 1 line", "  import shop"]
    hidden = [*told(Project("/p", b'[start]\ncode = "x = 1 #\\u001b[2K\\r\\u202e"\n'))]
    assert hidden[-3:] == ["runs at the start, 2 lines", "  x = 1 #?[2K", "  ?"]


@pytest.mark.parametrize("hidden", "\x0c\x1c\x85\u2028\u200b\u200f\u061c\u00ad\u2060\ufeff\u3164")
def test_what_hides_is_shown_and_begins_no_line_where_python_has_none(hidden: str) -> None:
    lines = [*told(Project("/p", f'[start]\ncode = "x = 1 #\\u{ord(hidden):04x}y"\n'.encode()))]
    assert lines[-2:] == ["runs at the start, 1 line", "  x = 1 #?y"]


def test_it_is_asked_before_it_is_trusted(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("[shell]\ntheme = 'dark'\n")
    monkeypatch.chdir(file.parent)
    monkeypatch.setattr(trusting, "somebody_sits_here", lambda: True)
    for answer, then in (("", "nothing was changed"), ("y", "It is trusted as it is"), ("", "It is trusted already")):
        monkeypatch.setattr("builtins.input", lambda _, answer=answer: answer)
        trust()
        assert then in (shown := capsys.readouterr().out) and "theme = 'dark'" in shown
    assert project.why_not_used(str(file)) == ""


def test_where_nobody_can_be_asked_it_is_trusted_by_force_alone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trusting, "somebody_sits_here", lambda: False)
    monkeypatch.chdir(file.parent)
    with pytest.raises(PyshError, match=r"there is no \.pysh\.toml in .*nothing to trust"):
        trust()
    file.write_text("")
    with pytest.raises(PyshError, match=r"trust\(force=True\)"):
        trust()
    assert project.why_not_used(str(file)) != ""
    trust(file, force=True)
    assert project.why_not_used(str(file)) == ""
