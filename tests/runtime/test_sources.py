"""Source lines that travel with functions."""

import inspect
import linecache
import traceback
from collections.abc import Iterator

import pytest

from pysh.runtime import sources
from pysh.runtime.sources import Source
from tests.runtime.elsewhere import Elsewhere, Prompt


@pytest.fixture
def shell() -> Prompt:
    return Prompt()


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    sources._forget()


def test_a_function_takes_only_its_own_lines(shell: Prompt) -> None:
    shell("x = 1\n\ndef f(\n    a,\n):\n    return [\n        a,\n    ]\n\ny = 2")
    text = "def f(\n    a,\n):\n    return [\n        a,\n    ]\n"
    assert sources.of(shell["f"]) == Source("<n1@here:1>", 3, text)


def test_a_function_inside_another_belongs_to_its_lines(shell: Prompt) -> None:
    shell("def f():\n    def g():\n        return 1\n    return g")
    source = sources.of(shell["f"])
    assert source is not None
    assert source.text.count("\n") == 4
    assert sources.of(shell["f"]()) == Source("<n1@here:1>", 2, "    def g():\n        return 1\n")


def test_a_function_without_source_travels_without() -> None:
    names: dict[str, object] = {}
    exec("def f(): pass", names)
    assert sources.of(names["f"]) is None  # type: ignore[arg-type]


def test_a_very_long_function_travels_without(shell: Prompt) -> None:
    shell("def f():\n" + "    'a line that fills up the source of this function'\n" * 2000 + "    return 1")
    assert sources.of(shell["f"]) is None


def test_lines_are_found_at_their_numbers_and_survive_a_check() -> None:
    sources.install(Source("<n9@far:3>", 3, "def f():\n    return 1\n"))
    linecache.checkcache()
    assert linecache.getline("<n9@far:3>", 4) == "    return 1\n"
    assert linecache.getline("<n9@far:3>", 1) == "\n"


def test_lines_of_one_cell_that_come_apart_are_joined() -> None:
    sources.install(Source("<n9@far:3>", 4, "four\n"))
    sources.install(Source("<n9@far:3>", 1, "one\ntwo\n"))
    assert linecache.getlines("<n9@far:3>") == ["one\n", "two\n", "\n", "four\n"]


def test_what_is_known_here_is_left_alone(shell: Prompt) -> None:
    shell("x = 1")
    sources.install(Source("<n1@here:1>", 1, "y = 2\n"))
    assert linecache.getlines("<n1@here:1>") == ["x = 1\n"]
    sources.install(Source(__file__, 1, "nonsense\n"))
    assert "nonsense\n" not in linecache.getlines(__file__)[:1]


def test_no_more_files_are_kept_than_allowed() -> None:
    for n in range(sources.KEPT + 2):
        sources.install(Source(f"<n9@far:{n}>", 1, "x\n"))
    assert len(sources._came) <= sources.KEPT
    assert sum(name.startswith("<n9@far:") for name in linecache.cache) <= sources.KEPT


def test_a_traceback_elsewhere_shows_the_line(shell: Prompt) -> None:
    shell("def by_recipe():\n    return 1 / 0\n\nitems = []\ndef by_value():\n    return items[3]")
    with Elsewhere() as there:
        for name, line in (("by_recipe", "return 1 / 0"), ("by_value", "return items[3]")):
            with pytest.raises((ZeroDivisionError, IndexError)) as caught:
                there.call(shell[name])
            shown = "".join(traceback.format_exception(caught.value))
            assert "<n1@here:1>" in shown
            assert line in shown


def test_inspect_finds_the_source_elsewhere(shell: Prompt) -> None:
    shell("import inspect\ndef f():\n    return 1\ndef source(): return inspect.getsource(f)")
    with Elsewhere() as there:
        assert there.call(shell["source"]) == "def f():\n    return 1\n"
    assert inspect.getsource(shell["f"]) == "def f():\n    return 1\n"
