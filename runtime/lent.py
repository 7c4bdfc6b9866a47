"""A call for a shell: what of the global names of its functions goes along, and where they look them up there.

Modules, functions and classes go along; what else they name is the shell's. There the globals of each function that
came by value, wherever in the call it was, are those of the shell, `live`. What came with it is `lent` and stands
behind these, where the interpreter looks for what is built in.

A function takes what is behind its globals from these as it is made: the lent has to be there while one makes others.
It is during each step of the call. For one that may do so at other times as well, in a thread or left behind in the
shell, the globals are a `View`; but not if it writes any, which the interpreter does past every method of a dict.
"""

import builtins
import io
import pickle
from collections.abc import Iterator, MutableMapping
from functools import lru_cache
from opcode import opmap
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from pysh.runtime import byvalue, sources
from pysh.runtime.protocol.terms import Buffer

BEHIND = "__builtins__"
GOES_ALONG = (ModuleType, FunctionType, BuiltinFunctionType, type, type(lru_cache(len)))
_WRITES = frozenset((opmap["STORE_GLOBAL"], opmap["DELETE_GLOBAL"]))


class Pickler(byvalue.Pickler):
    """Leaves out the values of global names."""

    def _dynamic_function_reduce(self, func: FunctionType) -> Any:
        make, args, (attributes, slots), *rest = super()._dynamic_function_reduce(func)
        names = {name: value for name, value in slots["__globals__"].items() if isinstance(value, GOES_ALONG)}
        self.captured[-1] = func, names
        return make, args, (attributes, {**slots, "__globals__": names}), *rest


class Unpickler(pickle.Unpickler):
    """Makes functions whose global names are those of `live`, and binds there the modules that came along."""

    def __init__(self, data: Buffer, live: dict[str, Any]) -> None:
        super().__init__(io.BytesIO(data))
        self._live = live
        self._lent: list[tuple[dict[str, Any], View]] = []  # of functions that shared their globals
        self.codes: list[CodeType] = []
        """Those of the functions that were made."""

    @property
    def lent(self) -> dict[str, Any] | None:
        """What is to be behind `live` while they run."""
        return self._lent[0][0] if self._lent else None

    def find_class(self, module: str, name: str) -> Any:
        """What the pickle names."""
        found = super().find_class(module, name)
        if found is byvalue.function:
            return self._function
        return self._settle if found is byvalue.set_function else found

    def _function(
        self, code: CodeType, names: dict[str, Any], name: Any, defaults: Any, closure: Any, source: Any
    ) -> FunctionType:  # fmt: skip
        self.codes.append(code)
        if source is not None:
            sources.install(source)
        lent, view = self._behind(names)
        if _makes_others(code) and not _writes(code):
            names = view  # type: ignore[assignment]  # it is a dict
        else:
            names, self._live[BEHIND] = self._live, lent
        return FunctionType(code, names, name, defaults, closure)

    def _behind(self, names: dict[str, Any]) -> "tuple[dict[str, Any], View]":
        for known in self._lent:
            if known[0] is names:
                return known
        names.clear()
        names |= vars(builtins)
        self._lent.append((names, View(self._live, names)))
        return self._lent[-1]

    def _settle(self, function: FunctionType, state: Any) -> None:
        names, lent = state[1]["__globals__"], byvalue.behind(function)
        for name, value in names.items():
            if isinstance(value, ModuleType):
                self._live.setdefault(name, value)
            else:
                lent[name] = value
        names.clear()
        before = self._live.get(BEHIND, builtins)
        byvalue.set_function(function, state)
        self._live[BEHIND] = before


class View(MutableMapping[str, Any], dict[str, Any]):  # type: ignore[misc,metaclass]  # each has its methods
    """The names of `live`, with something else behind them."""

    def __init__(self, live: dict[str, Any], behind: dict[str, Any]) -> None:
        dict.__setitem__(self, BEHIND, behind)  # type: ignore[index]  # where the interpreter looks
        self._live = live

    def __getitem__(self, name: str) -> Any:
        return self._live[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._live[name] = value

    def __delitem__(self, name: str) -> None:
        del self._live[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._live)

    def __len__(self) -> int:
        return len(self._live)


def _inside(code: CodeType) -> list[CodeType]:
    return [constant for constant in code.co_consts if isinstance(constant, CodeType)]


def _makes_others(code: CodeType) -> bool:
    return bool(_inside(code))


def _writes(code: CodeType) -> bool:
    """Whether `code`, or code inside it, binds a global name."""
    return not _WRITES.isdisjoint(code.co_code[::2]) or any(map(_writes, _inside(code)))
