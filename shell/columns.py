"""Which columns of a table a narrow terminal shows, and how wide: none is broken into pieces."""

from collections.abc import Sequence

BETWEEN = 2
"""Columns of the screen that stand around each one."""
NARROWEST = 8
"""What one keeps that is shortened; a column that needs less is whole."""
FOLDED = 20
"""From this width on a long text goes on in the next line; in less it is cut."""


def fitted(widths: Sequence[int], empty: Sequence[bool], room: int) -> dict[int, int]:
    """The columns that are shown of those with these `widths`, each with the width that it gets, in `room`.

    Those that are `empty` in every row go first, then the widest are shortened, then the last ones go.
    """
    shown = dict(enumerate(min(width, room) for width in widths))
    if _needed(shown) > room:
        shown = {at: width for at, width in shown.items() if not empty[at]} or shown
    while _needed(shown) > room and max(shown.values()) > NARROWEST:
        shown[max(shown, key=lambda at: (shown[at], at))] -= 1
    while _needed(shown) > room and len(shown) > 1:
        shown.popitem()
    return shown


def _needed(shown: dict[int, int]) -> int:
    return sum(width + BETWEEN for width in shown.values())
