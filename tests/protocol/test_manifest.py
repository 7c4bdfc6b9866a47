"""What may be offered to be written, and in which order its bytes may come."""

import pytest

from pysh.runtime.protocol.manifest import (
    FILE,
    FOLDER,
    LINK,
    BadManifest,
    Entry,
    Part,
    Progress,
    check,
    leads_out,
    sized,
    total,
)

TOP = Entry("", FOLDER, 0o755)
ALLOWED = {
    "a file": [Entry("", FILE, 0o644, 5)],
    "an empty folder": [TOP],
    "what a folder holds": [
        TOP, Entry("a", FILE, 0o600, 5), Entry("sub", FOLDER, 0o700), Entry("sub/deep", FOLDER, 0o700),
        Entry("sub/deep/b ..", FILE, 0, 0), Entry("sub/up", LINK, 0, target="../a"), Entry("...", FILE),
    ],
}  # fmt: skip
REFUSED = {
    "nothing": [],
    "a link at the top": [Entry("", LINK, target="a")],
    "a top with a name": [Entry("a", FILE)],
    "a file that holds another": [Entry("", FILE), Entry("a", FILE)],
    "an absolute path": [TOP, Entry("/etc/passwd", FILE)],
    "a path that leads out": [TOP, Entry("../a", FILE)],
    "a path that leads out further down": [TOP, Entry("a", FOLDER), Entry("a/../../b", FILE)],
    "a path with a dot": [TOP, Entry("./a", FILE)],
    "an empty part": [TOP, Entry("a", FOLDER), Entry("a//b", FILE)],
    "a zero byte": [TOP, Entry("a\0b", FILE)],
    "a path too long": [TOP, Entry("a" * 5000, FILE)],
    "the same path twice": [TOP, Entry("a", FILE), Entry("a", FOLDER)],
    "a file in no folder": [TOP, Entry("a/b", FILE)],
    "a file in a file": [TOP, Entry("a", FILE), Entry("a/b", FILE)],
    "a file behind a link": [TOP, Entry("a", LINK, target="."), Entry("a/b", FILE)],
    "a link to elsewhere": [TOP, Entry("a", LINK, target="/etc")],
    "a link upwards": [TOP, Entry("a", LINK, target="..")],
    "a link out through another": [TOP, Entry("a", LINK, target="b/../../etc")],
    "a device": [TOP, Entry("a", "device")],
    "a size below nothing": [TOP, Entry("a", FILE, 0o600, -1)],
    "a file that runs as its owner": [TOP, Entry("a", FILE, 0o4755)],
}


@pytest.mark.parametrize("entries", ALLOWED.values(), ids=ALLOWED)
def test_what_stays_within_its_top_may_be_written(entries: list[Entry]) -> None:
    check(entries)


@pytest.mark.parametrize("entries", REFUSED.values(), ids=REFUSED)
def test_what_does_not_is_refused(entries: list[Entry]) -> None:
    with pytest.raises(BadManifest):
        check(entries)


LINKS = [
    ("a", "b", False), ("a", "./b", False), ("a", "b/c/d", False), ("a", "..", True), ("a", ".", False),
    ("d/a", "..", False), ("d/a", "../b", False), ("d/a", "../../b", True), ("d/a", ".././../b", True),
    ("d/e/a", "../../b", False), ("a", "/", True), ("a", "", True), ("a", "b/..", True), ("a", "b\0", True),
]  # fmt: skip


@pytest.mark.parametrize(("path", "target", "out"), LINKS)
def test_a_link_leads_out_or_stays(path: str, target: str, out: bool) -> None:
    assert leads_out(path, target) is out


FILES = [TOP, Entry("a", FILE, 0o600, 4), Entry("sub", FOLDER), Entry("sub/empty", FILE), Entry("z", FILE, 0o600, 2)]
DIGEST = b"d" * 32


@pytest.mark.parametrize("part", [Part(3, 1 << 40, b"data"), Part(0, 0, b"", DIGEST), Part(1, 5, b"x", DIGEST)])
def test_a_part_travels_as_a_head_and_its_bytes(part: Part) -> None:
    assert Part.unpacked(part.packed()) == part


@pytest.mark.parametrize("said", [b"", b"too short"])
def test_bytes_without_a_head_are_no_part(said: bytes) -> None:
    with pytest.raises(BadManifest):
        Part.unpacked(said)


def test_parts_are_taken_in_their_order() -> None:
    progress = Progress(FILES)
    assert (progress.bytes, progress.total, total(FILES)) == (0, 6, 6)
    progress.take(Part(1, 0, b"ab"), kept=0)
    progress.take(Part(1, 2, b"cd", DIGEST), kept=0)
    progress.take(Part(3, 0, b"", DIGEST), kept=0)
    assert not progress.done and progress.bytes == 4
    progress.take(Part(4, 1, b"x", DIGEST), kept=1)
    assert progress.done and progress.bytes == 6


def test_a_file_that_is_there_needs_nothing_but_its_digest() -> None:
    progress = Progress(FILES[:2])
    progress.take(Part(1, 4, b"", DIGEST), kept=4)
    assert progress.done and progress.bytes == 4


OUT_OF_TURN = {
    "another file": Part(3, 0, b"", DIGEST),
    "a folder": Part(2, 0, b"", DIGEST),
    "no such entry": Part(9, 0, b"ab"),
    "a gap": Part(1, 3, b"a"),
    "what was kept by nobody": Part(1, 1, b"abc", DIGEST),
    "too much": Part(1, 0, b"abcde", DIGEST),
    "an end too early": Part(1, 0, b"ab", DIGEST),
    "an end without a digest": Part(1, 0, b"abcd"),
    "nothing": Part(1, 0, b""),
}


@pytest.mark.parametrize("part", OUT_OF_TURN.values(), ids=OUT_OF_TURN)
def test_a_part_out_of_turn_is_refused(part: Part) -> None:
    with pytest.raises(BadManifest):
        Progress(FILES).take(part, kept=2)


def test_nothing_comes_after_the_end() -> None:
    progress = Progress([Entry("", FILE)])
    progress.take(Part(0, 0, b"", DIGEST), kept=0)
    with pytest.raises(BadManifest):
        progress.take(Part(0, 0, b"", DIGEST), kept=0)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (3_100_000, "3.1 MB"), (64e9, "64.0 GB"), (2e15, "2000.0 TB")]
)
def test_sizes_are_shown_as_people_read_them(size: float, text: str) -> None:
    assert sized(size) == text
