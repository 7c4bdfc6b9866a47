"""Which modules can be imported, and what is in them, without importing any."""

import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from os import stat
from pkgutil import iter_modules
from types import ModuleType

_listed: dict[str, tuple[float, tuple[tuple[str, str], ...]]] = {}
"""What lies in a folder, as long as that is not changed."""
FOLDERS = 500
"""Of which that is remembered."""


def modules(package: str) -> Iterator[tuple[str, str]]:
    """The modules below `package`, `"os."`, or at the top; each a name, and `module` or `package`."""
    if package.startswith("."):
        return
    if not package:
        yield from ((name, "module") for name in sys.stdlib_module_names if not name.startswith("_"))
        yield from ((name, "module") for name in sys.builtin_module_names if not name.startswith("_"))
        for folder in list(sys.path):
            yield from _in_folder(folder or ".")
        return
    for folder in _path(package.rstrip(".")):
        yield from _in_folder(folder)


def members(module: str) -> Iterator[tuple[str, str]]:
    """What can be imported from `module`."""
    if module.startswith("."):
        return
    found = sys.modules.get(module)
    if type(found) is ModuleType:
        from pysh.runtime.runner.statics import kind_of

        yield from ((name, kind_of(value)) for name, value in list(vars(found).items()) if not name.startswith("__"))
    yield from modules(f"{module}.")


def _path(package: str) -> list[str]:
    """The folders of a package."""
    found = sys.modules.get(package)
    path = vars(found).get("__path__") if type(found) is ModuleType else None
    if path is None:
        parent, _, name = package.rpartition(".")
        places = _path(parent) if parent else None
        if parent and not places:
            return []
        try:
            spec = PathFinder.find_spec(package if not parent else name, places)
        except Exception:  # a finder of somebody's
            return []
        path = spec.submodule_search_locations if spec is not None else None
    try:
        return [str(folder) for folder in path or ()]
    except Exception:  # a path that is computed
        return []


def _in_folder(folder: str) -> tuple[tuple[str, str], ...]:
    try:
        changed = stat(folder).st_mtime  # noqa: PTH116
    except OSError:
        return ()
    known = _listed.get(folder)
    if known is not None and known[0] == changed:
        return known[1]
    if len(_listed) >= FOLDERS:
        _listed.clear()
    try:
        found = tuple(
            (each.name, "package" if each.ispkg else "module")
            for each in iter_modules([folder])
            if each.name.isidentifier()
        )
    except Exception:  # of a hook of somebody's
        found = ()
    _listed[folder] = changed, found
    return found
