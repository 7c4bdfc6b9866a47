"""Names that somebody may have meant."""

from typing import Any

import pytest

import pysh  # noqa: F401 - the names that a prompt has
from pysh.runtime import raised, tracebacks
from pysh.runtime.errors import NoFunction, NoModule
from pysh.runtime.guesses import guess, near


def run(source: str) -> BaseException:
    """What a cell raises; it defines `f`."""
    names: dict[str, Any] = {"value": 1}
    try:
        exec(compile(source, "<n1@here:1>", "exec"), names)
        names["f"]()
    except Exception as error:
        return error
    raise AssertionError("it did not raise")


CELLS = [
    ("def f(): return valu", "Did you mean: 'value'?"),
    ("def f():\n  counter = 1\n  return countr", "Did you mean: 'counter'?"),
    ("def f(): pirnt(1)", "Did you mean: 'print'?"),
    ("def f(): nodess()", "Did you mean: 'nodes'?"),
    ("def f(): json.dumps(1)", "Did you forget to import 'json'?"),
    ("def f(): return zqzqzqzq", ""),
    ("class C:\n  def __init__(self): self.total = 1\n  def get(self): return total\ndef f(): C().get()",
     "Did you mean: 'self.total'?"),
    ("def f(): [].appendd(1)", "Did you mean: 'append'?"),
    ("def f(): return ''.qqqqqqqq", ""),
    ("def f():\n  from os import pathh", "Did you mean: 'path'?"),
    ("def f():\n  import jsonn", "Did you mean: 'json'?"),
    ("def f():\n  import json.decoderr", "Did you mean: 'json.decoder'?"),
    ("def f(): {}['x']", ""),
]  # fmt: skip


@pytest.mark.parametrize(("source", "meant"), CELLS)
def test_a_slip_is_answered_with_what_is_there(source: str, meant: str) -> None:
    error = run(source)
    last = str(tracebacks.of(error)).splitlines()[-1]
    assert last.rstrip("?").endswith(meant.rstrip("?"))  # of which Python says some without it
    assert last.count("Did you") == bool(meant)


@pytest.mark.parametrize(("source", "meant"), CELLS)
def test_a_slip_on_another_node_is_answered_there(source: str, meant: str) -> None:
    error = raised.loads(raised.dumps(run(source), 1 << 20, "yes"), "n2@there")
    shown = str(tracebacks.of(error))
    assert meant.rstrip("?") in shown
    assert shown.count("Did you") == bool(meant)


@pytest.mark.parametrize("use", ["c.x", "c[0]", "1 + c", "for n in c: pass"])
def test_what_nobody_awaited_is_told_as_such(use: str) -> None:
    async def answer() -> None:
        pass

    coroutine = answer()
    with pytest.raises((AttributeError, TypeError)) as caught:
        exec(use, {"c": coroutine})
    coroutine.close()
    assert guess(caught.value) == "Did you forget 'await'?"


@pytest.mark.parametrize("error", [NoFunction("x", "n2"), NoModule("jsonn", "n2"), NameError("said by hand")])
def test_what_says_enough_or_nothing_is_left_alone(error: Exception) -> None:
    assert guess(error) == ""


def test_code_of_the_users_that_raises_is_no_guess() -> None:
    source = "class C:\n  def __dir__(self): raise ValueError\ndef f(): C().x"
    assert guess(run(source)) == ""


@pytest.mark.parametrize(
    ("name", "names", "found"),
    [("n22", ["n1", "n2"], "n2"), ("n3", ["n1", "n2"], ""), ("Valeu", ["value"], "value"), ("x" * 100, ["x" * 99], "")],
)
def test_what_is_near(name: str, names: list[str], found: str) -> None:
    assert near(name, names) == found
