import functools
import math
from typing import Any

import pytest

from pysh.runtime.calls import PYTHON, Call, apart, check_timeout, making, refuse_unmeant, synced
from pysh.runtime.errors import VersionSkew
from pysh.runtime.payload import loads, loads_call
from pysh.runtime.protocol.frames import unpack
from pysh.runtime.protocol.terms import Pid
from pysh.runtime.runner.view import NodeInfo

OPTIONS = frozenset(("on", "limit", "detach"))


def call(fn: Any, *args: Any, **kwargs: Any) -> Call:
    return Call(fn, args, kwargs, OPTIONS)


def node(python: str) -> NodeInfo:
    return NodeInfo("n2@there", b"2" * 16, "up", python)


def test_a_call_is_pickled_with_its_arguments() -> None:
    function, args, kwargs = loads_call(call(int, "11", base=2).payload)
    assert function(*args, **kwargs) == 3


def test_a_function_named_by_text_sends_its_arguments_alone() -> None:
    named = call("math:gcd", 12, 18)
    assert loads(named.payload) == ((12, 18), {})
    assert unpack(named.meta(None, "")) == {"label": "math:gcd", "fn": "math:gcd"}


def test_what_is_no_function_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="not 'int'"):
        call(1)


async def waits() -> None:
    """A coroutine function."""


@pytest.mark.parametrize(
    ("fn", "meta"),
    [
        (math.gcd, {"label": "gcd"}),
        (lambda: None, {"label": "<lambda>"}),
        (waits, {"label": "waits", "async": True}),
        (functools.partial(waits), {"label": "waits", "async": True}),
    ],
)
def test_what_its_node_is_told_besides(fn: Any, meta: dict[str, Any]) -> None:
    told = unpack(call(fn).meta(None, ""))
    assert {key: value for key, value in told.items() if key not in ("code", "from", "fixed")} == meta


def test_for_a_shell_a_function_takes_its_modules_along_and_no_other_global_name() -> None:
    names: dict[str, Any] = {"__name__": "__main__", "math": math, "large": bytes(1 << 20)}
    exec("def fn(x, *, y=2): return math.floor(x), y, large", names)
    for made in (names["fn"], functools.partial(names["fn"], 2.5)):
        shell = Call(made, (2.5,), {}, OPTIONS, apart(False, None, None, "shell"))
        function, _, _ = loads_call(shell.payload)
        inner = getattr(function, "func", function)
        assert len(shell.payload) < 10_000
        assert {"math", "large"} & {*inner.__globals__} == {"math"}
        assert inner.__kwdefaults__ == {"y": 2}
        assert unpack(shell.meta(None, ""))["where"] == "shell"
    importable = Call(math.gcd, (), {}, OPTIONS, apart(False, None, None, "shell"))
    assert loads_call(importable.payload)[0] is math.gcd


def test_options_travel_too_and_each_combination_is_packed_once() -> None:
    made = call(math.gcd)
    owner = Pid(b"1" * 16, 3)
    meta = made.meta(owner, "process", 2.5, True)
    expected = {"label": "gcd", "owner": [b"1" * 16, 3], "kind": "process", "limit": 2.5, "detach": True}
    assert unpack(meta) == expected
    assert call(math.gcd).meta(owner, "process", 2.5, True) is meta


@pytest.mark.parametrize("limit", [float("nan"), -1])
def test_a_limit_that_is_no_time_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match=r"limit=.* nothing was sent"):
        call(math.gcd).meta(None, "", limit)
    with pytest.raises(TypeError, match=r"limit= takes a number of seconds, not '5'"):
        call(math.gcd).meta(None, "", "5")  # type: ignore[arg-type]


def test_a_limit_of_no_time_at_all_is_one() -> None:
    assert unpack(call(math.gcd).meta(None, "", 0)) == {"label": "gcd", "limit": 0}


def test_an_actor_says_as_a_function_does_whether_its_code_goes_along() -> None:
    for sync, said in (("auto", {}), ("off", {"sync": "off"})):
        made = making(waits, dict, (), {}, OPTIONS, synced(sync))
        assert {key: value for key, value in unpack(made.meta(None, "")).items() if key == "sync"} == said


@pytest.mark.parametrize("sync", ["on", "", None, True])
def test_code_goes_along_by_itself_or_not_at_all(sync: Any) -> None:
    with pytest.raises(ValueError, match=r'sync= takes "auto" or "off", not .*; nothing was sent'):
        synced(sync)


@pytest.mark.parametrize(
    ("timeout", "error"),
    [("5", TypeError), (b"", TypeError), (float("nan"), ValueError), (-1, ValueError), (-0.1, ValueError)],
)
def test_a_timeout_that_is_no_time_is_refused(timeout: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"timeout= takes a number of seconds, 0 or more, or None"):
        check_timeout(timeout)


@pytest.mark.parametrize("timeout", [None, 0, -0.0, 2.5, float("inf")])
def test_a_time_that_is_over_or_without_end_is_a_timeout(timeout: float | None) -> None:
    check_timeout(timeout)


def test_a_function_with_a_parameter_called_like_an_option_is_refused() -> None:
    def clash(value: int, limit: int = 3) -> int:
        return value + limit

    with pytest.raises(TypeError, match=r"functools\.partial\(clash, limit=\.\.\.\)"):
        call(clash, 1)
    assert call(functools.partial(clash, limit=1), 1).label == "clash"


def test_to_another_python_code_goes_as_source_alone() -> None:
    made = call(lambda: 1)
    assert made.payload_for(node(PYTHON)) is made.payload_for(node("")) is made.payload
    other = made.payload_for(node("3.99"))
    assert other is made.payload_for(node("3.98"))
    assert b"recompiled" in other and b"recompiled" not in made.payload
    function, _, _ = loads_call(other)
    assert function() == 1


def test_what_has_no_source_does_not_go_to_another_python() -> None:
    made = call(eval("lambda: 1"))
    with pytest.raises(VersionSkew, match=r"<lambda> comes from no cell or file .* same --python, or name") as caught:
        made.payload_for(node("3.99"))
    skew = caught.value
    assert (skew.here, skew.there, skew.node, skew.executed) == (PYTHON, "3.99", "n2@there", "no")


@pytest.mark.parametrize("fn", ["pkg.mod:fn", "compute", math.gcd, functools.partial(math.gcd, 4), len])
def test_names_go_to_any_python(fn: Any) -> None:
    made = call(fn)
    assert made.payload_for(node("3.99")) == made.payload


def test_an_option_of_task_is_not_taken_for_an_argument_of_a_function_that_has_none_such() -> None:
    options = {name: f"task(): task(FN, ..., {name}=...)" for name in ("isolate", "limit")}

    def plain(n: int) -> int:
        return n

    def limited(n: int, *, limit: int) -> int:
        return n + limit

    def open_to_all(**told: int) -> dict[str, int]:
        return told

    with pytest.raises(TypeError, match=r"isolate= is an option of task\(\): task\(plain, \.\.\., isolate="):
        refuse_unmeant(plain, {"isolate": True}, options)
    for fn in (limited, open_to_all, "pkg:fn", dict):
        refuse_unmeant(fn, {"limit": 3}, options)
    refuse_unmeant(plain, {"n": 3}, options)
