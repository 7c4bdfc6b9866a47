"""`i`: what a value is, how large, and whether it can be sent to other nodes."""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from pysh.runtime.helpers.origin import origin
from pysh.runtime.helpers.sizes import readable, size_of
from pysh.runtime.runner.display import text_of
from pysh.runtime.runner.inside import inside
from pysh.runtime.runner.statics import kind_of

SHOWN = 200
"""Characters of a value that are shown."""
_LAST = object()


def i(x: Any = _LAST) -> None:
    """Print what `x` is (without it: the last value): type, length, size in memory and when it is sent.

    Where it cannot be sent to other nodes, `sent` is which attribute of it prevents that, and what to do.
    """
    x = inside("i").past.value() if x is _LAST else x
    for label, text in facts(x):
        first, *rest = text.split("\n")
        print(f"{label:<8} {first}", *(f"{'':<8} {line}" for line in rest), sep="\n")


def facts(x: Any) -> Iterator[tuple[str, str]]:
    """What `x` is, as pairs of a label and a text."""
    kind = type(x)
    yield "value", _shown(x)
    yield "type", named(kind)
    if len(bases := _mro(kind)) > 2:
        yield "bases", ", ".join(named(base) for base in bases[1:])
    if (length := tried(lambda: len(x) if _has_length(kind) else None)) is not None:
        yield "length", f"{length:,}" if isinstance(length, int) else str(length)
    yield "memory", f"about {readable(size_of(x))}"
    if kind_of(x) in ("function", "class") or issubclass(kind, ModuleType):
        yield "source", _place(x)
    yield "sent", sent(x)


def sent(x: Any) -> str:
    """Whether `x` can be sent to other nodes, and as how many bytes; or what in it prevents that."""
    from pysh.runtime import payload
    from pysh.runtime.unsendable import measure

    pickled = tried(lambda: measure("x", x))
    if isinstance(pickled, str):
        return f"no: {pickled}"
    if pickled.why is not None:
        return f"no: {pickled.why.what()}"
    if not pickled.all:
        return f"yes, as more than {readable(pickled.size)}: all of it would take more than a second"
    if pickled.size > payload.limit:
        return f"no: it takes {readable(pickled.size)}, and {readable(payload.limit)} is the most (PYSH_MAX_VALUE)"
    return f"yes, as {readable(pickled.size)}"


def tried(step: Callable[[], Any]) -> Any:
    """What a step comes to that runs code of the user's; if it raises anything but Ctrl-C, what that was, as text."""
    try:
        return step()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return f"it raised {type(error).__name__}"


def _shown(x: Any) -> str:
    text = str(tried(lambda: text_of(x, 4 * SHOWN)))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} …"


def _has_length(kind: type) -> bool:
    return any("__len__" in vars(base) for base in _mro(kind))


def _mro(kind: type) -> tuple[type, ...]:
    return type.__dict__["__mro__"].__get__(kind)  # type: ignore[no-any-return]  # not asked of a metaclass


def named(kind: type) -> str:
    """The qualified name of a class, whatever its metaclass says."""
    module, name = type.__dict__["__module__"].__get__(kind), type.__dict__["__qualname__"].__get__(kind)
    return str(name) if module in ("builtins", "__main__") else f"{module}.{name}"


def _place(x: Any) -> str:
    try:
        return origin(x).linked()
    except TypeError:
        return "none"
