"""Semantic prompts (OSC 133): what tells a terminal where prompts, what was typed, and outputs begin and end.

It can then jump from prompt to prompt, select an output as a whole, and show which cell failed.
"""

from collections.abc import Mapping
from typing import Any

FAILED = 1
"""The exit status of a cell that raised."""


class Semantic:
    """The marks as they are to be written; all are empty unless `on`."""

    def __init__(self, on: bool) -> None:
        self._on = on
        self._begun = False
        self.prompt = _mark("A") if on else ""
        """Stands before the text of a prompt, at the beginning of its line."""
        self.typed = _mark("B") if on else ""
        """Stands between a prompt and what is typed there."""

    def begin(self) -> bytes:
        """What is written when a cell was sent, before anything it writes."""
        self._begun = self._on
        return _mark("C").encode() if self._on else b""

    def end(self, told: Mapping[str, Any]) -> bytes:
        """What is written when all is shown of a cell whose DONE is `told`, if its beginning was marked."""
        begun, self._begun = self._begun, False
        return _mark(f"D;{status(told)}").encode() if begun else b""

    def leave(self) -> bytes:
        """What is written when the terminal leaves a cell that goes on: no status is known."""
        begun, self._begun = self._begun, False
        return _mark("D").encode() if begun else b""


UNMARKED = Semantic(False)


def status(told: Mapping[str, Any]) -> int:
    """The exit status of a cell, as if it were a command."""
    left = told.get("exit")
    if left is not None:
        return int(left) & 0xFF
    return FAILED if told.get("kind") == "error" else 0


def _mark(which: str) -> str:
    return f"\x1b]133;{which}\x1b\\"
