"""`reload`: a module read again from its file, in the process that runs here, with what of the user's own imports it.

All or nothing: each source is compiled before any of it runs, and what was there comes back if one of them raises.
"""

import sys
from collections.abc import Iterator
from importlib import reload as load_again
from types import FunctionType, ModuleType
from typing import Any

from pysh.runtime import modules, trees
from pysh.runtime.errors import PyshError
from pysh.runtime.runner.imported import distrust_bytecode

Names = dict[str, Any]

_SHELL = frozenset(("__main__", "__mp_main__"))


def reload(what: ModuleType | str) -> ModuleType:
    """The module, loaded again. Raises `TypeError`, and what its source or that of another raises."""
    module = _loaded(what)
    distrust_bytecode()
    order, circular = _in_order(_stale(module))
    before = {each: dict(vars(each)) for each in order}
    try:
        named = {
            each: compile(_source(each), each.__file__ or "", "exec", dont_inherit=True).co_names for each in order
        }
        for each in order * (2 if circular else 1):  # what one had taken from another in a circle was of the old one
            load_again(each)
    except BaseException as error:
        for each, names in before.items():
            _put_back(vars(each), names)
        error.add_note(f"{module.__name__} is as it was before: nothing was reloaded")
        raise
    _rebind(vars(sys.modules["__main__"]), dict(_replaced(before, named)))
    return module


def _loaded(what: ModuleType | str) -> ModuleType:
    module = sys.modules.get(what) if isinstance(what, str) else what
    if not isinstance(module, ModuleType):
        raise TypeError(f"reload() takes a module, or the name of one that is loaded, not {what!r}")
    name = module.__name__
    if name in _SHELL:
        raise TypeError(f"{name} is the shell or the script itself: reload() takes a module that it imports")
    if name.partition(".")[0] in trees.bound:
        raise PyshError(f"{name} came here with what runs: reload it where it lies, and call again", executed="no")
    if sys.modules.get(name) is not module:
        raise TypeError(f"this {name} is not the one that is loaded now: import it anew")
    if not str(getattr(module, "__file__", None)).endswith(".py"):
        raise TypeError(f"{name} has no source to be read again: it is built in, a C extension or a mere folder")
    return module


def _stale(module: ModuleType) -> dict[str, set[str]]:
    """The names of what is to be loaded again: the module, what is below it, and what imports that. With what
    each of them imports."""
    imported = {name: _imports(each) for name, each in list(sys.modules.items()) if _is_own(name, each)}
    imported.setdefault(module.__name__, set())
    below = f"{module.__name__}."
    stale = {name for name in imported if name == module.__name__ or name.startswith(below)}
    while more := {name for name, others in imported.items() if name not in stale and others & stale}:
        stale |= more
    return {name: imported[name] & stale for name in imported if name in stale}


def _is_own(name: str, module: object) -> bool:
    return (
        isinstance(module, ModuleType) and name == module.__name__ and name not in _SHELL
        and name.partition(".")[0] not in trees.bound and modules.own_file(module) is not None
    )  # fmt: skip


def _imports(module: ModuleType) -> set[str]:
    """The modules that one imports; none where its source cannot be read, which `reload` itself will say."""
    from pysh.runtime import imports

    try:
        source = _source(module)
        package = module.__name__ if hasattr(module, "__path__") else module.__name__.rpartition(".")[0]
        return set(imports.of_module(trees.digest(source), source, package).mentioned)
    except (OSError, SyntaxError, ValueError):
        return set()


def _source(module: ModuleType) -> bytes:
    with open(module.__file__ or "", "rb") as file:
        return file.read()


def _in_order(imported: dict[str, set[str]]) -> tuple[list[ModuleType], bool]:
    """Each module after those that it imports, and whether some of them stand in a circle."""
    order: list[ModuleType] = []
    under_way: dict[str, bool] = {}
    circular = False

    def take(name: str) -> None:
        nonlocal circular
        if name in under_way:
            circular = circular or under_way[name]
            return
        under_way[name] = True
        for other in sorted(imported[name] - {name}):
            take(other)
        under_way[name] = False
        order.append(sys.modules[name])

    for name in imported:
        take(name)
    return order, circular


def _put_back(names: Names, before: Names) -> None:
    names.update(before)
    for name in names.keys() - before.keys():
        del names[name]


def _replaced(
    before: dict[ModuleType, Names], named: dict[ModuleType, tuple[str, ...]]
) -> Iterator[tuple[int, Any]]:  # fmt: skip
    """By its id, each function and class that was defined anew, as it is now.

    Those go that the source does not even name any more.
    """
    for module, names in before.items():
        now = vars(module)
        for name, old in names.items():
            if not _is_defined(old) or getattr(old, "__module__", None) != module.__name__:
                continue
            if now.get(name) is not old:
                if name in now:
                    yield id(old), now[name]
            elif name not in named[module]:
                del now[name]


def _is_defined(value: Any) -> bool:
    """Whether it is a function or class, or a function in a wrapper of `functools`."""
    return isinstance(value, FunctionType | type) or (callable(value) and hasattr(value, "__wrapped__"))


def _rebind(names: Names, replaced: dict[int, Any]) -> None:
    """What the shell or script had taken out of a module by `from ... import` is what the module has now."""
    news = {name: replaced[id(old)] for name, old in names.items() if id(old) in replaced}
    names.update(news)
