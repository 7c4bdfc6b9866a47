"""What a call for a shell brings, and whose its names are there."""

from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

import pytest

from pysh.runtime import byvalue, payload
from pysh.runtime.lent import Unpickler
from pysh.runtime.protocol.terms import Pid
from pysh.runtime.runner.mates import Tenant
from pysh.runtime.runner.visit import Visit
from tests.runtime.elsewhere import Prompt

ME = Pid(bytes(16), 7)


class Shell(Prompt):
    """The shell at the other end."""

    def __init__(self) -> None:
        super().__init__("n2@there")
        self("df = [1, 2, 3]\ncount = 0")

    def visit(self) -> Visit:
        """One that has not begun."""
        return Visit(Tenant(ME, ME, 1, None), b"", {}, (None, None, None), self.names)

    def here(self, fn: Callable[..., Any], *args: Any) -> Any:
        """The value of `fn(*args)`, run there as by a visitor."""
        return self.begun(self.visit(), fn, *args)

    def begun(self, visit: Visit, fn: Callable[..., Any], *args: Any) -> Any:
        """The same, as the first step of `visit`."""
        data, _ = payload.dumps_bare(fn, args, {})
        with pytest.MonkeyPatch.context() as patch:  # no class was made in this process
            patch.setattr(byvalue.cloudpickle, "_DYNAMIC_CLASS_TRACKER_BY_ID", WeakValueDictionary())
            return visit.step(self.call, visit, data)

    def call(self, visit: Visit, data: Any) -> Any:
        """Load and run a call."""
        unpickler = Unpickler(data, self.names)
        fn, args, kwargs = unpickler.load()
        visit.lent = unpickler.lent
        return fn(*args, **kwargs)


@pytest.fixture
def n2() -> Shell:
    """A shell with some names."""
    return Shell()


HAS_DF = """
df = [0]
import functools
class C:
    def size(self): return len(df)
    def __call__(self): return len(df)
    @staticmethod
    def static(): return len(df)
    @property
    def shown(self): return len(df)
def size(): return len(df)
def given(f=size): return f()
def calls(f): return f()
def shown(c): return c.shown
@functools.lru_cache
def cached(): return len(df)
def uses(): return cached(), C().size()
def makes(): return [size() for _ in df]
def twice(f):
    @functools.wraps(f)
    def inner(): return 2 * f()
    return inner
twice_size = twice(size)
"""


@pytest.mark.parametrize(
    ("call", "value"),
    [
        ("size,", 3),
        ("(lambda: len(df)),", 3),
        ("functools.partial(calls, size),", 3),
        ("C().size,", 3),
        ("C(),", 3),
        ("C.static,", 3),
        ("shown, C()", 3),
        ("cached,", 3),
        ("given,", 3),
        ("calls, size", 3),
        ("calls, C().size", 3),
        ("uses,", (3, 3)),
        ("makes,", [3, 3, 3]),
        ("twice_size,", 6),
    ],
)
def test_every_function_of_a_call_has_the_names_of_the_shell(
    shell: Prompt, n2: Shell, call: str, value: object
) -> None:
    shell(HAS_DF)
    fn, *args = shell(call)
    assert n2.here(fn, *args) == value
    assert n2.names["df"] == [1, 2, 3]
    assert not {"size", "C", "cached", "inner"} & n2.names.keys()


def test_what_goes_along_is_meant_where_the_shell_has_no_such_name(shell: Prompt, n2: Shell) -> None:
    shell("def fact(n): return 1 if n < 2 else n * fact(n - 1)\ndef filter(n): return 'mine'")
    assert n2.here(shell("lambda: (fact(3), filter(1))")) == (6, "mine")
    n2("def fact(n): return -n")
    assert n2.here(shell("lambda: fact(3)")) == -3
    assert n2("list(filter(None, [0, 1]))") == [1]
    assert n2("fact(1)") == -1


def test_modules_are_bound_there_and_values_are_not(shell: Prompt, n2: Shell) -> None:
    shell("import math\nfrom math import pi, sqrt\nmine = 5")
    assert n2.here(shell("lambda: (math.floor(2.5), sqrt(4))")) == (2, 2)
    assert n2("math.ceil(2.5)") == 3
    for name in ("pi", "mine"):
        with pytest.raises(NameError, match=name):
            n2.here(shell(f"lambda: {name}"))


def test_what_is_written_is_there_at_once_for_everybody(shell: Prompt, n2: Shell) -> None:
    n2("mode = 'old'\ndef show(): return mode\ndef bump():\n    global count\n    count += 1")
    shell("def helper(): pass\ndef own():\n    global count\n    helper()\n    count += 100")
    shell("def shows():\n    global mode\n    mode = 'new'\n    helper()\n    return show()")
    shell("def counts():\n    global count\n    bump(); count += 10; own(); bump()\n    return count")
    shell("def forgets():\n    global df\n    helper()\n    del df")
    assert n2.here(shell["shows"]) == "new"
    assert n2.here(shell["counts"]) == n2("count") == 112
    n2.here(shell["forgets"])
    assert "df" not in n2.names


def test_what_is_left_there_has_what_came_with_it_in_functions_that_it_makes_too(shell: Prompt, n2: Shell) -> None:
    shell("def fact(n): return 1 if n < 2 else n * fact(n - 1)")
    shell("def leaves():\n    global made, nested\n    made = lambda: fact(3)\n    nested = nest(); bump()")
    shell("def nest(): return lambda: [fact(n) for n in df]")
    shell("def bump():\n    global count\n    count = max(fact(n) for n in df)")
    n2.here(shell["leaves"])
    assert (n2("made()"), n2("nested()"), n2("count")) == (6, [1, 2, 6], 6)
    assert "fact" not in n2.names
    n2("df.append(4)")
    assert n2("nested()") == [1, 2, 6, 24]


def test_two_calls_have_each_its_own(shell: Prompt, n2: Shell) -> None:
    shell("def step(): return 1\ndef makes(): return lambda: [step() for _ in df], step")
    old = n2.here(shell["makes"])
    shell("def step(): return 2")
    new = n2.here(shell["makes"])
    assert [(nested(), plain()) for nested, plain in (old, new)] == [([1, 1, 1], 1), ([2, 2, 2], 2)]


def test_what_a_visitor_sends_on_takes_along_what_came_with_it(shell: Prompt, n2: Shell) -> None:
    shell("def fact(n): return 1 if n < 2 else n * fact(n - 1)\ndef gives(): return fact, lambda: fact(3)")
    for fn, args in zip(n2.here(shell["gives"]), ((3,), ()), strict=True):
        sent, args, kwargs = payload.loads_call(payload.dumps_call(fn, args, {}))
        assert sent(*args, **kwargs) == 6


def test_the_names_that_globals_gives_are_those_of_the_shell(shell: Prompt, n2: Shell) -> None:
    shell("""
def looks():
    names = globals()
    names["made"] = 1
    del names["count"]
    return [name in names for name in ("df", "count", "fact")], names.get("nothing"), (lambda: names["df"])()
""")
    assert n2.here(shell["looks"]) == ([True, False, False], None, [1, 2, 3])
    assert n2("made") == 1


def test_a_step_that_raises_leaves_nothing_behind_the_names_of_the_shell(shell: Prompt, n2: Shell) -> None:
    before = n2.names["__builtins__"]
    shell("def helper(): return missing\ndef f(): return helper()")
    with pytest.raises(NameError, match="missing"):
        n2.here(shell["f"])
    assert n2.names["__builtins__"] is before


def test_a_class_of_the_shell_stays_what_it_is(n2: Shell) -> None:
    n2("class Kept:\n    def size(self): return len(df)")
    kept = n2["Kept"].size
    data, _ = payload.dumps_bare(n2["Kept"], (), {})
    assert type(n2.visit().step(n2.call, n2.visit(), data)) is n2["Kept"]
    assert n2["Kept"].size is kept
