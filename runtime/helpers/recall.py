"""`v e full`: what cells of this shell came to."""

import sys
from collections.abc import Iterator
from typing import Any

from pysh.runtime.runner.inside import inside


def v(n: int = -1) -> Any:
    """The value that cell `n` of this shell came to; of a negative `n`, the last value but so many. `_3` is `v(3)`.

    The last 200 values are kept, of 64 MiB together. Raises `ValueError`, which says what is kept, or why that is not.
    """
    return inside("v").past.value(n)


def e(n: int = -1) -> BaseException:
    """What cell `n` of this shell raised; of a negative `n`, the last error but so many. `_e` is the last one.

    The last 5 are kept, with their frames. Raises `ValueError`.
    """
    return inside("e").past.error(n)


def full(n: Any = -1) -> None:
    """Print all of the value that cell `n` of this shell came to, however long; or of any other value."""
    for piece in pieces(n, "full"):
        sys.stdout.write(piece)
    sys.stdout.write("\n")


def pieces(value: Any, verb: str) -> Iterator[str]:
    """The text of a value, or of that of a cell by its number, piece by piece."""
    from pysh.runtime.runner.display import whole

    value = inside(verb).past.value(value) if type(value) is int else value
    return iter((value,)) if isinstance(value, str) else whole(value)
