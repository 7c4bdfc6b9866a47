"""The ten everyday tasks of the documents, typed as they are printed, and the keys that they take."""

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.shell.terminal import Terminal
from tests.system.conftest import Home

PAGE = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text()
SECTIONS = PAGE.split("\n## ")[1:]
PROMPT = re.compile(r"(\S+@\S+\[\d+\]>) (.*)")
KEYS = re.compile(r"^\| (\S+) \| (`.*`) \| (\d+) \|$", re.MULTILINE)


class Step(NamedTuple):
    """A line that is typed, at a prompt or (`$`) in a shell, and what it shows."""

    prompt: str
    typed: str
    shown: list[str]


def steps(section: str) -> Iterator[Step]:
    """What the transcript of a section does."""
    step: Step | None = None
    for line in section.partition("```console\n")[2].partition("```")[0].splitlines():
        found = PROMPT.fullmatch(line)
        if found or line.startswith("$ "):
            if step is not None:
                yield step
            step = Step(found[1], found[2], []) if found else Step("$", line[2:], [])
        elif line.startswith("..."):
            assert step is not None
            step = step._replace(typed=f"{step.typed}\n{line[4:]}")
        else:
            assert step is not None
            step.shown.append(line)
    assert step is not None
    yield step


def shows(lines: list[str], expected: list[str]) -> bool:
    """Whether lines as `expected` are among `lines`, in their order."""
    rest = iter(line.strip() for line in lines)
    patterns = (re.escape(line.strip()).replace("…", ".*") for line in expected if line != "…")
    return all(any(re.fullmatch(re.sub(r"(\\ )+", " +", pattern), line) for line in rest) for pattern in patterns)


class Typist:
    """Types the steps of one transcript."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.terminal: Terminal | None = None

    def do(self, step: Step) -> None:
        if step.prompt != "$":
            self._at_prompt(step)
            return
        self.leave()
        words = shlex.split(step.typed)
        if words[0] == "pysh" and (words[1] == "attach" or words[1].startswith("--")):
            command = [sys.executable, "-m", "pysh", *words[1:]]
            self.terminal = Terminal(command, self.home.environ, size=(50, 120), cwd=self.home.folder)
        else:
            done = self.home.run(["sh", "-c", step.typed])
            assert done.returncode == 0, done.stderr
            assert shows(done.stdout.splitlines(), step.shown), done.stdout

    def _at_prompt(self, step: Step) -> None:
        terminal = self.terminal
        assert terminal is not None
        terminal.wait_for_end(step.prompt)
        if "\n" in step.typed:
            terminal.paste(step.typed.rstrip())
            terminal.type("\r")
            terminal.wait(lambda: [line.strip() for line in terminal.lines[-1:]] == ["..."], "the line below the block")
        else:
            terminal.type(step.typed)
        terminal.type("\r")
        if step.typed == "exit()":
            assert terminal.wait_exit() == 0
            return
        echo = f"{step.prompt} {step.typed.splitlines()[0]}"

        def shown() -> bool:
            lines = terminal.lines
            at = next((n for n, line in enumerate(lines) if line.startswith(echo)), None)
            return at is not None and shows(lines[at + 1 :], step.shown)

        terminal.wait(shown, f"{step.shown} behind {echo!r}", 20)

    def leave(self) -> None:
        """Close the window, unless the shell has ended."""
        if self.terminal is not None:
            terminal, self.terminal = self.terminal, None
            terminal.hang_up()
            terminal.process.wait(10)


@pytest.fixture
def typist(home: Home) -> Iterator[Typist]:
    folder = home.folder / "bin"
    folder.mkdir()
    (folder / "pysh").write_text(f'#!/bin/sh\nexec {sys.executable} -m pysh "$@"\n')
    (folder / "pysh").chmod(0o755)
    home.environ["PATH"] = f"{folder}:{home.environ['PATH']}"
    made = Typist(home)
    yield made
    made.leave()


@pytest.mark.parametrize("section", SECTIONS, ids=[one.splitlines()[0][:30] for one in SECTIONS])
def test_a_task_runs_as_it_is_printed(typist: Typist, section: str) -> None:
    for step in steps(section):
        typist.do(step)
    typist.leave()


def test_there_are_ten_and_the_keys_are_counted_as_they_are_typed() -> None:
    assert len(SECTIONS) == 10
    rows = [(section, *row) for section in SECTIONS for row in KEYS.findall(section)]
    assert {where for _, where, _, _ in rows} == {"pysh", "iex", "IPython"}
    for section, where, typed, keys in rows:
        lines = re.findall(r"`([^`]+)`", typed)
        assert sum(len(line) + len("\r") for line in lines) == int(keys), typed
        if where == "pysh" and "processes" not in typed:
            assert all(line in section.partition("| where")[0] for line in lines), typed


def test_the_tests_that_the_comparison_names_are_there() -> None:
    root = Path(__file__).parents[2]
    named = re.findall(r"`(test_\w+\.py)`", (root / "docs" / "comparison.md").read_text())
    there = {file.name for file in (root / "tests").rglob("test_*.py")}
    assert len(named) > 10
    assert set(named) <= there
