"""Where a module lies here, and whether it is the user's own: neither Python's nor installed."""

# ruff: noqa: PTH100, PTH113, PTH119, PTH120

import os
import sys
from importlib.machinery import PathFinder
from types import ModuleType

from pysh.runtime.extensions import EXTENSIONS, fitting

_STDLIB = os.path.dirname(os.__file__) + "/"
_INSTALLED = ("/site-packages/", "/dist-packages/")
OURS = frozenset(("pysh", "__main__", "__mp_main__"))
"""Top-level names that are neither the user's nor anybody's to bring."""


def folder_of_own(top: str) -> str | None:
    """The folder of a top-level module of the user's own; None for any other."""
    return None if top in OURS or top in sys.stdlib_module_names else root_of(top, mentioned=False)


def root_of(top: str, *, mentioned: bool) -> str | None:
    """The folder that a module of the user's own lies in; None for any other, and for one that is not to be found.

    `mentioned` if no more is known of it than that a text has its name behind an `import`.
    """
    module = sys.modules.get(top)
    place = _place_of(module) if module is not None else _place_of_spec(top, mentioned)
    if place is None or is_installed(place) or os.path.basename(place).partition(".")[0] != top:
        return None  # or loaded in a way that no import there would find
    return os.path.dirname(os.path.abspath(place))


def own_file(module: ModuleType) -> str | None:
    """The source, or C extension, of a loaded module that is the user's own, neither Python's nor installed."""
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or not file.endswith((".py", *EXTENSIONS)) or is_installed(file):
        return None
    return file


def is_installed(place: str) -> bool:
    """Whether what lies there is Python's own, or was installed."""
    return place.startswith(_STDLIB) or any(part in place for part in _INSTALLED)


def folder_of(top: str) -> str | None:
    """The folder with the sources that an import of a top-level module finds here, whoever put them there."""
    place = _place_of_spec(top, mentioned=False)
    if place is None or os.path.basename(place).partition(".")[0] != top:
        return None
    return os.path.dirname(os.path.abspath(place))


def _place_of(module: ModuleType) -> str | None:
    """The file of a loaded module, or the folder of a package."""
    file = getattr(module, "__file__", None)
    if isinstance(file, str):
        return _place(file)
    try:
        return next((place for place in map(str, module.__path__) if not is_installed(place)), None)
    except (AttributeError, TypeError):
        return None


def _place_of_spec(top: str, mentioned: bool) -> str | None:
    """The same of a module that is not loaded."""
    try:
        spec = PathFinder.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if spec.origin is not None and spec.has_location:
        return _place(spec.origin)
    # A folder that is only called like a word behind an `import` in some text is not taken for a package.
    return None if mentioned else next(iter(spec.submodule_search_locations or ()), None)


def _place(file: str) -> str | None:
    if not file.endswith((".py", *EXTENSIONS)) or not os.path.isfile(file):
        return None  # in a zip, or compiled only
    return os.path.dirname(file) if file.endswith("/__init__.py") else file


def is_here(top: str) -> bool:
    """Whether an import of that top-level module finds one in this process."""
    if top in sys.modules or top in sys.builtin_module_names:
        return True
    try:
        return PathFinder.find_spec(top) is not None
    except (ImportError, ValueError):
        return False


def module_file(files: dict[str, str], name: str) -> tuple[str, bool]:
    """The file of a module among those of a tree, and whether it is a package; none where there is no such module."""
    inside = name.replace(".", "/")
    if f"{inside}/__init__.py" in files:
        return f"{inside}/__init__.py", True
    if f"{inside}.py" in files:
        return f"{inside}.py", False
    return fitting(files, name), False
