"""About how much memory a value takes, told from a part of it: nobody waits for ten million items."""

import gc
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

SAMPLE = 100
"""Items of a container that are looked at; the others are taken to be as large."""
LOOKED_AT = 5_000
"""Objects that are looked at in all."""
_MOST = 1e12
"""Objects that one of them stands for at most: where each holds a thousand of the next, the number soon has no end."""
_BARE = 56
"""Bytes of an object of a class written in Python, without what it holds."""
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_SHARED = (type, ModuleType, FunctionType, CodeType, FrameType)
"""What is not in a value, but what it belongs to."""


def size_of(value: object, most: int = LOOKED_AT) -> int:
    """About how many bytes `value` takes with all that it holds, what is held twice counted once.

    However deep that is; `most` objects are looked at. Of its own code only `__sizeof__` runs.
    """
    return int(sum(stands_for * bytes_of(each) for each, stands_for in Walk(value, most)))


class Walk:
    """`value` and what it holds, each once, with how many others that stands for; of large containers a part.

    What is nearer to the top comes first: the budget, `most` objects, is not to end before something large that is in
    plain sight. No code of the user's runs.
    """

    def __init__(self, value: object, most: int) -> None:
        self._most = most
        self.left = deque([(value, 1.0)])
        """What was found, and is not looked at yet."""

    def __iter__(self) -> Iterator[tuple[object, float]]:
        seen: dict[int, object] = {}  # kept, so that no other object gets its id
        while self.left and len(seen) < self._most:
            value, stands_for = self.left.popleft()
            if id(value) in seen or (seen and issubclass(type(value), _SHARED)):
                continue
            seen[id(value)] = value
            yield value, stands_for
            inside, count = _held(value)
            if inside:
                each = min(stands_for * count / len(inside), _MOST)
                self.left += [(item, each) for item in inside]


def bytes_of(value: object, *, own: bool = True) -> int:
    """What `value` takes without what it holds; unless its `own` code is to be asked, a guess if it has any for it."""
    if not own and type(type(value).__sizeof__) is FunctionType:
        return _BARE
    try:
        return sys.getsizeof(value, 0)
    except KeyboardInterrupt:
        raise
    except BaseException:  # its `__sizeof__` is the user's
        return 0


def readable(size: float) -> str:
    """So many bytes as people write it: `1.5 KiB`."""
    for unit in _UNITS[:-1]:
        if size < 1024:
            return f"{size:.1f} {unit}" if unit != "B" and size < 100 else f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} {_UNITS[-1]}"


def _held(value: Any) -> tuple[list[object], int]:
    """Some of what a value holds, and how many there are of it. No code of the user's runs."""
    for kind, some in _CONTAINERS.items():
        if issubclass(type(value), kind):  # `__class__` may say anything
            try:
                inside = list(some(value))
                return inside, kind.__len__(value) * (2 if kind is dict else 1)
            except RuntimeError:
                return [], 0  # another thread changes it
    if not gc.is_tracked(value) or issubclass(type(value), _SHARED):
        return [], 0
    held = [each for each in gc.get_referents(value) if not issubclass(type(each), _SHARED)]
    return held[:SAMPLE], len(held)


def _of_list(value: list[object]) -> Iterable[object]:
    return list.__getitem__(value, slice(None, None, list.__len__(value) // SAMPLE + 1))


def _of_tuple(value: tuple[object, ...]) -> Iterable[object]:
    return tuple.__getitem__(value, slice(None, None, tuple.__len__(value) // SAMPLE + 1))


def _of_dict(value: dict[object, object]) -> Iterable[object]:
    return chain.from_iterable(islice(dict.items(value), SAMPLE))


_CONTAINERS: dict[Any, Any] = {
    list: _of_list, tuple: _of_tuple, dict: _of_dict,
    set: lambda value: islice(set.__iter__(value), SAMPLE),
    frozenset: lambda value: islice(frozenset.__iter__(value), SAMPLE),
    deque: lambda value: islice(deque.__iter__(value), SAMPLE),
}  # fmt: skip
