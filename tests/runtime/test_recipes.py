"""Functions sent as a recipe and values: when they are, and that nobody can tell."""

import textwrap
from collections.abc import Callable
from typing import Any

import pytest

from pysh.runtime import payload, recipes
from pysh.runtime.vendor.cloudpickle import cloudpickle
from tests.runtime.elsewhere import Prompt

Sent = Callable[..., Any]


@pytest.fixture
def shell() -> Prompt:
    return Prompt()


def sent(fn: Any) -> Any:
    """`fn` as it arrives."""
    return payload.loads_function(payload.dumps_function(fn))


@pytest.mark.parametrize(
    "source",
    [
        "lambda: 1",
        "lambda x, y=2, *, z=3: x",
        "lambda: len('a')",
        "lambda: k + m.sqrt(4)",
        "lambda: Path('.')",
        "lambda: helper(k)",
        "lambda: (lambda: k)()",
        "captured",
        "typed",
        "loop",
    ],
)
def test_a_function_of_code_references_and_scalars_has_a_recipe(shell: Prompt, source: str) -> None:
    shell("import math as m\nfrom pathlib import Path\nk = 1\ndef helper(x, by=k): return x + by")
    shell("captured = (lambda n: lambda: n)(5)")
    shell("def typed(x: int, y: 'str') -> None:\n    'Says what it does.'")
    shell("def loop(n): return n and loop(n - 1)")
    assert recipes.pack(shell(source)) is not None


@pytest.mark.parametrize(
    "source",
    [
        "lambda: items",
        "lambda: Point",
        "lambda x=items: x",
        "lambda: wrapped",
        "lambda: point",
        "lambda: draw()",
        "marked",
        "captured",
        "renamed",
        "len",
    ],
)
def test_a_function_that_refers_to_what_can_change_unseen_has_none(shell: Prompt, source: str) -> None:
    shell("items = [1]\nclass Point: pass\npoint = Point()")
    shell("import functools, random\nwrapped = functools.wraps(len)(lambda: 1)\ndraw = random.Random(1).random")
    shell("def marked(): pass\nmarked.seen = 1\ndef renamed(): pass\nrenamed.__name__ = 'other'")
    shell("captured = (lambda n: lambda: n)([5])")
    fn = shell(source)
    assert not callable(fn) or not hasattr(fn, "__code__") or recipes.pack(fn) is None


def test_an_importable_function_has_none_and_goes_by_name() -> None:
    assert recipes.pack(textwrap.dedent) is None  # type: ignore[arg-type]
    assert sent(textwrap.dedent) is textwrap.dedent


def test_a_function_arrives_with_all_its_attributes(shell: Prompt) -> None:
    shell("def f(a: int, b='x', *, c=None) -> str:\n    'Says what it does.'\n    return a, b, c")
    fn = shell["f"]
    again = sent(fn)
    for name in (
        "__name__",
        "__qualname__",
        "__module__",
        "__doc__",
        "__defaults__",
        "__kwdefaults__",
        "__dict__",
    ):
        assert getattr(again, name) == getattr(fn, name)
    assert again.__annotations__ == fn.__annotations__
    assert again(1, c=2) == (1, "x", 2)


def test_a_captured_value_goes_with_each_call_and_the_recipe_stays(shell: Prompt) -> None:
    shell("def adder(n): return lambda x: x + n")
    packed = [recipes.pack(shell["adder"](n)) for n in (1, 2)]
    assert packed[0] is not None and packed[1] is not None
    assert packed[0][0] is packed[1][0]
    assert [sent(shell["adder"](n))(10) for n in (1, 2, 3.5)] == [11, 12, 13.5]


def test_one_equals_true_but_arrives_as_what_it_is(shell: Prompt) -> None:
    shell("def same(n): return lambda: n")
    assert [repr(sent(shell["same"](n))()) for n in (1, True, 1.0)] == ["1", "True", "1.0"]


def test_a_captured_list_among_scalars_goes_by_value_and_spoils_nothing(shell: Prompt) -> None:
    shell("def same(n): return lambda: n")
    assert [sent(shell["same"](n))() for n in (1, [2], 3)] == [1, [2], 3]
    assert recipes.pack(shell["same"](4)) is not None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("k = 2", 2),
        ("k = [3]", [3]),
        ("def helper(): return 'new'", "new"),
        ("helper.__code__ = (lambda: 'patched').__code__", "patched"),
        ("helper.__defaults__ = (7,)", 7),
        ("def len(x): return 'mine'", "mine"),
        ("import cmath as m", "cmath"),
        ("del k", NameError),
    ],
)
def test_what_changed_here_between_two_calls_is_changed_there(shell: Prompt, change: str, expected: Any) -> None:
    shell("import math as m\nk = 1\ndef helper(x=1): return x")
    shell(
        "def f(what):\n    return {'k': lambda: k, 'h': lambda: helper(), 'l': lambda: len('a'),"
        " 'm': lambda: m.__name__}[what]()"
    )
    assert [sent(shell["f"])(what) for what in "khlm"] == [1, 1, 1, "math"]
    shell(change)
    fn = sent(shell["f"])
    if expected is NameError:
        with pytest.raises(NameError):
            fn("k")
    else:
        assert expected in [fn(what) for what in "khlm"]


def test_a_captured_variable_that_is_rebound_starts_anew_in_every_call(shell: Prompt) -> None:
    shell(
        "def counter():\n    n = 0\n    def up():\n        nonlocal n\n        n += 1\n        return n\n    return up"
    )
    data = payload.dumps_function(shell["counter"]())
    assert [payload.loads_function(data)() for _ in range(3)] == [1, 1, 1]
    up = payload.loads_function(data)
    assert [up(), up()] == [1, 2]


def test_functions_that_call_each_other_arrive_together(shell: Prompt) -> None:
    shell("def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n != 0 and even(n - 1)")
    even = sent(shell["even"])
    assert even(10)
    assert even.__globals__["even"] is even
    assert even.__globals__["odd"].__globals__ is even.__globals__


def test_a_function_not_bound_to_its_own_name_does_not_meet_another_there(shell: Prompt) -> None:
    shell("def f(): return 'first', f\nfirst = f\ndef f(): return 'second', None")
    name, other = sent(shell["first"])()
    assert (name, other()) == ("first", ("second", None))


def test_an_imported_submodule_is_imported_there_too(shell: Prompt) -> None:
    shell("import xml\ndef f(): return xml.dom.minidom.__name__")
    import xml.dom.minidom  # noqa: F401

    packed = recipes.pack(shell["f"])
    assert packed is not None
    assert b"xml.dom.minidom" in packed[0]


def test_a_module_registered_to_go_by_value_is_not_sent_by_name(shell: Prompt, monkeypatch: pytest.MonkeyPatch) -> None:
    shell("def f(): return 1")
    assert recipes.pack(shell["f"]) is not None
    monkeypatch.setattr(cloudpickle, "_PICKLE_BY_VALUE_MODULES", {"json"})
    assert recipes.pack(shell["f"]) is None


def test_code_whose_surroundings_change_all_the_time_is_left_to_cloudpickle(shell: Prompt) -> None:
    shell("def f(): return helper()")
    for n in range(recipes.STRIKES + 2):
        shell(f"def helper(): return {n}")
        assert sent(shell["f"])() == n
    assert recipes.pack(shell["f"]) is None


def test_what_is_remembered_is_bounded() -> None:
    for n in range(recipes.KEPT + 3):
        assert sent(eval(f"lambda: {n}", {"__name__": "__main__"}))() == n
    assert len(recipes._known) <= recipes.KEPT
    assert len(recipes._moulds) <= recipes.KEPT
