"""Which imports code cannot do without, found without running it."""

import pytest

from pysh.runtime import imports
from pysh.runtime.imports import Imports

WHOLE = """
import a.b
from c import d
def later():
    import e
try:
    import f
except (ValueError, ImportError):
    import g
else:
    import h
finally:
    import i
try:
    import j
except OSError:
    import k
from contextlib import suppress
with suppress(ModuleNotFoundError):
    import m
with open("x"):
    import n
if TYPE_CHECKING:
    import o
else:
    import p
if sys.platform == "win32":
    import q
try:
    import r
except:
    from w import y
class C:
    import s
from . import t
from ..u import v
"""


def of(source: str, package: str = "") -> Imports:
    imports._of_source.clear()
    return imports.of_module("", source.encode(), package)


def test_what_stands_in_a_try_or_under_a_condition_is_not_demanded() -> None:
    found = of(WHOLE, "pkg.sub")
    assert found.demanded == {
        "a.b", "c", "contextlib", "h", "i", "j", "k", "n", "p", "s", "pkg.sub", "pkg.u",
    }  # fmt: skip
    assert found.conditional == {"q"}
    assert found.members == {"c.d", "contextlib.suppress", "pkg.sub.t", "pkg.u.v"}
    assert {"f", "g", "m", "r", "c.d", "pkg.sub.t", "pkg.u.v", "w.y"} <= found.mentioned
    assert not {"e", "o", "o.x"} & found.mentioned


def test_a_function_is_searched_with_all_that_is_in_it() -> None:
    def outer() -> None:
        import json

        def inner() -> None:
            import xml.dom  # noqa: F401

            try:
                import nothing_of_the_kind  # type: ignore[import-not-found]  # noqa: F401
            except ImportError:
                pass

        inner()
        json.dumps(1)

    found = imports.of_function(outer, ["json"])
    assert found.demanded == {"json", "xml.dom"}
    assert "nothing_of_the_kind" in found.mentioned


def test_where_the_source_is_not_known_nothing_is_demanded() -> None:
    names: dict[str, object] = {}
    exec("def f():\n    import json\n    return json", names)
    assert imports.of_function(names["f"], ["json"]) == Imports(frozenset(), frozenset(), frozenset({"json"}))  # type: ignore[arg-type]


def test_a_source_that_is_broken_says_so() -> None:
    with pytest.raises(SyntaxError):
        of("def (")
