"""`code_change`: what becomes of the object of an actor when the module of its class is pushed anew.

It is one call among the others of the actor, so it comes between two of them, and none is lost or overtaken. All that
can go wrong leaves the old object on the old code, and is told in the answer.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pysh.runtime import trees
from pysh.runtime.errors import PyshError
from pysh.runtime.protocol.terms import HUB, Pid
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.interrupts import Cancelled
from pysh.runtime.runner.swapped import Swapped
from pysh.runtime.runner.waiting import block

METHOD = "<code>"
"""What its call asks for in place of a method: no name of one."""
CHANGE, TRY, BACK, KEEP = "change", "try", "back", "keep"
"""To go over to other code; the same and remember how it was; to be as it was; to forget how it was."""
CHANGED, KEPT, CURRENT = "changed", "kept", "current"

Code = Mapping[str, str]


class Fate(NamedTuple):
    """The answer: whether the code of a process was changed, and what is to be said of it."""

    what: str
    why: str = ""


class CannotChange(Exception):
    """The code stays as it is, for this reason."""


class Change:
    """How the object of an actor changes its code; `call` runs a function of the user's to its end."""

    def __init__(self, client: Client, call: Callable[..., Any]) -> None:
        self._client = client
        self._call = call
        self._before: tuple[Swapped, Any] | None = None

    def run(self, made: Any, step: str, code: Code, source: Pid) -> tuple[Any, Fate]:
        """The object from now on, and what to answer to whoever asked."""
        before, self._before = self._before, None
        if step == BACK and before is not None:
            return self._back(made, *before)
        if step in (CHANGE, TRY) and not is_current(code):
            return self._change(made, code, source, remember=step == TRY)
        return made, unchanged(step, code)

    def _change(self, made: Any, code: Code, source: Pid, *, remember: bool) -> tuple[Any, Fate]:
        cls = type(made)
        try:
            old = version(made)
            if cls.__module__.partition(".")[0] not in code:
                raise CannotChange(f"its class is of {cls.__module__}, which was not pushed")
            swapped = swap(self._client, code, source)
        except (Exception, SystemExit) as error:
            return made, Fate(KEPT, told(error))
        try:
            changed = self._made_of(found_again(cls), old, made)
        except BaseException as error:
            swapped.put_back()
            if isinstance(error, KeyboardInterrupt | Cancelled):
                raise
            return made, Fate(KEPT, told(error))
        self._before = (swapped, made) if remember else None
        return changed, Fate(CHANGED)

    def _back(self, made: Any, swapped: Swapped, before: Any) -> tuple[Any, Fate]:
        old = version(made)
        swapped.put_back()
        try:
            return self._made_of(type(before), old, made), Fate(CHANGED)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | Cancelled):
                raise
            return before, Fate(CHANGED, f"as it was before: {told(error)}")

    def _made_of(self, cls: Any, old: str, made: Any) -> Any:
        """An object of `cls` with the state that its `code_change` makes of that of another version."""
        change = getattr(cls, "code_change", None)
        if change is None:
            raise CannotChange("its class has no code_change")
        return with_state(cls, self._call(change, old, state_of(made)))


def swap(client: Client, code: Code, source: Pid) -> Swapped:
    """Have the names in `code` mean these trees from now on in this process, and what they meant.

    Raises `CannotChange` where they mean something else by now on this node: whoever pushed that asks as well.
    """
    if not client.ask("meant", code=dict(code)):
        raise CannotChange("something else was pushed meanwhile")
    swapped: Swapped = block(client.codes.swap(dict(code), Pid(source.incarnation, HUB)))
    return swapped


def unchanged(step: str, code: Code) -> Fate:
    """The answer of one that has nothing to change, or to go back to."""
    return Fate(KEPT, "it began with that") if step == BACK and is_current(code) else Fate(CURRENT)


def is_current(code: Code) -> bool:
    """Whether those of the names that mean anything in this process mean these trees already."""
    return all(trees.bound[name].hash == digest for name, digest in code.items() if name in trees.bound)


def found_again(cls: type) -> type:
    """The class that is called as `cls` in the module as it is now."""
    found: Any = importlib.import_module(cls.__module__)
    for part in cls.__qualname__.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type):
        raise CannotChange(f"there is no class {cls.__qualname__} in the new {cls.__module__}")
    return found


def version(made: Any) -> str:
    """That of the code an object runs with: its class's `__version__`, its module's or package's, else the hash."""
    cls = type(made)
    top = cls.__module__.partition(".")[0]
    for place in (cls, sys.modules.get(cls.__module__), sys.modules.get(top)):
        if (found := getattr(place, "__version__", None)) is not None:
            return str(found)
    tree = trees.bound.get(top)
    return tree.hash if tree is not None else ""


def state_of(made: Any) -> Any:
    """What `code_change` is given: what `__getstate__` says; of a plain object a copy of its `__dict__`."""
    state = made.__getstate__()
    return dict(state or {}) if state is None or isinstance(state, dict) else state


def with_state(cls: Any, state: Any) -> Any:
    """A new object with that state, as unpickling makes one."""
    made = cls.__new__(cls)
    if (set_state := getattr(made, "__setstate__", None)) is not None:
        set_state(state)
        return made
    names, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    names = {} if names is None and slots else names
    if not isinstance(names, dict) or not isinstance(slots, dict | None):
        raise TypeError(f"code_change() returned {state!r:.80}, which is no state of {cls.__name__}")
    if names:
        vars(made).update(names)
    for name, value in (slots or {}).items():
        setattr(made, name, value)
    return made


def told(error: BaseException) -> str:
    """Why nothing was changed, in one line."""
    if isinstance(error, CannotChange):
        return str(error)
    what = (error.text or error.what()) if isinstance(error, PyshError) else str(error)
    return f"{type(error).__name__}: {what}".rstrip(": ")
