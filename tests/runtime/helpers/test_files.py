from pathlib import Path
from typing import Any

import pytest

from pysh import aio
from pysh.runtime.errors import PyshError
from pysh.runtime.helpers import files
from pysh.runtime.helpers.files import cd, columns, load, ls, pwd
from tests.runtime.helpers.conftest import Printing

Shown = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "40")
    files._before.clear()
    return tmp_path


def test_a_folder_is_listed_in_columns_folders_marked_and_hidden_files_left_out(folder: Path, capsys: Shown) -> None:
    for name in ("b.txt", "a.txt", ".hidden", "odd\nname"):
        (folder / name).write_text("12345")
    (folder / "sub").mkdir()
    ls()
    assert capsys.readouterr().out == "a.txt      odd\\nname\nb.txt      sub/\n"
    ls(all=True)
    assert ".hidden" in capsys.readouterr().out
    ls("sub")
    ls("a.txt")
    assert capsys.readouterr().out == "(empty)\na.txt  5 bytes\n"


def test_of_a_huge_folder_the_beginning_is_listed(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown) -> None:
    monkeypatch.setattr(files, "ENTRIES", 3)
    for number in range(5):
        (folder / f"file{number}").touch()
    ls()
    assert capsys.readouterr().out.endswith("… 2 more\n")


@pytest.mark.parametrize(
    ("names", "lines"),
    [([], []), (["a"], ["a"]), (["a", "b", "c"], ["a  c", "b"]), (["x" * 20, "y"], ["x" * 20, "y"])],
)
def test_columns_are_read_from_top_to_bottom(names: list[str], lines: list[str]) -> None:
    assert list(columns(names, 8)) == lines


def test_the_folder_is_changed_and_back(folder: Path, capsys: Shown) -> None:
    (folder / "sub").mkdir()
    cd("sub")
    pwd()
    cd("-")
    cd(folder / "sub")
    cd()
    there = f"{folder}/sub\n"
    assert capsys.readouterr().out == f"{there}{there}{folder}\n{there}{folder}\n"


def test_the_folder_before_is_known_also_once_it_could_not_be_gone_back_to(folder: Path, capsys: Shown) -> None:
    (folder / "sub").mkdir()
    cd("sub")
    cd("..")
    (folder / "sub").rmdir()
    with pytest.raises(FileNotFoundError, match="sub: no such file or directory"):
        cd("-")
    (folder / "sub").mkdir()
    cd("-")
    assert capsys.readouterr().out.endswith(f"{folder}\n{folder}/sub\n")


@pytest.mark.parametrize(
    ("verb", "arg", "kind", "said"),
    [
        (cd, "nowhere", FileNotFoundError, "nowhere: no such file or directory in {}; this is still {}"),
        (cd, "file", NotADirectoryError, "file: not a directory in {}; this is still {}"),
        (cd, "/nowhere", FileNotFoundError, "/nowhere: no such file or directory; this is still {}"),
        (cd, "-", FileNotFoundError, "there was no folder before this one"),
        (ls, "nowhere", FileNotFoundError, "nowhere: no such file or directory in {}"),
        (load, "missing", FileNotFoundError, "there is no missing or missing.pysh in {}; nothing was run"),
        (load, "missing.py", FileNotFoundError, "there is no missing.py in {}; nothing was run"),
        (load, ".", IsADirectoryError, ". is a folder: load() runs one file"),
    ],
)
def test_what_is_not_there_is_told_with_where(folder: Path, verb: Any, arg: str, kind: type, said: str) -> None:
    (folder / "file").touch()
    with pytest.raises(kind) as raised:
        verb(arg)
    assert str(raised.value) == said.replace("{}", str(folder))
    assert Path.cwd() == folder


def test_a_folder_that_is_gone_is_told_so(folder: Path, capsys: Shown) -> None:
    (folder / "sub").mkdir()
    cd("sub")
    (folder / "sub").rmdir()
    pwd()
    cd()
    assert capsys.readouterr().out.endswith(f"(a folder that is gone; cd() goes home)\n{folder}\n")


def test_a_file_is_run_in_the_names_of_the_shell(shell: Printing, folder: Path) -> None:
    (folder / "tools.pysh").write_text("def double(n):\n    return 2 * n\nhere = node().name\ndef fail():\n    1 / 0\n")
    shell.cell(f"load({str(folder / 'tools')!r})")
    assert shell.text("double(21), here") == "(42, 'n1@here')"
    assert f'File "{folder}/tools.pysh", line 5, in fail\n    1 / 0' in shell.text("fail()")


def test_a_file_that_awaits_says_how_it_is_loaded(shell: Printing, folder: Path) -> None:
    (folder / "slow.pysh").write_text("import asyncio\nawait asyncio.sleep(0)\nslept = True\n")
    path = str(folder / "slow.pysh")
    assert f"PyshError: {path} awaits at its top level: await aio.load({path!r}). Nothing ran." in shell.text(
        f"load({path!r})"
    )
    shell.cell(f"await aio.load({path!r})")
    assert shell.text("slept") == "True"


def test_an_error_in_a_file_has_its_line(shell: Printing, folder: Path) -> None:
    (folder / "bad.pysh").write_text("x = 1\nx +* 2\n")
    assert f'File "{folder}/bad.pysh", line 2\n    x +* 2' in shell.text(f"load({str(folder / 'bad')!r})")


async def test_files_that_load_each_other_end(folder: Path) -> None:
    (folder / "a.pysh").write_text("load('b')")
    (folder / "b.pysh").write_text("load('a')")
    for _ in range(2):
        with pytest.raises(PyshError, match=r"a.pysh is being loaded already: a.pysh loads b.pysh loads a.pysh"):
            load("a")
    with pytest.raises(FileNotFoundError):
        await aio.load("missing")
