"""Values, calls and exceptions as bytes: the one way by which runners pickle and unpickle.

Payloads are opaque to every hub; only runners load them, and only what came over a connection whose
cookie was proved. `loads`, `loads_call`, `loads_function` and `loads_error` are the only ways in.

A call is a pickle of `(function, args, kwargs)`, made by cloudpickle; or, for most functions, a
recipe (see `recipes`) and a pickle of what changes from call to call:

    b"R" | u32 length of the recipe | recipe | pickle of (values, args, kwargs)

Large values that functions captured may be elsewhere (see `captured`): the pickle calls `held` for each.
"""

import os
import pickle
import struct
from collections.abc import Callable
from functools import lru_cache
from types import FunctionType
from typing import TYPE_CHECKING, Any

from pysh.runtime.errors import LargeCapture, NotSendable, VersionSkew
from pysh.runtime.protocol.terms import Buffer, Parts, Payload

PROTOCOL = 5
limit = int(os.environ.get("PYSH_MAX_VALUE", 2 * 1024**3))
"""Bytes that a value may take; a larger one raises `NotSendable`."""

NOTHING: dict[str, Any] = {}
_TAG = ord("R")
_HEAD = struct.Struct(">BI")
_SCALARS = frozenset({type(None), bool, int, float, complex})
_SHORT = 128 * 1024

if TYPE_CHECKING:
    from pysh.runtime import byvalue, captured, lent, needs, recipes
    from pysh.runtime.captured import Captured
    from pysh.runtime.needs import Uses
else:
    byvalue = captured = lent = needs = recipes = None  # 10 ms of imports, most of them cloudpickle's


def preload() -> None:
    """Import all that any pickling may need. The fork server does so once, for all workers."""
    import traceback  # noqa: F401

    from pysh.runtime import raised, unsendable  # noqa: F401

    _import()


def _import() -> None:
    global byvalue, captured, lent, needs, recipes
    from pysh.runtime import byvalue, captured, lent, needs, recipes


def dumps(value: Any, *, portable: bool = False) -> Payload:
    """`value` as bytes. Raises `NotSendable`, with the path to what in it cannot travel.

    With `portable` functions and classes in it go as source, for another Python; `VersionSkew` where that is not known.
    """
    if _is_plain(value):
        return pickle.dumps(value, PROTOCOL)
    return dumps_referring(value, portable=portable)[0]


def dumps_referring(value: Any, *, portable: bool = False, bare: bool = False) -> "tuple[Payload, Uses]":
    """The same, and what it refers to; with `bare` for a shell (see `lent`)."""
    try:
        dump = _Dump(value, portable=portable, bare=bare)
        return dump.data(), dump.uses()
    except (NotSendable, VersionSkew):
        raise
    except Exception as error:
        raise _explained([("value", value)], error) from error


def loads(data: Buffer) -> Any:
    """The value that `dumps` made `data` of. Raises whatever its unpickling raises."""
    return pickle.loads(data)


def dumps_call(
    fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], *, portable: bool = False
) -> Payload:  # fmt: skip
    """A call as bytes: functions and classes that are not importable go by value, as they are now.

    With `portable` as source, for another Python. Raises `NotSendable` and `VersionSkew`.
    """
    return dumps_whole(fn, args, kwargs, portable=portable)[0]


def dumps_whole(
    fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], *, portable: bool = False
) -> "tuple[Payload, Uses]":  # fmt: skip
    """A call with all that it needs of values in itself, and what it refers to."""
    return _dumps(fn, args, kwargs, _dumps_whole, None, portable=portable)


def dumps_bare(
    fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], *, portable: bool = False
) -> "tuple[Payload, Uses]":  # fmt: skip
    """A call for a shell, whose names are to mean what they mean there (see `lent`), and what it refers to."""
    return _dumps(fn, args, kwargs, _dumps_bare, None, portable=portable)


def dumps_using(
    fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], *,
    portable: bool = False, apart: "Captured | None" = None,
) -> "tuple[Payload, Uses]":  # fmt: skip
    """The same, and what it refers to: also large values that functions captured, which are not in it.

    `apart` is what has gone apart of the same call before. Warns of a `LargeCapture` the first time that a function
    drags such a value along.
    """
    return _dumps(fn, args, kwargs, _dumps_apart, apart, portable=portable)


def _dumps(
    fn: Callable[..., Any], args: Any, kwargs: Any, dump: "Callable[..., tuple[Payload, Uses]]",
    apart: "Captured | None", *, portable: bool,
) -> "tuple[Payload, Uses]":  # fmt: skip
    """By its recipe where it has one, else by `dump`."""
    try:
        whole = portable or dump is _dumps_bare
        packed = _by_recipe(fn, args, kwargs) if type(fn) is FunctionType and not whole else None
        return packed or dump((fn, args, kwargs), apart, portable=portable)
    except (NotSendable, LargeCapture, VersionSkew):
        raise
    except Exception as error:
        inside = [(getattr(fn, "__name__", repr(fn)), fn)]
        inside += [(f"args[{index}]", value) for index, value in enumerate(args)]
        inside += [(f"kwargs[{name!r}]", value) for name, value in kwargs.items()]
        raise _explained(inside, error) from error


def loads_call(
    data: Buffer, supplied: dict[str, Any] = NOTHING
) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:  # fmt: skip
    """The function and arguments of a call. Every function by value is new, with globals of its own.

    What is `supplied` is among these, unless the function brings it.
    """
    if data[0] != _TAG:
        call: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
        call = _loads_supplied(data, supplied) if supplied else pickle.loads(data)
        return call
    _, size = _HEAD.unpack_from(data)
    view = memoryview(data)
    end = _HEAD.size + size
    values, args, kwargs = pickle.loads(view[end:])
    if recipes is None:
        _import()
    return recipes.cast(bytes(view[_HEAD.size : end]), values, supplied), args, kwargs


def held(digest: str) -> Any:
    """The value with that hash, which was brought here before. Raises `NotSendable` where it is gone."""
    from pysh.runtime import values

    data = values.find(digest)
    if data is None:
        text = f"a value (SHA-256 {digest[:12]}…) that this refers to has gone from {values.file(digest)} meanwhile"
        raise NotSendable("a value", text=text, executed="no")
    return pickle.loads(data)


def _loads_supplied(data: Buffer, supplied: dict[str, Any]) -> Any:
    if byvalue is None:
        _import()
    byvalue.supplied = supplied
    try:
        return pickle.loads(data)
    finally:
        byvalue.supplied = {}


def dumps_function(fn: Callable[..., Any]) -> bytes:
    """A function as bytes, as in a call, with all that it refers to as it is now."""
    data = dumps_call(fn, (), {})
    return data.join() if isinstance(data, Parts) else bytes(data)


def loads_function(data: Buffer) -> Callable[..., Any]:
    """A new function, with globals of its own, of what `dumps_function` made."""
    return loads_call(data)[0]


def dumps_error(error: BaseException, executed: str = "yes") -> bytes:
    """An exception as bytes: its text and traceback always, itself where it can travel.

    `executed` tells whether the code had begun when it was raised: an error of pysh's own will say
    so at the caller. Raises nothing but what interrupts it.
    """
    from pysh.runtime import raised

    return raised.dumps(error, limit, executed)


def format_traceback(error: BaseException) -> str:
    """The traceback of `error` as it travels: without the frames of pysh that led to the code."""
    from pysh.runtime import raised

    return raised.format_traceback(error)


def loads_error(data: Buffer, node: str) -> Exception:
    """The exception to raise here for what the code on `node` raised, with the frames there as its cause.

    A `RemoteError` where its own type cannot be rebuilt, or may not be raised here.
    """
    from pysh.runtime import raised

    return raised.loads(data, node)


def _is_plain(value: Any) -> bool:
    """Whether plain pickle does for `value`: no function or class in it, and not large."""
    kind = type(value)
    return kind in _SCALARS or ((kind is str or kind is bytes) and len(value) <= _SHORT)


class _Dump:
    """One pickle by value, after `prefix`."""

    def __init__(
        self, value: Any, prefix: bytes = b"", *, calling: bool = False, portable: bool = False, bare: bool = False,
        apart: "Captured | None" = None,
    ) -> None:  # fmt: skip
        if byvalue is None:
            _import()
        self.sink = byvalue.Sink(limit)
        if prefix:
            self.sink.write(prefix)
        self.pickler = (lent if bare else byvalue).Pickler(self.sink, calling=calling, portable=portable, instead=apart)
        self.pickler.dump(value)

    def data(self) -> Payload:
        if self.sink.size > limit:
            raise NotSendable("a value", size=self.sink.size, limit=limit)
        return self.sink.payload()

    def uses(self, besides: "Uses | None" = None) -> "Uses":
        """What the pickle refers to."""
        if not (self.pickler.modules or self.pickler.captured) and besides is not None:
            return besides
        uses = needs.Uses()
        uses.modules |= self.pickler.modules
        uses.functions += [function for function, _ in self.pickler.captured]
        uses.missing = byvalue.missing(
            name
            for function, names in self.pickler.captured
            for name in byvalue.named_globals(function.__code__)
            if name not in names
        )
        if besides is not None:
            uses.modules |= besides.modules
            uses.functions += besides.functions
        return uses


def _by_recipe(fn: FunctionType, args: tuple[Any, ...], kwargs: dict[str, Any]) -> "tuple[Payload, Uses] | None":
    """The call as a recipe and values; None where there is none, or an argument shares its globals.

    A function that is found by its name needs none.
    """
    if recipes is None:
        _import()
    packed = recipes.pack(fn)
    plain = all(map(_is_plain, args)) and (not kwargs or all(map(_is_plain, kwargs.values())))
    if packed is None:
        named = plain and byvalue.by_reference(fn)
        return (pickle.dumps((fn, args, kwargs), PROTOCOL), _of_module(fn.__module__)) if named else None
    recipe, values, uses = packed
    call = (values, args, kwargs)
    head = _HEAD.pack(_TAG, len(recipe)) + recipe
    if plain:
        return head + pickle.dumps(call, PROTOCOL), uses
    dump = _Dump(call, head)
    return None if dump.pickler.carries_code else (dump.data(), dump.uses(uses))


def _dumps_whole(call: tuple[Any, ...], _: None, *, portable: bool) -> "tuple[Payload, Uses]":
    dump = _Dump(call, calling=True, portable=portable)
    return dump.data(), dump.uses()


def _dumps_bare(call: tuple[Any, ...], _: None, *, portable: bool) -> "tuple[Payload, Uses]":
    dump = _Dump(call, calling=True, portable=portable, bare=True)
    return dump.data(), dump.uses()


def _dumps_apart(call: tuple[Any, ...], apart: "Captured | None", *, portable: bool) -> "tuple[Payload, Uses]":
    """The pickle of a call, and what it refers to, once all that is large and can be elsewhere is."""
    if captured is None:
        _import()
    apart = apart or captured.Captured(held)
    dump = _Dump(call, calling=True, portable=portable, apart=apart)
    if dump.sink.size > captured.LARGE and apart.look(dump.pickler.captured):
        dump = _Dump(call, calling=True, portable=portable, apart=apart)
    if apart.digests and not apart.settle(call, dump.pickler):
        dump = _Dump(call, calling=True, portable=portable, apart=apart)
    uses = dump.uses()
    uses.modules |= apart.modules
    uses.apart = apart if apart.digests else None
    return dump.data(), uses


@lru_cache(maxsize=256)
def _of_module(name: str) -> "Uses":
    """What refers to that module alone."""
    uses = needs.Uses()
    uses.modules.add(name)
    return uses


def _explained(inside: list[tuple[str, Any]], error: Exception) -> NotSendable:
    from pysh.runtime import unsendable

    return unsendable.explain(inside, error)
