"""What a shell remembers of its cells: the values they came to, the errors they raised, and what was typed.

Values are kept in number and in bytes, errors in number, since each keeps alive all that its frames held. What is
gone is told as such to whoever asks for it.
"""

import re
from collections import deque
from typing import Any

from pysh.runtime.runner.cells import Outcome

RESULTS = 200
"""Values that are kept."""
BYTES = 64 * 1024 * 1024
"""What they may take together, about; a single one that takes more is kept until the next comes."""
LARGE = 16
"""One that takes more than this part of it is large: such go before the small ones, and drop none when they come."""
AGAIN = 2
"""Values that are measured again with each new one: a list grows, and a task gets its result."""
ERRORS = 5
"""Exceptions that are kept."""
CELLS, TEXT = 2_000, 4 * 1024 * 1024
"""Cells whose source and result are kept as text, and the characters they may have together."""

LATEST = ("_", "__", "___")
"""The names of the last values."""
_NAMED = re.compile(r"_(\d+)")


class Cell:
    """A cell that has ended, or goes on as a job: then `good` is None, and `text` says so."""

    __slots__ = ("fetched", "good", "number", "raised", "source", "text", "took", "undone")

    def __init__(self, number: int, source: str, good: bool | None = None, text: str = "", took: float = 0.0) -> None:
        self.number = number
        self.source = source
        self.good = good
        """Whether it raised nothing."""
        self.text = text
        """What was shown of its value or error, or of its going on."""
        self.took = took
        self.raised = ""
        """The error in one line."""
        self.fetched = False
        """Whether it brought a job to the foreground, and came to what that came to."""
        self.undone = False
        """Whether its names are as they were before it."""

    @property
    def size(self) -> int:
        """Characters that it takes here."""
        return len(self.source) + len(self.text)


class Past:
    """The cells of one shell, oldest first; binds `_ __ ___ _3 _e` in its `names`."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.cells: deque[Cell] = deque()
        self.errors: deque[tuple[int, BaseException]] = deque()
        self.forgotten = 0
        """How many cells are not among `cells` any more."""
        self._names = names
        self._bound: dict[str, object] = {}  # by us, under the names of the last values
        self._values: dict[int, tuple[object, int]] = {}
        self._behind: set[int] = set()  # those that ended as jobs: their values and errors are not the last ones
        self._dropped: dict[int, int] = {}  # and how large they were
        self._characters = 0
        self._turn = 0

    def add(self, cell: Cell, outcome: Outcome | None = None) -> None:
        """A cell has ended; or without an outcome, goes on as a job."""
        self._remember(cell)
        if outcome is None:
            return
        if not cell.good:
            cell.raised = in_a_line(cell.text)
        if isinstance(outcome.error, Exception):
            self._keep_error(cell.number, outcome.error)
            self._names["_e"] = outcome.error
        if outcome.value is not None:
            self._keep(cell.number, outcome.value)

    def end(self, cell: Cell, outcome: Outcome, raised: str, more: str = "") -> None:
        """A cell that went on as a job has ended, if it had not: `more` was shown of that.

        What it came to is had by its number alone; `_` and `_e` are what somebody saw as the value of what he typed.
        """
        if cell.good is not None:
            return
        cell.good, cell.raised = outcome.error is None, raised
        cell.text += more
        if cell in self.cells:
            self._characters += len(more)
        kept = {cell.number, *self._values, *(number for number, _ in self.errors)}
        self._behind = (self._behind | {cell.number}) & kept
        if isinstance(outcome.error, Exception):
            self._keep_error(cell.number, outcome.error)
        if outcome.value is not None:
            self._keep(cell.number, outcome.value)

    def value(self, number: int = -1) -> object:
        """The value of that cell; of a negative number, the last but so many. Raises `ValueError`, `TypeError`."""
        if type(number) is not int:
            raise TypeError(f"v() takes the number of a cell, as 3, or how far back, as -1; not {_short(number)}")
        if number in self._values:
            return self._values[number][0]
        if number < 0:
            values = self._latest()
            if -number > len(values):
                raise ValueError(f"v({number}) goes too far back: {self._range()}")
            return values[number]
        cell = next((cell for cell in self.cells if cell.number == number), None)
        if number in self._dropped or cell is None or not cell.good:
            raise ValueError(self._why_none(number, cell))
        return None

    def error(self, number: int = -1) -> BaseException:
        """What that cell raised, or the last error but so many. Raises `ValueError`, `TypeError`."""
        if type(number) is not int:
            raise TypeError(f"e() takes the number of a cell, as 3, or how far back, as -1; not {_short(number)}")
        latest = [error for cell, error in self.errors if cell not in self._behind]
        if number < 0 and -number <= len(latest):
            return latest[number]
        found = next((error for cell, error in self.errors if cell == number), None)
        if found is None:
            kept = ", ".join(str(cell) for cell, _ in self.errors)
            which = (
                f"the last {ERRORS} errors are kept; there are those of {_cells(kept)}" if kept else "no cell raised"
            )
            raise ValueError(f"there is no e({number}): {which}")
        return found

    def forget(self, number: int) -> None:
        """The names are as they were before that cell."""
        for cell in self.cells:
            cell.undone = cell.undone or cell.number == number

    def explain(self, error: BaseException | None) -> None:
        """Say to whoever looked up `_3` why that is not there."""
        if not isinstance(error, NameError) or type(error.name) is not str:
            return
        if (named := _NAMED.fullmatch(error.name)) and not hasattr(error, "__notes__"):
            try:
                self.value(int(named[1]))
                error.add_note(f"that cell came to no value: {self._range()}")
            except ValueError as why:
                error.add_note(str(why))

    def _remember(self, cell: Cell) -> None:
        self.cells.append(cell)
        self._characters += cell.size
        while len(self.cells) > CELLS or (self._characters > TEXT and len(self.cells) > 1):
            self._characters -= self.cells.popleft().size
            self.forgotten += 1

    def _keep_error(self, number: int, error: Exception) -> None:
        """Keep it, and so many before it, among them the last one that somebody saw."""
        self.errors.append((number, error))
        if len(self.errors) > ERRORS:
            seen = [at for at, (number, _) in enumerate(self.errors) if number not in self._behind]
            del self.errors[1 if seen and seen[-1] == 0 else 0]

    def _keep(self, number: int, value: object) -> None:
        from pysh.runtime.helpers.sizes import size_of

        self._values[number] = value, 0
        self._names.setdefault(f"_{number}", value)
        self._bind(number)  # first, as Ctrl-C may end what follows
        self._values[number] = value, size_of(value)
        numbers = list(self._values)
        for _ in range(AGAIN):
            self._turn = (self._turn + 1) % len(numbers)
            again = self._values[numbers[self._turn]][0]
            self._values[numbers[self._turn]] = again, size_of(again)
        for old in [old for old, (_, size) in self._values.items() if size > BYTES and old != number]:
            self._drop(old)
        while len(self._values) > RESULTS:
            self._drop(next(iter(self._values)))
        while self._size(number) > BYTES:
            self._drop(self._first_to_go(number))
        self._bind(number)

    def _latest(self) -> list[object]:
        """The values, the last one last, without those of jobs."""
        return [value for number, (value, _) in self._values.items() if number not in self._behind]

    def _size(self, new: int) -> int:
        """What the values take, without the `new` one if it is large; one under two numbers counts once."""
        counted = (
            (value, size) for number, (value, size) in self._values.items() if number != new or not _is_large(size)
        )
        return sum({id(value): size for value, size in counted}.values())

    def _first_to_go(self, new: int) -> int:
        """The oldest of the large ones but the `new` one, if there are any; else the oldest."""
        large = (number for number, (_, size) in self._values.items() if number != new and _is_large(size))
        return next(large, next(iter(self._values)))

    def _drop(self, number: int) -> None:
        value, size = self._values.pop(number)
        if self._names.get(f"_{number}") is value:
            del self._names[f"_{number}"]
        self._dropped[number] = size
        if len(self._dropped) > CELLS:
            del self._dropped[next(iter(self._dropped))]

    def _bind(self, new: int) -> None:
        """`_ __ ___`, now that there is a `new` value: the last two only where the user has not made them his own."""
        last = self._latest()[::-1]
        for place, name in enumerate(LATEST):
            his = name in self._names and self._names[name] is not self._bound.get(name)
            if his and (place or new in self._behind):
                self._bound.pop(name, None)
                continue
            if place < len(last):
                self._names[name] = self._bound[name] = last[place]
            elif self._bound.pop(name, None) is not None:
                self._names.pop(name, None)

    def _why_none(self, number: int, cell: Cell | None) -> str:
        from pysh.runtime.helpers.sizes import readable

        if (size := self._dropped.get(number)) is not None:
            why = (
                "more than is kept"
                if size > BYTES
                else f"the last {RESULTS} values are kept, of {readable(BYTES)} in all, and large ones go first"
            )
            return f"the value of cell {number} ({readable(size)}) was dropped ({why}); {self._range()}"
        if cell is not None and cell.good is None:
            return f"cell {number} has come to no value yet: {cell.text}"
        if cell is not None:
            return f"cell {number} came to no value, it raised {_cut(cell.raised)}: see e({number})"
        if number and self.cells and number < self.cells[0].number:
            return f"nothing is known here of cell {number} any more; {self._range()}"
        return f"there is no cell {number} yet; {self._range()}"

    def _range(self) -> str:
        if not self._values:
            return "no cell has come to a value so far"
        last = ", and v(-1) is the last" if self._latest() else ""
        return f"values are kept of {_cells(_folded(sorted(self._values)))}{last}"


def in_a_line(text: str) -> str:
    """The last line of what was shown of an error, which says what was raised."""
    return text.rstrip("\n").rpartition("\n")[2]


def _cut(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"


def _is_large(size: int) -> bool:
    return size > BYTES // LARGE


def _cells(numbers: str) -> str:
    return f"cell{'s' if not numbers.isdigit() else ''} {numbers}"


def _folded(numbers: list[int]) -> str:
    """`1 2 3 7` as `1-3, 7`; of many the last."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    shown = ["-".join(map(str, run)) for run in runs[-8:]]
    return ", ".join([*(["…"] if len(runs) > 8 else []), *shown])


def _short(value: object) -> str:
    from pysh.runtime.runner.display import text_of

    return f"{text_of(value, 200):.80}"
