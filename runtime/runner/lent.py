"""The global names of a function that runs in a shell: those of that shell, and behind them what came with it."""

import sys
from collections.abc import Iterator
from functools import partial
from types import FunctionType, ModuleType
from typing import Any


class Names(dict[str, Any]):
    """What `live` has, and where that has no such name what is `lent`. What is written here `settle` takes there.

    The interpreter looks names up by `[]`, and writes past every method of a dict; so for a while what was
    written lies in this one.
    """

    def __init__(self, live: dict[str, Any], lent: dict[str, Any]) -> None:
        own = {name: value for name, value in live.items() if name.startswith("__")}
        super().__init__(own)
        self._own = frozenset(own)
        self._behind = live, lent

    def __getitem__(self, name: str) -> Any:
        if dict.__contains__(self, name):
            return dict.__getitem__(self, name)
        live, lent = self._behind
        return live[name] if name in live else lent[name]

    def __contains__(self, name: object) -> bool:
        return dict.__contains__(self, name) or any(name in names for names in self._behind)

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default

    def __iter__(self) -> Iterator[str]:
        live, lent = self._behind
        return iter({**lent, **live, **dict.fromkeys(dict.__iter__(self))})

    def settle(self) -> None:
        """Code that may have written ran; the shell goes on."""
        for name in [name for name in dict.__iter__(self) if name not in self._own]:
            self._behind[0][name] = self.pop(name)


class Home:
    """Brings functions that came by value home: from then on their global names are those of a shell, `live`."""

    def __init__(self, live: dict[str, Any]) -> None:
        self._live = live
        self._done: dict[int, Any] = {}
        self.names: list[Names] = []

    def brought(self, function: Any) -> Any:
        """`function` at home, with those that it uses or has captured, and its modules among the names there."""
        if isinstance(function, partial):
            return partial(self.brought(function.func), *function.args, **function.keywords)
        if type(function) is not FunctionType or _is_of_a_module(function):
            return function
        if (known := self._done.get(id(function))) is not None:
            return known
        lent: dict[str, Any] = {}
        for name, value in function.__globals__.items():
            if isinstance(value, ModuleType) and not name.startswith("__"):
                self._live.setdefault(name, value)
            elif not name.startswith("__") and name not in self._live:
                lent[name] = value
        names = self._live if not lent else Names(self._live, lent)
        made = FunctionType(
            function.__code__, names, function.__name__, function.__defaults__, function.__closure__
        )  # fmt: skip
        self._done[id(function)] = self._done[id(made)] = made
        made.__kwdefaults__, made.__qualname__ = function.__kwdefaults__, function.__qualname__
        made.__dict__.update(function.__dict__)
        for name, value in lent.items():
            lent[name] = self.brought(value)
        if isinstance(names, Names):
            self.names.append(names)
        for cell in made.__closure__ or ():
            try:
                cell.cell_contents = self.brought(cell.cell_contents)
            except ValueError:
                pass  # it is empty
        return made


def _is_of_a_module(function: FunctionType) -> bool:
    module = sys.modules.get(function.__module__ or "")
    return module is not None and function.__globals__ is vars(module)
