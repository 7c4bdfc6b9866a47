"""Lines put in above a prompt that stays where it is, whatever part of them has been written.

For each line the screen scrolls by the rows it needs, the same number of rows opens above the prompt, and
the line is written there. Nothing of the prompt is erased or painted again, so a flood does not make it
flicker, and the editor need not know.
"""

from collections.abc import Sequence
from re import compile as pattern
from typing import NamedTuple

from prompt_toolkit.utils import get_cwidth

_COLOUR = pattern(r"\x1b\[[0-9;:]*m")
# Long lines wrap here, which the editor has switched off; the cursor is not shown on its way.
_BEGIN, _END = "\x1b[?25l\x1b[?7h", "\x1b[?7l\x1b[?25h"


class Block(NamedTuple):
    """The rows that a prompt takes, and where in them the cursor is; both count from 0."""

    rows: int
    row: int
    column: int


def above(lines: Sequence[str], block: Block, size: tuple[int, int]) -> str | None:
    """What writes `lines` above `block` on a screen of `size` (rows, columns); None if that cannot be done.

    Then there is no room, or a line has characters about whose width terminals disagree.
    """
    rows, columns = size
    inserted = []
    for line in lines:
        text = line.expandtabs()
        needed = rows_of(_COLOUR.sub("", text), columns)
        if needed is None or needed + block.rows > rows:
            return None
        scroll = "\r" + "\n" * needed + _move("A", needed + block.rows - 1)
        inserted.append(f"{scroll}\x1b[{needed}L{text}\r{_move('B', block.rows)}")
    to_end = block.rows - 1 - block.row
    back = _move("A", to_end) + "\r" + _move("C", block.column)
    return _BEGIN + _move("B", to_end) + "".join(inserted) + back + _END


def rows_of(text: str, columns: int) -> int | None:
    """How many rows `text` takes where lines wrap at `columns`; None if that is not sure."""
    if text.isascii():
        return max(1, -(-len(text) // columns))
    rows, column = 1, 0
    for char in text:
        width = get_cwidth(char)
        if not width:
            return None  # it changes the one before, in some terminals
        if column + width > columns:
            rows, column = rows + 1, 0
        column += width
    return rows


def _move(way: str, count: int) -> str:
    return f"\x1b[{count}{way}" if count > 0 else ""
