"""The signature of a call in one line, with the argument that is typed marked."""

from collections.abc import Sequence
from typing import Any, NamedTuple

CUT = "…"


class Signature(NamedTuple):
    """What is called, its parameters, and the number of the one that is typed; -1 if it is none of them."""

    name: str
    parameters: Sequence[str]
    at: int


def told(answer: Any) -> Signature | None:
    """The signature in an answer, which another version of pysh may have given; None if there is none."""
    try:
        name, parameters, at = answer["signature"]
        return Signature(_plain(name), [_plain(each) for each in parameters], int(at))
    except (KeyError, TypeError, ValueError):
        return None


def line(signature: Signature, width: int) -> list[tuple[bool, str]]:
    """`signature` as pieces of text, each with whether it is marked; what does not fit into `width` is left out.

    That is first what was typed, then what is still to come.
    """
    name, parameters, at = signature
    first, last = 0, len(parameters)
    while len("".join(text for _, text in _pieces(name, parameters, at, first, last))) > width:
        if first < at:
            first += 1
        elif last > max(at, 0) + 1:
            last -= 1
        else:
            break
    return _pieces(name, parameters, at, first, last)


def _pieces(name: str, parameters: Sequence[str], at: int, first: int, last: int) -> list[tuple[bool, str]]:
    pieces = [(False, f"{name}(" + f"{CUT}, " * (first > 0))]
    for number in range(first, last):
        pieces += [(number == at, parameters[number]), (False, ", ")]
    if last < len(parameters):
        pieces.append((False, CUT))
    elif first < last:
        pieces.pop()
    return [*pieces, (False, ")")]


def _plain(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError(text)
    return "".join(char if char.isprintable() else "?" for char in text)
