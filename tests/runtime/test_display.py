from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pysh
from pysh.runtime.errors import NoFunction, NoProcess, RemoteTraceback
from pysh.runtime.protocol.frames import MAX_META, pack
from pysh.runtime.results import Rows
from pysh.runtime.runner import display
from pysh.runtime.runner.display import ITEMS, TEXT, failure, show, text_of
from pysh.runtime.tracebacks import Frame, Told

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.binary() | st.complex_numbers()
text = st.text(st.characters(codec="utf-8"))
values = st.recursive(
    leaves | text,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(text, inner)
        | st.frozensets(st.integers())
        | st.sets(text)
    ),
    max_leaves=20,
)


@given(values)
def test_what_is_short_is_shown_as_repr_shows_it(value: object) -> None:
    assert text_of(value) == repr(value)


def test_a_container_in_itself_is_shown_as_repr_shows_it() -> None:
    values: list[Any] = [1]
    values.append({"self": values})
    assert text_of(values) == repr(values)


def test_a_long_list_is_shown_by_its_first_items_and_never_whole() -> None:
    class Late:
        def __repr__(self) -> str:
            raise AssertionError("nobody asked for this one")

    shown = text_of([0] * ITEMS + [Late()] * 2_000_000)
    assert shown.endswith("0, … 2,000,000 more]")


@pytest.mark.parametrize("value", ["é" * 10**6, b"x" * 10**6, [["y" * 50] * 900] * 900, {"k": "v" * 10**6}])
def test_nothing_is_longer_than_its_bound(value: object) -> None:
    assert len(text_of(value).encode()) <= TEXT + 100


@pytest.mark.parametrize(
    ("value", "unit"), [("x" * 10**7, "characters"), ("é\n" * 10**6, "characters"), (b"\xff" * 10**6, "bytes")]
)
def test_a_cut_text_says_how_much_of_it_is_left_out(value: Any, unit: str) -> None:
    for shown in (text_of(value), text_of([value])[1:-1]):
        beginning, _, rest = shown.rpartition(" … ")
        left_out = len(value) - len(eval(beginning))
        assert rest == f"{left_out:,} more {unit}"


def test_of_what_was_not_made_no_amount_is_said() -> None:
    assert text_of([["y" * 50] * 900] * 900).endswith("yy …")


class Broken:
    def __repr__(self) -> str:
        raise ValueError("no")


class Odd:
    def __repr__(self) -> str:
        return "half a pair: \ud800"


def test_a_repr_that_raises_is_shown_as_such() -> None:
    assert text_of([Broken()]) == "<list: its repr raised ValueError: no>"


def test_any_text_can_be_sent() -> None:
    assert text_of(Odd()) == "half a pair: \\ud800"
    pack(show(Odd()))


class Nodes(list[Any]):
    def __pysh_table__(self) -> tuple[list[str], list[Any]]:
        return ["node", "load"], [(name, len(name)) for name in self]


def test_a_table_is_told_as_text_in_rows() -> None:
    table = {"columns": ["node", "load"], "rows": [["n1", "2"], ["db", "2"]], "more": 0}
    assert show(Nodes(["n1", "db"])) == {"kind": "table", "text": "['n1', 'db']", "table": table}


def test_a_table_without_rows_is_shown_as_its_text() -> None:
    assert show(Rows(["node"], empty="no tasks on n1")) == {"kind": "text", "text": "no tasks on n1"}


def test_a_long_table_fits_a_frame_and_says_what_is_left_out() -> None:
    told = show(Nodes(["ü" * 400] * 5000))
    rows = len(told["table"]["rows"])
    assert told["table"]["more"] == 5000 - rows
    assert rows > 20
    assert len(pack(told)) < MAX_META


def test_a_table_that_cannot_be_made_is_shown_as_a_value() -> None:
    assert show(Nodes([None])) == {"kind": "text", "text": "[None]"}


def run_as(filename: str, source: str, **names: Any) -> Callable[[], Any]:
    namespace = dict(names)
    exec(compile(source, filename, "exec"), namespace)
    return namespace["f"]  # type: ignore[no-any-return]


def caught(function: Callable[[], Any]) -> BaseException:
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("it did not raise")


OURS = display.__file__.replace("runner/display.py", "ours.py")


def test_frames_of_our_own_are_not_shown() -> None:
    inner = run_as("<n1@here:1>", "def f(): raise ValueError('deep')")
    middle = run_as(OURS, "def f(): return g()", g=inner)
    shown = failure(caught(run_as("<n1@here:2>", "def f(): return g()", g=middle)))
    assert 'File "<n1@here:2>"' in shown
    assert 'File "<n1@here:1>"' in shown
    assert OURS not in shown
    assert shown.endswith("ValueError: deep\n")


@pytest.mark.parametrize(
    ("raised", "visible"),
    [
        ("KeyError('x')", True),
        ("TypeError('x')", False),
        ("KeyError('x') from RemoteTraceback('n2', '', Told('KeyError'))", False),
        ("NoFunction('x')", False),
    ],
)
def test_a_mistake_of_ours_shows_our_frames(raised: str, visible: bool) -> None:
    names = {"RemoteTraceback": RemoteTraceback, "NoFunction": NoFunction, "Told": Told}
    error = caught(run_as(OURS, f"def f(): raise {raised}", **names))
    assert (OURS in failure(error)) == visible


def test_an_error_that_came_from_a_node_is_one_traceback_with_the_frames_there() -> None:
    error = caught(run_as("<display@here:2>", "def f(): raise ValueError('far')"))
    error.__cause__ = RemoteTraceback("n2@there", "", Told("ValueError: far\n", (USERS,)))
    *_, here, there, line, last = failure(error).splitlines()
    assert failure(error).startswith(BEGIN)
    assert here == '  File "<display@here:2>", line 1, in f'
    assert there == '  File "<n1@here:4>", line 1, in f, on n2@there'
    assert (line, last) == ("    receive()", "ValueError: far")


BEGIN = "Traceback (most recent call last):\n"
USERS = Frame("<n1@here:4>", 1, "f", "    receive()\n")
CORE = Frame("<core>/pysh/runtime/api.py", 1, "receive", "    refuse()\n", ours=True)


def from_n2(error: BaseException, text: str, *frames: Frame, mistake: bool = False) -> str:
    error.__cause__ = RemoteTraceback("n2@there", "", Told(text, frames, mistake=mistake))
    return failure(error)


def test_an_error_of_ours_that_came_from_a_node_says_what_it_says_here() -> None:
    error, said = NoProcess(text="it ended", executed="yes"), "NoProcess: it ended. Nothing ran.\n"
    there = '  File "<n1@here:4>", line 1, in f, on n2@there\n    receive()\n'
    assert from_n2(error, said, USERS, CORE) == f"{BEGIN}{there}NoProcess: it ended. The code ran.\n"
    for frames in ((CORE,), ()):
        assert from_n2(error, said, *frames) == "NoProcess: it ended. The code ran.\n"


def test_an_error_without_frames_of_the_users_there_is_told_with_its_node() -> None:
    said = "TypeError: f() takes no argument\n"
    assert from_n2(TypeError("f() takes no argument"), said, CORE) == f"{said}(raised on n2@there)\n"


def test_a_mistake_of_ours_on_another_node_keeps_its_frames() -> None:
    assert "<core>/pysh/runtime/api.py" in from_n2(KeyError("x"), "KeyError: 'x'\n", CORE, mistake=True)


def test_an_attribute_that_is_refused_is_no_mistake() -> None:
    source = "class A:\n  def __getattr__(self, name): raise AttributeError(name)\ndef f(): A().x"
    assert OURS not in failure(caught(run_as(OURS, source)))


def test_an_error_of_ours_has_the_name_that_people_import() -> None:
    assert failure(NoProcess()).startswith("NoProcess: ")


def test_causes_and_groups_are_shown() -> None:
    source = """
def f():
    try:
        1/0
    except ZeroDivisionError as error:
        raise ExceptionGroup("both", [ValueError("one"), TypeError("two")]) from error
"""
    shown = failure(caught(run_as("<n1@here:3>", source)))
    for part in ("ZeroDivisionError", "direct cause", "ValueError: one", "TypeError: two"):
        assert part in shown


def test_a_long_message_keeps_its_beginning_and_its_end() -> None:
    shown = failure(ValueError("begin" + "x" * 10**6 + "end"))
    assert shown.startswith("ValueError: begin")
    assert shown.endswith("end\n")
    assert len(shown) < TEXT + 100


def test_an_error_whose_text_raises_is_still_told() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert "Mute" in failure(Mute())


def test_asyncio_run_in_a_cell_is_answered_with_what_to_write() -> None:
    assert "await main()" in failure(RuntimeError("asyncio.run() cannot be called from a running event loop"))


def test_of_a_coroutine_that_has_not_begun_it_is_said_how_to_begin_it() -> None:
    async def main() -> None:
        pass

    begun = main()
    assert show(begun, 7)["footer"] == "it has not begun: await _"
    assert "footer" not in show(begun)
    with pytest.raises(StopIteration):
        begun.send(None)
    assert "footer" not in show(begun, 7)


@pytest.mark.parametrize(
    ("value", "footer"),
    [
        ([0] * 1001, "… the rest: v(7)[1000:2000], full(7), page(7)"),
        ((0,) * 1001, "… the rest: v(7)[1000:2000], full(7), page(7)"),
        (b"x" * 100_000, "… the rest: v(7)[32765:33765], full(7), page(7)"),
        ({n: n for n in range(1001)}, "… the rest: full(7), page(7)"),
        ([[0] * 1001], "… the rest: full(7), page(7)"),
        (["x" * 100_000], "… the rest: full(7), page(7)"),
        ([["y" * 50] * 900] * 900, "… the rest: full(7), page(7)"),
        (Rows(["n"], [{"n": n} for n in range(1500)]), "… the rest: v(7)[1000:2000], full(7), page(7)"),
        ([0] * 1000, ""),
    ],
)
def test_of_a_value_that_is_cut_it_is_said_how_to_see_the_rest(value: object, footer: str) -> None:
    assert show(value, 7).get("footer", "") == footer
    assert "footer" not in show(value)


@given(values)
def test_the_whole_of_a_value_is_its_repr(value: object) -> None:
    assert "".join(display.whole(value)) == repr(value)


def test_nothing_is_left_out_of_the_whole() -> None:
    value = [list(range(2000)), "x" * 100_000]
    assert "".join(display.whole(value)) == repr(value)


def test_a_container_that_is_too_long_for_a_line_is_laid_out_in_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "_columns", lambda: 40)
    rows = {f"host{n}": {"cpu": n, "mem": [1, 2, 3]} for n in range(2)}
    laid_out = "{'host0': {'cpu': 0, 'mem': [1, 2, 3]},\n 'host1': {'cpu': 1, 'mem': [1, 2, 3]}}"
    assert display.show(rows, 3)["text"] == laid_out
    assert display.show(rows, 3, person=False)["text"] == repr(rows)
    assert display.show(rows)["text"] == repr(rows), "for a program it is one line"
    assert display.show("x" * 50, 3)["text"] == repr("x" * 50)
    assert display.show([1, 2], 3)["text"] == "[1, 2]"
    assert display.show(["many words " * 5], 3)["text"] == repr(["many words " * 5])
    assert max(map(len, display.show(list(range(100)), 3)["text"].split("\n"))) <= 40


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (pysh.whos, "whos is a function, type whos() to call it: Your names in this shell or script"),
        (pysh.ls, "ls is a function, type ls() to call it: Print what is in a folder"),
        (pysh.ping, "ping is a function, type ping(...) to call it: The seconds of a round trip"),
    ],
)
def test_a_helper_that_was_not_called_says_how_it_is(value: Any, said: str) -> None:
    assert show(value, 3)["text"].startswith(said)
    assert show(value)["text"] == repr(value)  # a program reads this


def test_a_function_of_ones_own_is_shown_as_it_is() -> None:
    def whos() -> None: ...

    assert show(whos, 3)["text"] == repr(whos)
