"""`pysh -m MOD`: a module that is run as a script, found as `python -m` finds it."""

from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from typing import Any, NamedTuple

from pysh.shell.script import Unfit


class Module(NamedTuple):
    """Its source, the file that it lies in, and the names that it has before its first line."""

    source: bytes
    filename: str
    names: dict[str, Any]


def find(name: str) -> Module:
    """The module `name`, or the `__main__` of the package `name`; the packages above it are imported.

    Raises `Unfit`, and what an import of these raises.
    """
    spec = _spec(name)
    if spec.submodule_search_locations is not None:
        try:
            spec = _spec(f"{name}.__main__")
        except Unfit:
            raise Unfit(f"the package {name} cannot be run: it has no {name}.__main__") from None
    loader = spec.loader
    read: Callable[[str], bytes] | None = getattr(loader, "get_data", None)
    if read is None or not spec.origin or not spec.origin.endswith((".py", ".pyw")):
        raise Unfit(f"the module {spec.name} has no source that could be run")
    names = {
        "__file__": spec.origin, "__spec__": spec, "__loader__": loader, "__package__": spec.parent,
        "__cached__": spec.cached,
    }  # fmt: skip
    try:
        return Module(read(spec.origin), spec.origin, names)
    except OSError as error:
        raise Unfit(f"cannot read {spec.origin}: {error.strerror}") from error


def _spec(name: str) -> ModuleSpec:
    """Where the module `name` is, rather as a file than frozen into the interpreter. Raises `Unfit`."""
    above = name.rpartition(".")[0]
    try:
        spec = find_spec(name)
    except ModuleNotFoundError as error:
        if error.name and (above == error.name or above.startswith(f"{error.name}.")):
            raise Unfit(f"there is no module {error.name}") from None
        raise
    except ValueError:  # it is imported, and says nothing of where from
        spec = None
    if spec is None:
        raise Unfit(f"there is no module {name}")
    return _as_file(spec, above) or spec


def _as_file(spec: ModuleSpec, above: str) -> ModuleSpec | None:
    if hasattr(spec.loader, "get_data"):
        return None
    parent = find_spec(above) if above else None
    path: Sequence[str] | None = parent.submodule_search_locations if parent is not None else None
    return PathFinder.find_spec(spec.name, path)
