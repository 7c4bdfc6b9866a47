"""Values as one line of JSON, for programs that read what ours print."""

import json
from collections.abc import Callable
from traceback import format_exception_only
from typing import Any

LARGEST = 32 * 1024
"""Bytes that the answer to an eval has room for."""
DEEPEST = 100


def as_json(value: object) -> str:
    """`value` as one line of JSON, in ASCII.

    Of what JSON does not have: a node is its name, what nodes answered an object by their names, an exception an
    object with `error` and `text`, a named tuple or dataclass an object of its fields, a set a list, an array its
    items, a number that is not finite null, and anything else its text. Raises `ValueError` for what contains itself
    or is nested too deep, and what the value's own code raises.
    """
    return json.dumps(_plain(value, 0), allow_nan=False)


def failed(error: BaseException, **more: object) -> str:
    """What went wrong as one line of JSON: `error` (its type), `text`, `executed` where that is known, and `more`."""
    return json.dumps({**_exception(error), **more})


def answer(value: object) -> dict[str, Any]:
    """What an evaluator tells of `value` to who wants JSON: the line, or the error in its place."""
    try:
        text = as_json(value)
        if len(text) > LARGEST:
            raise ValueError(
                f"the value takes {len(text):,} bytes as JSON, and this answer has room for {LARGEST:,}: "
                "ask for a part of it"
            )
    except (Exception, SystemExit) as error:  # of a text or a field that is the user's code
        return {"kind": "error", "error": type(error).__name__, "text": format_exception_only(error)[-1]}
    return {"kind": "text", "text": text}


def _plain(value: Any, depth: int) -> Any:
    if depth > DEEPEST:
        raise ValueError(f"the value contains itself, or is nested more than {DEEPEST} deep: JSON has no such thing")
    for kind, make in _MADE.items():
        if isinstance(value, kind):
            return make(value, depth + 1)
    for name, make in _FIELDS.items():
        if hasattr(type(value), name):
            return make(value, depth + 1)
    return str(value)


def _dict(value: dict[Any, Any], depth: int) -> Any:
    return {str(key): _plain(item, depth) for key, item in value.items()}


def _list(value: Any, depth: int) -> Any:
    if hasattr(value, "_asdict"):
        return _dict(value._asdict(), depth)
    if hasattr(type(value), "__pysh_rows__"):
        value = value.__pysh_rows__()
    return [_plain(item, depth) for item in value]


def _exception(value: BaseException) -> Any:
    told = {"error": type(value).__name__, "text": str(value)}
    executed = getattr(value, "executed", None)
    return {**told, "executed": executed} if isinstance(executed, str) else told


Make = Callable[[Any, int], Any]
_MADE: dict[Any, Make] = {
    type(None): lambda value, _: value,
    bool: lambda value, _: bool(value),
    int: lambda value, _: int(value),
    float: lambda value, _: float(value) if abs(value) < float("inf") else None,
    str: lambda value, _: str.__str__(value),
    (bytes, bytearray): lambda value, _: bytes(value).decode("utf-8", "backslashreplace"),
    dict: _dict,
    (list, tuple, set, frozenset): _list,
    BaseException: lambda value, _: _exception(value),
}
_FIELDS: dict[str, Make] = {
    "__dataclass_fields__": lambda value, depth: _dict(
        {name: getattr(value, name) for name in type(value).__dataclass_fields__}, depth
    ),
    "tolist": lambda value, depth: _plain(value.tolist(), depth),
}
