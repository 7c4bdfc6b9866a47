"""Bars in a notebook, whose display is the test's; tests/system/test_jupyter.py has a real kernel."""

import io
import sys
from types import ModuleType
from typing import Any

import pytest

from pysh.runtime.live import notebook
from pysh.runtime.live.notebook import Bar, bar_on


class Frontend(ModuleType):
    """What `IPython.display` is: it keeps what is shown."""

    def __init__(self) -> None:
        super().__init__("IPython.display")
        self.shown: list[tuple[str, str]] = []
        self.gone = False

    def display(self, data: dict[str, str], *, raw: bool, display_id: bool) -> "Frontend":
        assert raw and display_id
        self._put("new", data)
        return self

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        assert raw
        self._put("anew", data)

    def _put(self, how: str, data: dict[str, str]) -> None:
        if self.gone:
            raise OSError("closed")
        self.shown.append((how, data["text/html"]))


@pytest.fixture
def frontend(monkeypatch: pytest.MonkeyPatch) -> Frontend:
    made = Frontend()
    monkeypatch.setitem(sys.modules, "IPython.display", made)
    return made


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [0.0]
    monkeypatch.setattr(notebook, "monotonic", lambda: clock[0])
    return clock


def test_states_are_shown_in_one_place_and_not_too_often_and_the_last_always(
    frontend: Frontend, now: list[float]
) -> None:
    bar = Bar()
    assert not bar.shown
    for text in ("1", "2", "3"):
        bar.show(text)
        now[0] += 0.06
    assert bar.shown
    bar.end("over")
    assert frontend.shown == [("new", "<pre>1</pre>"), ("anew", "<pre>3</pre>"), ("anew", "<pre>over</pre>")]


def test_what_controls_a_terminal_is_no_part_of_it(frontend: Frontend) -> None:
    Bar().end("\x1b[31mred\x1b[0m")
    assert "\x1b" not in frontend.shown[0][1]


def test_a_frontend_that_is_gone_ends_no_loop(frontend: Frontend) -> None:
    frontend.gone = True
    Bar().show("1")


def test_only_what_a_kernel_shows_has_bars() -> None:
    stream: Any = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    assert bar_on(stream) is not None
    assert bar_on(io.StringIO()) is bar_on(None) is None
