"""What somebody may have meant by a name that is not there.

It is found where the error was raised: elsewhere neither the frames nor the objects are at hand.
"""

import re
import sys
from collections.abc import Iterable
from typing import Any

MOST = 5000
"""Names that are looked at."""
LONGEST = 60
ALIKE = 0.77
"""How much two names have in common, of 1, for one to be a slip for the other."""

_FROM = re.compile(r"cannot import name '(\w+)' from '([\w.]+)'")


def guess(error: BaseException, said: str = "") -> str:
    """`Did you mean: 'value'?`, or nothing; nothing as well where what was `said` of the error has it already.

    It runs code of the user's: the `__dir__` of an object.
    """
    if type(error) in (AttributeError, TypeError) and "'coroutine'" in str(error):
        return "Did you forget 'await'?"
    if not isinstance(error, AttributeError | NameError | ImportError) or "Did you " in said:
        return ""  # Python 3.12 finds some of them itself
    try:
        return _guess(error)
    except Exception:
        return ""


def near(name: str, names: Iterable[str]) -> str:
    """The one of `names` that `name` is most likely a slip for; empty if none is."""
    from difflib import get_close_matches

    known = [one for one, _ in zip(names, range(MOST), strict=False) if one != name and len(one) <= LONGEST]
    if len(name) < 2 or len(name) > LONGEST:
        return ""
    folded = {one.casefold(): one for one in known}
    return next((folded[one] for one in get_close_matches(name.casefold(), folded, 1, ALIKE)), "")


def _guess(error: Any) -> str:
    if isinstance(error, ModuleNotFoundError):
        return _meant(_module(str(error.name or "")))
    if isinstance(error, ImportError):
        found = _FROM.match(str(error))
        return _meant(near(found[1], dir(sys.modules[found[2]]))) if found else ""
    name = getattr(error, "name", None)
    if not isinstance(name, str):
        return ""
    if isinstance(error, AttributeError):
        return "" if error.obj is None else _meant(near(name, _public(name, dir(error.obj))))
    return _variable(error, name)


def _meant(name: str) -> str:
    return f"Did you mean: '{name}'?" if name else ""


def _public(name: str, names: Iterable[str]) -> list[str]:
    """Of `names` those without an underscore, unless `name` has one."""
    return [one for one in names if isinstance(one, str) and (name.startswith("_") or not one.startswith("_"))]


def _module(name: str) -> str:
    from pysh.runtime.runner.importable import modules

    parent, dot, last = name.rpartition(".")
    found = near(last, (one for one, _ in modules(parent + dot)))
    return f"{parent}{dot}{found}" if found else ""


def _variable(error: NameError, name: str) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    frame = trace.tb_frame
    this = frame.f_locals.get("self")
    if this is not None and name in dir(type(this)) + list(getattr(this, "__dict__", ())):
        return _meant(f"self.{name}")
    known = [*frame.f_locals, *frame.f_globals, *frame.f_builtins]
    if frame.f_code.co_filename.startswith("<") and "pysh" in sys.modules:
        known += sys.modules["pysh"].__all__  # which a prompt has
    if found := near(name, _public(name, known)):
        return _meant(found)
    return f"Did you forget to import '{name}'?" if name in sys.stdlib_module_names else ""
