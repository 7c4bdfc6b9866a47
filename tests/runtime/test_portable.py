"""Functions and classes as source, for another Python: here in one, and between those that this machine has."""

import asyncio
import linecache
import pickle
import subprocess
import sys
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

from pysh.runtime import portable
from pysh.runtime.errors import VersionSkew
from pysh.runtime.payload import dumps, dumps_call
from pysh.runtime.runner.cells import Namespace
from tests.pythons import python

CELL = """
from __future__ import annotations
import math
scale = 10

def square(x: Unknown, *, by=2) -> Unknown:
    return x ** by
def counter():
    total = 0
    def add(n):
        nonlocal total
        total += n
        return total
    return add
added = counter()
added(5)
two = (lambda x: x + 1), (lambda x: x + 2)
nested = [lambda x, n=n: x * n for n in (3, 4)]
def numbers(n):
    for each in range(n):
        yield each * scale
async def later(x):
    return math.floor(x)
def fact(n): return 1 if n < 2 else n * fact(n - 1)
@staticmethod
def decorated(x): return [y for y in range(x) if y]
class Base:
    "A class."
    count = 0
    def __init__(self, x): self.x = x
    @property
    def double(self): return 2 * self.x
    @classmethod
    def made(cls, x): return cls(x)
class Derived(Base):
    def __init__(self, x): super().__init__(x + 1)
    def each(self):
        def inner(): return self.x
        return inner()
from dataclasses import KW_ONLY, InitVar, dataclass, field
from typing import ClassVar
@dataclass(order=True)
class Point:
    x: int
    seen: ClassVar[int] = 7
    more: list = field(default_factory=list, repr=False)
    by: InitVar[int] = 2
    _: KW_ONLY
    name: str = "p"
    def __post_init__(self, by): self.x *= by
    def moved(self, n): return Point(self.x + n, by=1)
@dataclass(frozen=True)
class Fixed(Base):
    x: int = 3
    def __repr__(self): return "own"
import enum
class Color(enum.Enum):
    RED = 1
    def up(self): return self.value + 1
def matches(x):
    match x:
        case [a, *_]: return a
        case {"k": v}: return v
"""
USES = {
    "square(3, by=3)": "27",
    "added(1)": "6",
    "two[0](1), two[1](1)": "(2, 3)",
    "nested[0](2), nested[1](2)": "(6, 8)",
    "list(numbers(3))": "[0, 10, 20]",
    "asyncio.run(later(2.5))": "2",
    "fact(5)": "120",
    "decorated(4)": "[1, 2, 3]",
    "Derived.made(1).double": "4",
    "Derived(1).each(), Base.__doc__": "(2, 'A class.')",
    "Point(2).moved(1), Point(1) < Point(2), Point.seen": "(Point(x=5, name='p'), True, 7)",
    "Fixed(), hash(Fixed()) == hash(Fixed(3)), Fixed(4).double, Fixed.x": "(own, True, 8, 3)",
    "Color.RED.up(), Color(1)": "(2, <Color.RED: 1>)",
    "matches([1, 2]), matches({'k': 3})": "(1, 3)",
    "square.__annotations__['x'], square.__kwdefaults__": "('Unknown', {'by': 2})",
}


def shell() -> dict[str, Any]:
    """The names that a cell leaves."""
    namespace = Namespace()
    for code in namespace.compile(CELL, "<n1@here:1>"):
        eval(code, namespace.names)
    return namespace.names


def functions(names: dict[str, Any]) -> list[FunctionType]:
    found = [value for value in names.values() if isinstance(value, FunctionType)]
    return [*found, *names["two"], *names["nested"], names["Derived"].each]


def test_each_function_is_found_in_its_text_again() -> None:
    for function in functions(shell()):
        text, place = portable.located(function.__code__)
        assert portable.found(text, place) == function.__code__


def test_lambdas_of_one_line_are_told_apart() -> None:
    one, two = shell()["two"]
    assert portable.located(one.__code__)[1].nth == 0
    assert portable.located(two.__code__)[1].nth == 1


def test_a_text_goes_once_however_many_functions_of_it_go() -> None:
    names = shell()
    data = dumps([names[name] for name in ("square", "numbers", "fact", "Derived")], portable=True)
    assert bytes(data).count(b"def numbers(n)") <= 2  # and the lines for tracebacks


def test_what_the_text_is_not_any_more_does_not_go(tmp_path: Path) -> None:
    file = tmp_path / "changing.py"
    file.write_text("def f():\n    return 1\n")
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(file.read_text(), str(file), "exec"), names)
    assert portable.located(names["f"].__code__)[1].name == "f"
    file.write_text("def f():\n    return 10\n")
    linecache.checkcache(str(file))
    with pytest.raises(VersionSkew, match="f comes from no cell or file that is still as it was"):
        dumps_call(names["f"], (), {}, portable=True)


def test_lines_that_are_no_whole_text_are_refused() -> None:
    linecache.cache["<some>"] = (1, None, ["\n", "    def f(): pass\n"], "<some>")
    with pytest.raises(VersionSkew):
        portable.located(compile("\ndef f(): pass", "<some>", "exec").co_consts[0])


def test_a_text_that_lacks_the_function_and_one_that_is_too_long_are_refused() -> None:
    text, place = portable.located(shell()["fact"].__code__)
    with pytest.raises(VersionSkew):
        portable.found(text._replace(source="\n" * 99), place)
    linecache.cache["<long>"] = (1, None, ["def f(): pass\n", "#" * portable.LARGEST], "<long>")
    with pytest.raises(VersionSkew):
        portable.located(compile("def f(): pass", "<long>", "exec").co_consts[0])


def run_by(minor: str, code: str, data: bytes) -> "subprocess.CompletedProcess[bytes]":
    """Run `code` in another Python that finds pysh, with `data` on stdin."""
    path = [part for part in sys.path if "site-packages" in part]
    command = [python(minor), "-c", f"import sys; sys.path[:0] = {path!r}\n{code}"]
    return subprocess.run(command, input=data, capture_output=True)


def loaded_by(minor: str, data: bytes, use: str) -> str:
    """What `use` gives in another Python that unpickles `data`: the names of `shell`."""
    code = (
        "import sys, pickle, asyncio; names = pickle.load(sys.stdin.buffer); "
        f"names['asyncio'] = asyncio; print(eval({use!r}, names))"
    )
    done = run_by(minor, code, data)
    return done.stdout.decode().strip() or done.stderr.decode()


@pytest.mark.parametrize("minor", ["3.12", "3.13", "3.14"])
@pytest.mark.parametrize("use", USES, ids=range(len(USES)))
def test_it_does_there_what_it_does_here(minor: str, use: str) -> None:
    names = {name: value for name, value in shell().items() if name not in ("__builtins__", "annotations")}
    assert loaded_by(minor, bytes(dumps(names, portable=True)), use) == USES[use]


@pytest.mark.parametrize("minor", ["3.12", "3.13", "3.14"])
def test_it_does_here_what_it_does_there(minor: str) -> None:
    code = """
from pysh.runtime.payload import dumps
from pysh.runtime.runner.cells import Namespace
namespace = Namespace()
for code in namespace.compile(sys.stdin.read(), "<n2@there:1>"):
    eval(code, namespace.names)
names = {name: value for name, value in namespace.names.items() if name not in ("__builtins__", "annotations")}
sys.stdout.buffer.write(dumps(names, portable=True))
"""
    done = run_by(minor, code, CELL.encode())
    assert done.returncode == 0, done.stderr
    for use, told in USES.items():
        names = pickle.loads(done.stdout) | {"asyncio": asyncio}
        assert str(eval(use, names)) == told


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("from typing import NamedTuple\nclass Kept(NamedTuple):\n    x: int", "Kept is a named tuple"),
        ("from collections import namedtuple\nKept = namedtuple('Kept', 'x')", "Kept is a named tuple"),
        (
            "from dataclasses import dataclass\n@dataclass(slots=True)\nclass Kept:\n    x: int",
            "Kept is a dataclass with slots=True",
        ),
        (
            "from dataclasses import dataclass\n@dataclass\nclass Kept:\n    x: int\n    exec('def extra(self): pass')",
            "extra comes from no cell or file",
        ),
    ],
)
def test_what_was_generated_does_not_go_and_is_named(cell: str, why: str) -> None:
    namespace = Namespace()
    for code in namespace.compile(cell, "<n1@here:2>"):
        eval(code, namespace.names)
    with pytest.raises(VersionSkew, match=why):
        dumps(namespace.names["Kept"], portable=True)


def test_what_came_from_there_goes_back() -> None:
    code = (
        "import pickle; from pysh.runtime.payload import dumps; names = pickle.load(sys.stdin.buffer); "
        "sys.stdout.buffer.write(dumps(names, portable=True))"
    )
    names = shell()
    sent = {"f": names["added"], "cls": names["Derived"]}
    done = run_by("3.13", code, bytes(dumps(sent, portable=True)))
    assert done.returncode == 0, done.stderr
    back = pickle.loads(done.stdout)
    assert (back["f"](1), back["cls"] is names["Derived"]) == (6, True)


def test_bytecode_is_refused_there_with_both_versions() -> None:
    assert "a function of Python 3." in loaded_by("3.13", bytes(dumps({"f": shell()["fact"]})), "f(1)")


def test_source_loads_where_it_came_from() -> None:
    names = shell()
    for use, told in USES.items():
        copy = pickle.loads(bytes(dumps({k: v for k, v in names.items() if k != "__builtins__"}, portable=True)))
        copy["asyncio"] = asyncio
        assert str(eval(use, copy)) == told


def test_no_place_is_that_of_a_module() -> None:
    module = compile("1", "<n1@here:2>", "exec")
    assert isinstance(module, CodeType)
    with pytest.raises(VersionSkew):
        portable.located(module)
