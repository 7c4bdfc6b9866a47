"""What there is to send of a file or folder, and what is refused before anything is sent."""

import hashlib
import os
import socket
from pathlib import Path

import pytest

from pysh.runtime.protocol.manifest import FILE, FOLDER, LINK, BadManifest, Entry, check
from pysh.runtime.tree import PIECE, Changed, Source, scan


def test_a_folder_is_listed_with_modes_sizes_and_links(tmp_path: Path) -> None:
    top = tmp_path / "proj"
    (top / "sub/deep").mkdir(parents=True)
    (top / "b").write_text("bb")
    (top / "sub/a").write_text("a")
    (top / "sub/a").chmod(0o4751)
    (top / "sub/up").symlink_to("../b")
    (top / ".b.pysh-part").write_text("half of it")
    top.chmod(0o750)
    entries = scan(str(top))
    check(entries)
    assert [(entry.path, entry.kind) for entry in entries] == [
        ("", FOLDER), ("b", FILE), ("sub", FOLDER), ("sub/a", FILE), ("sub/deep", FOLDER), ("sub/up", LINK),
    ]  # fmt: skip
    assert entries[0].mode == 0o750
    assert entries[3] == Entry("sub/a", FILE, 0o751, 1)
    assert entries[5].target == "../b"


def test_a_link_that_is_named_is_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("abc")
    (tmp_path / "link").symlink_to("file")
    assert scan(str(tmp_path / "link"))[0].size == 3


def test_a_link_that_leads_out_is_refused_with_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "proj").mkdir()
    (tmp_path / "proj/data").symlink_to("/scratch/data")
    with pytest.raises(BadManifest, match=r"the link .*/proj/data leads out of .*/proj, to /scratch/data; nothing"):
        scan(str(tmp_path / "proj"))


def test_what_is_neither_file_nor_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "proj").mkdir()
    os.mkfifo(tmp_path / "proj/pipe")
    with pytest.raises(BadManifest, match="pipe is neither a file nor a folder"):
        scan(str(tmp_path / "proj"))
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "s"))
        with pytest.raises(BadManifest, match="neither a file nor a folder"):
            scan(str(tmp_path / "s"))
    with pytest.raises(FileNotFoundError):
        scan(str(tmp_path / "gone"))


def read(source: Source) -> tuple[bytes, bytes]:
    data = b""
    while True:
        piece, digest = source.read()
        data += piece
        if digest is not None:
            return data, digest


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 2 * PIECE])
def test_a_file_is_read_in_pieces_with_its_digest_last(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(size))
    with Source(str(path), size, follow=False) as source:
        assert read(source) == (path.read_bytes(), hashlib.sha256(path.read_bytes()).digest())


def test_what_is_there_already_is_skipped_if_it_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    whole = hashlib.sha256(b"0123456789").digest()
    with Source(str(path), 10, follow=False) as source:
        source.skip(4, hashlib.sha256(b"0123").digest())
        assert read(source) == (b"456789", whole)
    with Source(str(path), 10, follow=False) as source:
        source.skip(4, hashlib.sha256(b"else").digest())
        assert read(source) == (b"0123456789", whole)
    with Source(str(path), 10, follow=False) as source:
        source.skip(10, whole)
        assert read(source) == (b"", whole)
    with Source(str(path), 10, follow=False) as source:
        source.skip(11, whole)
        assert read(source)[0] == b"0123456789"


CHANGES = {
    "grows": lambda path: os.truncate(path, 2 * PIECE),
    "shrinks": lambda path: os.truncate(path, 5),
    "is written anew": lambda path: os.utime(path, ns=(1, 1)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_file_is_refused_that_while_it_is_read(tmp_path: Path, change: object) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(PIECE + 1))
    with Source(str(path), PIECE + 1, follow=False) as source:
        source.read()
        change(path)  # type: ignore[operator]
        with pytest.raises(Changed, match="changed while it was read"):
            read(source)


def test_a_file_that_changed_since_it_was_listed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("abc")
    (tmp_path / "link").symlink_to("file")
    with pytest.raises(Changed):
        Source(str(tmp_path / "file"), 2, follow=False)
    with pytest.raises(OSError, match="link"):
        Source(str(tmp_path / "link"), 3, follow=False)
