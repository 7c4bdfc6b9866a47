"""Dataclasses for another Python: without the methods that were generated for them, which are generated anew there."""

import sys
from types import FunctionType
from typing import Any, ClassVar

from pysh.runtime.errors import VersionSkew

_PARAMS = ("init", "repr", "eq", "order", "unsafe_hash", "frozen")
_FIELD = ("init", "repr", "hash", "compare", "kw_only")
_MADE = ("__dataclass_fields__", "__dataclass_params__", "__match_args__", "__replace__")
_METHODS = frozenset((
    "__init__", "__repr__", "__eq__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__", "__setattr__", "__delattr__",
))  # fmt: skip
_GENERATED = "<string>"
"""The file that the generated methods are of."""


def undone(cls: type, names: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The `names` of a class as it was before `dataclass` saw it, and what to tell `dataclass` there; none for others.

    Raises `VersionSkew` for a named tuple, and for one with `slots=True`: that is another class than was written.
    """
    if issubclass(cls, tuple) and "_fields" in names:
        raise VersionSkew(text=f"{cls.__name__} is a named tuple, whose methods were generated for this Python")
    if "__dataclass_params__" not in names:
        return names, {}
    if "__slots__" in names:
        raise VersionSkew(text=f"{cls.__name__} is a dataclass with slots=True, which was generated for this Python")
    params = {name: getattr(names["__dataclass_params__"], name) for name in _PARAMS}
    params["match_args"] = "__match_args__" in names
    own = dict(cls.__annotations__)  # from Python 3.14 on it is not among the names
    fields = {name: _told(field) for name, field in names["__dataclass_fields__"].items() if name in own}
    kept = {name: value for name, value in names.items() if name not in _MADE and not _is_generated(name, value)}
    return {**kept, "__annotations__": own}, {"dataclass": params, "fields": fields}


def redone(cls: type, told: dict[str, Any]) -> None:
    """Make `cls` the dataclass that it was."""
    import dataclasses

    written = cls.__annotations__
    special = {"_FIELD_CLASSVAR": ClassVar[Any], "_FIELD_INITVAR": dataclasses.InitVar[Any]}
    # As text they may mean nothing here, where the names are missing that they were written with.
    cls.__annotations__ = {name: special.get(kind, written[name]) for name, (kind, _) in told["fields"].items()}
    for name, (kind, options) in told["fields"].items():
        if kind != "_FIELD_CLASSVAR":
            setattr(cls, name, dataclasses.field(**options))
    dataclasses.dataclass(**told["dataclass"])(cls)
    cls.__annotations__ = written


def _told(field: Any) -> tuple[str, dict[str, Any]]:
    """What kind of field it is, and what to say of it to `field`."""
    missing = sys.modules["dataclasses"].MISSING
    given = {name: getattr(field, name) for name in ("default", "default_factory")}
    options = {name: value for name, value in given.items() if value is not missing}
    options |= {name: getattr(field, name) for name in _FIELD} | {"metadata": dict(field.metadata)}
    return field._field_type.name, options


def _is_generated(name: str, value: Any) -> bool:
    if name not in _METHODS:
        return False
    inner = getattr(value, "__wrapped__", value)  # `__repr__` guards against recursion
    return type(inner) is FunctionType and inner.__code__.co_filename == _GENERATED
