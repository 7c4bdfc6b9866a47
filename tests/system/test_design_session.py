"""The session that the design and the README open with, in two real terminals."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shell.terminal import Terminal
from tests.system import wheel
from tests.system.conftest import PYSH, Home, Screens
from tests.system.session import run_session

OPTIONS = ("--cookie", "my_secret_cookie", "--rm", "--sname")
OWN = ("shell", "runtime", "transports")
"""Packages that a user may have, and that are called as our own folders."""


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`pysh` as the built wheel installs it in an empty environment."""
    folder = tmp_path_factory.mktemp("wheel")
    return wheel.install(wheel.build(folder), folder / "venv").with_name("pysh")


@pytest.fixture(params=["tested", "installed"])
def pysh(home: Home, request: pytest.FixtureRequest) -> list[str]:
    """The command under test; the installed one runs in a folder where the user's own packages are."""
    if request.param == "tested":
        return PYSH
    for name in OWN:
        (home.folder / name).mkdir()
        (home.folder / name / "__init__.py").write_text(f"open({str(home.folder / 'imported')!r}, 'a').write({name!r})")
    return [str(request.getfixturevalue("installed"))]


@pytest.fixture
def terminals(home: Home, screens: Screens, pysh: list[str]) -> Iterator[tuple[Terminal, Terminal]]:
    one, two = (screens.run([*pysh, *OPTIONS, name]) for name in ("node1@localhost", "node2@localhost"))
    yield one, two
    for terminal in (one, two):
        terminal.type("\x04")
        assert terminal.wait_exit() == 0
    assert not (home.folder / "imported").exists(), "a package of the user's was taken for one of ours"


def test_the_session_of_the_design_runs_as_printed(terminals: tuple[Terminal, Terminal]) -> None:
    run_session(*terminals, "localhost")


def test_the_users_own_packages_are_found_at_the_prompt_of_an_installed_pysh(
    home: Home, screens: Screens, installed: Path
) -> None:
    for name in OWN:
        (home.folder / name).mkdir()
        (home.folder / name / "__init__.py").write_text(f"mine = 'my {name}'")
    terminal = screens.run([str(installed), "--rm", "--name", "n1@localhost"])
    terminal.wait_for_end("n1@localhost[1]>")
    terminal.type("import shell, runtime, transports, pysh\r")
    terminal.wait_for_end("n1@localhost[2]>")
    terminal.type("shell.mine, call(lambda: runtime.mine), transports.mine\r")
    terminal.wait_for("('my shell', 'my runtime', 'my transports')", "n1@localhost[3]>")
    terminal.type("\x04")
    assert terminal.wait_exit() == 0
