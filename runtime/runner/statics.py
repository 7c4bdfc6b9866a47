"""Objects looked at without running any of their code.

Attributes are looked up as `inspect.getattr_static` does: no property, `__getattr__` or `__dir__` is called, and no
value is shown. Tab is pressed while other code runs, and what it ran would run beside that.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

from pysh.runtime.runner.cursor import Expression

_HANDLES = (
    ("pysh.runtime.task", "Task", "task"),
    ("pysh.runtime.listed", "Listed", "task"),
    ("pysh.runtime.node", "Node", "node"),
    ("pysh.runtime.process", "Process", "process"),
    ("pysh.runtime.process", "Actor", "actor"),
)
MISSING: Any = object()
"""Stands for what cannot be had."""
_SLOTS = (MemberDescriptorType, GetSetDescriptorType)
_OF_C = (MethodDescriptorType, WrapperDescriptorType, ClassMethodDescriptorType)
_FUNCTIONS = (FunctionType, MethodType, BuiltinFunctionType, staticmethod, classmethod, *_OF_C)
# Asked of the base, as a class may have a `__mro__` or `__dict__` of its own.
_of_type: Mapping[str, Any] = vars(type)
_of_module: Mapping[str, Any] = vars(ModuleType)
_mro = _of_type["__mro__"].__get__
_dict_of_class = _of_type["__dict__"].__get__
_dict_of_module = _of_module["__dict__"].__get__


def kind_of(value: Any) -> str:
    """What a value is, in a word."""
    kind = type(value)
    if issubclass(kind, type):
        return "class"
    if kind is ModuleType:
        return "module"
    if kind is property or kind in _SLOTS:
        return "property"
    for module, name, word in _HANDLES:  # not imported for it: who has none has none to complete
        if (handle := getattr(sys.modules.get(module), name, None)) is not None and issubclass(kind, handle):
            return word
    return "function" if kind in _FUNCTIONS else "value"


def resolve(expression: Expression, find: Callable[[str], Any]) -> Any:
    """The value of a simple expression, as far as it can be had without running anything; else `MISSING`.

    `find` gives the value of a name.
    """
    value: Any = MISSING
    for kind, step in expression:
        if kind == "value":
            value = step
        elif kind == "name":
            value = find(step)
        elif kind == "attribute":
            value = _attribute(value, step)
        else:
            value = _item(value, step)
        if value is MISSING:
            return MISSING
    return value


def _attribute(value: Any, name: str) -> Any:
    found = inspect.getattr_static(value, name, MISSING)
    kind = type(found)
    if isinstance(value, type | ModuleType) or name in _own(value):
        return found.__func__ if kind in (staticmethod, classmethod) else MISSING if _computes(found) else found
    if kind is FunctionType:
        return MethodType(found, value)
    if kind is classmethod:
        return MethodType(found.__func__, type(value)) if isinstance(found.__func__, FunctionType) else MISSING
    if kind is staticmethod:
        return found.__func__
    if kind in _OF_C or (kind in _SLOTS and _is_plain(found)):
        return found.__get__(value)
    return MISSING if _computes(found) else found


def _computes(found: Any) -> bool:
    """Whether to ask an object for it would run code."""
    kind = type(found)
    return found is MISSING or (
        kind not in (FunctionType, *_OF_C) and inspect.getattr_static(kind, "__get__", None) is not None
    )


def _is_plain(descriptor: Any) -> bool:
    """Whether it is Python's own: a slot, or of a built-in type. That of an extension may do anything."""
    return isinstance(descriptor, MemberDescriptorType) or descriptor.__objclass__.__module__ in ("builtins", "types")


def _item(value: Any, key: Any) -> Any:
    if isinstance(value, dict):
        return dict.get(value, key, MISSING)
    if type(value) in (list, tuple) and isinstance(key, int) and -len(value) <= key < len(value):
        return value[key]
    return MISSING


def attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """All that `value.` can be followed by."""
    seen: dict[str, Any] = {}
    bases = _mro(value) if isinstance(value, type) else ()
    for base in reversed((*bases, *_mro(type(value)))):
        seen.update(_dict_of_class(base))
    seen.update((name, each) for name, each in _own(value).items() if type(name) is str)
    yield from seen.items()


def _own(value: Any) -> Mapping[str, Any]:
    """What an object or module itself has; nothing of a class, whose names are found along its bases."""
    if isinstance(value, type):
        return {}
    if isinstance(value, ModuleType):
        return dict(_dict_of_module(value))
    found = inspect.getattr_static(value, "__dict__", None)
    own = found.__get__(value) if isinstance(found, _SLOTS) else None
    return dict(own) if isinstance(own, dict) else {}


def parameters(function: Any) -> list[inspect.Parameter]:
    """The parameters of a function or class, as far as they can be had without running anything."""
    if isinstance(function, type):
        for name in ("__init__", "__new__"):
            made = inspect.getattr_static(function, name, None)
            if isinstance(made, FunctionType):
                return _read(made)[1:]
    return _read(function) if isinstance(function, (*_FUNCTIONS, type)) else []


def _read(function: Any) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function, follow_wrapped=False).parameters.values())
    except (ValueError, TypeError):
        return []
