"""What a line of shell leaves in the environment."""

from pathlib import Path

import pytest

from pysh.runtime.hub.environment import after
from pysh.runtime.places import ConfigError


@pytest.fixture(autouse=True)
def shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/bin/bash")
    monkeypatch.setenv("KEPT", "as it was")


def test_what_a_line_adds_or_changes_is_there_and_what_it_prints_is_not(tmp_path: Path) -> None:
    (tmp_path / "activate").write_text('export FOUND="two\nlines=3" KEPT=changed; echo Hello\n')
    found = after("source ./activate;", str(tmp_path))
    assert (found["FOUND"], found["KEPT"]) == ("two\nlines=3", "changed")
    assert "PATH" not in found


def test_a_line_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"exit status 127: .*nonsense: command not found"):
        after("nonsense", str(tmp_path))


def test_a_shell_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/nonexistent/sh")
    with pytest.raises(ConfigError, match="the shell cannot be started"):
        after("true", str(tmp_path))
