"""The lines of source that a function takes along, so that a traceback far away can show them.

A function that travels by value carries the lines of its own block. Where it arrives they are put
into `linecache`, at the line numbers they have in their cell or file: there `traceback`, `pdb` and
`inspect` look.
"""

import linecache
from types import CodeType, FunctionType
from typing import NamedTuple

LARGEST = 64 * 1024
"""Characters of source that a function takes along at most; a longer one travels without."""
KEPT = 512
"""Functions whose lines are remembered here, and files whose lines came from elsewhere."""


class Source(NamedTuple):
    """The lines of one function: `first` is the number of the first one in `filename`, from 1."""

    filename: str
    first: int
    text: str


_found: dict[int, tuple[CodeType, Source | None]] = {}
_came: dict[str, list[str]] = {}


def of(function: FunctionType) -> Source | None:
    """The lines of `function`, if its cell or file is to be found; the same object every time."""
    code = function.__code__
    known = _found.get(id(code))
    # By identity, as hashing a code object hashes all it holds; keeping it keeps its id its own.
    if known is None or known[0] is not code:
        if len(_found) >= KEPT:
            _found.clear()
        known = _found[id(code)] = (code, _find(code, function.__globals__))
    return known[1]


def _find(code: CodeType, names: dict[str, object]) -> Source | None:
    try:
        linecache.checkcache(code.co_filename)
        lines = linecache.getlines(code.co_filename, names)
    except Exception:  # a `__loader__` of the user's may raise anything; a traceback does without lines
        return None
    text = "".join(lines[code.co_firstlineno - 1 : _last_line(code)])
    if not text or len(text) > LARGEST:
        return None
    return Source(code.co_filename, code.co_firstlineno, text)


def _last_line(code: CodeType) -> int:
    last = max((end for _, end, _, _ in code.co_positions() if end), default=code.co_firstlineno)
    return max([last, *(_last_line(inner) for inner in code.co_consts if isinstance(inner, CodeType))])


def install(source: Source) -> None:
    """Let `linecache` find these lines, unless it knows the file from elsewhere.

    Lines that came earlier for the same file stay, but where the new ones lie: those belong to the
    code that is about to run.
    """
    filename, first, text = source
    came = _came.get(filename)
    if came is None:
        if linecache.getlines(filename):
            return  # a cell typed here, or a file that is here too
        if len(_came) >= KEPT:
            _forget()
        came = _came[filename] = []
    lines = text.splitlines(keepends=True)
    came += ["\n"] * (first - 1 + len(lines) - len(came))
    came[first - 1 : first - 1 + len(lines)] = lines
    # No modification time: `linecache.checkcache` leaves such an entry alone.
    linecache.cache[filename] = (sum(map(len, came)), None, came, filename)


def _forget() -> None:
    for filename in _came:
        linecache.cache.pop(filename, None)
    _came.clear()
