"""`whos` and `exports`: which names there are, of the user's and of a module."""

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pysh
from pysh.runtime.helpers.docs import signature, summary
from pysh.runtime.helpers.facts import tried
from pysh.runtime.helpers.paths import meant
from pysh.runtime.helpers.sizes import readable, size_of
from pysh.runtime.results import Rows
from pysh.runtime.runner.display import text_of
from pysh.runtime.runner.statics import attributes, kind_of

VALUE, CALLED = 50, 60
"""Characters of a value, and of how something is called, that are shown."""


def whos() -> Rows:
    """Your names in this shell or script, with their types, sizes in memory and values; a table at the prompt.

    Names that begin with `_`, and those that a prompt has by itself, are left out.
    """
    mine = [(name, value) for name, value in list(vars(sys.modules["__main__"]).items()) if _is_own(name, value)]
    rows = (
        {"name": name, "type": type(value).__qualname__, "memory": readable(size_of(value)), "value": _short(value)}
        for name, value in sorted(mine, key=lambda each: each[0])
    )
    return Rows(["name", "type", "memory", "value"], rows, empty="no names of your own so far")


def _is_own(name: object, value: object) -> bool:
    if type(name) is not str or name.startswith("_"):
        return False
    return not (value is pysh or (name in pysh.__all__ and getattr(pysh, name) is value))


def _short(value: object) -> str:
    text = str(tried(lambda: text_of(value, 4 * VALUE))).replace("\n", " ")
    return text if len(text) <= VALUE else f"{text[: VALUE - 1]}…"


def exports(m: Any) -> Rows:
    """The public names of a module or class, with how they are called and what they do; a table at the prompt.

    A module may be named by a text. Its `__all__` is heeded; without it, what it has imported is left out.
    """
    m = meant(m) if isinstance(m, str) else m
    if not isinstance(m, ModuleType | type):
        raise TypeError(f"exports() takes a module or class, or the name of one, not {_short(m)}")
    rows = (
        {"name": _called(name, value), "kind": kind_of(value),
         "what": summary(value) if kind_of(value) in ("function", "class", "property", "module") else _short(value)}
        for name, value in sorted(_exported(m), key=lambda each: each[0])
    )  # fmt: skip
    return Rows(["name", "kind", "what"], rows, empty=f"{m.__name__} has no public names")


def _called(name: str, value: Any) -> str:
    text = f"{name}{signature(value, typed=False)}" if kind_of(value) == "function" else name
    return text if len(text) <= CALLED else f"{text[: CALLED - 1]}…"


def _exported(m: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(m, type):
        yield from ((name, value) for name, value in attributes(m) if not name.startswith("_"))
        return
    listed = vars(m).get("__all__")
    for name in listed if isinstance(listed, list | tuple) else list(vars(m)):
        value = tried(lambda name=name: getattr(m, name))  # type: ignore[misc]  # it may be lazy
        if listed is not None or _is_of(m, name, value):
            yield str(name), value


def _is_of(m: ModuleType, name: str, value: Any) -> bool:
    """Whether the module has it of its own, as far as that can be told."""
    if name.startswith("_") or isinstance(value, ModuleType):
        return False
    return getattr(value, "__module__", m.__name__) in (m.__name__, None)
