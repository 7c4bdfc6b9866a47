"""Code for another Python: as the text that it was compiled from, and where in that its function stands.

Bytecode of one minor version crashes another. The text is compiled anew where it arrives, as a whole, so that closures
and classes find their surroundings; nothing of it runs there but the function that was meant. It goes only where
compiling it here gives the very code that is to go: a file that changed since it was imported has another text.
"""

import linecache
import sys
from collections.abc import Iterator
from types import CodeType
from typing import NamedTuple

from pysh.runtime.errors import VersionSkew

LARGEST = 256 * 1024
"""Characters of a cell or file that go along with a function of it at most."""
KEPT = 64
"""Texts whose code is remembered, on either side."""
_AWAITS = 0x2000  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, which cells are compiled with
_FUTURES = 0x1FE0000  # the flags of `from __future__ import ...`


class Place(NamedTuple):
    """Where in a text a function is: the `nth` of those that begin in this line and look like this from outside."""

    name: str
    line: int
    parameters: tuple[str, ...]
    free: tuple[str, ...]
    nth: int


class Text(NamedTuple):
    """What a cell or a file has, and how it was compiled."""

    filename: str
    flags: int
    source: str


_texts: dict[str, Text] = {}
_compiled: dict[Text, dict[Place, list[CodeType]]] = {}
"""The functions in a text, by their places but for their `nth`."""


def located(code: CodeType) -> tuple[Text, Place]:
    """Where `code` came from. Raises `VersionSkew`."""
    text = _text(code)
    try:
        whole = _compile(text)
    except (SyntaxError, ValueError):  # it has changed, or these are some of its lines alone
        raise _sourceless(code.co_qualname) from None
    place = _place(code)
    for nth, each in enumerate(whole.get(place, ())):
        if each == code:
            return text, place._replace(nth=nth)
    raise _sourceless(code.co_qualname)


def found(text: Text, place: Place) -> CodeType:
    """That function's code, for this Python. Raises `VersionSkew`, and `SyntaxError` where only another can read it."""
    alike = _compile(text).get(place._replace(nth=0), ())
    if place.nth >= len(alike):
        raise _sourceless(place.name)
    return alike[place.nth]


def _text(code: CodeType) -> Text:
    try:
        linecache.checkcache(code.co_filename)
        source = "".join(linecache.getlines(code.co_filename))
    except Exception:  # a `__loader__` of the user's may raise anything
        source = ""
    if not source or len(source) > LARGEST:
        raise _sourceless(code.co_qualname)
    flags = _AWAITS | code.co_flags & _FUTURES
    known = _texts.get(code.co_filename)
    if known is None or known.source != source or known.flags != flags:
        if len(_texts) >= KEPT:
            _texts.clear()
        known = _texts[code.co_filename] = Text(code.co_filename, flags, source)
    return known


def _compile(text: Text) -> dict[Place, list[CodeType]]:
    known = _compiled.get(text)
    if known is None:
        known = {}
        for code in _inside(compile(text.source, text.filename, "exec", text.flags, dont_inherit=True)):
            known.setdefault(_place(code), []).append(code)
        if len(_compiled) >= KEPT:
            _compiled.clear()
        _compiled[text] = known
    return known


def _inside(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _inside(constant)


def _place(code: CodeType) -> Place:
    count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)
    return Place(code.co_name, code.co_firstlineno, code.co_varnames[:count], code.co_freevars, 0)


def _sourceless(name: str) -> VersionSkew:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    text = f"{name} comes from no cell or file that is still as it was, and bytecode of Python {here} runs in no other"
    return VersionSkew(here, text=text)
