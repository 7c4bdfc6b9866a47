"""Our command line completed by the shells themselves: bash, zsh and fish where they are installed."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pysh.runtime.hub import discovery
from pysh.shell import options, outside
from pysh.shell.outside import words
from tests.shell.terminal import Terminal

SHELLS = ("bash", "zsh", "fish")
START = {
    "bash": ["--norc", "--noprofile", "-i"],
    "zsh": ["-f", "-i"],
    "fish": ["--no-config", "-i"],
}
READY = {
    "bash": "PS1='$ '; bind 'set enable-bracketed-paste off'; source pysh.bash",
    "zsh": "PS1='$ '; autoload -Uz compinit; compinit -u -D; source pysh.zsh",
    "fish": "function fish_prompt; echo '$ '; end; source pysh.fish",
}
SSH = "Include extra/*.conf\n# Host no\nHost web1 web2 *.lab !web9 $(touch${IFS}ran)\n  User me\nHost db1"
CASES = [
    ("pysh att", "pysh attach "),
    ("pysh ls --j", "pysh ls --json "),
    ("pysh --cookie stop compl", "pysh --cookie stop completion "),
    ("pysh attach al", "pysh attach alpha@localhost "),
    ("pysh attach alpha@lo", "pysh attach alpha@localhost "),
    ("pysh stop beta@d", "pysh stop beta@db1 "),
    ("pysh ls fa", "pysh ls far1 "),
    ("pysh node --on d", "pysh node --on db1 "),
    ("pysh node --hostkey ", "pysh node --hostkey accept-new "),
    ("pysh node --hostkey=a", "pysh node --hostkey=accept-new "),
    ("pysh cookie copy d", "pysh cookie copy db1 "),
    ("pysh --cookie-file sec", "pysh --cookie-file secret.txt "),
    ("pysh coun", "pysh count.pysh "),
    ("pysh count.pysh sec", "pysh count.pysh secret.txt "),
    ("pysh --on al", "pysh --on alpha@localhost "),
    ("pysh -m json.tool sec", "pysh -m json.tool secret.txt "),
    ("pysh -c 1 sec", "pysh -c 1 secret.txt "),
    ("pysh completion z", "pysh completion zsh "),
]
"""What is typed, and what stands there after Tab."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home and current folder, with hosts, files and two nodes."""
    monkeypatch.setenv("PYSH_RUNTIME_DIR", str(tmp_path / "run"))
    (tmp_path / ".ssh" / "extra").mkdir(parents=True)
    (tmp_path / ".ssh" / "config").write_text(SSH)
    (tmp_path / ".ssh" / "extra" / "more.conf").write_text("Host far1\n")
    (tmp_path / "count.pysh").touch()
    (tmp_path / "secret.txt").touch()
    for shell in SHELLS:
        (tmp_path / f"pysh.{shell}").write_text(outside.script(shell))
    claims = [discovery.claim(f"{name}@localhost") for name in ("alpha", "beta")]
    for claim in claims:
        claim.publish({"incarnation": "00" * 16})
    yield tmp_path
    for claim in claims:
        claim.release()


@pytest.fixture
def opened(folder: Path) -> Iterator[Callable[[str], Terminal]]:
    """Opens a shell that has read our script."""
    with ExitStack() as stack:

        def open_shell(shell: str) -> Terminal:
            if not (found := shutil.which(shell)):
                pytest.skip(f"there is no {shell} here")
            env = {"HOME": str(folder), "PYSH_RUNTIME_DIR": os.environ["PYSH_RUNTIME_DIR"], "LC_ALL": "C.UTF-8"}
            terminal = stack.enter_context(Terminal([found, *START[shell]], env, cwd=folder))
            terminal.type(READY[shell] + "; clear\r")
            terminal.wait(lambda: terminal.lines == ["$"], "a clear prompt")
            return terminal

        yield open_shell


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_our_commands_options_nodes_and_hosts(
    opened: Callable[[str], Terminal], folder: Path, shell: str
) -> None:
    terminal = opened(shell)
    for typed, completed in CASES:
        terminal.type(typed + "\t")
        terminal.wait(
            lambda completed=completed: (  # type: ignore[misc]
                terminal.lines[-1:] == [f"$ {completed}".rstrip()] and terminal.screen.cursor.x == len(f"$ {completed}")
            ),
            repr(completed),
        )
        terminal.type("\x15\x0b")
        terminal.wait(lambda: terminal.lines[-1:] == ["$"], "an empty line")
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_what_several_words_could_be_is_listed(opened: Callable[[str], Terminal], shell: str) -> None:
    terminal = opened(shell)
    terminal.type("pysh cookie \t\t")
    terminal.wait(lambda: {"new", "show", "copy"} <= {*" ".join(terminal.lines).split()}, "the words")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_has_every_command_and_option_and_starts_no_python(shell: str) -> None:
    script = outside.script(shell)
    for name in ("", *options.COMMANDS):
        for action in options.parser(name)._actions:
            for option in action.option_strings:
                assert option.removeprefix("--" if shell == "fish" else "") in script, (name, option)
        assert name in script
    assert "import " not in script
    if found := shutil.which(shell):
        checked = subprocess.run([found, "-n"], input=script, text=True, capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_every_metavar_means_something_to_be_looked_up_or_nothing() -> None:
    known = words.commands()
    assert [one.name for one in known] == ["", *options.COMMANDS]
    assert {word.kind for one in known for word in one.words} <= {"", *words.KINDS.values()}
