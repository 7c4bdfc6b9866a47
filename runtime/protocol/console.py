"""The shell of a node as its hub sees it: one evaluator, at most one terminal, and what passes between.

With no terminal attached nothing blocks: what the shell and its tasks print, and what became of a cell, is
kept within bounds and shown once at the next attach, with the count of what was dropped. So is what a
terminal was sent and had not shown when it was lost.

What is typed to a cell is never lost, whenever the cell ends:

1. The evaluator has the cell and says so, with an INPUT of the cell's ref; the terminal hears it and
   types from then on: a Ctrl-C that came before the cell would find nothing to interrupt.
2. While the cell runs INPUT goes into its pty, read or not.
3. The cell is DONE. If anything was typed the evaluator is asked, with an empty INPUT, to read what
   nobody read; it answers until nothing is left, and the terminal gets the bytes back. As long as they
   do not fit into the pty the terminal has no CREDIT for more.
4. INPUT that was on its way meanwhile waits for that, and goes back behind it. The terminal sends one
   last, empty INPUT: when that is back, so is everything before it.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.actions import Attended, Interrupt, Pause, Prepare, Resize, Type
from pysh.runtime.protocol.flow import PRINTED
from pysh.runtime.protocol.frames import Frame, Kind, pack
from pysh.runtime.protocol.links import Link
from pysh.runtime.protocol.missed import Missed, Unshown
from pysh.runtime.protocol.notices import Hush
from pysh.runtime.protocol.terms import Pid

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

EVALUATOR = 0
"""What `Pause` calls the evaluator's pty, where it calls workers by their numbers from 1."""


class Console:
    """Who is attached, and how much each source may still print."""

    def __init__(self, node: "Node") -> None:
        self.evaluator: int | None = None  # process numbers, as is `terminal`
        self.terminal: int | None = None
        self.attended = False  # by a person at that terminal, who may be asked things
        self.plain = False  # that terminal takes lines of text alone
        self.taken_over = False  # a terminal took the shell over from another one
        self.cell = 1
        self.folder = ""  # the shell's current one, as far as it is known
        self.busy = 0
        self.jobs = 0  # cells that go on in the background
        self.killed = False  # from its terminal
        self.accepts = False  # the evaluator has the cell: what is typed reaches it
        self.begun = False  # an evaluator was through with what it runs before the first cell
        self.hush = Hush()
        self._node = node
        self._waiting: deque[Frame] = deque()
        self._asked: dict[tuple[Pid, int], Frame] = {}  # requests that the evaluator has not answered
        self._credit = PRINTED
        self._missed = Missed()
        self._screen = Unshown()
        self._tasks: dict[tuple[Pid, int], Unshown] = {}
        self._touched = False  # something was typed into the pty
        self._late: list[Frame] | None = None  # INPUT that waits until the pty is empty, if that is asked for
        self.handlers: dict[int, Callable[[Link | None, Frame], None]] = {
            Kind.OUTPUT: self._output, Kind.CELL: self._cell, Kind.DONE: self._done, Kind.INPUT: self._typed,
            Kind.RESIZE: self._resized, Kind.INTERRUPT: self._interrupted, Kind.REPLY: self._replied,
            Kind.NOTICE: self._noticed,
        }  # fmt: skip

    # the evaluator

    def evaluator_up(self, link: Link) -> None:
        """It has opened its connection: what waited for it goes there."""
        self.evaluator = link.process
        while self._waiting:
            self._node.to_process(link.process, self._waiting.popleft())

    def evaluator_died(self, death: str) -> None:
        """It is gone, and with it the names of the shell: whoever waits for what it was to run is told."""
        name = self._node.name
        self.evaluator = None
        how = "was killed from its terminal" if self.killed else f"died ({death})"
        text = f"the shell of {name} {how}: its names are gone; functions it published stay callable"
        self.killed = False
        if self.busy:
            self._tell(Kind.DONE, meta={"cell": self.cell, "kind": "error", "text": text, "took": 0.0})
        else:
            self.notice(text, "error")
        self.busy = self.jobs = 0
        self._waiting.clear()
        asked, self._asked = self._asked, {}
        for frame in asked.values():
            self._node.reply(frame, {"error": "PyshError", "text": text, "executed": "maybe"})
        self._emptied()

    def to_evaluator(self, frame: Frame) -> None:
        """Hand `frame` to the evaluator, once there is one."""
        if frame.kind == Kind.REQUEST:
            self._asked[frame.source, frame.ref] = frame
        if self.evaluator is None:
            self._node.actions.append(Prepare("evaluator"))
            self._waiting.append(frame)
        else:
            self._node.to_process(self.evaluator, frame)

    def answered(self, frame: Frame) -> None:
        """A REPLY passes: if it is the evaluator's, nothing is owed for it any more."""
        self._asked.pop((frame.dest, frame.ref), None)

    def _replied(self, link: Link | None, frame: Frame) -> None:
        self.answered(frame)
        self._node.to_process(frame.dest.number, frame)

    def _cell(self, link: Link | None, frame: Frame) -> None:
        self.busy += 1
        self.accepts = False
        self.to_evaluator(frame)

    def _done(self, link: Link | None, frame: Frame) -> None:
        self.busy = max(0, self.busy - 1)
        told = frame.options()
        self.cell = told.get("cell", self.cell)
        self.folder = told.get("folder", self.folder)
        self.jobs = told.get("jobs", 0)
        if self.terminal is not None:  # another one perhaps than the one that sent the cell
            self._node.to_process(self.terminal, frame)
        elif text := told.get("text"):
            self._missed.add(text.rstrip("\n").encode() + b"\n")
        if self._touched and not self.busy and self._late is None:
            self._late = []
            self._ask_unread()

    def _noticed(self, link: Link | None, frame: Frame) -> None:
        """A job of the shell has ended."""
        if link is None or link.process != self.evaluator:
            return
        told = frame.options()
        self.jobs = int(told["jobs"])
        if self.terminal is not None:
            self.notice(str(told["text"]), str(told["level"]))
        else:
            self._missed.add(str(told["text"]).encode() + b"\n")

    def _ask_unread(self) -> None:
        if self.evaluator is not None:
            self._node.post(Pid(self._node.incarnation, self.evaluator), Kind.INPUT)

    def _from_evaluator(self, frame: Frame) -> None:
        """It has a cell, or reads what cells left unread."""
        if frame.ref:
            self.accepts = True
            self._tell(Kind.INPUT, ref=frame.ref)
        elif frame.payload:
            self._tell(Kind.INPUT, payload=frame.payload)
            self._ask_unread()
        else:
            self._emptied()

    def _emptied(self) -> None:
        """Nothing that was typed is left in the pty."""
        late, self._late = self._late or [], None
        self._touched = False
        for frame in late:
            self._typed(None, frame)

    # the terminal

    def attach(self, link: Link, asked: dict[str, Any]) -> dict[str, Any]:
        """Make `link` the terminal of this shell; what it should know of it."""
        self.terminal, self.attended = link.process, bool(asked.get("person", True))
        self.plain = bool(asked.get("plain"))
        self._node.actions.append(Prepare("evaluator"))
        self._node.actions.append(Resize(int(asked.get("rows", 24)), int(asked.get("cols", 80))))
        self._node.actions.append(Attended(True))
        missed, dropped = self._missed.take()
        answer = {"evaluator": self.evaluator or 0, "cell": self.cell, "busy": self.busy > 0, "folder": self.folder}
        suspects = self._node.members.suspects()
        return {**answer, "accepts": self.accepts, "missed": missed, "dropped": dropped, "suspects": suspects}

    def terminal_gone(self, link: Link) -> bool:
        """A terminal closed; whether it was the attached one. What it did not show the next one will."""
        if self.terminal != link.process:
            return False
        self.terminal, self.attended, self._credit = None, False, PRINTED
        self._missed.add(self._screen.rest())
        self._screen = Unshown()
        tasks, self._tasks = self._tasks, {}
        for (source, ref), unshown in tasks.items():
            self._miss(source, unshown.rest())
            self._grant(source, ref, unshown.size)
        self._node.actions.append(Pause(EVALUATOR, on=False))
        self._node.actions.append(Attended(False))
        return True

    def notice(self, text: str, level: str = "info", gone: bytes = b"", *, keep: bool = False) -> None:
        """Tell whoever sits at this node, and which nodes are suspect by now; `gone` is one that is down.

        One that is held back has no text. With `keep` it waits for whoever comes, if nobody sits there.
        """
        if self.hush.holds(level):
            text = ""
        elif keep and self.terminal is None:
            self._missed.add(text.encode("utf-8", "replace") + b"\n")
        meta = {"text": text, "level": level, "suspects": self._node.members.suspects()}
        self._tell(Kind.NOTICE, meta=meta | ({"gone": gone} if gone else {}))

    def _tell(self, kind: int, **fields: Any) -> None:
        if self.terminal is not None:
            self._node.post(Pid(self._node.incarnation, self.terminal), kind, **fields)

    def _typed(self, link: Link | None, frame: Frame) -> None:
        if link is not None and link.process == self.evaluator:
            self._from_evaluator(frame)
        elif self.busy:
            self._touched = True
            self._node.actions.append(Type(bytes(frame.payload)))
        elif self._late is not None:
            self._late.append(frame)
        else:  # the cell it was typed to has ended meanwhile: it belongs to the next prompt
            self._tell(Kind.INPUT, ref=frame.ref, payload=frame.payload)

    def taken(self, size: int) -> None:
        """`size` bytes of what was typed are in the pty: as many more may be typed."""
        self._tell(Kind.CREDIT, meta=pack(Kind.INPUT), credit=size)

    def _resized(self, link: Link | None, frame: Frame) -> None:
        size = frame.options()
        self._node.actions.append(Resize(int(size["rows"]), int(size["cols"])))

    def _interrupted(self, link: Link | None, frame: Frame) -> None:
        self._node.actions.append(Interrupt())

    # what is printed

    def screen(self, data: bytes) -> None:
        """The evaluator wrote to its pty."""
        if self.terminal is None:
            self._missed.add(data)
            return
        self._tell(Kind.SCREEN, payload=data)
        self._screen.sent(data)
        self._credit -= len(data)
        if self._credit <= 0:
            self._node.actions.append(Pause(EVALUATOR, on=True))

    def screen_shown(self, size: int) -> None:
        """The terminal has room for more."""
        self._screen.shown(size)
        self._credit += size
        if self._credit > 0:
            self._node.actions.append(Pause(EVALUATOR, on=False))

    def output_shown(self, frame: Frame) -> None:
        """A CREDIT passes: if it is the terminal's for output of a task, that was shown."""
        key = frame.dest, frame.ref
        if frame.options() == Kind.OUTPUT and (unshown := self._tasks.get(key)) is not None:
            unshown.shown(frame.credit)
            if not unshown.size:
                del self._tasks[key]

    def _output(self, link: Link | None, frame: Frame) -> None:
        owner = self._node.processes.get(frame.dest.number)
        role = owner.role if owner is not None else ""
        if owner is not None and role == "program":
            self._node.write(owner, self._labelled(frame))
        elif role == "evaluator" and self.terminal is not None:
            self._show(frame)
        elif frame.payload:
            if role == "evaluator":
                self._miss(frame.source, bytes(frame.payload))
            self._grant(frame.source, frame.ref, len(frame.payload))

    def _show(self, frame: Frame) -> None:
        if frame.payload:
            self._tasks.setdefault((frame.source, frame.ref), Unshown()).sent(bytes(frame.payload))
        assert self.terminal is not None
        self._node.to_process(self.terminal, self._labelled(frame))

    def _labelled(self, frame: Frame) -> Frame:
        """An OUTPUT with the label of its node beside what it says: `end`, if nothing more comes."""
        label = self._node.members.label(frame.source.incarnation)
        return frame._replace(meta=pack({**frame.options(), "label": label}))

    def _grant(self, source: Pid, ref: int, size: int) -> None:
        self._node.post(source, Kind.CREDIT, ref=ref, meta=pack(Kind.OUTPUT), credit=size)

    def _miss(self, source: Pid, data: bytes) -> None:
        """What a task printed while nobody looked, tagged as its node's."""
        label = self._node.members.label(source.incarnation).encode()
        self._missed.add(b"".join(b"%s | %s" % (label, line) for line in data.splitlines(keepends=True)))
