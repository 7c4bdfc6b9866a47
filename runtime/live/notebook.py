"""Bars of progress in a notebook: HTML under the cell, each written anew in its place."""

from time import monotonic
from typing import Any

from pysh.runtime import html
from pysh.runtime.live.bars import BAR
from pysh.runtime.live.text import plain

KERNEL = "ipykernel"
"""The package whose streams a notebook shows."""


class Bar:
    """One, from its first state on; a frontend without HTML shows its text."""

    def __init__(self) -> None:
        self._display: Any = None
        self._due = 0.0

    @property
    def shown(self) -> bool:
        """Whether anything of it was."""
        return self._display is not None

    def show(self, text: str) -> None:
        """Show its state, unless the last one is as good as new."""
        if (now := monotonic()) >= self._due:
            self._due = now + BAR
            self._put(text)

    def end(self, text: str) -> None:
        """Show what stays."""
        self._put(text)

    def _put(self, text: str) -> None:
        data = {"text/plain": plain(text), "text/html": html.bar(plain(text))}
        try:
            if self._display is None:
                from IPython.display import display

                self._display = display(data, raw=True, display_id=True)  # type: ignore[no-untyped-call]  # of IPython
            else:
                self._display.update(data, raw=True)
        except Exception:
            pass  # the frontend is gone, or was never there; what is shown is no reason to fail


def bar_on(stream: Any) -> Bar | None:
    """A bar where what `stream` prints is shown in a notebook; else None."""
    return Bar() if type(stream).__module__.partition(".")[0] == KERNEL else None
