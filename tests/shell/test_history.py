import stat
from pathlib import Path

import pytest

from pysh.shell.history import ENTRIES, TAIL, History


def test_entries_outlive_the_shell_and_the_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "history"
    History(path).add("def f():\n    return 'ä'")
    assert History(path).entries() == ["def f():\n    return 'ä'"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_shells_see_what_the_other_adds(tmp_path: Path) -> None:
    one, two = History(tmp_path / "h"), History(tmp_path / "h")
    one.add("1")
    two.add("2")
    one.add("3")
    assert one.entries() == two.entries() == ["1", "2", "3"]


@pytest.mark.parametrize(
    "source", ["", "  ", " private()", "start(cookie='x')", 'COOKIE = "x"', "f(b'my_secret_cookie')"]
)
def test_what_is_secret_or_empty_is_not_kept(tmp_path: Path, source: str) -> None:
    history = History(tmp_path / "h", secret="my_secret_cookie")
    history.add(source)
    assert history.entries() == []
    assert not (tmp_path / "h").exists()


def test_a_repeated_entry_is_kept_once(tmp_path: Path) -> None:
    history = History(tmp_path / "h")
    for source in ("a", "a", "b", "a"):
        history.add(source)
    assert history.entries() == ["a", "b", "a"]


def test_damaged_records_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "h"
    path.write_bytes(b'{"src": "a"}\n\xff\n[]\n{"src": 1}\n{"src": "b"}\n{"src": "unfin')
    assert History(path).entries() == ["a", "b"]


def test_only_the_end_of_a_long_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "h"
    path.write_text("".join(f'{{"src": "entry {n:06}"}}\n' for n in range(100_000)))
    assert path.stat().st_size > TAIL
    entries = History(path).entries()
    assert (len(entries), entries[-1]) == (ENTRIES, "entry 099999")


def test_a_file_that_was_emptied_is_read_anew(tmp_path: Path) -> None:
    history = History(tmp_path / "h")
    history.add("a longer entry")
    assert history.entries() == ["a longer entry"]
    (tmp_path / "h").write_text("")
    history.add("b")
    assert history.entries() == ["a longer entry", "b"]


def test_without_a_writable_file_the_entries_of_this_shell_remain(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (None, tmp_path / "file" / "history"):
        history = History(path)
        history.add("a")
        assert history.entries() == ["a"]
