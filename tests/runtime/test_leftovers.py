"""Parts of copies that nobody went on with."""

import fcntl
import os
import time
from pathlib import Path

import pytest

from pysh.runtime.leftovers import KEPT, clear
from pysh.runtime.protocol.manifest import FILE, Entry, Part
from pysh.runtime.staging import Staging
from tests.runtime.test_staging import sha


def aged(path: Path, seconds: float = KEPT + 60) -> Path:
    """Have it look as if nothing came to it for so long."""
    then = time.time() - seconds
    for each in (*path.rglob("*"), path):
        os.utime(each, (then, then), follow_symlinks=False)
    return path


def written(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("some of it")
    return path


@pytest.mark.parametrize(
    ("name", "seconds", "stays"),
    [
        (".data.pysh-part", KEPT + 60, False),
        (".data.pysh-part", KEPT - 60, True),
        (".mine.pysh-part", KEPT + 60, True),
        ("data.pysh-part", KEPT + 60, True),
        (".data", KEPT + 60, True),
        (".tree.pysh-part/sub/file", KEPT + 60, False),
        (".pysh-part/file", KEPT + 60, False),
    ],
)
def test_what_is_old_and_a_part_goes(tmp_path: Path, name: str, seconds: float, stays: bool) -> None:
    written(tmp_path / name)
    top = aged(tmp_path / name.partition("/")[0], seconds)
    clear(str(tmp_path), ".mine.pysh-part")
    assert top.exists() == stays


def test_a_folder_is_as_old_as_the_latest_in_it(tmp_path: Path) -> None:
    tree = aged(written(tmp_path / ".tree.pysh-part/sub/file").parents[1])
    os.utime(tree / "sub/file")
    clear(str(tmp_path), "")
    assert (tree / "sub/file").exists()


def test_what_somebody_works_on_stays_and_what_is_no_file_or_folder(tmp_path: Path) -> None:
    busy = aged(written(tmp_path / ".busy.pysh-part"))
    away = written(tmp_path / "away/file").parent
    link = tmp_path / ".link.pysh-part"
    link.symlink_to(away)
    aged(link)
    with busy.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        clear(str(tmp_path), "")
    assert busy.exists() and link.is_symlink() and (away / "file").exists()
    clear(str(tmp_path / "nothing"), "")


def test_the_next_copy_into_a_folder_clears_it_and_goes_on_with_its_own(tmp_path: Path) -> None:
    old, own = (aged(written(tmp_path / f".{name}.pysh-part")) for name in ("old", "data"))
    with Staging(str(tmp_path / "data"), [Entry("", FILE, 0o600, 12)]) as staging:
        assert not old.exists() and own.exists()
        assert staging.kept[0].size == len("some of it")
        staging.write(Part(0, 10, b"it", sha(b"some of itit")))
        staging.finish()
    assert (tmp_path / "data").read_text() == "some of itit"
