"""From a function and its arguments to a SPAWN: what is refused here, and what travels."""

import builtins
import sys
from collections.abc import Callable, Mapping
from functools import partial
from types import CellType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from pysh.runtime.errors import VersionSkew
from pysh.runtime.payload import dumps_referring, dumps_using, named_globals
from pysh.runtime.protocol.frames import pack
from pysh.runtime.protocol.terms import Payload, Pid
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.view import PYTHON, NodeInfo

if TYPE_CHECKING:
    from pysh.runtime import needs
    from pysh.runtime.needs import Needs, Uses
else:
    needs = None

_COROUTINE = 0x80  # inspect.CO_COROUTINE
_KEYWORDS = 0x08  # inspect.CO_VARKEYWORDS
_METAS = 512

Fn = Callable[..., Any] | str
"""A function, or the name of one: `"pkg.mod:fn"` is importable there, `"fn"` defined in the shell there."""

Args = tuple[Any, ...]
Kwargs = dict[str, Any]


class Ties(NamedTuple):
    """What ties a process to whoever spawns it, and what it is called, from its first moment."""

    name: str = ""
    link: bool = False
    monitor: bool = False


NO_TIES = Ties()


class Apart(NamedTuple):
    """A worker of its own for what runs, fresh and not used again, and what it may take there; or the shell there."""

    isolate: bool = False
    memory: int | None = None
    cpu: float | None = None
    where: str | None = None
    sync: str = "auto"
    """Whether the sources of the user's own modules go along: `auto` or `off`."""


SHARED = Apart()

NOT_YET = frozenset(("sync",))
"""Options that `task` and `spawn` are to have and do not have yet: none of them reaches the function as a keyword."""

SHELL = "shell"
LEAST_MEMORY, MOST_MEMORY = 1 << 20, 1 << 62
MOST_CPU = 10**9
"""Seconds, some thirty years."""

_metas: dict[tuple[Any, ...], bytes] = {}


class Call:
    """One function with its arguments, pickled once for however many nodes it goes to.

    `options` are the verb's own keywords, which no parameter of `fn` may be called like; `apart` is where in a node
    it runs. Raises `TypeError` for such a function or for what is none, and `NotSendable` for what cannot travel.
    """

    __slots__ = ("_again", "_portable", "apart", "label", "needs", "payload", "spec")

    def __init__(
        self, fn: Fn, args: Args, kwargs: Kwargs, options: frozenset[str], apart: Apart = SHARED
    ) -> None:  # fmt: skip
        self.apart = apart
        self._portable: Payload | None = None
        self.spec: tuple[str | None, bool]
        self.needs: Needs | None = None
        if isinstance(fn, str):
            if not all(fn.split(":", 1)):
                raise ValueError(f'{fn!r} names no function, as "module:function" or "function" do; nothing was sent')
            self.label = fn
            self._again: Callable[..., tuple[Payload, Uses]] = partial(dumps_referring, (args, kwargs))
            self.spec = (fn, False)
        elif not callable(fn):
            raise TypeError(f"what runs is a function, or the name of one, not {type(fn).__name__!r}; nothing was sent")
        else:
            _check_options(fn, options)
            self.label = _label(fn)
            self._again = partial(dumps_using, _bare(fn, {}) if apart.where else fn, args, kwargs)
            self.spec = (None, _is_async(fn))
        self.payload, uses = self._again()
        if uses and not apart.where:  # a shell has modules of its own
            self.needs = needed(uses)

    @property
    def shares_a_runner(self) -> bool:
        """Whether its process is one of many in a runner for such."""
        return self.spec[1] and not (self.apart.isolate or self.apart.where)

    def payload_for(self, info: NodeInfo) -> Payload:
        """What goes to that node: to another Python as source. Raises `VersionSkew` where that is not known."""
        if info.python in ("", PYTHON):
            return self.payload
        if self._portable is None:
            try:
                self._portable, _ = self._again(portable=True)
            except VersionSkew as skew:
                text = (
                    f"{self.label} cannot run in Python {info.python} on {info.name}: {skew.text}; start both with the "
                    'same --python, or name an importable function by text: "module:function"'
                )
                raise VersionSkew(PYTHON, info.python, info.name, text=text) from None
        return self._portable

    def meta(
        self, owner: Pid | None, kind: str, limit: float | None = None, detach: bool = False, ties: Ties = NO_TIES
    ) -> bytes:  # fmt: skip
        """The meta of its SPAWN. Most calls have one that was packed before."""
        if limit is not None:
            check_seconds("limit", limit)
        key = (self.label, self.spec, self.needs, owner, kind, limit, detach, ties, self.apart)
        packed = _metas.get(key)
        if packed is None:
            if len(_metas) >= _METAS:
                _metas.clear()
            packed = _metas[key] = self._packed(owner, kind, limit, detach, ties)
        return packed

    def _packed(self, owner: Pid | None, kind: str, limit: float | None, detach: bool, ties: Ties) -> bytes:
        fn, is_async = self.spec
        meta: dict[str, object] = {
            "label": self.label[:100],
            "fn": fn,
            "async": is_async,
            "owner": owner and list(owner),
            "kind": kind,
            "detach": detach,
            **ties._asdict(),
            **self.apart._asdict(),
            "sync": "off" if self.apart.sync == "off" else "",
            **(self.needs.told() if self.needs is not None else {}),
        }
        said = {key: value for key, value in meta.items() if value or key == "label"}
        if limit is not None:
            said["limit"] = limit
        return pack(said)


def apart(isolate: bool, memory: int | None, cpu: float | None, where: str | None = None, sync: str = "auto") -> Apart:
    """What was asked for of a worker of its own, or of the shell, and of code. Raises `TypeError` or `ValueError`."""
    if sync not in ("auto", "off"):
        raise ValueError(f'sync= takes "auto" or "off", not {sync!r}; nothing was sent')
    if not isolate and memory is None and cpu is None:
        return _checked_where(where, sync)
    if where is not None:
        raise TypeError('where="shell" runs in the shell itself, without isolate=, memory= or cpu=; nothing was sent')
    if memory is not None and (not isinstance(memory, int) or isinstance(memory, bool)):
        raise TypeError(f"memory= takes a number of bytes, not {memory!r}; nothing was sent")
    if memory is not None and memory < LEAST_MEMORY:
        raise ValueError(f"memory= takes {LEAST_MEMORY:,} bytes or more, not {memory:,}; nothing was sent")
    if memory is not None and memory >= MOST_MEMORY:
        raise ValueError(f"memory= takes fewer than {MOST_MEMORY:,} bytes, not {memory:,}; nothing was sent")
    if cpu is not None:
        check_seconds("cpu", cpu)
        if not cpu:
            raise ValueError(f"cpu= takes more than 0 seconds, not {cpu!r}; nothing was sent")
        if not cpu < MOST_CPU:
            raise ValueError(f"cpu= takes fewer than {MOST_CPU:,} seconds, not {cpu!r}; nothing was sent")
    return Apart(bool(isolate) or memory is not None or cpu is not None, memory, cpu, None, sync)


def needed(uses: "Uses") -> "Needs | None":
    """What a call needs there besides itself, once the sources of that are left with the hub here."""
    global needs
    if needs is None:
        from pysh.runtime import needs  # with the first function
    client = Client.current
    return (needs.of(uses) if client is None else needs.left(uses, client)) or None


def _checked_where(where: str | None, sync: str) -> Apart:
    if where not in (None, SHELL):
        raise ValueError(f'where= takes "{SHELL}", for the shell of the node, not {where!r}; nothing was sent')
    return SHARED if where is None and sync == "auto" else Apart(where=where, sync=sync)


def refuse_not_yet(kwargs: Kwargs) -> None:
    """Raise `TypeError` if one of `kwargs` is an option that is not there yet."""
    if kwargs and not NOT_YET.isdisjoint(kwargs):
        name = next(name for name in kwargs if name in NOT_YET)
        raise TypeError(
            f"{name}= is an option that is not there yet; nothing was sent. Where it is a keyword of the function's "
            f"own, bind it before: functools.partial(fn, {name}=...)"
        )


def refuse_unmeant(fn: Fn, kwargs: Kwargs, options: Mapping[str, str], label: str = "") -> None:
    """Raise `TypeError` if one of `kwargs` is among `options`, which another verb has and this one has not, nor `fn`.

    They are told with what to write instead, where `FN` stands for the function.
    """
    name = next((name for name in kwargs if name in options), None)
    function = fn.__func__ if isinstance(fn, MethodType) else fn
    if name is None or not isinstance(function, FunctionType):
        return
    code = function.__code__
    if not code.co_flags & _KEYWORDS and name not in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
        instead = options[name].replace("FN", label or _label(function))
        raise TypeError(f"{name}= is an option of {instead}; nothing was sent")


def check_timeout(timeout: float | None) -> None:
    """Raise `TypeError` or `ValueError` unless `timeout` is None or a number of seconds, 0 or more."""
    if timeout is not None and not (isinstance(timeout, int | float) and timeout >= 0):
        kind = ValueError if isinstance(timeout, int | float) else TypeError
        raise kind(f"timeout= takes a number of seconds, 0 or more, or None for as long as it takes, not {timeout!r}")


def check_seconds(option: str, value: float) -> None:
    """Raise `TypeError` or `ValueError` unless `value` is a number of seconds, 0 or more."""
    if not isinstance(value, int | float):
        raise TypeError(f"{option}= takes a number of seconds, not {value!r}; nothing was sent")
    if not value >= 0:
        raise ValueError(f"{option}= takes a number of seconds, 0 or more, not {value!r}; nothing was sent")


def called(call: Call, label: str) -> Call:
    """`call`, listed as `label`, whatever characters that has."""
    call.label = one_line(label)
    return call


def one_line(text: str) -> str:
    """The first hundred characters of `text`, fit for a terminal and for a frame."""
    return "".join(char if char.isprintable() else "?" for char in text[:100])


def owner_of(client: Client) -> Pid | None:
    """Who owns what this process starts, if it is somebody else."""
    return client.owner if client.owner != client.pid else None


def making(serve: Fn, cls: Callable[..., Any], args: Args, kwargs: Kwargs, options: frozenset[str]) -> Call:
    """The call of `serve(cls, args, kwargs)`, checked and shown as one of `cls`."""
    if not callable(cls):
        raise TypeError(f"an actor is an object of a class, not of {type(cls).__name__!r}; nothing was sent")
    _check_options(getattr(cls, "__init__") if isinstance(cls, type) else cls, options, _label(cls))  # noqa: B009 (mypy)
    call = Call(serve, (cls, args, kwargs), {}, frozenset())
    call.label = _label(cls)
    return call


def _check_options(fn: Callable[..., Any], options: frozenset[str], label: str = "") -> None:
    function = fn.__func__ if isinstance(fn, MethodType) else fn
    if not isinstance(function, FunctionType):
        return
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    if not options.isdisjoint(names):
        name, label = next(name for name in names if name in options), label or _label(fn)
        raise TypeError(
            f"{label}() has a parameter {name!r}, which is an option here; bind it before: "
            f"functools.partial({label}, {name}=...)"
        )


def _bare(fn: Any, done: dict[int, Any]) -> Any:
    """`fn` with no global names but those of modules, functions and classes, if it goes by value.

    The others are to be those of the shell there. So too the functions that it uses or has captured; `done` has those
    that were seen already, and cells.
    """
    if isinstance(fn, partial):
        return partial(_bare(fn.func, done), *fn.args, **fn.keywords)
    if type(fn) is not FunctionType or _is_importable(fn):
        return fn
    if (known := done.get(id(fn))) is not None:
        return known
    names: dict[str, Any] = {"__builtins__": builtins, "__name__": fn.__module__}
    closure = fn.__closure__ and tuple(done.setdefault(id(cell), CellType()) for cell in fn.__closure__)
    bare = done[id(fn)] = FunctionType(fn.__code__, names, fn.__name__, fn.__defaults__, closure)
    bare.__kwdefaults__, bare.__qualname__, bare.__module__ = fn.__kwdefaults__, fn.__qualname__, fn.__module__
    bare.__dict__.update({name: value for name, value in vars(fn).items() if name != "__wrapped__"})
    for name in named_globals(fn.__code__):
        value = fn.__globals__.get(name)
        if isinstance(value, ModuleType | FunctionType | type):
            names[name] = _bare(value, done)
    for cell, own in zip(closure or (), fn.__closure__ or (), strict=True):
        try:
            cell.cell_contents = _bare(own.cell_contents, done)
        except ValueError:
            pass  # it is empty
    return bare


def _label(fn: Callable[..., Any]) -> str:
    inner = getattr(fn, "func", fn)  # of a functools.partial
    return str(getattr(inner, "__name__", None) or type(inner).__name__)


def _is_async(fn: Callable[..., Any]) -> bool:
    inner: Any = getattr(fn, "func", fn)
    code = getattr(inner, "__code__", None)
    return code is not None and bool(code.co_flags & _COROUTINE)


def _is_importable(fn: Callable[..., Any]) -> bool:
    """Whether `fn` can be found by its name where the same modules are."""
    inner: Any = getattr(fn, "func", fn)
    module = getattr(inner, "__module__", None)
    if module is None or module == "__main__":
        return module is None
    found: Any = sys.modules.get(module)
    for part in getattr(inner, "__qualname__", "").split("."):
        found = getattr(found, part, None)
    return found is not None and (found is inner or found == inner)
