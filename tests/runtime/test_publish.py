import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from pysh.runtime import payload
from pysh.runtime.protocol.code import Code
from pysh.runtime.runner import publish
from pysh.runtime.runner.cells import new_main
from pysh.runtime.runner.publish import Publisher
from tests.runtime.scripted_hub import Shell


class Bench:
    """A namespace and its publisher; `cell` runs source and gives what was posted for it."""

    def __init__(self, *, former: bool = False) -> None:
        self.names = new_main()
        self.posts: list[tuple[dict[str, Any], bytes]] = []
        self.publisher = Publisher(self.names, lambda meta, pickle: self.posts.append((meta, pickle)), former=former)

    def cell(self, source: str) -> list[str]:
        exec(source, self.names)
        self.publisher.refresh()
        posted = [("-" if meta.get("gone") else "") + meta["name"] for meta, _ in self.posts]
        self.last, self.posts = self.posts, []
        return posted

    def loaded(self) -> Callable[..., Any]:
        """The function of the last post, as another node has it."""
        function: Callable[..., Any] = payload.loads_function(self.last[-1][1])
        return function


@pytest.fixture
def bench() -> Iterator[Bench]:
    main = sys.modules["__main__"]
    yield Bench()
    sys.modules["__main__"] = main


def test_what_a_cell_defines_is_posted_once(bench: Bench) -> None:
    assert bench.cell("def f(n): return n * n") == ["f"]
    assert bench.last[0][0] == {"name": "f"}
    assert bench.loaded()(5) == 25
    assert bench.cell("x = 1") == []


@pytest.mark.parametrize(
    ("source", "posted"),
    [
        ("f = lambda: 1", ["f"]),
        ("async def f(): ...", ["f"]),
        ("def _f(): ...", []),
        ("from os.path import join", []),
        ("class C: ...", ["C"]),
        ("import functools\n@functools.cache\ndef f(n): ...", ["f"]),
        ("import functools\n@functools.wraps(print)\ndef f(n): ...", []),
        ("import enum, abc\nclass E(enum.Enum): A = 1\nclass B(abc.ABC): ...", ["E", "B"]),
        ("import collections\nPair = collections.namedtuple('Pair', 'a b')", ["Pair"]),
        (
            "class M(type):\n    def __getattribute__(cls, name): raise SystemExit\nclass C(metaclass=M): ...",
            ["M", "-C"],
        ),
        ("x = 5", []),
        ("f = len", []),
        ("def f(): ...\ng = f", ["f", "g"]),
        ("def f(): ...\ndel f", []),
    ],
)
def test_functions_of_this_shell_are_posted_and_nothing_else(bench: Bench, source: str, posted: list[str]) -> None:
    assert bench.cell(source) == posted


@pytest.mark.parametrize(
    "source",
    [
        "globals()[1] = lambda: 0",
        "globals()['\\ud800'] = lambda: 0",
        "globals()[''] = lambda: 0",
        "class Same:\n    def __eq__(self, other): raise ValueError\ng = lambda: 0\ng.__module__ = Same()\ndel Same",
    ],
)
def test_what_cannot_be_called_by_name_keeps_no_other_from_being_posted(bench: Bench, source: str) -> None:
    assert bench.cell(f"{source}\ndef f(): return 1\ndef z(): return 2") == ["f", "z"]
    assert bench.cell("def z(): return 3") == ["z"]


def test_what_cannot_be_looked_into_keeps_no_other_from_being_posted(bench: Bench) -> None:
    odd = "class Odd:\n    @property\n    def __class__(self): raise ValueError\n"
    assert bench.cell(odd + "class C: odd = Odd()\ndef f(): return 1")[-1] == "f"
    assert bench.cell("def f(): return 2")[-1] == "f"
    assert bench.loaded()() == 2


def test_a_name_without_end_is_posted_with_one(bench: Bench) -> None:
    [posted] = bench.cell("globals()['f' * 10_000_000] = lambda: 0")
    assert posted == "f" * publish.NAME


def test_a_name_that_is_gone_is_taken_back(bench: Bench) -> None:
    bench.cell("def f(): ...\ndef g(): ...")
    assert bench.cell("del f; g = 5") == ["-f", "-g"]
    assert bench.cell("x = 1") == []


@pytest.mark.parametrize(
    ("source", "posted"),
    [
        ("_x = 1", []),
        ("globals()[1] = 1", []),
        ("globals()['\\ud800'] = 1", []),
        ("def f(): return 2", ["f"]),
        ("f = 5", ["-f"]),
        ("f = g = None", ["-f", "-g"]),
        ("def g(): return 2\nf = len", ["-f", "g"]),
    ],
)
def test_what_a_shell_before_may_have_left_is_taken_back_once_its_name_is_something_else(
    bench: Bench, source: str, posted: list[str]
) -> None:
    bench = Bench(former=True)
    assert bench.cell("") == []
    assert bench.cell(source) == posted
    assert bench.cell("") == []


def test_however_many_names_a_shell_left_and_whatever_kept_them_from_being_called_the_next_takes_them_back() -> None:
    code = Code()
    for number in range(600):
        code.published({"name": f"f{number}"}, b"1")
    code.published({"name": "w", "gone": True, "why": "it holds a lock"}, b"")
    bench = Bench(former=not code.empty)
    bench.cell("f0 = 5; w = 6")
    for meta, pickle in bench.last:
        code.published(meta, pickle)
    assert ("f0" in code, len(code), code.missing("w")["why"]) == (False, 599, "")


@pytest.mark.parametrize(
    ("first", "then", "again"),
    [
        ("n = 1\ndef f(): return n", "n = 2", ["f"]),
        ("n = 1\ndef f(): return n", "m = 2", []),
        ("n = 1\ndef f(): return n", "n = 1", []),
        ("def f(): return n", "n = 2", ["f"]),
        ("n = 1\ndef f(): return n", "del n", ["f"]),
        ("n = [1]\ndef f(): return n", "n.append(2)", ["f"]),
        ("n = [1]\ndef f(): return n", "n[0]", []),
        ("n = {}\ndef f(): return lambda: n", "n[1] = 2", ["f"]),
        ("def f(n=[]): return n", "f().append(1)", ["f"]),
        ("def make(n):\n    def f(): return n\n    return f\nf = make([1])", "f().append(1)", ["f"]),
        ("def f(): return 1", "def f(): return 2", ["f"]),
        ("n = 1\ndef g(): return n\ndef f(): return g()", "n = 2", ["f", "g"]),
        ("def g(): return 1\ndef f(): return g()", "def g(): return 2", ["f", "g"]),
        ("import math\ndef f(): return math.pi", "import os", []),
        ("class C: n = 1\ndef f(): return C.n", "C.n = 2", ["C", "f"]),
        ("class C: n = 1\ndef f(): return C.n", "c = C()", []),
        ("class C:\n    def m(self): return k\nk = 1\ndef f(): return C().m()", "k = 2", ["C", "f"]),
        (
            "class C:\n    @property\n    def p(self): return k\n    @staticmethod\n    def s(): return j\nj = k = 1",
            "k = 2",
            ["C"],
        ),
        (
            "class C:\n    @property\n    def p(self): return k\n    @staticmethod\n    def s(): return j\nj = k = 1",
            "j = 2",
            ["C"],
        ),
        ("class B: n = 1\nclass C(B): ...", "B.n = 2", ["B", "C"]),
        ("class C: seen = []", "C.seen.append(1)", ["C"]),
        ("import functools\n@functools.cache\ndef f(a): return n\nn = 1", "n = 2", ["f"]),
        ("import functools\n@functools.cache\ndef f(a): return n\nn = 1", "f(1)", []),
    ],
)
def test_a_function_is_posted_again_when_what_it_carries_changed(
    bench: Bench, first: str, then: str, again: list[str]
) -> None:
    bench.cell(first)
    assert sorted(bench.cell(then)) == again
    assert bench.cell("") == []


def test_a_redefinition_that_changes_nothing_is_not_posted(bench: Bench) -> None:
    bench.cell("def f(): return 1")
    assert bench.cell("g = f\ndel f\nf = g\ndel g") == []


def test_a_function_that_cannot_be_sent_is_told_with_the_reason(bench: Bench) -> None:
    assert bench.cell("import threading\nlock = threading.Lock()\ndef f(): return lock") == ["-f"]
    assert "lock" in bench.last[0][0]["why"]
    assert bench.cell("x = 1") == []
    assert bench.cell("lock = 5") == ["f"]


@pytest.mark.parametrize("size", [publish.LARGEST, publish.HOPELESS])
def test_a_function_that_carries_too_much_is_not_posted(bench: Bench, size: int) -> None:
    assert bench.cell(f"data = bytes({size})\ndef f(): return data") == ["-f"]
    assert "bytes of globals" in bench.last[0][0]["why"]


def test_a_long_pickle_is_made_again_only_for_a_new_function(bench: Bench) -> None:
    source = f"def f(): return data, bytes({publish.REPEATED})"
    bench.cell(f"data = [bytes(range(250)) * {publish.REPEATED // 250 + 1}]\n{source}")
    assert bench.cell("data.append(1)") == []
    assert bench.cell(source) == ["f"]


SLOW = f"""
from time import perf_counter
class Slow:
    n = 0
    def __reduce__(self):
        until = perf_counter() + {publish.BUDGET}
        while perf_counter() < until: pass
        return complex, (self.n,)
slow = Slow()
"""


def test_looking_inside_mutable_globals_is_bounded_and_fair(bench: Bench) -> None:
    names = [f"f{n}" for n in range(4)]
    bench.cell(SLOW + "".join(f"def {name}(): return slow\n" for name in names))
    posted = [bench.cell("slow.n = 1")] + [bench.cell("") for _ in range(3)]
    assert posted == [[name] for name in names]


def test_nothing_changed_costs_next_to_nothing(bench: Bench) -> None:
    bench.cell("import os\nn = 1\n" + "".join(f"def f{i}(a): return os.sep, n, f0\n" for i in range(100)))
    took = []
    for _ in range(5):
        began = perf_counter()
        bench.publisher.refresh()
        took.append(perf_counter() - began)
    assert min(took) < 0.003


def test_another_node_can_call_it_as_soon_as_the_cell_is_done(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell:
        assert shell.cell("def double(n):\n    return factor * n\nfactor = 2")["kind"] == "none"
        [(meta, pickle)] = shell.published()
        assert meta == {"name": "double"}
        assert payload.loads_function(pickle)(21) == 42
        shell.cell("factor")
        assert shell.published() == []
        shell.cell("del double")
        assert [meta["gone"] for meta, _ in shell.published()] == [True]


def test_a_pickle_that_never_ends_can_be_interrupted(tmp_path: Path) -> None:
    source = """
class Endless:
    def __reduce__(self):
        print('pickling')
        while True: pass
endless = Endless()
def f(): return endless
"""
    with Shell(tmp_path) as shell:
        ref = shell.begin(source)
        shell.see("pickling")
        shell.interrupt()
        assert shell.done(ref)["kind"] == "none"
        assert shell.text("1 + 1") == "2"  # and it is not tried after every cell
