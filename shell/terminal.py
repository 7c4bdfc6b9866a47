"""One terminal on one node's shell: prompt, cell, result, and again.

At the prompt the editor has the keyboard and everything else is printed above it. While a cell runs the
keyboard belongs to the cell: bytes go to its pty and its bytes come back, untouched both ways.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.frames import CHUNK, Frame, Kind
from pysh.shell import signals
from pysh.shell.abilities import NOWHERE, abilities, here
from pysh.shell.boot import Tty, aside, mark, prompt
from pysh.shell.console import Console, HubLost, Refused
from pysh.shell.display import Display
from pysh.shell.early import Early
from pysh.shell.enter import unindented
from pysh.shell.form import filled
from pysh.shell.going import beside, enter, go_back, stay
from pysh.shell.history import History
from pysh.shell.importing import without_collecting
from pysh.shell.keyboard import Keyboard
from pysh.shell.mirrored import ANOTHERS, ATTACHED, EVERY, Another, before_cell, ends
from pysh.shell.semantic import Semantic
from pysh.shell.settings import DEFAULTS, Settings
from pysh.shell.stuck import Moved, Stuck
from pysh.shell.theme import Theme, has_colours
from pysh.shell.typed import Leaving, Left, Typing
from pysh.shell.view import View
from pysh.shell.visiting import FAILURES, Reach, calls, nowhere, visit

if TYPE_CHECKING:
    from pysh.shell.editor import Editor

OK, FAILED, NODE_LOST = 0, 1, 5


def run_terminal(
    connect: Callable[[], socket],
    cookie: bytes,
    *,
    tty: Tty,
    given: bool = False,
    history: Path | None = None,
    how: Mapping[str, Any] = {},
    colours: bool | None = None,
    settings: Settings = DEFAULTS,
    reach: Reach = nowhere,
    **proof: Any,
) -> int:
    """Be the terminal of a node's shell until the user leaves; the exit code.

    `tty` is what `boot.paint` returned. `connect` gives a socket that leads to the node; it is called
    once, and may wait for the node to start. `given` tells that the cookie came by the command line.
    `history` is the file of what was typed, `how` says `force`, to take the shell over from other terminals,
    `watch`, to see it only, `own`, to have one of its own, or which `shell`; `colours` overrides the environment,
    `settings` are the user's own. `proof` is what `Console` takes where nobody vouches for a host key. `reach` leads to
    other nodes, for `attach(n)` at the prompt.

    Raises `HandshakeError` if the node does not trust the cookie, and what `connect` raises. Whatever
    happens, the terminal is left as it was found.
    """
    theme = Theme(has_colours(os.environ, terminal=True) if colours is None else colours, settings.theme)
    kept = History(history if settings.history else None, secret=cookie.decode("utf-8", "replace"))
    session = Session(tty, kept, theme, settings=settings, reach=reach)
    try:
        session.prepare()
        return session.run(Console(connect(), cookie, given=given, **proof), how)
    finally:
        session.close()
        tty.restore()


class Session:
    """What one terminal does, from attaching to leaving."""

    def __init__(
        self, tty: Tty, history: History, theme: Theme, *, settings: Settings = DEFAULTS, reach: Reach = nowhere
    ) -> None:
        self._tty = tty
        self._settings = settings
        self._reach = reach
        self._history = history
        self._theme = theme
        able = abilities(os.environ)
        self._here = here() if settings.links and able.links else NOWHERE
        self._view = View(tty, Display(theme, self._here, settings.prompt))
        self._semantic = Semantic(settings.marks and able.marks)
        self._keyboard = Keyboard(tty)
        self._early = Early(tty, self._keyboard, history, self._semantic)
        self._editor: Editor | None = None
        self._console: Console | None = None
        self._homes: list[Console] = []  # of the shells from which this terminal went over, one after the other
        self._cell = 1
        self._left: int | None = None  # the exit code, where the cell with which we came asked to leave
        self._offered = ""  # what the next prompt begins with
        self._took = ""  # by the last cell, if that was long
        self._size = (0, 0)
        self._timer: Any = None

    def prepare(self) -> None:
        """Get the editor ready while the node starts, unless a whole line is waiting: that goes first."""
        if self._early.line() is None:
            self._load_editor()

    def close(self) -> None:
        """End the connection and the editor's loop."""
        if self._console is not None:
            self._console.close()
        if self._editor is not None:
            self._editor.close()

    def run(self, console: Console, how: Mapping[str, Any] = {}) -> int:
        """Attach to the node and serve its shell; the exit code."""
        self._console = console
        try:
            console.open()
            code = self._serve(console, how)
            self._view.show_rest()
            return code
        except HubLost as lost:
            self._view.show_rest()
            self._view.say(f"{console.name or 'the node'}: connection lost: {lost}")
            return NODE_LOST
        except Refused as refused:
            self._view.say(f"pysh: {refused}")
            return FAILED
        except EOFError:
            return FAILED  # the terminal hung up; the node decides how long it stays

    def _serve(self, console: Console, how: Mapping[str, Any]) -> int:
        told = self._attach(console, how)
        if how.get("watch"):
            return self._watch(console)
        for line in console.alone(told):
            self._view.say(line)
        return self._stay(console)

    def _stay(self, console: Console, *, visit: bool = False) -> int:
        """Be there until the user leaves; the exit code."""
        return stay(console, self._cells, self._view.say, partial(self._keyboard.answer, console.wait_for), visit=visit)

    def _attach(self, console: Console, how: Mapping[str, Any] = {}) -> Mapping[str, Any]:
        """Be a terminal of that shell from now on; what is told of it."""
        self._console = console
        self._size = self._tty.size()
        told = console.attach(self._size, {"links": self._here.machine, **how})
        enter(told, partial(self._come, console), partial(self._moved, console))
        return told

    def _come(self, console: Console, told: Mapping[str, Any]) -> None:
        self._view.at(console)
        self._cell = told["cell"]
        self._history.node, self._history.folder = console.name, str(told.get("folder", ""))
        self._catch_up(console, told)

    def _moved(self, console: Console, moved: Moved) -> Mapping[str, Any]:
        """The cell that ran is left for another shell, of which that is told."""
        self._keyboard.put_back(console.take_back())
        self._view.say(beside(console))
        return moved.told

    def _cells(self, console: Console) -> int:
        """Run what is typed until somebody wants to leave; with what exit code."""
        while True:
            left, self._left = self._left, None
            if left is not None:
                return left
            try:
                try:
                    source = unindented(self._read(console))
                    if source.strip() and (left := self._run(console, source)) is not None:
                        return left
                except Another:
                    self._finish(console, self._relay(console, lambda: ANOTHERS))
            except Moved as moved:
                enter(self._moved(console, moved), partial(self._come, console), partial(self._moved, console))
            except EOFError:
                return OK

    def _visit(self, home: Console, there: str, how: Mapping[str, Any]) -> None:
        """Be a terminal of the node `there` until the user leaves it."""

        def stay(console: Console) -> None:
            self._attach(console, how)
            self._stay(console, visit=True)

        before, self._homes = self._homes, [*self._homes, home]
        said = visit(self._reach, home, there, stay, self._view.say)
        self._homes = before
        self._view.at(home)
        for frame in said:
            self._view.sort(frame)
        self._attach(home)

    def _watch(self, console: Console) -> int:
        """Show what is done there until the user leaves."""
        self._view.say(f"watching {console.name}; Ctrl-C or Ctrl-D leaves")
        try:
            self._relay(console, lambda: EVERY)
        except Left:
            self._view.screen.end()
        return OK

    def _catch_up(self, console: Console, told: Mapping[str, Any]) -> None:
        """Show what was printed before we came, and stay with the cell that runs."""
        if told.get("dropped"):
            self._view.say(f"… {told['dropped']:,} bytes not shown")
        if told.get("missed"):
            self._tty.unpaint()
            self._view.screen.program(told["missed"])
        if told["busy"]:
            self._tty.unpaint()
            left = self._finish(console, self._relay(console, lambda: 0 if told.get("accepts") else ATTACHED))
            self._left = self._left if left is None else left
        self._view.screen.end()

    # at the prompt

    def _read(self, console: Console) -> str:
        """The next cell. Raises `EOFError` when the user wants to leave."""
        text = prompt(console.title, self._cell, self._settings.prompt)
        if self._editor is None:
            if self._tty.painted != (whole := mark(console.suspects) + text):
                self._tty.paint(whole)
            if (line := self._early.line()) is not None:
                return self._early.take(line)
        editor = self._editor or self._load_editor()
        editor.away = bool(self._homes)
        with self._heard(console, editor):
            offered = ""
            if b"\r" not in self._keyboard.look():  # nobody who typed a line ahead had seen the offer
                offered, self._offered = self._offered, ""
            took, self._took = self._took, ""
            return editor.read(text, lambda: mark(console.suspects), offered, lambda: aside(console.unread, took))

    @contextmanager
    def _heard(self, console: Console, editor: "Editor") -> Iterator[None]:
        """Show above the editor's line what comes meanwhile."""
        self._tty.quiet()
        editor.show((), self._view.live)
        editor.loop.add_reader(console.fileno(), self._at_prompt, console, editor)
        editor.loop.call_soon(self._at_prompt, console, editor)  # what came together with the last answer
        homes = [home for home in self._homes if home.fileno() >= 0]
        for home in homes:
            editor.loop.add_reader(home.fileno(), self._called, home, editor)
        try:
            yield
        finally:
            for each in (console, *homes):
                editor.loop.remove_reader(each.fileno())
            if self._timer is not None:
                self._timer.cancel()

    def _fill_in(self, console: Console, form: Mapping[str, Any]) -> str:
        """The code that comes of a form."""
        editor = self._editor or self._load_editor()
        with self._keyboard.asking(), self._heard(console, editor):
            try:
                return filled(form, editor.ask)
            except Another:  # the next prompt meets its cell, and makes way
                self._view.say("the form was left: another terminal runs a cell; connect() begins it anew")
                return ""

    def _at_prompt(self, console: Console, editor: "Editor") -> None:
        """The hub sent something, or output is due, while the user types."""
        if console is not self._console:
            return  # it was left
        try:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            console.receive()
            frames, cell = before_cell(console.take())
            for frame in frames:
                self._view.sort(frame)
            if cell:
                console.put_back(cell)
                editor.stop(Another(), keep=True)
            if typed := console.take_back():
                self._keyboard.put_back(typed)
                editor.wake()
            if editor.elsewhere:
                return  # `_show_soon` follows; those whose output waits get no credit until then
            self._view.show(console, self._view.output.take(time.monotonic(), calm=editor.typing), editor)
            editor.refresh()
            if (due := self._view.due) is not None:
                self._timer = editor.loop.call_at(due, self._at_prompt, console, editor)
        except Exception as error:
            editor.stop(error)  # to be raised where the prompt was asked for

    def _called(self, home: Console, editor: "Editor") -> None:
        """A shell that this terminal will be back at sent something."""
        try:
            for frame in calls(home):
                self._view.sort(frame)
        except FAILURES:
            editor.loop.remove_reader(home.fileno())  # its end is told once we are back there
        self._show_soon()

    def _cleared(self) -> None:
        """Ctrl-C at the prompt: of a flood of output no more is shown."""
        self._view.output.skip(time.monotonic())
        self._show_soon()

    def _show_soon(self) -> None:
        assert self._editor is not None and self._console is not None
        self._editor.loop.call_soon(self._at_prompt, self._console, self._editor)

    def _ask(self, text: str, position: int, told: Callable[[Any], object], only: str) -> None:
        """Have `told` what can stand there, by the node whose objects are meant."""
        assert self._console is not None
        self._console.ask_later("complete", told, text=text, position=position, only=only)

    def _load_editor(self) -> "Editor":
        """Import the editor, which takes most of the time that a start takes."""
        with without_collecting():
            from pysh.shell.editor import Editor

            self._editor = Editor(
                self._tty, self._keyboard, self._history, theme=self._theme, cleared=self._cleared, ask=self._ask,
                returned=self._show_soon, settings=self._settings, semantic=self._semantic,
            )  # fmt: skip
        return self._editor

    # while a cell runs

    def _run(self, console: Console, source: str) -> int | None:
        """Run a cell and show its result; the exit code if it asked to leave."""
        data = source.encode("utf-8", "surrogateescape")
        if len(data) > CHUNK:
            self._view.say(f"nothing was run: {len(data):,} bytes are more than a cell may have ({CHUNK:,})")
            return None

        def begin() -> int:
            self._view.screen.unseen(self._semantic.begin())
            return console.cell(data)

        return self._finish(console, self._relay(console, begin))

    def _finish(self, console: Console, frame: Frame) -> int | None:
        """Show what a DONE tells; the exit code if the cell asked to leave."""
        self._keyboard.put_back(console.take_back())
        done = self._show_result(frame)
        self._offered = str(done.get("offer", "")) or self._offered  # that of the cell before may wait
        if there := done.get("attach"):
            self._visit(console, str(there), done.get("how", {}))
        if (back := done.get("shell")) is not None:
            go_back(console, int(back), partial(self._attach, console), self._view.say)
        if form := done.get("form"):
            self._offered = self._fill_in(console, form)
        left = done.get("exit")
        return None if left is None else int(left)

    def _show_result(self, frame: Frame) -> Mapping[str, Any]:
        """Show what became of a cell; what its DONE tells."""
        done: Mapping[str, Any] = frame.options()
        self._cell = done.get("cell", self._cell)
        self._history.folder = str(done.get("folder", self._history.folder))
        self._took = self._view.display.took(done)
        if text := self._view.display.result(done, self._tty.size()[1]):
            self._view.screen.show([text])
        self._view.screen.unseen(self._semantic.end(done))
        return done

    def _relay(self, console: Console, begin: Callable[[], int]) -> Frame:
        """Pass bytes both ways until the cell is done whose ref `begin` gives; its DONE."""
        view = self._view
        self._tty.raw()
        view.begin()
        done: Frame | None = None
        with signals.waited_for() as signalled:
            self._resized(console)
            ref = begin()
            typing = Typing(self._keyboard, console, ref) if ref != EVERY else Leaving(self._keyboard)
            full = partial(getattr, view.screen, "full")
            stuck = Stuck(console, lambda text: view.screen.show([text]), view.screen.hold, full, self._tty.size)
            while done is None and stuck.moved is None:
                keys = () if console.full or self._keyboard.full else (self._tty.keys,)
                ready = console.wait((signalled, *keys), view.patience(typing.due, stuck.due))
                done = self._pass(console, ref) if stuck.moved is None else None
                if signalled in ready:
                    if signals.INTERRUPT in signals.came(signalled):
                        typing.interrupt()
                    self._resized(console)
                if done is None and stuck.moved is None:
                    if stuck.pass_keys(typing, self._keyboard):
                        view.output.skip(time.monotonic())
                    stuck.take_turn()
                    view.pay(console)  # for what was held back until then
            stuck.close()
        if done is None:
            view.forget()
        view.end(console)
        self._tty.quiet()
        if done is None:
            view.screen.unseen(self._semantic.leave())
            raise Moved(stuck.moved or {})
        return done

    def _pass(self, console: Console, ref: int) -> Frame | None:
        """Show what came; the DONE of our cell, or of one whose shell died, if it was there."""
        view = self._view
        done: Frame | None = None
        frames = console.take()
        for at, frame in enumerate(frames):
            if frame.kind == Kind.DONE and ends(frame.ref, ref):
                done = frame
            elif frame.kind == Kind.DONE:  # another's, whose cell came before ours
                view.screen.end()
                self._show_result(frame)
                view.screen.unseen(self._semantic.begin() if ref > ATTACHED else b"")
            elif frame.kind == Kind.CELL and done is not None:
                console.put_back(frames[at:])
                break
            elif frame.kind == Kind.CELL:
                cell = view.display.cell(console.title, frame, self._semantic.typed)
                view.screen.show([self._semantic.prompt + cell])
                view.screen.unseen(self._semantic.begin())
            elif frame.kind == Kind.SCREEN and done is None:
                view.program(bytes(frame.payload))
            else:
                view.sort(frame)
        if not view.screen.full:
            view.show(console, view.output.take(time.monotonic()), view.screen)
        view.screen.take_turn()
        view.pay(console)
        return done

    def _resized(self, console: Console) -> None:
        if (size := self._tty.size()) != self._size:
            self._size = size
            console.resize(*size)
