"""The shell of a node as its hub sees it: one evaluator, the terminals at it, and what passes between.

Each terminal sees the cells of the others. One cell runs at a time, and its keys are those of the terminal that
typed it, or, when that is gone, of the one that came first of the rest; everybody's Ctrl-C reaches it. A
terminal that only watches reaches nothing.

With nobody there who may type nothing blocks: what the shell and its tasks print, and what became of a cell,
is kept within bounds and shown once to the next who may, with the count of what was dropped. So is what the
last terminal was sent and had not shown when it was lost.

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
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.actions import Attended, Interrupt, Pause, Prepare, Resize, Type
from pysh.runtime.protocol.frames import Frame, Kind, pack
from pysh.runtime.protocol.links import Link
from pysh.runtime.protocol.missed import Missed
from pysh.runtime.protocol.seats import STUCK, Seat, Seats, Source
from pysh.runtime.protocol.terms import MIRRORED, Pid

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

EVALUATOR = 0
"""What `Pause` calls the evaluator's pty, where it calls workers by their numbers from 1."""


class Console:
    """Who is attached, what runs and what waits, and how much each source may still print."""

    def __init__(self, node: "Node") -> None:
        self.evaluator: int | None = None  # a process number
        self.seats = Seats()
        self.taken_over = False  # a terminal took the shell over from another one
        self.cell = 1
        self.accepts = False  # the evaluator has the cell: what is typed reaches it
        self._node = node
        self._running: Frame | None = None  # the cell
        self._holder: int | None = None  # the terminal whose keys the cell that runs, or ran last, has
        self._cells: deque[Frame] = deque()  # of others than the holder, which wait
        self._waiting: deque[Frame] = deque()
        self._asked: dict[tuple[Pid, int], Frame] = {}  # requests that the evaluator has not answered
        self._missed = Missed()
        self._touched = False  # something was typed into the pty
        self._late: list[Frame] | None = None  # INPUT that waits until the pty is empty, if that is asked for
        self._looking = False  # whether a terminal is stuck
        self.handlers: dict[int, Callable[[Link | None, Frame], None]] = {
            Kind.OUTPUT: self._output, Kind.CELL: self._cell, Kind.DONE: self._done, Kind.INPUT: self._typed,
            Kind.RESIZE: self._resized, Kind.INTERRUPT: self._interrupted, Kind.REPLY: self._replied,
        }  # fmt: skip

    @property
    def busy(self) -> bool:
        """Whether a cell runs."""
        return self._running is not None

    @property
    def attached(self) -> bool:
        """Whether somebody is there who may type."""
        return bool(self.seats.typists)

    @property
    def attended(self) -> bool:
        """Whether a person is, who may be asked things."""
        return any(seat.person for seat in self.seats.typists)

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
        text = f"the shell of {name} died ({death}): its names are gone; functions it published stay callable"
        if self.busy or self._cells:
            waited = {frame.source.number for frame in self._cells}
            for seat in self.seats:
                said = f"{text}; nothing of this cell was run" if seat.process in waited else text
                self._tell(seat, Kind.DONE, meta={"cell": self.cell, "kind": "error", "text": said, "took": 0.0})
            if not self.attached:
                self._missed.add(text.encode() + b"\n")
        else:
            self.notice(text, "error")
        self._running = None
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
        if self.seats.typist(frame.source.number) is None:
            return
        if any(frame.source == waiting.source for waiting in self._cells):
            text = "a cell of this terminal waits already; nothing of this one was run"
            meta = {"cell": self.cell, "kind": "error", "text": text, "took": 0.0}
            self._node.post(frame.source, Kind.DONE, ref=frame.ref, meta=meta)
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
        for seat in self.seats:
            if seat.process != frame.source.number:
                self._mirror(seat)
        self.to_evaluator(frame)

    def _mirror(self, seat: Seat) -> None:
        """Show the cell that runs to one who did not type it."""
        assert self._running is not None
        self._tell(seat, Kind.CELL, ref=MIRRORED, meta={"cell": self.cell}, payload=self._running.payload)

    def _first(self) -> int | None:
        return next((seat.process for seat in self.seats.typists), None)

    def _done(self, link: Link | None, frame: Frame) -> None:
        told = frame.options()
        self.cell = told.get("cell", self.cell)
        self._running = None
        others = None
        for seat in self.seats:
            if seat.process == frame.dest.number:
                self._node.to_process(seat.process, frame)
                continue
            if others is None:
                shown = {name: value for name, value in told.items() if name not in _OF_WHO_TYPED}
                others = frame._replace(ref=MIRRORED, meta=pack(shown))
            self._node.to_process(seat.process, others)
        if not self.attached and (text := told.get("text")):
            self._missed.add(text.rstrip("\n").encode() + b"\n")
        if self._touched and self._late is None:
            self._late = []
            self._ask_unread()
        self._begin()

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
        size = int(asked.get("rows", 24)), int(asked.get("cols", 80))
        watches, person = bool(asked.get("watch")), bool(asked.get("person", True))
        seat = Seat(link.process, watches=watches, person=person, size=size)
        self.seats.join(seat)
        missed, dropped = (b"", 0) if watches else self._missed.take()
        if not watches:
            self._node.actions.append(Prepare("evaluator"))
            self._fit()
            self._node.actions.append(Attended(True))
            if self.busy and self.seats.typist(self._holder) is None:
                self._holder = link.process
        busy = self.busy and self._holder == link.process
        if self.busy and not busy:
            self._mirror(seat)
        answer = {"evaluator": self.evaluator or 0, "cell": self.cell, "busy": busy}
        suspects = self._node.members.suspects()
        return {**answer, "accepts": self.accepts, "missed": missed, "dropped": dropped, "suspects": suspects}

    def terminal_gone(self, link: Link) -> bool:
        """A terminal closed; whether it was the last that could type. What that did not show the next one will."""
        seat = self.seats.leave(link.process)
        if seat is None:
            return False
        last = not seat.watches and not self.attached
        if last:
            self._missed.add(b"".join(unshown.rest() for source, unshown in seat.unshown.items() if source is None))
            for source, unshown in seat.unshown.items():
                if source is not None:
                    self._miss(source[0], unshown.rest())
            self._node.actions.append(Attended(False))
        elif not seat.watches:
            self._fit()
            if self._holder == seat.process and self.busy:
                self._hand_over()
        self._settle()
        return last

    def _hand_over(self) -> None:
        """The terminal that typed the cell is gone: another one has its keys."""
        self._holder = self._first()
        if self.accepts:
            self._tell(self.seats.get(self._holder), Kind.INPUT, ref=MIRRORED)

    def watches(self, link: Link) -> bool:
        """Whether that terminal only watches."""
        seat = self.seats.get(link.process)
        return seat is not None and seat.watches

    def others(self, link: Link | None) -> list[Seat]:
        """The terminals beside that of `link` which may type."""
        return [seat for seat in self.seats.typists if link is None or seat.process != link.process]

    def notice(self, text: str, level: str = "info", gone: bytes = b"") -> None:
        """Tell whoever sits at this node, and which nodes are suspect by now; `gone` is one that is down."""
        for seat in self.seats:
            self._note(seat, text, level, {"gone": gone} if gone else {})

    def _note(self, seat: Seat, text: str, level: str, more: dict[str, Any]) -> None:
        suspects = self._node.members.suspects()
        self._tell(seat, Kind.NOTICE, meta={"text": text, "level": level, "suspects": suspects, **more})

    def _tell(self, seat: Seat | None, kind: int, *, meta: Any = None, **fields: Any) -> None:
        if seat is not None:
            packed = meta if isinstance(meta, bytes) else pack(meta) if meta else b""
            dest = Pid(self._node.incarnation, seat.process)
            self._node.to_process(seat.process, Frame(kind, self._node.me, dest, meta=packed, **fields))

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
            self._node.actions.append(Type(bytes(frame.payload)))
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
            self._node.actions.append(Resize(*size))

    def _interrupted(self, link: Link | None, frame: Frame) -> None:
        if self.seats.typist(frame.source.number) is not None:
            self._node.actions.append(Interrupt())

    # what is printed

    def screen(self, data: bytes) -> None:
        """The evaluator wrote to its pty."""
        if not self.attached:
            self._missed.add(data)
        for seat in self.seats.send(None, data, self._node.now):
            self._tell(seat, Kind.SCREEN, payload=data)
        if self.seats.full:
            self._node.actions.append(Pause(EVALUATOR, on=True))
        self._look_soon()

    def shown(self, frame: Frame) -> bool:
        """A CREDIT passes: whether it was a terminal's, for what it has shown."""
        seat, kind = self.seats.get(frame.source.number), frame.options()
        if seat is None or frame.source.incarnation != self._node.incarnation or kind not in (Kind.SCREEN, Kind.OUTPUT):
            return False
        source: Source = None if kind == Kind.SCREEN else (frame.dest, frame.ref)
        if skipped := seat.shown(source, frame.credit, self._node.now):
            self._note(seat, f"… {skipped:,} bytes not shown: this terminal was too slow", "warn", {})
        if source is None:
            self._go_on()
        else:
            self._grant(*source, self.seats.due(source))
        return True

    def _go_on(self) -> None:
        if not self.seats.full:
            self._node.actions.append(Pause(EVALUATOR, on=False))

    def _settle(self) -> None:
        """Nobody waits any more for a terminal that is gone or stuck."""
        for source, credit in self.seats.all_due().items():
            if source is not None:
                self._grant(*source, credit)
        self._go_on()

    def _look_soon(self) -> None:
        """While several are there none may hold up the others for long."""
        if not self._looking and len(self.seats.typists) > 1:
            self._looking = True
            self._node.later(STUCK / 2, self._look)

    def _look(self) -> None:
        self._looking = False
        waited = self.seats.leave_behind(self._node.now)
        self._settle()
        if waited:
            self._look_soon()

    def _output(self, link: Link | None, frame: Frame) -> None:
        owner = self._node.processes.get(frame.dest.number)
        role = owner.role if owner is not None else ""
        if owner is not None and role == "program":
            self._node.write(owner, self._labelled(frame))
        elif role == "evaluator":
            self._show(frame)
        elif frame.payload:
            self._grant(frame.source, frame.ref, len(frame.payload))

    def _show(self, frame: Frame) -> None:
        """What a task of the shell printed goes to all who are there."""
        source, data = (frame.source, frame.ref), bytes(frame.payload)
        if data and not self.attached:
            self._miss(frame.source, data)
        to = self.seats.send(source, data, self._node.now) if data else []
        whole = self._labelled(frame)
        for seat in self.seats:
            self._node.to_process(seat.process, whole if seat in to else whole._replace(payload=b""))
        if data:
            self._grant(*source, self.seats.due(source))
        self._look_soon()

    def _labelled(self, frame: Frame) -> Frame:
        """An OUTPUT with the label of its node beside what it says: `end`, if nothing more comes."""
        label = self._node.members.label(frame.source.incarnation)
        return frame._replace(meta=pack({**frame.options(), "label": label}))

    def _grant(self, source: Pid, ref: int, size: int) -> None:
        if size > 0:
            self._node.post(source, Kind.CREDIT, ref=ref, meta=pack(Kind.OUTPUT), credit=size)

    def _miss(self, source: Pid, data: bytes) -> None:
        """What a task printed while nobody looked, tagged as its node's."""
        label = self._node.members.label(source.incarnation).encode()
        self._missed.add(b"".join(b"%s | %s" % (label, line) for line in data.splitlines(keepends=True)))


_OF_WHO_TYPED = frozenset({"exit", "attach"})
"""What of a DONE concerns the terminal alone that typed the cell."""
