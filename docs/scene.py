"""A prompt at a terminal of its own, somebody who types, and what is to be seen then."""

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from tests.shell.terminal import Terminal

PEERS = Path(sys.prefix) / "peers" / "bin"
"""Where `make comparison` installs the prompts that are Python packages."""
SIZE = (40, 100)
QUIET, LONGEST = 0.4, 8.0
"""Seconds in which nothing more is shown after a key, and how long that is waited for, on a machine that is idle."""
READY = 30.0
"""Seconds until a prompt is there, or its scene is broken."""
PATIENCE = 5.0
"""Seconds until what is looked for is there, or is taken not to come; there, too."""


def slowness() -> float:
    """How many times longer things take than on an idle machine."""
    return min(max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)), 3.0)


class Prompt(NamedTuple):
    """How a prompt is started, and what it shows once it can be typed at."""

    command: str
    ready: str


PROMPTS = {
    "pysh": Prompt("pysh --rm", r"\[1\]> ?$"),
    "iex": Prompt("iex", r"\(1\)> ?$"),
    "IPython": Prompt("ipython --no-banner", r"In \[1\]: ?$"),
    "ptpython": Prompt("ptpython", r"^>>> ?$"),
    "xonsh": Prompt("xonsh", r"[@#$] ?$"),
    "CPython": Prompt("python3.13", r"^>>> ?$"),
}
KEYPAD, PASTES = 1, 2004
"""Modes of a terminal: arrows are sent in another way, pastes are marked."""
NONE, YES, NO = "-", "yes", "no"


class Probe(NamedTuple):
    """A row: what is typed at each prompt, and what is looked for then."""

    what: str
    how: str
    keys: Any
    """The steps of all prompts, or of some by their names; `python` stands for all but iex."""
    look: dict[str, Any]
    """What is looked for, by where: all of it must be so. Groups in a pattern are what the page says, not yes."""
    start: Any = None
    """A command in place of the usual one."""
    ready: str | None = None
    early: str = ""
    """Keys that are not kept waiting for the first prompt."""
    options: Any = None
    """With which of its options a prompt is tried once more that did not do it without."""
    files: Any = {}
    env: dict[str, str] = {}
    before: Any = None
    after: Any = None
    """Commands that make the scene and clear it away."""
    tests: list[str] = []


def of(table: Any, prompt: str) -> Any:
    """What a field of a probe says for a prompt."""
    if not isinstance(table, dict):
        return table
    return table.get(prompt, table.get("python") if prompt != "iex" else None)


class Broken(Exception):
    """The scene itself failed, which says nothing of the prompt in it."""


class Scene:
    """A home of its own, and the terminals in it."""

    def __init__(self, probe: Probe, prompt: str, options: str, home: Path) -> None:
        self.probe, self.home = probe, home
        usual = PROMPTS[prompt]
        start = of(probe.start, prompt)
        self.command = " ".join(filter(None, (start or usual.command, options)))
        self.ready = probe.ready or (r"\S *$" if start else usual.ready)
        self.env = {
            "HOME": str(home), "PYSH_RUNTIME_DIR": str(home / "r"), "PATH": search_path(), "SHELL": "/bin/sh",
            "EDITOR": str(home / "editor"), "PROMPT_TOOLKIT_NO_CPR": "1", **probe.env,
        }  # fmt: skip
        self.terminals: list[Terminal] = []
        self.look_before: Any = None

    @property
    def terminal(self) -> Terminal:
        return self.terminals[-1]

    def run(self, command: str) -> None:
        """A command outside of the terminals, to its end. Raises `Broken` if it fails, or takes a minute."""
        env = {"TERM": "xterm", "LANG": "C.UTF-8", **self.env}
        try:
            done = subprocess.run(
                ["sh", "-c", command], cwd=self.home, env=env, capture_output=True, text=True, timeout=60
            )
        except subprocess.TimeoutExpired as error:
            raise Broken(str(error)) from None
        if done.returncode:
            raise Broken(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")

    def open(self) -> None:
        """One more terminal, in front of the others. Raises `Broken` if its prompt does not come."""
        made = Terminal(shlex.split(self.command), self.env, size=SIZE, cwd=self.home)
        self.terminals.append(made)
        made.type(self.probe.early)
        if not self.probe.early:
            try:
                made.wait(lambda: made.lines and re.search(self.ready, made.lines[-1]), "prompt", READY)
            except AssertionError as error:
                raise Broken(str(error)) from None
        self.settle()

    def close(self) -> None:
        """The window in front is closed."""
        terminal = self.terminals.pop()
        terminal.hang_up()
        try:
            terminal.process.wait(10)
        except subprocess.TimeoutExpired:
            terminal.process.kill()
            terminal.process.wait()

    def settle(self) -> None:
        """Wait until nothing more is shown."""
        until = time.monotonic() + LONGEST * slowness()
        seen = -1
        while seen != len(self.terminal.raw) and time.monotonic() < until:
            seen = len(self.terminal.raw)
            for _ in range(int(QUIET * slowness() / 0.1)):
                self.terminal.settle(0.1)

    def do(self, step: Any) -> None:
        """One step: text is typed, a table says what else happens."""
        self.look_before = picture(self.terminal)
        match step:
            case str():
                self.terminal.type(re.sub("\x1b\\[(?=[A-D])", "\x1bO", step) if self.has(KEYPAD) else step)
            case {"paste": text} if self.has(PASTES):
                self.terminal.paste(text)
            case {"paste": text}:
                self.terminal.type(text.replace("\n", "\r"))
            case {"wait": seconds}:
                self.terminal.settle(seconds)
            case {"run": command}:
                self.run(command)
            case {"open": command}:
                self.command = command or self.command
                self.open()
            case {"close": _}:
                self.close()
                self.terminals or self.open()
            case {"turn": _}:
                self.terminals.insert(0, self.terminals.pop())
        if self.terminal.process.poll() is None:
            self.settle()

    def has(self, mode: int) -> bool:
        """Whether the program in front has asked the terminal for this."""
        return mode << 5 in self.terminal.screen.mode

    def found(self, where: str, pattern: Any) -> Any:
        """Whether what is looked for is there; a text if that is to be told."""
        text = "\n".join(self.terminal.lines)
        match where:
            case "seen" | "last":
                found = re.search(pattern, self.terminal.lines[-1] if where == "last" and text else text, re.MULTILINE)
                return bool(found) and (" ".join(found.groups("")).strip() or True)
            case "aside":
                return bool(re.search(pattern, "\n".join(self.terminal.screen.display)))
            case "unseen":
                return not re.search(pattern, text, re.MULTILINE)
            case "sent" | "unsent":
                return bool(re.search(pattern.encode(), self.terminal.raw)) == (where == "sent")
            case "file" | "nofile":
                return any(self.home.glob(pattern)) == (where == "file")
            case "coloured":
                return any(look[0] != "default" for char, look in picture(self.terminal) if char in pattern)
            case "changed":
                now, then = (dict(each) for each in (picture(self.terminal), self.look_before))
                return now.get(pattern) != then.get(pattern)
            case "runs":
                return subprocess.run(["sh", "-c", pattern], cwd=self.home, env=self.env).returncode == 0
            case "wrote":
                return f"{len(self.terminal.raw) / 1000:.0f} KB"
        raise ValueError(where)

    def outcome(self) -> str:
        """Wait for all that is looked for."""
        until = time.monotonic() + PATIENCE * slowness()
        while True:
            found = [self.found(*each) for each in self.probe.look.items()]
            negative = any(where.startswith(("un", "no")) for where in self.probe.look)
            over = time.monotonic() > until
            if (all(found) and not negative) or over:
                break
            self.terminal.settle(0.1)
        told = [each for each in found if isinstance(each, str)]
        return (", ".join(told) or YES) if all(found) else NO


def picture(terminal: Terminal) -> list[tuple[str, Any]]:
    """The characters of the line with the cursor, and how they look."""
    row = terminal.screen.buffer[terminal.screen.cursor.y]
    return [(char.data, tuple(char)[1:]) for char in (row[column] for column in range(SIZE[1]))]


def search_path() -> str:
    """Where commands are found: ours, the peers, and what else there is."""
    return ":".join((str(Path(sys.executable).parent), str(PEERS), os.environ["PATH"]))


@contextmanager
def scene(probe: Probe, prompt: str, options: str) -> Iterator[Scene]:
    """The scene of a probe, cleared away at the end."""
    with tempfile.TemporaryDirectory(prefix="c", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        files = {**probe.files.get("all", {}), **probe.files.get(prompt, {})}
        for name, text in files.items():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(text)
            (home / name).chmod(0o700 if text.startswith("#!") else 0o600)
        made = Scene(probe, prompt, options, home)
        try:
            if before := of(probe.before, prompt):
                made.run(before)
            made.open()
            yield made
        finally:
            while made.terminals:
                made.close()
            if after := of(probe.after, prompt):
                made.run(after)
            _end_all(home)


def _end_all(home: Path) -> None:
    """End what still runs with that home: a prompt may outlive its terminal, and a cell that waits for keys with it."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("HOME") == str(home):
                process.terminate()
