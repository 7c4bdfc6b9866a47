"""The cells that other terminals of the same shell typed, as this one sees them."""

from pysh.runtime.protocol.frames import Frame, Kind
from pysh.runtime.protocol.terms import MIRRORED

ATTACHED = 1
"""Stands for the ref of a cell that a terminal began which is gone: we have its keys."""
ANOTHERS = -1
"""Stands for the ref of a cell that another terminal typed, which is there."""
EVERY = -2
"""Stands for the refs of all cells, where somebody only watches."""


class Another(Exception):
    """A cell begins that another terminal typed."""


def ends(told: int, ref: int) -> bool:
    """Whether the DONE `told` is that of the cell `ref`; 0 is of whatever ran when the shell died."""
    if ref == EVERY:
        return False
    if ref == ANOTHERS:
        return told in (0, MIRRORED)
    return ref <= ATTACHED or told in (0, ref)


def before_cell(frames: list[Frame]) -> tuple[list[Frame], list[Frame]]:
    """`frames` up to the first cell that another terminal typed, and the rest."""
    at = next((at for at, frame in enumerate(frames) if frame.kind == Kind.CELL), len(frames))
    return frames[:at], frames[at:]
