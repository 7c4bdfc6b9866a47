"""A shell without a terminal that can be painted on: lines in, lines out, and no escape sequence.

For pipes, dumb terminals and `--plain`. A person gets a prompt and may go on after an error; a pipe gets
no prompt, and ends at the first error, so that `pysh attach n1 <cells` tells with 1 that one failed.
"""

import os
import select
import sys
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Mapping
from io import IncrementalNewlineDecoder
from socket import socket
from typing import Any, NamedTuple

from pysh.runtime.protocol.cleaning import clean
from pysh.runtime.protocol.frames import Frame, Kind
from pysh.runtime.protocol.terms import MIRRORED
from pysh.shell import signals
from pysh.shell.boot import Tty, aside, mark, prompt
from pysh.shell.console import Console, HubLost, Refused
from pysh.shell.display import Display
from pysh.shell.enter import Run, Wrong, enter, unindented
from pysh.shell.going import beside, go_back
from pysh.shell.leaving import leave
from pysh.shell.output import Batch, Output
from pysh.shell.stuck import Stuck
from pysh.shell.theme import Theme

OK, FAILED, NODE_LOST, INTERRUPTED = 0, 1, 5, 130
KEYBOARD = 0
END_OF_FILE = b"\x04"
ASKED = "Enter runs that; Ctrl-C, or another line, leaves it: "


def run_plain(
    connect: Callable[[], socket], cookie: bytes, *, given: bool = False, how: Mapping[str, Any] = {}, **proof: Any
) -> int:
    """Be the terminal of a node's shell on standard input and output; the exit code.

    The arguments are those of `terminal.run_terminal`.
    """
    session = Plain(Console(connect(), cookie, given=given, **proof))
    try:
        return session.run(how)
    except HubLost as lost:
        print(f"{session.name}: connection lost: {lost}", file=sys.stderr)
        return NODE_LOST
    except Refused as refused:
        print(f"pysh: {refused}", file=sys.stderr)
        return FAILED
    finally:
        session.close()


class Line(NamedTuple):
    """A line of input; `end` for the end of the input, `interrupted` for Ctrl-C."""

    text: str = ""
    end: bool = False
    interrupted: bool = False


class Plain:
    """Reads cells line by line, and prints what comes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._display = Display(Theme(False))
        self._output = Output()
        self._program = IncrementalNewlineDecoder(getincrementaldecoder("utf-8")("replace"), translate=True)
        self._tty = Tty(KEYBOARD)
        self._person = os.isatty(KEYBOARD)
        self._shows_others = self._person  # cells of others; a pipe gets what comes of its own
        self._others = False  # such a cell runs
        self._read = b""  # and not yet used
        self._returned = ""  # by the cell it was typed to, and not shown at the prompt yet
        self._ended = False
        self._signals = -1
        self._cell = 1

    @property
    def name(self) -> str:
        """The node's, once it is known."""
        return self._console.name or "the node"

    def close(self) -> None:
        """End the connection."""
        self._console.close()
        self._tty.echo(True)

    def run(self, how: Mapping[str, Any]) -> int:
        """Attach and serve; the exit code."""
        self._console.open()
        alone = self._console.alone(self._attach(how))
        if self._person:
            self._print("".join(f"{line}\n" for line in alone))
        with signals.waited_for() as self._signals:
            if how.get("watch"):
                return self._watch()
            code = self._serve()
        told = leave(self._console, lambda text: print(text, file=sys.stderr))
        if told.get("reasons"):
            print(f"{self.name} stays: {', '.join(told['reasons'])}", file=sys.stderr)
        return code or int(told["code"])

    def _attach(self, how: Mapping[str, Any]) -> Mapping[str, Any]:
        """Be a terminal of that shell from now on; what is told of it."""
        told = self._console.attach(self._tty.size(), {"person": self._person, "plain": True, **how})
        self._cell = told["cell"]
        self._print(self._text(told.get("missed", b"")))
        return told

    def _watch(self) -> int:
        """Print what is done there until Ctrl-C, or the end of what a person types."""
        self._shows_others = True
        while True:
            data, interrupted = self._wait(reading=self._person)
            self._pass()
            if interrupted or data == b"":
                return OK

    def _serve(self) -> int:
        while True:
            source = self._source()
            if source.interrupted and not self._person:
                return INTERRUPTED
            if source.text.strip():
                done = self._run(source.text)
                while (offered := str(done.get("offer", ""))) and self._confirmed(offered):
                    done = self._run(offered)
                if done.get("exit") is not None:
                    return int(done["exit"])
                if done.get("kind") == "error" and not self._person:
                    return FAILED
            if source.end:
                return OK

    def _confirmed(self, offered: str) -> bool:
        """Whether that is to be run: here nothing that is printed can be changed, so it is Enter or something else."""
        while not self._ended and select.select([KEYBOARD], [], [], 0)[0]:
            self._take(os.read(KEYBOARD, 65536))
        ahead, self._read = self._read, b""  # nobody who typed that had seen the question
        self._print(f"{clean(offered)}\n{ASKED}")
        line = self._line()
        if line.interrupted:
            self._print("\n")
        elif line.text:
            self._read = f"{line.text}\n".encode("utf-8", "surrogateescape") + self._read
            self._returned += f"{clean(line.text)}\n"
        self._read = ahead + self._read
        return not (line.interrupted or line.text or line.end)

    def _source(self) -> Line:
        """The next cell."""
        text = ""
        asked = mark(self._console.suspects) + prompt(self._console.title, self._cell)
        while True:
            if self._person:
                returned, line_end, self._returned = self._returned.partition("\n")
                self._print(asked + returned + line_end)
            line = self._line()
            if line.interrupted:
                self._print("\n" if self._person else "")
                return line
            text += line.text
            verdict = enter(text, len(text))
            if isinstance(verdict, Run):
                return Line(verdict.source, line.end)
            if line.end or isinstance(verdict, Wrong):
                return Line(unindented(text), line.end)  # the node says what is wrong with it
            text += "\n"
            asked = "... ".rjust(len(asked))

    def _line(self) -> Line:
        """The next line. What the hub sends meanwhile is printed."""
        while b"\n" not in self._read and not self._ended:
            data, interrupted = self._wait(reading=True)
            self._pass()
            if interrupted:
                return Line(interrupted=True)
            if data is not None:
                self._take(data)
        line, _, self._read = self._read.partition(b"\n")
        return Line(line.decode("utf-8", "surrogateescape").rstrip("\r"), end=self._ended and not self._read)

    def _take(self, data: bytes) -> None:
        """What was typed, or `b""` for the end of it."""
        self._ended = not data
        self._read += data

    def _run(self, source: str) -> dict[str, Any]:
        """Run a cell and show its result; its DONE."""
        if self._person:
            self._tty.echo(False)  # the cell's own terminal echoes
        ref = self._console.cell(source.encode("utf-8", "surrogateescape"), person=self._person, plain=True)
        if not self._person:
            self._console.type(END_OF_FILE)  # what we read are cells; for the cell there is no input
        done, interrupted = None, False
        stuck = Stuck(self._console, lambda text: self._print(f"{text}\n"), size=self._tty.size, plain=True)
        while done is None and stuck.moved is None:
            reading = stuck.open or (self._console.accepts(ref) and not self._console.full)
            data, pressed = self._wait(reading=self._person and reading, until=stuck.due)
            interrupted |= pressed
            done = self._pass(ref)
            stuck.pressed(pressed and self._person)
            stuck.take_turn()
            if interrupted and self._console.accepts(ref):
                self._console.interrupt()
                interrupted = False
            if data and done is None and stuck.open:
                stuck.answer(data)
                self._read += data.partition(b"\n")[2] if stuck.goes else b""
            elif data and stuck.goes:
                self._read += data
            elif data and done is None:
                stuck.typed()
                self._console.type(data)
            elif data:
                self._read += data
        stuck.close()
        unread = self._console.take_back()
        if self._person:
            self._read = unread.replace(b"\r", b"\n") + self._read
            self._returned = self._text(self._read)
        self._show(self._output.take(time.monotonic(), everything=True))
        if self._person:
            self._tty.echo(True)
        if done is None:
            self._cell = (stuck.moved or {})["cell"]
            self._print(f"{beside(self._console)}\n")
            return {}
        told: dict[str, Any] = done.options()
        self._cell = told.get("cell", self._cell)
        if text := self._display.result(told, self._tty.size()[1]):
            self._print(text + "\n")
        if self._person and (said := aside(self._console.unread, self._display.took(told))):
            self._print(said + "\n")
        if (back := told.get("shell")) is not None:
            go_back(self._console, int(back), self._attach, lambda text: self._print(f"{text}\n"))
        if there := told.get("attach"):
            print(f"pysh: plain lines go to one shell alone; there: pysh attach {clean(str(there))}", file=sys.stderr)
        return told

    def _wait(self, *, reading: bool, until: float | None = None) -> tuple[bytes | None, bool]:
        """Wait for the hub, the keyboard, a signal or a time: what was typed if anything, and whether SIGINT came."""
        due = min((when for when in (self._output.due(), until) if when is not None), default=None)
        timeout = None if due is None else max(0.0, due - time.monotonic())
        ready = self._console.wait((self._signals, KEYBOARD) if reading else (self._signals,), timeout)
        interrupted = self._signals in ready and signals.INTERRUPT in signals.came(self._signals)
        return os.read(KEYBOARD, 65536) if KEYBOARD in ready else None, interrupted

    def _pass(self, ref: int = 0) -> Frame | None:
        """Print what came; the DONE of the cell `ref`, or of one whose shell died, if it was there."""
        done = None
        for frame in self._console.take():
            if frame.kind in (Kind.CELL, Kind.DONE) and frame.ref == MIRRORED:
                self._others = frame.kind == Kind.CELL
                self._mirror(frame)
            elif frame.kind == Kind.DONE and frame.ref in (0, ref):
                done = frame
            elif frame.kind == Kind.SCREEN:
                if self._shows_others or not self._others:
                    self._print(self._text(bytes(frame.payload)))
                self._console.shown(Kind.SCREEN, len(frame.payload))
            elif frame.kind == Kind.OUTPUT:
                self._output.take_frame(frame, time.monotonic())
            elif frame.kind == Kind.NOTICE and (text := self._display.notice(frame.options())):
                self._show(self._output.take(time.monotonic(), everything=True))  # it came before
                print(text, file=sys.stderr)
        self._show(self._output.take(time.monotonic()))
        return done

    def _mirror(self, frame: Frame) -> None:
        """Print a cell that another terminal typed, or what became of it."""
        told = frame.options()
        self._cell = told.get("cell", self._cell)
        if not self._shows_others:
            return
        if frame.kind == Kind.CELL:
            self._print("\n" * self._person + self._display.cell(self._console.title, frame) + "\n")
        elif text := self._display.result(told, self._tty.size()[1]):
            self._print(text + "\n")

    def _show(self, batch: Batch) -> None:
        # The live lines are left out: each line is printed once, when it is finished.
        self._print("".join(self._display.tagged(line) + "\n" for line in batch.lines))
        for key, size in batch.credit.items():
            if isinstance(key, tuple):
                self._console.shown(Kind.OUTPUT, size, *key)

    def _text(self, data: bytes) -> str:
        """What a program wrote to its terminal, as text."""
        return clean(self._program.decode(data))

    def _print(self, text: str) -> None:
        if text:
            sys.stdout.write(text)
            sys.stdout.flush()
