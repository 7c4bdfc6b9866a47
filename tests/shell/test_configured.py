"""The settings of the prompt as a file has them, and what is said of one that cannot be used."""

from pathlib import Path

import pytest

from pysh.runtime import project
from pysh.shell import configured
from pysh.shell.settings import DEFAULTS, Settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_what_is_configured_holds_and_its_place_is_known(file: Path) -> None:
    file.write_text('[groups]\ntheme = "web1"\n\n[shell]\nediting = "vi"\n  "theme"="dark"  # night\nhistory = false\n')
    told = configured.read(str(file))
    assert told.settings == DEFAULTS._replace(editing="vi", theme="dark", history=False)
    assert told.where == {"editing": f"{file}:5", "theme": f"{file}:6", "history": f"{file}:7"}
    assert told.wrong == []


@pytest.mark.parametrize("text", ["", "\n", "[shell]\n", '[groups]\ngpu = "web1"\n'])
def test_what_says_nothing_of_the_prompt_changes_nothing(file: Path, text: str) -> None:
    file.write_text(text)
    assert configured.read(str(file)) == (DEFAULTS, {}, [])


def test_without_a_file_the_defaults_hold(file: Path) -> None:
    assert configured.read(str(file)) == (DEFAULTS, {}, [])


WRONG = [
    (b'[shell]\nediting = "vim"\n', "{}:2: editing is one of emacs, vi, not 'vim'"),
    (b"[shell]\n\ntheme = 4\n", "{}:3: theme is one of ansi, dark, light, mono, not '4'"),
    (b'[shell]\nhistory = "no"\n', "{}:2: history is true or false, not 'no'"),
    (b"[shell]\nhistory = 0\n", "{}:2: history is true or false, not '0'"),
    (b'[shell]\ntheme = ["dark"]\n', "{}:2: theme is one of ansi, dark, light, mono, not \"['dark']\""),
    (
        b'[shell]\n"\\u001b[31m" = 1\n',
        "{}:1: [shell] has no setting '?[31m'; it has editing, theme, suggestions, history, signature",
    ),
    (b"shell.colour = 1\n", "{}:1: [shell] has no setting 'colour'; it has"),
    (b"\nshell = 3\n", "{}:2: shell is no table: write [shell]"),
    (b'[groups]\n[shel]\ntheme = "dark"\n', "{}:2: there is no table ['shel']; there are [groups], [shell]"),
    (b"[groups]\n[shell]\n[theme]\n", "{}:3: there is no table ['theme']; there are [groups], [shell]"),
    (b'editing = "vim"\n', "{}:1: editing is a setting of [shell]: it stands below a line with [shell]"),
    (b'colour = "vim"\n', "{}:1: there is no setting 'colour'; there are [groups], [shell]"),
    (b'[shell]\ntheme = "dark\n', "the configuration is no TOML ({}:2: "),
    (b"[shell]\n\xff\n", "the configuration is no UTF-8 ({}:2)"),
]


@pytest.mark.parametrize(("data", "said"), WRONG, ids=[row[1][:40] for row in WRONG])
def test_what_cannot_be_used_is_told_in_a_line_with_its_place_and_the_default_holds(
    file: Path, data: bytes, said: str
) -> None:
    file.write_bytes(data)
    told = configured.read(str(file))
    assert told.settings == DEFAULTS
    assert [line.startswith(said.format(file)) for line in told.wrong] == [True], told.wrong
    assert told.wrong[0].isprintable()


def test_a_mistake_leaves_what_is_right_beside_it(file: Path) -> None:
    file.write_text('[shell]\ntheme = "pink"\nediting = "vi"\n')
    told = configured.read(str(file))
    assert told.settings == Settings(editing="vi")
    assert len(told.wrong) == 1


def test_of_many_mistakes_some_are_told(file: Path) -> None:
    file.write_text("[shell]\n" + "".join(f"x{n} = 1\n" for n in range(100)))
    told = configured.read(str(file)).wrong
    assert len(told) == configured.MOST_SAID + 1
    assert told[-1] == f"{file}: and 95 more mistakes"


def test_a_folder_in_its_place_is_told(file: Path) -> None:
    file.mkdir()
    assert configured.read(str(file)).wrong == [f"the configuration cannot be read ({file}: Is a directory)"]


def test_each_setting_has_values_that_are_checked() -> None:
    for name, value in DEFAULTS._asdict().items():
        assert configured._why_not(name, value) == ""
        assert configured._why_not(name, 4) != ""


def test_what_a_trusted_project_says_comes_first(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file.write_text('[shell]\nediting = "vi"\ntheme = "dark"\n')
    own = tmp_path / ".pysh.toml"
    own.write_text('[shell]\ntheme = "mono"\nhistory = 3\n\n[start]\ncode = ""\n\n[groups]\n')
    assert configured.read(str(file), str(own)) == configured.read(str(file))
    project.trust(project.read(str(own)))
    told = configured.read(str(file), str(own))
    assert told.settings == DEFAULTS._replace(editing="vi", theme="mono")
    assert told.where == {"editing": f"{file}:2", "theme": f"{own}:2"}
    assert told.wrong == [
        f"{own}:8: there is no table ['groups']; there are [shell], [start]",
        f"{own}:3: history is true or false, not '3'",
    ]
    own.write_text('[shell]\ntheme = "light"\n')
    assert configured.read(str(file), str(own)).settings.theme == "dark"
    assert configured.read(str(file), str(tmp_path / "none")).wrong == []
