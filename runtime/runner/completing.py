"""What can stand under the cursor, from the objects that live in a shell. None of their code runs."""

import builtins
import inspect
import keyword
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pysh.runtime.runner.cursor import Call, Cursor, under
from pysh.runtime.runner.nearby import Living
from pysh.runtime.runner.statics import MISSING, attributes, kind_of, parameters, resolve

MOST = 500
"""Candidates that are told."""
PARAMETERS = 30
"""Parameters of one signature."""
LONGEST = 200
"""Characters of one."""


class Candidate(NamedTuple):
    """What may be put in place of what is typed, and what it is: a `keyword`, `function`, `class`, `module` …"""

    text: str
    kind: str


class Completion(NamedTuple):
    """The candidates for what is typed from `start` on, in order; `more` were found than are told.

    `signature` is that of the call around it: its name, its parameters, and the number of the one that is typed.
    """

    start: int
    candidates: list[Candidate]
    more: bool = False
    signature: tuple[str, list[str], int] | None = None


class Known(NamedTuple):
    """What is known besides the objects of the shell: nodes, processes and preloaded names.

    `load` gives the value of a preloaded name, which may take an import; `processes` asks the hubs.
    """

    preloaded: frozenset[str] = frozenset()
    load: Callable[[str], Any] = str
    nodes: tuple[str, ...] = ()
    processes: Callable[[], Sequence[Living]] = tuple


NOTHING = Known()


def complete(text: str, position: int, names: Mapping[str, Any], known: Known = NOTHING) -> Completion:
    """What can stand at `position` of `text`, in a shell with these `names`."""
    cursor = under(text, position)
    wanted = _wanted(cursor)
    once = {each.text: each for each in _found(cursor, names, known)}.values()
    found = sorted(once, key=lambda each: (_word(each) not in wanted, *_rank(each.text)))
    fitting = [each for each in found if len(each.text) <= LONGEST]
    return Completion(
        cursor.start, fitting[:MOST], len(fitting) > MOST, _signature(cursor.call, _finding(names, known))
    )


def signature(text: str, position: int, names: Mapping[str, Any], known: Known = NOTHING) -> Completion:
    """As `complete`, but the signature alone."""
    cursor = under(text, position)
    return Completion(cursor.start, [], signature=_signature(cursor.call, _finding(names, known)))


def _rank(text: str) -> tuple[bool, int, str]:
    """Arguments first, then public names first, then those with one underscore in front, then those with two."""
    return (not text.endswith("="), len(text) - len(text.lstrip("_")), text)


def _found(cursor: Cursor, names: Mapping[str, Any], known: Known) -> Iterator[Candidate]:
    find = _finding(names, known)
    match cursor.kind:
        case "name":
            yield from _beginning(_all_names(names, known), cursor.prefix)
            yield from _arguments(cursor, find)
            yield from _pids(cursor, known)
        case "attribute":
            value = resolve(cursor.target, find)
            if value is not MISSING:
                found = (Candidate(name, kind_of(each)) for name, each in attributes(value))
                yield from _beginning(found, cursor.prefix)
        case "key":
            yield from _keys(cursor, resolve(cursor.target, find))
        case "item":
            yield from _keys(cursor, resolve(cursor.target, find))
            yield from _beginning(_all_names(names, known), cursor.prefix) if cursor.prefix else ()
        case "text":
            yield from _texts(cursor, known)
        case "module" | "member":
            from pysh.runtime.runner.importable import members, modules

            listed = modules(cursor.module) if cursor.kind == "module" else members(cursor.module)
            yield from _beginning((Candidate(*each) for each in listed), cursor.prefix)


def _beginning(found: Iterable[Candidate], prefix: str) -> Iterator[Candidate]:
    yield from (each for each in found if each.text.startswith(prefix) and (prefix or not each.text.startswith("_")))


def _all_names(names: Mapping[str, Any], known: Known) -> Iterator[Candidate]:
    seen = {**vars(builtins), **names}
    yield from (Candidate(name, kind_of(value)) for name, value in seen.items())
    yield from (Candidate(name, "function") for name in known.preloaded if name not in names)
    yield from (Candidate(word, "keyword") for word in (*keyword.kwlist, *keyword.softkwlist) if word not in seen)


def _finding(names: Mapping[str, Any], known: Known) -> Callable[[str], Any]:
    def find(name: str) -> Any:
        if name in names:
            return names[name]
        return known.load(name) if name in known.preloaded else vars(builtins).get(name, MISSING)

    return find


def _keys(cursor: Cursor, value: Any) -> Iterator[Candidate]:
    """The keys of a dict; only those that are written as they are."""
    if not issubclass(type(value), dict):
        return
    for key in list(dict.keys(value))[: 20 * MOST]:
        if cursor.kind == "key" and type(key) is str and key.startswith(cursor.prefix) and key.isprintable():
            if cursor.quote not in key and "\\" not in key:
                yield Candidate(key, "key")
        elif cursor.kind == "item" and type(key) in (str, int, bool, float, bytes):
            text = repr(key)
            if text.startswith(cursor.prefix):
                yield Candidate(text, "key")


# calls


def _arguments(cursor: Cursor, find: Callable[[str], Any]) -> Iterator[Candidate]:
    if cursor.call is None or not cursor.call.begins:
        return
    function = resolve(cursor.call.function, find)
    for parameter in parameters(function):
        able = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if able and parameter.name not in cursor.call.given and parameter.name.startswith(cursor.prefix):
            yield Candidate(f"{parameter.name}=", "argument")


def _signature(call: Call | None, find: Callable[[str], Any]) -> tuple[str, list[str], int] | None:
    if call is None:
        return None
    found = parameters(resolve(call.function, find))
    if not found:
        return None
    at = _at(call, found)
    shown = [_shown(parameter) for parameter in found]
    kinds = [parameter.kind for parameter in found]
    # Where Python's own signatures have a mark that is no parameter: from the end, so that the numbers hold.
    keyword = inspect.Parameter.KEYWORD_ONLY
    if keyword in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        shown, at = _marked(shown, at, kinds.index(keyword), "*")
    if only := kinds.count(inspect.Parameter.POSITIONAL_ONLY):
        shown, at = _marked(shown, at, only, "/")
    last = call.function[-1].value
    return str(last), shown[:PARAMETERS], at


def _marked(shown: list[str], at: int, place: int, mark: str) -> tuple[list[str], int]:
    return [*shown[:place], mark, *shown[place:]], at + (at >= place)


def _at(call: Call, found: list[inspect.Parameter]) -> int:
    """The number of the parameter that is typed; -1 where there is none for it."""
    kinds = [parameter.kind for parameter in found]
    if call.keyword:
        names = [parameter.name for parameter in found]
        if call.keyword in names:
            return names.index(call.keyword)
        rest: object = inspect.Parameter.VAR_KEYWORD
    else:
        if call.position < sum(kind < inspect.Parameter.VAR_POSITIONAL for kind in kinds):
            return call.position
        rest = inspect.Parameter.VAR_POSITIONAL
    return next((index for index, kind in enumerate(kinds) if kind is rest), -1)


def _shown(parameter: inspect.Parameter) -> str:
    star = "*" * (parameter.kind is parameter.VAR_POSITIONAL) + "**" * (parameter.kind is parameter.VAR_KEYWORD)
    default = parameter.default
    if default is parameter.empty:
        return f"{star}{parameter.name}"
    simple = type(default) in (int, float, bool, str, bytes, type(None))
    return f"{parameter.name}={default!r:.20}" if simple else f"{parameter.name}=…"


# nodes, processes and tasks

_OF_NODES = frozenset(("connect", "disconnect", "ping", "stop_node", "attach", "Node"))
_OF_NAMES = frozenset(("whereis", "send"))
_OF_PROCESSES = frozenset(("send", "kill", "stop", "link", "unlink", "monitor"))
_OF_TASKS = frozenset(("wait", "as_completed", "cancel", "stack", "why", "trace"))
_ACTORS = ("process", "actor")


def _called(cursor: Cursor) -> str:
    """The name of what is called, where its first argument is typed."""
    call = cursor.call
    return str(call.function[-1].value) if call is not None and not call.position and not call.keyword else ""


def _wanted(cursor: Cursor) -> tuple[str, ...]:
    """The kinds of values that come first there."""
    called = _called(cursor)
    return _ACTORS if called in _OF_PROCESSES else ("task",) if called in _OF_TASKS else ()


def _pids(cursor: Cursor, known: Known) -> Iterator[Candidate]:
    """Those of all processes, where one is expected."""
    call = cursor.call
    if call is not None and call.begins and _called(cursor) in _OF_PROCESSES:
        for each in known.processes():
            if (text := f'pid("{each.pid}")').startswith(cursor.prefix):
                yield _process(text, each)


def _process(text: str, process: Living) -> Candidate:
    return Candidate(text, f"process {process.label}".rstrip())


def _word(candidate: Candidate) -> str:
    return candidate.kind.partition(" ")[0]


def _texts(cursor: Cursor, known: Known) -> Iterator[Candidate]:
    """What a text may be: a node or process where one is expected, else a path."""
    call, called = cursor.call, _called(cursor)
    if called in _OF_NODES or (call is not None and call.keyword == "on"):
        yield from (Candidate(name, "node") for name in known.nodes if name.startswith(cursor.prefix))
    elif called == "pid":
        found = (_process(each.pid, each) for each in known.processes())
        yield from (each for each in found if each.text.startswith(cursor.prefix))
    elif called in _OF_NAMES:
        for each in known.processes():
            yield from (Candidate(name, each.pid) for name in each.names if name.startswith(cursor.prefix))
    else:
        yield from _paths(cursor.prefix)


def _paths(prefix: str) -> Iterator[Candidate]:
    folder, name = os.path.split(prefix)
    try:
        with os.scandir(os.path.expanduser(folder) or ".") as entries:  # noqa: PTH111
            for entry, _ in zip(entries, range(20 * MOST), strict=False):
                if entry.name.startswith(name) and (name or not entry.name.startswith(".")):
                    text = os.path.join(folder, entry.name)  # noqa: PTH118
                    if text.isprintable():
                        yield Candidate(text + "/" * entry.is_dir(), "path")
    except OSError:
        return
