"""What a dotted name means here: of the shell or script, preloaded, built in, or a module that can be imported."""

import builtins
import inspect
import sys
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pysh
from pysh.runtime.errors import PyshError


def meant(path: str) -> Any:
    """The object that `path` leads to; of a property the property itself, whose code does not run.

    Raises `PyshError` with what it may have been, and what importing a module raises.
    """
    first, *rest = path.split(".")
    if not all(name.isidentifier() for name in (first, *rest)):
        raise PyshError(f"{path!r} is no name, as f or json.dumps: h(x) and source(x) also take the thing itself")
    value, rest = _first(first, rest)
    for place, name in enumerate(rest):
        static = inspect.getattr_static(type(value), name, None)
        if isinstance(static, property) and place == len(rest) - 1:
            return static
        value = _attribute(value, name, ".".join((first, *rest[:place])))
    return value


def _first(name: str, rest: list[str]) -> tuple[Any, list[str]]:
    for names in (vars(sys.modules["__main__"]), vars(builtins)):
        if name in names:
            return names[name], rest
    if name in pysh.__all__:
        return getattr(pysh, name), rest
    if name == "pysh":
        return pysh, rest
    if not _is_module(name):
        raise PyshError(f"nothing is called {name!r} here{_perhaps(name, _known())}. h() lists what there is")
    return _module(name), rest


def _is_module(name: str) -> bool:
    try:
        return name in sys.modules or find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except Exception as error:
        error.add_note(f"the module {name!r} was imported to tell of it")
        raise


def _attribute(value: Any, name: str, so_far: str) -> Any:
    try:
        return getattr(value, name)
    except AttributeError:
        if inspect.ismodule(value) and _is_module(f"{value.__name__}.{name}"):
            return _module(f"{value.__name__}.{name}")
        raise PyshError(f"{so_far} has no {name!r}{_perhaps(name, _attributes(value))}") from None


def _attributes(value: Any) -> Iterable[str]:
    from pysh.runtime.runner.statics import attributes

    return [name for name, _ in attributes(value)]


def _known() -> list[str]:
    return [*vars(sys.modules["__main__"]), *pysh.__all__, *vars(builtins)]


def _perhaps(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, [str(each) for each in known], 3)
    return f"; perhaps {' or '.join(near)}" if near else ""
