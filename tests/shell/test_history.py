import stat
import time
from pathlib import Path

import pytest

from pysh.shell.history import ENTRIES, TAIL, Entry, History


def sources(history: History) -> list[str]:
    return [entry.source for entry in history.entries()]


def test_entries_outlive_the_shell_and_the_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "history"
    History(path).add("def f():\n    return 'ä'")
    assert sources(History(path)) == ["def f():\n    return 'ä'"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_shells_see_what_the_other_adds(tmp_path: Path) -> None:
    one, two = History(tmp_path / "h"), History(tmp_path / "h")
    one.add("1")
    two.add("2")
    one.add("3")
    assert sources(one) == sources(two) == ["1", "2", "3"]


def test_an_entry_has_its_node_its_folder_and_its_time(tmp_path: Path) -> None:
    one = History(tmp_path / "h")
    one.node, one.folder = "n1@here", "/srv/app"
    before = time.time()
    one.add("x")
    (entry,) = History(tmp_path / "h").entries()
    assert entry == Entry("x", "n1@here", "/srv/app", entry.time)
    assert before - 0.001 <= entry.time <= time.time() + 0.001


def test_entries_of_an_older_version_have_no_place(tmp_path: Path) -> None:
    (tmp_path / "h").write_text('{"t": 1, "node": "", "src": "a"}\n{"src": "b"}\n')
    assert History(tmp_path / "h").entries() == [Entry("a", time=1.0), Entry("b")]


@pytest.mark.parametrize(
    "source",
    ["", "  ", " private()", "start(cookie='x')", 'COOKIE = "x"', "f(b'my_secret_cookie')", "t = secret('token? ')"],
)
def test_what_is_secret_or_empty_is_not_kept(tmp_path: Path, source: str) -> None:
    history = History(tmp_path / "h", secret="my_secret_cookie")
    history.add(source)
    assert sources(history) == []
    assert not (tmp_path / "h").exists()


def test_a_repeated_entry_is_kept_once(tmp_path: Path) -> None:
    history = History(tmp_path / "h")
    for source in ("a", "a", "b", "a"):
        history.add(source)
    assert sources(history) == ["a", "b", "a"]


def test_damaged_records_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "h"
    records = [b'{"src": "a"}', b"\xff", b"[]", b'{"src": "c", "node": 1}', b'{"src": "c", "t": "x"}', b'{"src": 1}']
    path.write_bytes(b"\n".join([*records, b'{"src": "b"}', b'{"src": "unfin']))
    assert sources(History(path)) == ["a", "b"]


def test_only_the_end_of_a_long_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "h"
    path.write_text("".join(f'{{"src": "entry {n:06}"}}\n' for n in range(100_000)))
    assert path.stat().st_size > TAIL
    entries = sources(History(path))
    assert (len(entries), entries[-1]) == (ENTRIES, "entry 099999")


def test_a_file_that_was_emptied_is_read_anew(tmp_path: Path) -> None:
    history = History(tmp_path / "h")
    history.add("a longer entry")
    assert sources(history) == ["a longer entry"]
    (tmp_path / "h").write_text("")
    history.add("b")
    assert sources(history) == ["a longer entry", "b"]


def test_without_a_writable_file_the_entries_of_this_shell_remain(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (None, tmp_path / "file" / "history"):
        history = History(path)
        history.add("a")
        assert sources(history) == ["a"]
