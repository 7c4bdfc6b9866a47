"""A module is read again, with what imports it, or nothing is changed."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pysh.runtime import reloading, trees
from pysh.runtime.errors import PyshError


class Project:
    """Modules of the user's own; `main` stands for the shell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.main = ModuleType("__main__")

    def write(self, **sources: str) -> None:
        for name, source in sources.items():
            path = self.folder / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(source)

    def load(self, name: str) -> Any:
        importlib.invalidate_caches()
        return importlib.import_module(name)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A folder to import from. What is loaded from there is gone afterwards, and the finders are as they were."""
    made = Project(tmp_path)
    finders, loaded = list(sys.meta_path), set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "__main__", made.main)
    made.write(rl_shop="from rl_money import unit\ndef price(): return 1, unit\n", rl_money="unit = 'euro'\n")
    yield made
    sys.meta_path[:] = finders
    for name in set(sys.modules) - loaded:
        del sys.modules[name]


def test_it_has_what_its_file_has_now_within_the_same_tick_of_the_clock(project: Project) -> None:
    shop = project.load("rl_shop")
    for number in range(2, 6):
        project.write(rl_shop=f"def price(): return {number}\n")
        assert reloading.reload(shop) is shop
        assert shop.price() == number


def test_what_imports_it_is_loaded_again_after_it(project: Project) -> None:
    shop = project.load("rl_shop")
    project.write(rl_money="unit = 'cent'\n")
    reloading.reload("rl_money")
    assert shop.price() == (1, "cent")


def test_a_package_is_loaded_again_with_what_is_below_it(project: Project) -> None:
    project.write(rl_pkg__leaf="x = 1\n")
    (project.folder / "rl_pkg/__init__.py").write_text("from .leaf import x\n")
    package = project.load("rl_pkg")
    project.write(rl_pkg__leaf="x = 2\n")
    reloading.reload(package)
    assert package.x == 2


def test_modules_in_a_circle_all_have_the_new_of_each_other(project: Project) -> None:
    project.write(rl_one="a = 1\nimport rl_two\nfrom rl_two import b\n", rl_two="from rl_one import a\nb = 1\n")
    one = project.load("rl_one")
    project.write(rl_one="a = 2\nimport rl_two\nfrom rl_two import b\n", rl_two="from rl_one import a\nb = 2\n")
    reloading.reload(one)
    assert (one.a, one.b, one.rl_two.a, one.rl_two.b) == (2, 2, 2, 2)


def test_what_the_shell_took_out_of_it_is_the_new_one(project: Project) -> None:
    shop = project.load("rl_shop")
    vars(project.main).update(price=shop.price, cost=shop.price, mine=len, number=5)
    project.write(rl_shop="def price(): return 2\n")
    reloading.reload(shop)
    main = vars(project.main)
    assert (main["price"](), main["cost"](), main["mine"], main["number"]) == (2, 2, len, 5)


def test_what_its_source_keeps_of_the_time_before_stays_and_what_is_wrapped_is_the_new_one(project: Project) -> None:
    source = (
        "import functools\nif 'Kept' not in globals():\n    class Kept: pass\n@functools.cache\ndef f(): return {}\n"
    )
    project.write(rl_kept=source.format(1))
    kept = project.load("rl_kept")
    before, project.main.f = kept.Kept, kept.f  # type: ignore[attr-defined]
    project.write(rl_kept=source.format(2))
    reloading.reload(kept)
    assert kept.Kept is before
    assert project.main.f() == kept.f() == 2


def test_what_its_source_does_not_define_any_more_is_gone(project: Project) -> None:
    project.write(rl_shop="class Old: pass\ndef gone(): pass\nkept = 1\n")
    shop = project.load("rl_shop")
    project.write(rl_shop="other = 1\n")
    reloading.reload(shop)
    assert not hasattr(shop, "gone")
    assert not hasattr(shop, "Old")
    assert (shop.kept, shop.other) == (1, 1)  # values may be state


@pytest.mark.parametrize(
    ("source", "error"),
    [("def price(:\n", SyntaxError), ("added = 1\nfrom rl_money import unit\n1 / 0\n", ZeroDivisionError)],
)
def test_one_that_is_broken_leaves_all_as_it_was(project: Project, source: str, error: type[Exception]) -> None:
    shop = project.load("rl_shop")
    before = dict(vars(shop))
    project.write(rl_shop=source, rl_money="unit = 'cent'\n")
    with pytest.raises(error) as told:
        reloading.reload("rl_shop" if error is SyntaxError else "rl_money")
    assert vars(shop) == before
    assert shop.price() == (1, "euro")
    assert sys.modules["rl_money"].unit == "euro"
    assert "as it was" in told.value.__notes__[0]


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (5, "not 5"), ("no_such_module", "'no_such_module'"), (sys, "no source"), ("itertools", "no source"),
        ("__main__", "the shell"),
    ],
)  # fmt: skip
def test_what_is_no_module_with_a_source_is_refused(project: Project, what: Any, told: str) -> None:
    import itertools  # noqa: F401

    with pytest.raises(TypeError, match=told):
        reloading.reload(what)


def test_what_came_with_a_call_is_not_reloaded_where_it_runs(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = project.load("rl_shop")
    monkeypatch.setitem(trees.bound, "rl_shop", trees.tree("rl_shop", str(project.folder)))
    with pytest.raises(PyshError, match="came here") as told:
        reloading.reload(shop)
    assert told.value.executed == "no"
