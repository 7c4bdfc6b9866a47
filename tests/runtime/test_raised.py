"""Exceptions that come from elsewhere."""

import traceback
from typing import Any

import pytest

from pysh.runtime import payload, raised, tracebacks
from pysh.runtime.errors import CodeSkew, NodeDown, RemoteError, RemoteTraceback
from pysh.runtime.protocol.frames import pack, unpack
from tests.runtime.elsewhere import NODE, Elsewhere, Prompt


def travelled(error: BaseException) -> Any:
    return payload.loads_error(payload.dumps_error(error), NODE)


def shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def test_an_exception_arrives_as_its_own_type_with_the_frames_there(shell: Prompt, there: Elsewhere) -> None:
    shell("def inner(x): return 1 / x\ndef outer(x): return inner(x)")
    with pytest.raises(ZeroDivisionError, match="division by zero") as caught:
        there.call(shell["outer"], 0)
    text = shown(caught.value)
    assert f"on {NODE}:\nTraceback (most recent call last):\n" in text
    assert "in outer\n    def inner" not in text
    assert "in inner" in text
    assert "The above exception was the direct cause" in text
    error: Any = caught.value
    assert error.__remote__.node == NODE
    assert error.__remote__.traceback.startswith("Traceback")
    assert isinstance(error.__cause__, RemoteTraceback)


def test_the_frames_of_pysh_that_lead_to_the_code_are_left_out(shell: Prompt) -> None:
    shell("def f(): return helper()")
    for helper in (shell("lambda: 1 / 0"), ours("def helper(): return 1 / 0")):
        shell.names["helper"] = helper
        try:
            ours("def run(f): return f()")(shell["f"])
        except ZeroDivisionError as error:
            assert error.__traceback__ is not None
            text = raised.format_traceback(error.with_traceback(error.__traceback__.tb_next))
        assert "in run" not in text
        assert "in f" in text
        assert f"in {helper.__name__}" in text


def test_an_error_with_frames_of_pysh_alone_keeps_them() -> None:
    try:
        ours("def run(): return 1 / 0")()
    except ZeroDivisionError as error:
        assert error.__traceback__ is not None
        assert "in run" in raised.format_traceback(error.with_traceback(error.__traceback__.tb_next))


def test_what_pysh_raises_on_purpose_has_none_of_its_frames() -> None:
    names: dict[str, Any] = {"CodeSkew": CodeSkew}
    exec(compile("def run(): raise CodeSkew('shop')", f"{tracebacks._OURS}runtime/example.py", "exec"), names)
    try:
        names["run"]()
    except CodeSkew as error:
        assert error.__traceback__ is not None
        told = raised.format_traceback(error.with_traceback(error.__traceback__.tb_next))
        assert told.startswith("CodeSkew: shop differs")


def ours(source: str) -> Any:
    """The function that `source` defines, as if it stood in a file of pysh."""
    names: dict[str, Any] = {}
    exec(compile(source, f"{tracebacks._OURS}runtime/example.py", "exec"), names)
    return next(value for name, value in names.items() if name != "__builtins__")


def test_the_causes_there_are_shown(shell: Prompt, there: Elsewhere) -> None:
    shell(
        "def f():\n    try:\n        {}['key']\n"
        "    except KeyError as error:\n        raise ValueError('bad') from error"
    )
    with pytest.raises(ValueError, match="bad") as caught:
        there.call(shell["f"])
    assert "KeyError: 'key'" in shown(caught.value)


def test_notes_arrive_and_are_shown(shell: Prompt, there: Elsewhere) -> None:
    shell("def f():\n    error = ValueError('bad')\n    error.add_note('while reading a.csv')\n    raise error")
    with pytest.raises(ValueError, match="bad") as caught:
        there.call(shell["f"])
    assert caught.value.__notes__ == ["while reading a.csv"]


def test_an_exception_typed_here_is_caught_by_its_class(shell: Prompt, there: Elsewhere) -> None:
    shell(
        "class Broken(Exception):\n    def __init__(self, code, text):\n"
        "        super().__init__(f'{text} ({code})')\n        self.code = code"
    )
    shell("def f(): raise Broken(7, 'oops')")
    with pytest.raises(shell["Broken"]) as caught:
        there.call(shell["f"])
    assert (str(caught.value), caught.value.code) == ("oops (7)", 7)


@pytest.mark.parametrize(
    "error",
    [
        OSError(2, "No such file", "a.txt"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        ImportError("no", name="x"),
        SyntaxError("bad", ("f.py", 1, 2, "x =", 1, 3)),
        KeyError(),
        NodeDown("n3", "noconnection"),
        ExceptionGroup("two", [ValueError(1), ExceptionGroup("in", [KeyError("k")])]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_exception_arrives_with_all_it_holds(error: Exception) -> None:
    again = travelled(error)
    assert type(again) is type(error)
    assert str(again) == str(error) or isinstance(error, NodeDown)
    assert repr(again.args) == repr(error.args)


def test_the_members_of_a_group_keep_their_types(shell: Prompt, there: Elsewhere) -> None:
    shell("class Mine(Exception):\n    def __init__(self, a, b): super().__init__(a + b)")
    shell("def f(): raise ExceptionGroup('both', [Mine(1, 2), ValueError('x')])")
    caught: list[Exception] = []
    try:
        there.call(shell["f"])
    except* shell["Mine"] as group:
        caught += group.exceptions
    except* ValueError as group:
        caught += group.exceptions
        assert "Mine: 3" in shown(group.__cause__ or group)
    assert [str(error) for error in caught] == ["3", "x"]


def test_an_exception_that_cannot_travel_arrives_as_its_text(shell: Prompt, there: Elsewhere) -> None:
    shell("import threading\nclass Held(Exception):\n    pass")
    shell("def f():\n    error = Held('stuck')\n    error.lock = threading.Lock()\n    raise error")
    with pytest.raises(RemoteError) as caught:
        there.call(shell["f"])
    assert (caught.value.type, caught.value.text, caught.value.node) == ("Held", "stuck", NODE)
    assert caught.value.executed == "yes"
    assert "in f" in caught.value.traceback
    assert "in f" in shown(caught.value)


def test_an_exception_that_a_pickle_would_change_arrives_as_its_text() -> None:
    again = travelled(Counted("x"))
    assert isinstance(again, RemoteError)
    assert str(again).endswith("Counted: once x (on n2@there)")


class Counted(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(f"once {text}")

    def __reduce__(self) -> Any:
        return Counted, self.args


def test_an_exception_of_a_module_that_is_not_here_arrives_as_its_text() -> None:
    data = payload.dumps_error(Gone("x"))
    missing = data.replace(__name__.encode(), b"?" * len(__name__))
    assert missing != data
    assert isinstance(payload.loads_error(missing, NODE), RemoteError)


class Gone(Exception): ...


@pytest.mark.parametrize(
    "raising",
    ["raise SystemExit(3)", "raise KeyboardInterrupt", "import asyncio; raise asyncio.CancelledError",
     "raise StopIteration(1)", "raise GeneratorExit", "raise BaseExceptionGroup('x', [SystemExit()])"],
)  # fmt: skip
def test_what_would_end_the_shell_here_is_a_remote_error(shell: Prompt, there: Elsewhere, raising: str) -> None:
    shell(f"def f():\n    {raising}")
    with pytest.raises(RemoteError) as caught:
        there.call(shell["f"])
    assert caught.value.type.rpartition(".")[2] in raising


def test_an_error_of_pysh_says_whether_the_code_that_raised_it_ran() -> None:
    inside = NodeDown("n3", "noconnection", executed="no")
    assert travelled(inside).executed == "yes"
    before = payload.loads_error(payload.dumps_error(inside, executed="no"), NODE)
    assert isinstance(before, NodeDown)
    assert before.executed == "no"


def test_an_exception_that_crosses_two_nodes_shows_both() -> None:
    first = payload.loads_error(payload.dumps_error(ValueError("deep")), "n3@far")
    second = payload.loads_error(payload.dumps_error(first), NODE)
    assert second.__remote__.node == NODE  # type: ignore[attr-defined]
    assert "(raised on n3@far)" in shown(second)
    assert f"on {NODE}:" in shown(second)


def test_hostile_exceptions_still_arrive_as_text() -> None:
    assert isinstance(travelled(Mute("x")), RemoteError)
    assert "\\udc80" in travelled(Odd("\udc80")).text
    long = travelled(Odd("x" * 200_000))
    assert len(long.text) < 70_000
    assert "left out" in long.text


def test_an_exception_that_would_end_its_reader_arrives_as_its_text() -> None:
    told = unpack(payload.dumps_error(ValueError("five")))
    error = payload.loads_error(pack({**told, "pickle": b"cbuiltins\nexit\n(I5\ntR."}), NODE)
    assert isinstance(error, RemoteError)
    assert error.text == "five"


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Odd(Exception):
    def __reduce__(self) -> Any:
        raise RuntimeError("stays")


def test_a_frozen_exception_gets_its_remote_frames_too() -> None:
    again = travelled(Frozen("x"))
    assert again.__remote__.node == NODE
    assert type(again) is Frozen


class Frozen(Exception):
    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("frozen")
