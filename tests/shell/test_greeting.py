"""Who starts a shell for the first time is told how to begin."""

from pathlib import Path

from pysh.shell.greeting import TEXT, greeting


def test_a_user_is_greeted_once(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "pysh"
    assert greeting(str(folder)) == TEXT
    assert greeting(str(folder)) == ""
    assert folder.stat().st_mode & 0o777 == 0o700


def test_where_it_cannot_be_noted_nobody_is_greeted_at_every_start(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    assert greeting(str(tmp_path / "state")) == ""
