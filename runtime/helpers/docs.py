"""`h`: what there is, in a line each; and of one thing its signature, its documentation, and where it was defined."""

import inspect
import re
import shutil
from collections.abc import Iterator
from functools import lru_cache, partial
from types import MethodWrapperType, ModuleType
from typing import Any

import pysh
from pysh.runtime.helpers.facts import named, tried
from pysh.runtime.helpers.linking import link_urls
from pysh.runtime.helpers.origin import origin
from pysh.runtime.helpers.paths import meant
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.display import text_of
from pysh.runtime.runner.statics import kind_of

FILLED = 0.6
"""Of the longest line of a paragraph: so long is each of prose but the last."""
GROUPS = {
    "look": "h i source exports v e tb full page whos info",
    "cells": "run undo jobs fg cancel edit load save transcript tour quiet trust secret",
    "files of this node": "ls cd pwd",
    "nodes": "node nodes connect disconnect ping start_node start_nodes stop_node leave monitor_nodes doctor attach",
    "run": "task call spawn task_all call_all spawn_all actor supervise upgrade tasks wait as_completed progress",
    "processes": "me send receive flush processes pid stop kill link unlink monitor demonitor trap_exits register "
    "whereis",
    "code and files on nodes": "push reload sh put get",
    "find out": "top stack why trace timeit debug",
}
"""The names of the prompt; those of them that there are."""
METHODS = 40
_NAMELESS = object()
_CALLABLES = (partial, type(lru_cache(len)), MethodWrapperType)

_ROLE = re.compile(r":(?:[\w-]+:)+`~?([^`<]*?)(?: <[^>]*>)?`")
_FIELD = re.compile(r"^(\s*):(?:param|arg|parameter|keyword)\s+(?:[^:]*\s)?(\*{0,2}\w+):", re.MULTILINE)
_MODULES = re.compile(r"\b(?:[a-z_]\w*\.)+(?=[A-Z])")
_OUTCOME = re.compile(r"^(\s*):(returns?|rtype|raises?|yields?)(\s[^:]*)?:", re.MULTILINE)


def h(x: Any = _NAMELESS) -> None:
    """Print what `x` is and how it is used; it may be named by a text, such as `"json.dumps"`. `x?` does the same.

    Without `x`, list the names of the prompt.
    """
    if x is _NAMELESS:
        print("\n".join(listed(_width())))
    elif isinstance(x, str):
        tell(meant(x), x)
    else:
        tell(x)


def tell(x: Any, name: str = "") -> None:
    """Print the help of `x`, which is called `name`."""
    print("\n".join(described(x, name)))


def _width() -> int:
    return shutil.get_terminal_size().columns


# what there is


def listed(width: int) -> Iterator[str]:
    """The names of the prompt in groups, with the first sentence of their documentation."""
    there = [name for name in pysh.__all__ if name[0].islower() and name not in ("aio", "all_nodes")]
    grouped = {name for names in GROUPS.values() for name in names.split()}
    groups = {**GROUPS, "others": " ".join(name for name in there if name not in grouped)}
    for title, names in groups.items():
        shown = [name for name in names.split() if name in there]
        if shown:
            yield title
            yield from (_cut(f"  {name:<14} {summary(getattr(pysh, name))}", width - 1) for name in shown)
    yield ""
    yield "h(x) or x? tells more, x?? is the source, i(x) what a value is. Each verb is async in pysh.aio."
    yield "!ls -l runs a command of /bin/sh on this terminal."


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 1]}…"


def fitted(text: str, width: int) -> str:
    """`text` with those of its paragraphs that have a line of `width` characters or more broken to less."""
    return "\n\n".join(map(partial(_fitted, width=width), text.split("\n\n")))


def _fitted(paragraph: str, width: int) -> str:
    lines = paragraph.split("\n")
    if all(len(line) < width for line in lines):
        return paragraph
    from textwrap import wrap

    margin = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    # Prose is filled: in a list, or in code, some line before the last is much shorter than others.
    is_prose = all(
        line[margin : margin + 1].isalnum() or line[margin : margin + 1] in "`'\"(" for line in lines
    ) and all(len(line) > FILLED * max(map(len, lines)) for line in lines[:-1])
    whole = [" ".join(line.strip() for line in lines)] if is_prose else [line.strip() for line in lines]
    margins = [margin] if is_prose else [len(line) - len(line.lstrip()) for line in lines]
    broken = []
    for line, indent in zip(whole, margins, strict=True):
        broken += wrap(line, width - 1, initial_indent=" " * indent, subsequent_indent=" " * indent) or [""]
    return "\n".join(broken)


def summary(x: Any) -> str:
    """The first sentence of the documentation of `x`."""
    first = rendered(_doc(x)).partition("\n\n")[0].replace("\n", " ")
    return re.split(r"[.;](?:\s|$)", first, maxsplit=1)[0]


# one thing


def described(x: Any, name: str = "") -> Iterator[str]:
    """The lines of help for `x`."""
    kind = type(x)
    about = x if issubclass(kind, (type, ModuleType, property)) or _is_function(x) else kind
    if about is x:
        yield broken(_heading(x, name), _width())
    else:
        heading = f"{name or tried(lambda: f'{text_of(x, 200):.80}')} is {_a(_called(kind))}; {_heading(kind, '')}"
        yield broken(heading, _width())
    yield f"  {_where(about)}"
    if doc := rendered(_doc(about)):
        yield ""
        yield link_urls(fitted(doc, _width()))
    else:
        yield "  It has no documentation."
    if issubclass(type(about), type):
        methods = tried(lambda: list(_methods(about)))  # a metaclass may raise
        yield from methods if isinstance(methods, list) else []
    elif issubclass(kind, ModuleType):
        yield ""
        yield f"exports({x.__name__}) lists its names."


def _is_function(x: Any) -> bool:
    return kind_of(x) == "function" or type(x) in _CALLABLES


def _heading(x: Any, name: str) -> str:
    if issubclass(type(x), ModuleType):
        return f"module {x.__name__}"
    if issubclass(type(x), property):
        return f"property {name or getattr(x.fget, '__qualname__', '')}"
    is_class = issubclass(type(x), type)
    called = _called(x) if is_class else name or _called(x)
    kind = "class " if is_class else "async " if inspect.iscoroutinefunction(x) else ""
    return f"{kind}{called}{signature(x)}"


def signature(x: Any, *, typed: bool = True) -> str:
    """The parameters of `x` as they are written, perhaps without their types; `(...)` where they are not known."""
    try:
        found = inspect.signature(x)
        if not typed:
            bare = [each.replace(annotation=each.empty) for each in found.parameters.values()]
            found = inspect.Signature(bare)
        return _MODULES.sub("", str(found))
    except Exception:  # it has none, or one of the user's that raises
        return "(...)"


def broken(heading: str, width: int) -> str:
    """A heading that is too long for a line, with its parameters in lines of their own."""
    if len(heading) < width:
        return heading
    lines, depth = [""], 0
    for character in heading:
        depth += (character in "([{") - (character in ")]}")
        if character == " " and depth == 1 and lines[-1].endswith(",") and len(lines[-1]) > width - 40:
            lines.append("    ")
        else:
            lines[-1] += character
    return "\n".join(lines)


def _called(x: Any) -> str:
    if issubclass(type(x), type):
        return named(x).rpartition(".")[2]
    name = getattr(x, "__qualname__", None) or getattr(x, "__name__", None)
    return name if isinstance(name, str) else named(type(x)).rpartition(".")[2]


def _a(name: str) -> str:
    return f"an {name}" if name[:1].lower() in "aeio" else f"a {name}"


def _where(x: Any) -> str:
    module = tried(lambda: getattr(x.fget if type(x) is property else x, "__module__", None))
    node = f" on {Client.current.name}" if Client.current is not None else ""
    try:
        found = origin(x)
        place, linked = str(found), found.linked()
    except Exception:  # it has none, or is one of the user's that raises
        place = linked = "built in" if module == "builtins" else f"{module or 'built in'}, no source"
    of = f"{module}, " if module not in (None, "__main__", "builtins") and not place.startswith(f"{module},") else ""
    return f"defined in {of}{linked}{node}" if place != "built in" else f"built in{node}"


def _doc(x: Any) -> str:
    try:
        doc = inspect.getdoc(x)
    except Exception:  # `__doc__` is code of the user's
        return ""
    return doc if isinstance(doc, str) else ""


def rendered(doc: str) -> str:
    """A docstring as people read it: the marks of reStructuredText are left out."""
    text = _ROLE.sub(r"`\1`", doc).replace("``", "`")
    text = _FIELD.sub(r"\1  \2:", text)
    return _OUTCOME.sub(lambda found: f"{found[1]}  {found[2]}{found[3] or ''}:", text)


def _methods(cls: type) -> Iterator[str]:
    own = {name: value for base in reversed(cls.__mro__[:-1]) for name, value in vars(base).items()}
    shown = [(name, value) for name, value in own.items() if not name.startswith("_") and _told(value)]
    if shown:
        yield ""
        yield from (_cut(f"  .{name:<18} {summary(value)}".rstrip(), 110) for name, value in shown[:METHODS])
    if len(shown) > METHODS:
        yield f"  … {len(shown) - METHODS} more: exports({cls.__qualname__})"


def _told(value: Any) -> bool:
    return kind_of(value) in ("function", "property")
