"""`v e tb full undo`: what cells of this shell came to, and what its names meant before them."""

import sys
from collections.abc import Iterator
from typing import Any

from pysh.runtime.runner.bindings import Undone
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


def tb(n: int = -1) -> None:
    """Print the traceback of what cell `n` of this shell raised; of a negative `n`, of the last error but so many.

    The last 5 errors are kept; `debug()` looks at the frames of the last one. Raises `ValueError`.
    """
    from pysh.runtime.runner.display import failure

    print(failure(inside("tb").past.error(n)), end="")


def full(n: Any = -1) -> None:
    """Print all of the value that cell `n` of this shell came to, however long; or of any other value."""
    for piece in pieces(n, "full"):
        sys.stdout.write(piece)
    sys.stdout.write("\n")


def undo(n: int = 1) -> None:
    """Have the names of this shell again as they were before the last cell that bound some, or the last `n` of those.

    What it bound anew or deleted means what it did before, and what is new is gone; what is not put back is told, with
    the reason. It is for names alone: objects that were changed in place stay so, as does all else that a cell did. The
    last 10 such cells are kept, with 64 MiB of old values, but no files and the like, nor values of most libraries,
    which may hold what is to be let go of. `save` leaves them out. Raises `ValueError` where so many are not kept.
    """
    if type(n) is not int:
        raise TypeError(f"undo() takes how many cells, as undo(2), not {type(n).__name__}; nothing was changed")
    shell = inside("undo")
    for one in shell.bindings.undo(n):
        shell.past.forget(one.cell)
        print("\n".join(undone(one)))
    print("(names alone: objects that were changed in place stay so)")


def undone(one: Undone) -> Iterator[str]:
    """The lines that tell of it."""
    done = [
        f"{', '.join(one.back)} as before" if one.back else "",
        f"no more {', '.join(one.gone)}" if one.gone else "",
    ]
    yield f"cell {one.cell} undone: {'; '.join(filter(None, done)) or 'no name is as before'}"
    yield from (f"  {name} stays: {why}" for name, why in one.left.items())


def pieces(value: Any, verb: str) -> Iterator[str]:
    """The text of a value, or of that of a cell by its number, piece by piece."""
    from pysh.runtime.runner.display import whole

    value = inside(verb).past.value(value) if type(value) is int else value
    return iter((value,)) if isinstance(value, str) else whole(value)
