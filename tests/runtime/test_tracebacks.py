"""Errors as data: joined over nodes, folded, bounded, and printed as Python prints them."""

import asyncio
import json
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from pysh.runtime import raised, tracebacks
from pysh.runtime.errors import NoProcess
from pysh.runtime.helpers.files import load
from pysh.runtime.protocol.terms import BadName
from pysh.runtime.results import Results
from pysh.runtime.tracebacks import FRAMES, ROOM, Frame, Told, bounded, fitted, folded, read


def caught(function: Callable[..., Any], *args: Any) -> BaseException:
    try:
        function(*args)
    except BaseException as error:
        return error
    raise AssertionError("it did not raise")


def deep() -> None:
    {}["key"]


def chain() -> None:
    try:
        deep()
    except KeyError as error:
        raise ValueError("bad\nover two lines") from error


def meanwhile() -> None:
    try:
        deep()
    except KeyError:
        raise OSError(2, "No such file", "a.txt")  # noqa: B904


def group() -> None:
    errors: list[Exception] = [caught(deep), caught(chain), ExceptionGroup("in", [caught(deep), TypeError("t")])]  # type: ignore[list-item]
    raise ExceptionGroup("out", errors)


def group_from() -> None:
    try:
        group()
    except ExceptionGroup as error:
        raise RuntimeError("afterwards") from error


def noted() -> None:
    error = ValueError("bad")
    error.add_note("while reading\na.csv")
    raise error


def syntax() -> None:
    compile("x = (", "<n1:3>", "exec")


async def task_group() -> None:
    async def member(n: int) -> None:
        raise ValueError(n)

    async with asyncio.TaskGroup() as tasks:
        for n in range(3):
            tasks.create_task(member(n))


PRINTED = [deep, chain, meanwhile, group, group_from, noted, syntax, lambda: asyncio.run(task_group())]


@pytest.mark.parametrize("function", PRINTED, ids=lambda function: function.__name__)
def test_an_error_is_printed_as_python_prints_it(function: Callable[[], None]) -> None:
    error = caught(function)
    assert str(tracebacks.of(error)) == "".join(traceback.format_exception(error))


@pytest.mark.parametrize("function", PRINTED, ids=lambda function: function.__name__)
def test_what_is_read_again_is_what_was_packed(function: Callable[[], None]) -> None:
    told = tracebacks.of(caught(function))
    assert read(json.loads(json.dumps(told.packed()))) == told


@pytest.mark.parametrize("data", [None, 7, [], ["x"], ["x", [[]], None, True, [], False], [1, [], None, True, [], 0]])
def test_what_is_no_error_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(data)


def test_what_never_ends_is_refused() -> None:
    data: Any = None
    for _ in range(200):
        data = ["x", [], data, True, [], False]
    with pytest.raises(ValueError, match="no error"):
        read(data)


A, B, C = (Frame("f.py", line, name) for line, name in enumerate("abc"))


@pytest.mark.parametrize(
    ("frames", "shown"),
    [
        ("abc", "abc"),
        ("aab", "aab"),
        ("caaaaab", "caaa[Previous frame repeated 2 more times]b"),
        ("abababab", "abab[Previous 2 frames repeated 2 more times]"),
        ("cababab", "cabab[Previous 2 frames repeated 1 more times]"),
        ("abcabcabcabca", "abcabc[Previous 3 frames repeated 2 more times]a"),
    ],
)
def test_repeated_frames_are_folded(frames: str, shown: str) -> None:
    by_name = {"a": A, "b": B, "c": C}
    made = folded([by_name[name] for name in frames])
    assert "".join(frame.name or frame.source.strip() for frame in made) == shown


def test_functions_that_call_each_other_for_ever_take_few_lines() -> None:
    def even(n: int) -> int:
        return odd(n + 1)

    def odd(n: int) -> int:
        return even(n + 1)

    lines = str(tracebacks.of(caught(even, 0))).splitlines()
    assert len(lines) < 30
    assert any("2 frames repeated" in line for line in lines)
    assert lines[-1].startswith("RecursionError")


def test_of_many_frames_the_first_and_the_last_are_kept() -> None:
    made = bounded([Frame("f.py", line, "f") for line in range(1000)])
    assert len(made) == FRAMES + 1
    assert (made[0].line, made[-1].line) == (0, 999)
    assert any("950 frames left out" in frame.source for frame in made)


def test_what_finds_no_room_is_counted() -> None:
    big = Told("x" * 3000 + "\n", tuple(Frame("f.py", n, "f", "y" * 300 + "\n") for n in range(20)))
    told = Told("Group: all\n", members=(big,) * 40)
    shown = str(fitted(told, 20_000))
    assert len(shown) < 60_000
    assert "20 frames left out" in shown


def test_a_group_of_thousands_and_a_long_chain_are_bounded() -> None:
    assert "and 1,985 more exceptions" in str(
        tracebacks.of(ExceptionGroup("all", [ValueError(n) for n in range(2000)]))
    )
    error: BaseException | None = None
    for n in range(300):
        linked = ValueError(f"{n} " + "x" * 5000)
        linked.__cause__, error = error, linked
    assert error is not None
    assert len(str(tracebacks.of(error))) < 2 * ROOM


def travelled(error: BaseException, node: str) -> Exception:
    return raised.loads(raised.dumps(error, 1 << 20, "yes"), node)


def again(error: BaseException) -> None:
    raise error


def test_an_error_that_crossed_two_nodes_is_one_traceback_of_three_places() -> None:
    second = caught(again, travelled(caught(deep), "n3@far"))
    third = caught(again, travelled(second, "n2@there"))
    shown = str(tracebacks.of(third))
    assert shown.count("Traceback") == shown.count("KeyError: 'key'") == 1
    places = [line.partition(", in ")[2] for line in shown.splitlines() if line.startswith("  File")]
    assert places == [
        "caught", "again", "caught, on n2@there", "again, on n2@there", "caught, on n3@far", "deep, on n3@far"
    ]  # fmt: skip


def test_what_led_to_it_there_stands_before_and_its_members_behind() -> None:
    linked = str(tracebacks.of(caught(again, travelled(caught(chain), "n2@there"))))
    assert linked.index("KeyError: 'key'") < linked.index("direct cause") < linked.index("in again\n")
    assert "in chain, on n2@there" in linked
    assert linked.endswith("ValueError: bad\nover two lines\n")
    both = caught(again, travelled(caught(group), "n2@there"))
    shown = str(tracebacks.of(both))
    assert shown.count("    | KeyError: 'key'\n") == 3
    assert "    |   File " in shown and ", in deep, on n2@there\n" in shown


def test_notes_that_were_added_here_are_shown_once() -> None:
    error = travelled(caught(noted), "n2@there")
    error.add_note("seen here")
    shown = str(tracebacks.of(error))
    assert shown.endswith("ValueError: bad\nwhile reading\na.csv\nseen here\n")


def test_the_carets_of_another_node_are_shown(tmp_path: Any) -> None:
    there = str(tracebacks.of(travelled(caught(deep), "n2@there")))
    assert '    {}["key"]' in there
    assert "^^^" in there or "~~" in there


@pytest.mark.parametrize("error", [NoProcess(), BadName("'x!' has nothing behind a !")])
def test_an_error_of_ours_has_no_module_before_its_name(error: Exception) -> None:
    assert str(tracebacks.of(error)).startswith(f"{type(error).__name__}: ")
    assert str(tracebacks.of(ExceptionGroup("g", [error]))).count("pysh.") == 0


@pytest.mark.parametrize(
    ("ours", "pythons", "counted"),
    [
        ("", "", ""),
        ("o.o.", ".p..", "ooo."),  # a context manager of ours
        ("o..o", ".pp.", "oooo"),
        ("o..o", "..p.", "o..o"),  # the user's code stands between
        (".o..", ".p.p", ".o.."),
        ("...o", "ppp.", "...o"),
        ("o.o.o", ".p.p.", "ooooo"),
    ],
)
def test_what_of_pythons_stands_between_calls_of_ours_is_of_no_interest(ours: str, pythons: str, counted: str) -> None:
    found = tracebacks.in_between([each == "o" for each in ours], [each == "p" for each in pythons])
    assert found == [each == "o" for each in counted]


@pytest.mark.parametrize(
    "function", [lambda: Results()[0], lambda: load("nope.py")], ids=["a key that is refused", "a file that is not"]
)
def test_what_is_refused_on_purpose_shows_none_of_our_frames(function: Callable[[], Any]) -> None:
    frames = tracebacks.of(caught(function)).of_users().frames
    assert {frame.file for frame in frames} == {__file__}


def test_the_files_of_a_traceback_are_those_of_frames_that_ran_here_and_are_there() -> None:
    here = Frame(__file__, 1, "f")
    told = Told(
        "ValueError\n", (here, Frame("/no/such.py", 1, "g"), Frame("<n1@here:3>", 1, "h"), Frame("a.py", 1, "i")),
        before=Told("KeyError\n", (Frame(tracebacks.__file__, 2, "f"),)),
        members=(Told("OSError\n", (Frame("/bin/sh", 2, "f", node="n2"),)),),
    )  # fmt: skip
    assert tracebacks.files(told) == [__file__, tracebacks.__file__]
