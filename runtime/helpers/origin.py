"""Where things were defined, and their source: in a file, a cell of this shell, or on another node.

`inspect` finds functions wherever `linecache` has lines, so also those of cells and of what came from other nodes; a
class it looks for in the file of its module alone, which a shell has not.
"""

import ast
import functools
import inspect
import linecache
import sys
from collections.abc import Iterator
from textwrap import dedent
from types import AsyncGeneratorType, CodeType, CoroutineType, FunctionType, GeneratorType, MethodType, ModuleType
from typing import Any, NamedTuple

from pysh.runtime import sources
from pysh.runtime.helpers.linking import link_file
from pysh.runtime.helpers.paths import meant
from pysh.runtime.runner.display import text_of

_WRAPPED = (functools.partial, MethodType, staticmethod, classmethod, property, type(functools.lru_cache(len)))
_RUNNING = {GeneratorType: "gi_code", CoroutineType: "cr_code", AsyncGeneratorType: "ag_code"}


class Origin(NamedTuple):
    """A piece of source: its file or cell, the number of its first line, and its text."""

    filename: str
    first: int
    text: str

    def __str__(self) -> str:
        return f"{self.filename}:{self.first}"

    def linked(self) -> str:
        """The same, as a link to the file where that can be opened."""
        return link_file(str(self), self.filename)


def source(x: Any) -> None:
    """Print the source of a function, class, method or module, or of what a text such as `"json.dumps"` names.

    Also of what was typed in cells here, and of functions and classes that came from other nodes. Raises `TypeError`
    for what has none.
    """
    tell_source(meant(x) if isinstance(x, str) else x)


def tell_source(x: Any, name: str = "") -> None:
    """Print the source of `x`, which is called `name`."""
    found = origin(x, name)
    print(f"# {found.linked()}\n{dedent(found.text).rstrip()}")


def origin(x: Any, name: str = "") -> Origin:
    """Where `x` was defined, with its source. Raises `TypeError` where that is not to be found."""
    x = _unwrapped(x)
    kind = type(x)
    found: Origin | None = None
    if kind is FunctionType:
        found = _of_code(x.__code__) or _of_lines(x)
    elif kind is CodeType:
        found = _of_code(x)
    elif issubclass(kind, ModuleType):
        found = _of_module(x)
    elif issubclass(kind, type):
        found = _of_class(x)
    elif kind in _RUNNING:
        found = _of_code(getattr(x, _RUNNING[kind]))
    if found is None:
        raise TypeError(_why_none(x, kind, name))
    return found


def _unwrapped(x: Any) -> Any:
    """The function behind a method, a property, `partial`, `cache` or `functools.wraps`."""
    for _ in range(100):
        kind = type(x)
        if kind is functools.partial:
            x = x.func
        elif kind in (MethodType, staticmethod, classmethod):
            x = x.__func__
        elif kind is property:
            x = x.fget
        elif kind in (FunctionType, *_WRAPPED) and "__wrapped__" in vars(x):
            x = vars(x)["__wrapped__"]
        else:
            break
    return x


def _why_none(x: Any, kind: type, name: str) -> str:
    what = name or f"{text_of(x, 200):.60}"
    if issubclass(kind, (FunctionType, type, ModuleType)) or kind.__name__.startswith(("builtin", "method", "wrapper")):
        return f"{what} has no source here: it is built in, written in C, or its text is gone"
    return f"{what} is a value, of type {kind.__qualname__}, and has no source: source(type(x)) is that of its class"


def _of_code(code: CodeType) -> Origin | None:
    try:
        lines, first = inspect.getsourcelines(code)
    except (OSError, TypeError, IndexError, SyntaxError):
        return None
    return Origin(code.co_filename, max(first, 1), "".join(lines))


def _of_lines(function: FunctionType) -> Origin | None:
    known = sources.of(function)
    return Origin(known.filename, known.first, known.text) if known is not None else None


def _of_module(module: ModuleType) -> Origin | None:
    try:
        return Origin(inspect.getsourcefile(module) or module.__name__, 1, inspect.getsource(module))
    except (OSError, TypeError):
        return None


def _of_class(cls: type) -> Origin | None:
    if getattr(sys.modules.get(cls.__module__), "__file__", None) is not None:
        try:
            lines, first = inspect.getsourcelines(cls)
            return Origin(inspect.getsourcefile(cls) or cls.__module__, max(first, 1), "".join(lines))
        except (OSError, TypeError, IndexError):
            pass
    methods = list(_functions(cls))
    for filename in dict.fromkeys([*(each.__code__.co_filename for each in methods), *_cells()]):
        if (found := _in_text(filename, cls.__qualname__.split("."))) is not None:
            return found
    return _of_methods(cls, methods)


def _functions(cls: type) -> Iterator[FunctionType]:
    for value in list(vars(cls).values()):
        function = _unwrapped(value)
        own = isinstance(function, FunctionType) and function.__module__ == cls.__module__
        if own and function.__qualname__.startswith(f"{cls.__qualname__}."):
            yield function


def _cells() -> list[str]:
    """The cells of this shell that are known, latest first."""
    return [name for name in reversed(list(linecache.cache)) if name.startswith("<") and not name.startswith("<frozen")]


def _in_text(filename: str, path: list[str]) -> Origin | None:
    """The last class of that qualified name in a file or cell."""
    lines = linecache.getlines(filename)
    if f"class {path[-1]}" not in "".join(lines):
        return None
    try:
        tree: ast.AST = ast.parse("".join(lines))
    except (SyntaxError, ValueError):
        return None
    for name in [each for each in path if each != "<locals>"]:
        named = [node for node in ast.walk(tree) if isinstance(node, _DEFINES) and node.name == name]
        if not named:
            return None
        tree = named[-1]
    assert isinstance(tree, _DEFINES) and tree.end_lineno is not None
    first = min([tree.lineno, *(each.lineno for each in tree.decorator_list)])
    return Origin(filename, first, "".join(lines[first - 1 : tree.end_lineno]))


_DEFINES = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def _of_methods(cls: type, methods: list[FunctionType]) -> Origin | None:
    """What is known of a class that came from elsewhere: its methods, which brought their lines along."""
    known = [each for each in map(_of_lines, methods) if each is not None]
    if not known:
        return None
    known.sort(key=lambda each: each.first)
    head = f"class {cls.__qualname__}:  # only its methods are known here\n"
    return Origin(known[0].filename, known[0].first, head + "\n".join(each.text.rstrip("\n") for each in known) + "\n")
