"""Calls and values between two processes."""

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from pysh.runtime import payload
from pysh.runtime.errors import NotSendable
from pysh.runtime.protocol.terms import Parts
from tests.runtime.elsewhere import Elsewhere, Prompt


@pytest.mark.parametrize(
    "value",
    [None, 5, "text", b"x" * 100_000, [1, {"a": (2.5, {3})}], bytearray(b"ab"), range(3), ValueError],
    ids=lambda value: type(value).__name__,
)
def test_a_value_comes_back_as_it_is(value: Any) -> None:
    assert payload.loads(payload.dumps(value)) == value


class Array:
    """Pickled as numpy does it: the bytes themselves, from where they lie."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __reduce_ex__(self, protocol: Any) -> Any:
        return Array, (pickle.PickleBuffer(self.data),)


@pytest.mark.parametrize("size", [1000, 70_000, 2_000_000])
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_an_array_of_any_size_arrives(size: int, kind: Callable[[Any], Any]) -> None:
    data = kind(os.urandom(size))
    assert payload.loads(payload.dumps(Array(data))).data == data
    fn, args, _ = payload.loads_call(bytes_of(payload.dumps_call(Array, (Array(data),), {})))
    assert (fn, args[0].data) == (Array, data)


def bytes_of(data: Any) -> bytes:
    return data.join() if isinstance(data, Parts) else bytes(data)


def test_a_memoryview_arrives_as_bytes() -> None:
    view = memoryview(bytearray(b"abcdef"))
    assert payload.loads(payload.dumps([view, view[::2]])) == [b"abcdef", b"ace"]


def test_a_payload_loads_from_any_buffer(shell: Prompt) -> None:
    shell("def twice(x): return 2 * x")
    for data in (payload.dumps_call(shell["twice"], (4,), {}), payload.dumps_call(partial(int, "8"), (), {})):
        for buffer in (data, bytearray(data), memoryview(data)):
            fn, args, kwargs = payload.loads_call(buffer)
            assert fn(*args, **kwargs) == 8


def test_a_closure_runs_elsewhere(shell: Prompt, there: Elsewhere) -> None:
    shell("def adder(n): return lambda x, *, scale=1: scale * (x + n)")
    assert there.call(shell["adder"](3), 4, scale=10) == 70
    assert there.call(shell["adder"]([1]), [2]) == [2, 1]


def test_builtins_methods_partials_and_classes_can_be_called(there: Elsewhere) -> None:
    assert there.call(max, 1, 2) == 2
    assert there.call("a-b".split, "-") == ["a", "b"]
    assert there.call(partial(int, base=2), "101") == 5
    assert there.call(int, "7") == 7


def test_every_call_starts_from_the_values_at_sending(shell: Prompt, there: Elsewhere) -> None:
    shell("n = 0\ndef inc():\n    global n\n    n += 1\n    return n")
    assert [there.call(shell["inc"]) for _ in range(3)] == [1, 1, 1]
    shell("n = 10")
    assert there.call(shell["inc"]) == 11


def test_functions_sent_in_one_call_share_their_globals(shell: Prompt, there: Elsewhere) -> None:
    shell("n = 0\ndef inc():\n    global n\n    n += 1\ndef get(): return n")
    shell("def run(first, then):\n    first()\n    return then(), n")
    assert there.call(shell["run"], shell["inc"], shell["get"]) == (1, 1)


def test_a_redefined_helper_is_used_at_once(shell: Prompt, there: Elsewhere) -> None:
    shell("def helper(): return 1")
    shell("def outer(): return helper()")
    assert there.call(shell["outer"]) == 1
    shell("def helper(): return 2")
    assert there.call(shell["outer"]) == 2


def test_an_instance_of_a_class_typed_here_comes_back_as_that_class(shell: Prompt, there: Elsewhere) -> None:
    shell("class Point:\n    def __init__(self, x): self.x = x")
    shell("def moved(p): return type(p)(p.x + 1)")
    back = there.call(shell["moved"], shell["Point"](1))
    assert type(back) is shell["Point"]
    assert back.x == 2


def test_what_comes_back_never_rewrites_the_live_class(shell: Prompt, there: Elsewhere) -> None:
    shell("class Point:\n    colour = 'red'")
    data = there.call(lambda p: p, shell["Point"]())
    assert type(data) is shell["Point"]
    sent = payload.dumps_call(shell("lambda: Point()"), (), {})
    shell["Point"].colour = "blue"
    assert type(there.run(sent)) is shell["Point"]
    assert shell["Point"].colour == "blue"


def test_a_class_changed_here_is_changed_in_the_next_call(shell: Prompt, there: Elsewhere) -> None:
    shell("class Point:\n    colour = 'red'\n    def name(self): return 'old'")
    look = shell("lambda p: (p.colour, p.name(), hasattr(p, 'size'))")
    shell["Point"].size = 1
    assert there.call(look, shell["Point"]()) == ("red", "old", True)
    shell("Point.colour = 'blue'\nPoint.name = lambda self: 'new'\ndel Point.size")
    assert there.call(look, shell["Point"]()) == ("blue", "new", False)


def test_a_class_that_a_call_changed_there_is_itself_again_in_the_next(shell: Prompt, there: Elsewhere) -> None:
    shell("class Count:\n    n = 0")
    shell("def up():\n    Count.n += 1\n    Count.extra = 1\n    return Count.n")
    assert [there.call(shell["up"]) for _ in range(2)] == [1, 1]
    assert there.call(shell("lambda: hasattr(Count, 'extra')")) is False


def test_an_instance_of_an_older_definition_still_arrives(shell: Prompt, there: Elsewhere) -> None:
    shell("class Point:\n    version = 1")
    sent = payload.dumps_call(shell("lambda p: (p.version, p)"), (shell["Point"](),), {})
    shell("class Point:\n    version = 2")
    version, back = there.run(sent)
    assert (version, back.version) == (1, 1)
    assert not isinstance(back, shell["Point"])


def test_enums_dataclasses_and_abstract_classes_typed_here_keep_their_identity(shell: Prompt, there: Elsewhere) -> None:
    shell("import enum, dataclasses, abc")
    shell("class Colour(enum.Enum):\n    RED = 1")
    shell("@dataclasses.dataclass(frozen=True)\nclass Pair:\n    a: int\n    b: int = 2")
    shell("class Base(abc.ABC):\n    @abc.abstractmethod\n    def f(self): ...")
    shell("class Child(Base):\n    __slots__ = ('x',)\n    def f(self): return super().f()")
    for _ in range(2):
        colour, pair, child = there.call(lambda *all: all, shell["Colour"].RED, shell["Pair"](1), shell["Child"]())
        assert colour is shell["Colour"].RED
        assert pair == shell["Pair"](1)
        assert isinstance(child, shell["Base"])


def test_a_function_published_by_name_is_new_at_every_load(shell: Prompt) -> None:
    shell("def f():\n    f.seen = getattr(f, 'seen', 0) + 1\n    return f.seen")
    data = payload.dumps_function(shell["f"])
    assert [payload.loads_function(data)() for _ in range(2)] == [1, 1]


def test_what_cannot_travel_is_named_by_its_path(shell: Prompt) -> None:
    shell("import threading\nclass Config:\n    def __init__(self): self.lock = threading.Lock()")
    shell("def make(cfg):\n    def f(): return cfg\n    return f")
    with pytest.raises(NotSendable) as caught:
        payload.dumps_call(shell["make"](shell["Config"]()), (), {})
    assert caught.value.path == "f.<closure cfg>.lock"
    assert caught.value.kind == "_thread.lock"
    assert caught.value.executed == "no"
    with pytest.raises(NotSendable) as caught:
        payload.dumps_call(print, (1, {"k": threading.Lock()}), {})
    assert caught.value.path == "args[1]['k']"


def test_a_result_that_cannot_travel_raises_at_the_caller(there: Elsewhere) -> None:
    with pytest.raises(NotSendable) as caught:
        there.call(lambda: [threading.Lock()])
    assert (caught.value.path, caught.value.executed) == ("value[0]", "yes")


def test_a_value_over_the_limit_is_refused_with_its_size(monkeypatch: pytest.MonkeyPatch, shell: Prompt) -> None:
    monkeypatch.setattr(payload, "limit", 300_000)
    big = bytes(400_000)
    dumps: list[Callable[[], bytes]] = [
        lambda: payload.dumps(big),
        lambda: payload.dumps([bytes(150_000), bytes(250_000)]),
        lambda: payload.dumps_call(len, (big,), {}),
        lambda: payload.dumps_call(shell("lambda x: x"), (big,), {}),
    ]
    for dump in dumps:
        with pytest.raises(NotSendable) as caught:
            dump()
        assert caught.value.size is not None
        assert 400_000 <= caught.value.size < 402_000
        assert caught.value.limit == 300_000


def test_the_limit_can_be_set_for_a_process() -> None:
    program = "from pysh.runtime import payload; print(payload.limit)"
    environment = os.environ | {"PYSH_MAX_VALUE": "12345"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout == "12345\n"


def test_pickling_is_not_imported_before_it_is_needed() -> None:
    program = (
        "import sys; from pysh.runtime import payload, errors; payload.dumps(5);"
        "slow = {'dataclasses', 'logging', 'inspect', 'argparse', 'traceback'};"
        "print([m for m in sys.modules if m.partition('.')[0] in slow or 'cloudpickle' in m])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n"
