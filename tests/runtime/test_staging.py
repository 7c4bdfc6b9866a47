"""Where a copy is made: whole or not at all, gone on from where it was cut, and never outside of its target."""

import hashlib
import os
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pysh.runtime.protocol.manifest import FILE, FOLDER, LINK, Entry, Part
from pysh.runtime.staging import Staging, place

root_only = pytest.mark.skipif(os.getuid() != 0, reason="only root may mount")
no_root = pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def part(number: int, data: bytes, offset: int = 0) -> Part:
    """All of a file from `offset` on."""
    return Part(number, offset, data[offset:], sha(data))


def copy(final: Path, entries: list[Entry], *parts: Part) -> None:
    with Staging(str(final), entries) as staging:
        for one in parts:
            staging.write(one)
        staging.finish()


def left(folder: Path) -> list[str]:
    """Everything below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def one(size: int, mode: int = 0o640) -> list[Entry]:
    return [Entry("", FILE, mode, size)]


TREE = [
    Entry("", FOLDER, 0o750), Entry("a", FILE, 0o600, 1), Entry("sub", FOLDER, 0o500), Entry("sub/b", FILE, 0o444, 2),
    Entry("sub/up", LINK, target="../a"),
]  # fmt: skip
PARTS = [part(1, b"a"), part(3, b"bb")]


def test_a_file_gets_its_name_and_mode_when_it_is_whole(tmp_path: Path) -> None:
    final = tmp_path / "file"
    with Staging(str(final), one(3)) as staging:
        assert left(tmp_path) == [".file.pysh-part"]
        staging.write(Part(0, 0, b"ab"))
        assert not final.exists()
        staging.write(Part(0, 2, b"c", sha(b"abc")))
        staging.finish()
    assert left(tmp_path) == ["file"] and final.read_bytes() == b"abc"
    assert final.stat().st_mode & 0o7777 == 0o640


def test_a_folder_gets_its_name_when_all_of_it_is_there(tmp_path: Path) -> None:
    copy(tmp_path / "proj", TREE, *PARTS)
    assert left(tmp_path) == ["proj", "proj/a", "proj/sub", "proj/sub/b", "proj/sub/up"]
    modes = [oct((tmp_path / path).lstat().st_mode & 0o777) for path in ("proj", "proj/sub", "proj/sub/b")]
    assert modes == ["0o750", "0o500", "0o444"]
    assert (tmp_path / "proj/sub/up").read_bytes() == b"a"


def test_a_folder_is_merged_into_one_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "proj/sub").mkdir(parents=True)
    (tmp_path / "proj/other").write_text("stays")
    (tmp_path / "proj/a").write_text("old")
    (tmp_path / "proj/sub/up").symlink_to("/etc/passwd")
    with Staging(str(tmp_path / "proj"), TREE) as staging:
        for one in PARTS:
            staging.write(one)
        assert (tmp_path / "proj/a").read_text() == "old"
        staging.finish()
    assert left(tmp_path / "proj") == ["a", "other", "sub", "sub/b", "sub/up"]
    assert (tmp_path / "proj/a").read_text() == "a" and (tmp_path / "proj/other").read_text() == "stays"
    assert (tmp_path / "proj/sub/up").readlink() == Path("../a")
    copy(tmp_path / "proj", TREE, Part(1, 1, b"", sha(b"a")), Part(3, 2, b"", sha(b"bb")))
    assert left(tmp_path / "proj") == ["a", "other", "sub", "sub/b", "sub/up"]


def test_what_has_arrived_is_gone_on_from(tmp_path: Path) -> None:
    final = tmp_path / "file"
    with Staging(str(final), one(6)) as staging:
        staging.write(Part(0, 0, b"abc"))
    with Staging(str(final), one(6)) as staging:
        assert staging.kept[0] == (3, sha(b"abc"), False)
        staging.write(part(0, b"abcdef", 3))
        staging.finish()
    assert final.read_bytes() == b"abcdef"


def test_what_has_arrived_of_something_else_is_begun_anew(tmp_path: Path) -> None:
    with Staging(str(tmp_path / "file"), one(6)) as staging:
        staging.write(Part(0, 0, b"xyz"))
    with Staging(str(tmp_path / "file"), one(4)) as staging:
        staging.write(part(0, b"abcd"))
        staging.finish()
    assert left(tmp_path) == ["file"] and (tmp_path / "file").read_bytes() == b"abcd"
    with Staging(str(tmp_path / "proj"), TREE) as staging:
        staging.write(PARTS[0])
    smaller = [TREE[0], Entry("sub", FILE, 0o600, 1)]
    copy(tmp_path / "proj", smaller, part(1, b"s"))
    assert left(tmp_path / "proj") == ["sub"] and (tmp_path / "proj/sub").read_bytes() == b"s"


def test_what_is_in_its_place_already_is_left_there(tmp_path: Path) -> None:
    final = tmp_path / "file"
    final.write_bytes(b"abc")
    inode = final.stat().st_ino
    with Staging(str(final), one(3, 0o600)) as staging:
        assert staging.kept[0] == (3, sha(b"abc"), True)
        staging.write(Part(0, 3, b"", sha(b"abc")))
        staging.finish()
    assert left(tmp_path) == ["file"] and final.stat().st_ino == inode and final.stat().st_mode & 0o777 == 0o600


def test_a_digest_that_differs_keeps_it_from_its_place(tmp_path: Path) -> None:
    with (
        Staging(str(tmp_path / "file"), one(3)) as staging,
        pytest.raises(OSError, match=r"SHA-256 differs.*nothing was written"),
    ):
        staging.write(Part(0, 0, b"abc", sha(b"other")))
    assert left(tmp_path) == []


def test_a_second_copy_to_the_same_place_is_refused_while_the_first_goes_on(tmp_path: Path) -> None:
    for entries in (one(3), TREE):
        final = tmp_path / f"x{len(entries)}"
        with Staging(str(final), entries):
            with pytest.raises(BlockingIOError, match="somebody else is copying there at the moment"):
                Staging(str(final), entries).__enter__()
            assert left(tmp_path)
        with Staging(str(final), entries) as staging:
            staging.discard()
    assert left(tmp_path) == []


def folder(path: Path) -> None:
    path.mkdir()


def file(path: Path) -> None:
    path.write_text("there")


IN_THE_WAY: dict[str, tuple[list[Entry], str, Callable[[Path], None]]] = {
    "a folder where a file is to be": (one(1), "", folder),
    "a file where a folder is to be": (TREE, "", file),
    "a folder in place of one of its files": (TREE, "a", folder),
    "a file in place of one of its folders": (TREE, "sub", file),
    "a link in place of one of its folders": (TREE, "sub", lambda path: path.symlink_to("/tmp")),
}


@pytest.mark.parametrize(("entries", "where", "make"), IN_THE_WAY.values(), ids=IN_THE_WAY)
def test_what_is_in_the_way_is_told_and_left(
    tmp_path: Path, entries: list[Entry], where: str, make: Callable[[Path], None]
) -> None:
    final = tmp_path / "final"
    if where:
        final.mkdir()
    make(final / where)
    before = left(tmp_path)
    with pytest.raises(OSError, match=f"nothing was written: '{final / where}'"):
        Staging(str(final), entries).__enter__()
    assert left(tmp_path) == before


def test_a_link_in_the_part_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("untouched")
    (tmp_path / ".file.pysh-part").symlink_to(secret)
    copy(tmp_path / "file", one(3), part(0, b"abc"))
    (tmp_path / ".proj.pysh-part").mkdir()
    (tmp_path / ".proj.pysh-part/a").symlink_to(secret)
    (tmp_path / ".proj.pysh-part/sub").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    copy(tmp_path / "proj", TREE, *PARTS)
    assert secret.read_text() == "untouched" and left(tmp_path / "elsewhere") == []


def test_a_folder_that_is_missing_above_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"there is no folder {tmp_path}/no; nothing was written"):
        Staging(str(tmp_path / "no/file"), one(3)).__enter__()


@no_root
def test_a_folder_that_nobody_may_write_to_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="nothing was written"):
        Staging(str(tmp_path / "file"), one(3)).__enter__()
    tmp_path.chmod(0o700)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of one MiB."""
    (tmp_path / "disk").mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", tmp_path / "disk"], check=False, capture_output=True
    )
    if done.returncode:
        pytest.skip("nothing can be mounted here")
    yield tmp_path / "disk"
    subprocess.run(["umount", tmp_path / "disk"], check=True)


@root_only
def test_a_disk_without_room_is_told_before_anything_is_sent(small: Path) -> None:
    with pytest.raises(OSError, match=r"no space: 2.1 MB to write, 1.0 MB free; nothing was written"):
        Staging(str(small / "file"), one(2 << 20)).__enter__()
    assert left(small) == []


@root_only
def test_a_disk_that_becomes_full_is_told_in_the_same_way(small: Path) -> None:
    with Staging(str(small / "file"), one(1 << 19)) as staging:
        (small / "other").write_bytes(bytes(900_000))
        with pytest.raises(OSError, match="No space left") as caught:
            staging.write(part(0, bytes(1 << 19)))
        staging.discard()
        explained = staging.explained(caught.value)
    assert str(explained) == f"[Errno 28] No space left on device; nothing was written: '{small}/file'"
    assert left(small) == ["other"]


def test_where_a_copy_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there/x")
    rows = [
        ("", FILE, "name"), ("", FOLDER, "name"), ("new", FILE, "new"), ("new", FOLDER, "new"),
        ("new/", FILE, "new/name"), ("there", FILE, "there/name"), ("there", FOLDER, "there"),
        ("there/", FOLDER, "there/name"), ("~/x", FILE, "home/x"), ("/etc/x", FILE, "/etc/x"),
        ("link", FILE, "there/x"),
    ]  # fmt: skip
    for to, kind, final in rows:
        assert place(to, "name", kind) == str(tmp_path / final), (to, kind)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def make_device(path: Path) -> None:
    os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))


@pytest.mark.parametrize(
    ("make", "called"),
    [(os.mkfifo, "a pipe"), (make_socket, "a socket"), pytest.param(make_device, "a device", marks=root_only)],
)
def test_what_is_neither_file_nor_folder_is_never_replaced(
    tmp_path: Path, make: Callable[[Path], None], called: str
) -> None:
    for final, entries, parts in ((tmp_path / "x", one(1), [part(0, b"a")]), (tmp_path / "y", TREE, PARTS)):
        place = final if entries is not TREE else final / "a"
        place.parent.mkdir(exist_ok=True)
        make(place)
        with pytest.raises(FileExistsError, match=f"{called} is there; nothing was written"):
            copy(final, entries, *parts)
        assert not stat.S_ISREG(place.lstat().st_mode)
