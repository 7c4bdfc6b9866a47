import asyncio
import inspect
import linecache
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pysh.runtime.runner import cells
from pysh.runtime.runner.cells import Namespace, Outcome


@pytest.fixture
def space() -> Iterator[Namespace]:
    main = sys.modules["__main__"]
    yield Namespace()
    sys.modules["__main__"] = main


def run(space: Namespace, source: str, filename: str = "<n1@here:1>") -> Outcome:
    return asyncio.run(cells.run(lambda: space.compile(source, filename), space.names))


def value(space: Namespace, source: str) -> object:
    outcome = run(space, source)
    if outcome.error is not None:
        raise outcome.error
    return outcome.value


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("2 + 2", 4),
        ("", None),
        ("# nothing", None),
        ("x = 5", None),
        ("x = 5\nx * 2", 10),
        ("x = 5; x", 5),
        ("'a text, no docstring'", "a text, no docstring"),
        ("def f(): return 3\nf()", 3),
        ("import asyncio\nawait asyncio.sleep(0, 7)", 7),
        ("import asyncio\nx = await asyncio.sleep(0, 7)", None),
        ("import asyncio\n[await asyncio.sleep(0, n) for n in (1, 2)]", [1, 2]),
        ("async def g():\n    yield 1\n[n async for n in g()]", [1]),
        ("y = 3\n[y + n for n in range(2)]", [3, 4]),
        ("__name__", "__main__"),
        ("'__file__' in globals()", False),
        ("globals() is locals()", True),
        ("import sys; sys.modules['__main__'].__dict__ is globals()", True),
    ],
)
def test_a_cell_has_the_value_of_its_last_expression(space: Namespace, source: str, shown: object) -> None:
    assert value(space, source) == shown


def test_a_later_cell_sees_the_names_of_an_earlier_one(space: Namespace) -> None:
    value(space, "def double(n): return factor * n")
    value(space, "factor = 2")
    assert value(space, "double(21)") == 42


def test_a_future_import_holds_for_the_cells_that_follow(space: Namespace) -> None:
    value(space, "from __future__ import annotations")
    assert value(space, "def f(x: nowhere): ...\nf.__annotations__") == {"x": "nowhere"}


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("1/0", ZeroDivisionError),
        ("raise SystemExit(3)", SystemExit),
        ("raise KeyboardInterrupt", KeyboardInterrupt),
        ("import asyncio; raise asyncio.CancelledError", asyncio.CancelledError),
        ("x +", SyntaxError),
        ("return 5", SyntaxError),
        ("x = '\0'", (SyntaxError, ValueError)),
        ("(" * 5000, (SyntaxError, MemoryError, RecursionError)),
    ],
)
def test_whatever_a_cell_raises_is_its_outcome(space: Namespace, source: str, kind: type[Exception]) -> None:
    assert isinstance(run(space, source).error, kind)


@pytest.mark.parametrize("source", ["x = 1\nreturn 5", "x +", "def f():\n    nonlocal z"])
def test_a_syntax_error_shows_its_line(space: Namespace, source: str) -> None:
    error = run(space, source).error
    assert isinstance(error, SyntaxError)
    assert error.lineno is not None
    assert (error.text or "").strip() == source.split("\n")[error.lineno - 1].strip()


def test_the_source_of_a_cell_can_be_found_by_its_file_name(space: Namespace) -> None:
    value(space, "def f():\n    return 1  # one\n")
    linecache.checkcache()
    assert inspect.getsource(space.names["f"]) == "def f():\n    return 1  # one\n"


def test_preloaded_names_are_put_where_code_is_going_to_look(space: Namespace) -> None:
    asked: list[set[str]] = []

    def provide(names: dict[str, Any], codes: Any) -> None:
        asked.append({name for code in codes for name in cells.mentioned(code)})
        names["seven"] = 7

    space = Namespace(provide)
    assert value(space, "def f():\n    return lambda: seven\nf()()") == 7
    assert asked == [{"f", "seven"}]


@pytest.mark.parametrize(("code", "status", "printed"), [(None, 0, ""), (3, 3, ""), (True, 1, ""), ("bye", 1, "bye\n")])
def test_exit_codes_are_those_of_python(
    code: object, status: int, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cells.exit_code(SystemExit(code)) == status
    assert capsys.readouterr().err == printed
