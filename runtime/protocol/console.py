"""A shell of a node as its hub sees it: one evaluator, the terminals at it, and what passes between.

Each terminal sees the cells of the others. One cell runs at a time, and its keys are those of the terminal that
typed it, or, when that is gone, of the one that came first of the rest; everybody's Ctrl-C reaches it. A
terminal that only watches reaches nothing.

What is typed to a cell is never lost, whenever the cell ends:

1. The evaluator has the cell and says so, with an INPUT of the cell's ref; the terminal hears it and
   types from then on: a Ctrl-C that came before the cell would find nothing to interrupt.
2. While the cell runs INPUT goes into its pty, read or not.
3. The cell is DONE. If anything was typed the evaluator is asked, with an empty INPUT, to read what
   nobody read; it answers until nothing is left, and the terminal gets the bytes back. As long as they
   do not fit into the pty the terminal has no CREDIT for more.
4. INPUT that was on its way meanwhile waits for that, and goes back behind it. The terminal sends one
   last, empty INPUT: when that is back, so is everything before it.
5. Only then the next terminal's cell begins: what is in the pty is not meant for it.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from pysh.runtime.protocol.actions import Interrupt, Prepare, Resize, Type
from pysh.runtime.protocol.audience import Audience
from pysh.runtime.protocol.frames import Frame, Kind, pack
from pysh.runtime.protocol.links import Link
from pysh.runtime.protocol.notices import Hush
from pysh.runtime.protocol.printed import Printed
from pysh.runtime.protocol.seats import Seat, seat_of
from pysh.runtime.protocol.terms import MIRRORED, Pid

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node


TEXT = 200
"""Characters of a cell by which others are told of it."""
RUNNING, DONE, FAILED, DIED = "running", "done", "failed", "died"


class Ran(NamedTuple):
    """The cell that runs, or ran last: the beginning of it, when it began and ended, its state, and what it raised."""

    text: str = ""
    began: float = 0.0
    ended: float | None = None
    state: str = RUNNING
    error: str = ""


class Console:
    """Who is attached, what runs and what waits, and how much each source may still print; shell 0 is the shared one.

    `hush` is what all shells of a node have together.
    """

    def __init__(self, node: "Node", number: int = 0, hush: Hush | None = None) -> None:
        self.number = number
        self.evaluator: int | None = None  # a process number
        self.audience = Audience(node, number, hush)
        self.ran = Ran()
        self.seats = self.audience.seats
        self.screen, self.shown, self.notice = self.audience.screen, self.audience.shown, self.audience.notice
        self.hush = self.audience.hush
        self.cell = 1
        self.alone_since = 0.0  # when its last terminal went
        self.folder = ""  # the shell's current one, as far as it is known
        self.printed = Printed()
        self.jobs = 0  # cells that go on in the background
        self.killed = False  # from a terminal
        self.accepts = False  # the evaluator has the cell: what is typed reaches it
        self.bare = False  # it runs nothing before the first cell
        self.begun = False  # an evaluator was through with what it runs before the first cell
        self._node = node
        self._running: Frame | None = None  # the cell
        self._holder: int | None = None  # the terminal whose keys the cell that runs, or ran last, has
        self._cells: deque[Frame] = deque()  # those that wait, one of each terminal at most
        self._waiting: deque[Frame] = deque()
        self._asked: dict[tuple[Pid, int], Frame] = {}  # requests that the evaluator has not answered
        self._touched = False  # something was typed into the pty
        self._late: list[Frame] | None = None  # INPUT that waits until the pty is empty, if that is asked for
        self.handlers: dict[int, Callable[[Link | None, Frame], None]] = {
            Kind.OUTPUT: self.audience.output, Kind.CELL: self._cell, Kind.DONE: self._done, Kind.INPUT: self._typed,
            Kind.RESIZE: self._resized, Kind.INTERRUPT: self._interrupted, Kind.REPLY: self._replied,
            Kind.NOTICE: self._noticed,
        }  # fmt: skip

    @property
    def called(self) -> str:
        """This shell, in words."""
        return f"shell {self.number} of {self._node.name}" if self.number else f"the shell of {self._node.name}"

    @property
    def title(self) -> str:
        """The same as its prompt has it."""
        return f"{self._node.name}#{self.number}" if self.number else self._node.name

    @property
    def busy(self) -> bool:
        """Whether a cell runs."""
        return self._running is not None

    @property
    def attached(self) -> bool:
        """Whether somebody is there who may type, or will be back."""
        return bool(self.seats.typists or self.seats.away)

    @property
    def attended(self) -> bool:
        """Whether a person is, who may be asked things."""
        return any(seat.person for seat in self.seats.typists)

    @property
    def paints(self) -> bool:
        """Whether the terminal whose keys the cell has shows what a program paints."""
        seat = self.seats.typist(self._holder) or self.seats.typist(self._first())
        return seat is not None and not seat.plain

    # the evaluator

    def evaluator_up(self, link: Link) -> None:
        """It has opened its connection: what waited for it goes there."""
        self.evaluator = link.process
        while self._waiting:
            self._node.to_process(link.process, self._waiting.popleft())

    def evaluator_died(self, death: str) -> None:
        """It is gone, and with it the names of the shell: whoever waits for what it was to run is told."""
        self.evaluator = None
        how = "was killed from its terminal" if self.killed else f"died ({death})"
        stays = "" if self.number else "; functions it published stay callable"
        text = f"{self.called} {how}: its names are gone{stays}"
        self.killed = False
        if self.busy:
            self.ran = self.ran._replace(ended=self._node.now, state=DIED)
        if self.busy or self._cells:
            waited = {frame.source.number for frame in self._cells}
            for seat in self.seats:
                said = f"{text}; nothing of this cell was run" if seat.process in waited else text
                self._tell(seat, Kind.DONE, meta={"cell": self.cell, "kind": "error", "text": said, "took": 0.0})
            if not self.seats.typists:
                self.audience.missed.add(text.encode() + b"\n")
        else:
            self.notice(text, "error")
        self._running, self.jobs = None, 0
        self.audience.has_unread(0)
        self._cells.clear()
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
            self._node.actions.append(Prepare("evaluator", self.number))
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
        seat = self.seats.typist(frame.source.number)
        if seat is None:
            return
        if any(frame.source == waiting.source for waiting in self._cells):
            text = "a cell of this terminal waits already; nothing of this one was run"
            meta = {"cell": self.cell, "kind": "error", "text": text, "took": 0.0}
            self._tell(seat, Kind.DONE, ref=frame.ref, meta=meta)
            return
        self._cells.append(frame)
        self._begin()

    def _begin(self) -> None:
        """Let the next cell run, if none does and what was typed to the last one is back."""
        if self._running is not None or not self._cells:
            return
        if self._late is not None and self._cells[0].source.number != self._holder:
            return
        frame = self._running = self._cells.popleft()
        self._holder = frame.source.number if self.seats.typist(frame.source.number) else self._first()
        self.accepts = False
        text = bytes(frame.payload[: 4 * TEXT]).decode("utf-8", "replace")
        self.ran = Ran(" ".join(text.split())[:TEXT], self._node.now)
        for seat in self.seats:
            if seat.process != frame.source.number:
                self._mirror(seat)
        self.to_evaluator(self._linking(frame))

    def _linking(self, frame: Frame) -> Frame:
        """The cell, with the machine to whose files links may be printed, if all who see them take links."""
        machines = {seat.links for seat in self.seats}
        links = machines.pop() if len(machines) == 1 else ""
        return frame._replace(meta=pack({**frame.options(), "links": links})) if links else frame

    def _mirror(self, seat: Seat) -> None:
        """Show the cell that runs to one who did not type it."""
        assert self._running is not None
        self._tell(seat, Kind.CELL, ref=MIRRORED, meta={"cell": self.cell}, payload=self._running.payload)

    def _first(self) -> int | None:
        return next((seat.process for seat in self.seats.typists), None)

    def _done(self, link: Link | None, frame: Frame) -> None:
        told = frame.options()
        self.cell = told.get("cell", self.cell)
        self.folder = told.get("folder", self.folder)
        self.jobs = told.get("jobs", 0)
        self.audience.count_unread(int(told.get("unread", 0)))
        self._running = None
        state = FAILED if told.get("kind") == "error" else DONE
        self.ran = self.ran._replace(ended=self._node.now, state=state, error=str(told.get("error", "")))
        others = None
        for seat in self.seats:
            if seat.process == frame.dest.number:
                self._node.to_process(seat.process, frame)
                continue
            if others is None:
                shown = {name: value for name, value in told.items() if name not in _OF_WHO_TYPED}
                others = frame._replace(ref=MIRRORED, meta=pack(shown))
            self._node.to_process(seat.process, others)
        if not self.seats.typists and (text := told.get("text")):
            self.audience.missed.add(text.rstrip("\n").encode() + b"\n")
        if self._touched and self._late is None:
            self._late = []
            self._ask_unread()
        self._begin()

    def _noticed(self, link: Link | None, frame: Frame) -> None:
        """A job of the shell has ended, or another number of messages waits there."""
        if link is None or link.process != self.evaluator:
            return
        told = frame.options()
        if "unread" in told:
            self.audience.has_unread(int(told["unread"]))
            return
        self.jobs = int(told["jobs"])
        self.notice(str(told["text"]), str(told["level"]), keep=True)

    def _ask_unread(self) -> None:
        if self.evaluator is not None:
            self._node.post(Pid(self._node.incarnation, self.evaluator), Kind.INPUT)

    def _from_evaluator(self, frame: Frame) -> None:
        """It has a cell, or reads what cells left unread."""
        holder = self.seats.get(self._holder)
        if frame.ref:
            self.accepts = True
            typed_it = self._running is not None and self._running.source.number == self._holder
            self._tell(holder, Kind.INPUT, ref=frame.ref if typed_it else MIRRORED)
        elif frame.payload:
            self._tell(holder, Kind.INPUT, payload=frame.payload)
            self._ask_unread()
        else:
            self._emptied()

    def _emptied(self) -> None:
        """Nothing that was typed is left in the pty."""
        late, self._late = self._late or [], None
        self._touched = False
        for frame in late:
            self._typed(None, frame)
        self._begin()

    # the terminals

    def attach(self, link: Link, asked: dict[str, Any]) -> dict[str, Any]:
        """Make `link` a terminal of this shell; what it should know of it."""
        seat = seat_of(link.process, asked)
        self.seats.join(seat)
        self.audience.look_soon()  # one that was stuck alone is so no more
        missed, dropped = (b"", 0) if seat.watches else self.audience.missed.take()
        if not seat.watches:
            self._node.actions.append(Prepare("evaluator", self.number))
            self._fit()
            if self.busy and self.seats.typist(self._holder) is None:
                self._holder = link.process
        busy = self.busy and self._holder == link.process
        if self.busy and not busy:
            self._mirror(seat)
        answer = {"evaluator": self.evaluator or 0, "cell": self.cell, "busy": busy, "folder": self.folder}
        answer["shell"] = self.number
        suspects = self._node.members.suspects()
        return {
            **answer, "accepts": self.accepts, "missed": missed, "dropped": dropped, "suspects": suspects,
            "unread": self.audience.unread,
        }  # fmt: skip

    def terminal_gone(self, link: Link) -> bool:
        """A terminal closed; whether it was the last that could type. What that did not show the next one will."""
        away = link.process in self.seats.away
        self.seats.away.discard(link.process)
        seat = self.seats.leave(link.process)
        if seat is not None:
            self._left(seat)
        return (away or (seat is not None and not seat.watches)) and not self.attached

    def goes_away(self, link: Link) -> bool:
        """A terminal goes over to another shell; to this one it is as if it were here, but nobody looks."""
        seat = self.seats.typist(link.process)
        if seat is not None:
            self.seats.leave(seat.process)
            self.seats.away.add(seat.process)
            self._left(seat)
        return seat is not None

    def _left(self, seat: Seat) -> None:
        if not seat.watches and not self.seats.typists:
            self.audience.left(seat)
        elif not seat.watches:
            self._fit()
            if self._holder == seat.process and self.busy:
                self._hand_over()
        self.audience.settle()

    def _hand_over(self) -> None:
        """The terminal that typed the cell is gone: another one has its keys."""
        self._holder = self._first()
        if self.accepts:
            self._tell(self.seats.get(self._holder), Kind.INPUT, ref=MIRRORED)

    def has(self, process: int) -> bool:
        """Whether that is a terminal of this shell, also one that will be back."""
        return self.seats.get(process) is not None or process in self.seats.away

    def types(self, link: Link | None) -> bool:
        """Whether that is a terminal which may type."""
        return link is not None and self.seats.typist(link.process) is not None

    def watches(self, link: Link) -> bool:
        """Whether that terminal only watches."""
        seat = self.seats.get(link.process)
        return seat is not None and seat.watches

    def others(self, link: Link | None) -> list[int]:
        """The terminals beside that of `link` which may type, also those that will be back: their process numbers."""
        numbers = [*(seat.process for seat in self.seats.typists), *self.seats.away]
        return [number for number in numbers if link is None or number != link.process]

    def _tell(self, seat: Seat | None, kind: int, **fields: Any) -> None:
        self.audience.tell(seat, kind, **fields)

    def _typed(self, link: Link | None, frame: Frame) -> None:
        if link is not None and link.process == self.evaluator:
            self._from_evaluator(frame)
            return
        seat = self.seats.typist(frame.source.number)
        if seat is None:
            return  # it watches: nothing that it says reaches the shell
        holds = seat.process == self._holder
        if holds and self.busy:
            self._touched = True
            self._node.actions.append(Type(bytes(frame.payload), self.number))
        elif holds and self._late is not None:
            self._late.append(frame)
        else:  # the cell it was typed to has ended meanwhile: it belongs to the next prompt
            self._tell(seat, Kind.INPUT, ref=frame.ref, payload=frame.payload)

    def taken(self, size: int) -> None:
        """`size` bytes of what was typed are in the pty: as many more may be typed."""
        self._tell(self.seats.get(self._holder), Kind.CREDIT, meta=pack(Kind.INPUT), credit=size)

    def _resized(self, link: Link | None, frame: Frame) -> None:
        seat, size = self.seats.typist(frame.source.number), frame.options()
        if seat is not None:
            seat.size = int(size["rows"]), int(size["cols"])
            self._fit()

    def _fit(self) -> None:
        """Give the pty the size that every terminal has room for."""
        if (size := self.seats.size) is not None:
            self._node.actions.append(Resize(*size, self.number))

    def _interrupted(self, link: Link | None, frame: Frame) -> None:
        if self.seats.typist(frame.source.number) is not None:
            self._node.actions.append(Interrupt(self.number))


_OF_WHO_TYPED = frozenset({"exit", "attach", "how", "shell", "offer", "form"})
"""What of a DONE concerns the terminal alone that typed the cell."""
