"""From a function and its arguments to a SPAWN: what is refused here, and what travels."""

from collections.abc import Callable, Mapping
from functools import partial
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, NamedTuple

from pysh.runtime.errors import VersionSkew
from pysh.runtime.payload import dumps_bare, dumps_referring, dumps_using, dumps_whole
from pysh.runtime.protocol.frames import pack
from pysh.runtime.protocol.terms import Payload, Pid
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.view import PYTHON, NodeInfo

if TYPE_CHECKING:
    from pysh.runtime import needs
    from pysh.runtime.captured import Captured
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

SHELL, ACTOR = "shell", "actor"
LEAST_MEMORY, MOST_MEMORY = 1 << 20, 1 << 62
MOST_CPU = 10**9
"""Seconds, some thirty years."""

_metas: dict[tuple[Any, ...], bytes] = {}


class Call:
    """One function with its arguments, pickled once for however many nodes it goes to.

    `options` are the verb's own keywords, which no parameter of `fn` may be called like; `apart` is where in a node
    it runs. Raises `TypeError` for such a function or for what is none, and `NotSendable` for what cannot travel.
    """

    __slots__ = (
        "_again", "_captured", "_missing", "_portable", "apart", "label", "needs", "payload", "role", "spec",
    )  # fmt: skip

    def __init__(
        self, fn: Fn, args: Args, kwargs: Kwargs, options: frozenset[str], apart: Apart = SHARED
    ) -> None:  # fmt: skip
        self.apart = apart
        self.role = ""  # of a process that can be asked to change its code
        self._portable: Payload | None = None
        self.spec: tuple[str | None, bool]
        self.needs: Needs | None = None
        bare = apart.where is not None
        if isinstance(fn, str):
            if not all(fn.split(":", 1)):
                raise ValueError(f'{fn!r} names no function, as "module:function" or "function" do; nothing was sent')
            self.label = fn
            self._again: partial[tuple[Payload, Uses]] = partial(dumps_referring, (args, kwargs), bare=bare)
            self.spec = (fn, False)
        elif not callable(fn):
            raise TypeError(f"what runs is a function, or the name of one, not {type(fn).__name__!r}; nothing was sent")
        else:
            _check_options(fn, options)
            self.label = _label(fn)
            self._again = partial(dumps_bare if bare else dumps_using, fn, args, kwargs)
            self.spec = (None, _is_async(fn))
        self._captured: Captured | None = None
        self._missing: tuple[str, ...] = ()
        self.payload, uses = self._again()
        if not (uses.nothing or apart.where) and uses:  # a shell has modules of its own
            self.needs = needed(uses)
            self._captured, self._missing = uses.apart, uses.missing

    @property
    def values(self) -> dict[str, tuple[str, int]]:
        """The large values that it refers to, by their hashes: where each lies here, and its bytes."""
        return self._captured.told() if self._captured is not None else {}

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
                again = self._again if self._captured is None else partial(self._again, apart=self._captured)
                self._portable, _ = again(portable=True)
            except VersionSkew as skew:
                text = (
                    f"{self.label} cannot run in Python {info.python} on {info.name}: {skew.text}; start both with the "
                    'same --python, or name an importable function by text: "module:function"'
                )
                raise VersionSkew(PYTHON, info.python, info.name, text=text) from None
        return self._portable

    def carry(self) -> None:
        """Have in it what would be asked for here when it runs: it may run when nobody is here any more."""
        if self._captured is not None:
            self._again, self._captured = partial(dumps_whole, *self._again.args), None
            self.payload, _ = self._again()

    def meta(
        self, owner: Pid | None, kind: str, limit: float | None = None, detach: bool = False, ties: Ties = NO_TIES
    ) -> bytes:  # fmt: skip
        """The meta of its SPAWN. Most calls have one that was packed before."""
        if limit is not None:
            check_seconds("limit", limit)
        values = self._captured and self._captured.digests
        what = (self.label, self.spec, self.role, self.needs, values, self._missing)
        client = Client.current
        failing = (client.debugging, client.keeps_frames) if client is not None else (False, False)
        key = (what, owner, kind, limit, detach, ties, self.apart, failing)
        packed = _metas.get(key)
        if packed is None:
            if len(_metas) >= _METAS:
                _metas.clear()
            packed = _metas[key] = self._packed(owner, kind, limit, detach, ties, *failing)
        return packed

    def _packed(
        self, owner: Pid | None, kind: str, limit: float | None, detach: bool, ties: Ties, debug: bool, frames: bool
    ) -> bytes:  # fmt: skip
        fn, is_async = self.spec
        meta: dict[str, object] = {
            "label": self.label[:100],
            "fn": fn,
            "role": self.role,
            "async": is_async,
            "owner": owner and list(owner),
            "kind": kind,
            "detach": detach,
            "debug": debug,
            "frames": frames,
            **ties._asdict(),
            **self.apart._asdict(),
            "sync": "off" if self.apart.sync == "off" else "",
            **(self.needs.told() if self.needs is not None else {}),
            "values": self.values,
            "names": self._missing,
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


def synced(sync: str) -> Apart:
    """What was asked for of code alone. Raises `ValueError`."""
    return apart(False, None, None, None, sync)


def _checked_where(where: str | None, sync: str) -> Apart:
    if where not in (None, SHELL):
        raise ValueError(f'where= takes "{SHELL}", for the shell of the node, not {where!r}; nothing was sent')
    return SHARED if where is None and sync == "auto" else Apart(where=where, sync=sync)


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


def making(
    serve: Fn, cls: Callable[..., Any], args: Args, kwargs: Kwargs, options: frozenset[str], apart: Apart = SHARED
) -> Call:  # fmt: skip
    """The call of `serve(cls, args, kwargs)`, checked and shown as one of `cls`."""
    if not callable(cls):
        raise TypeError(f"an actor is an object of a class, not of {type(cls).__name__!r}; nothing was sent")
    _check_options(getattr(cls, "__init__") if isinstance(cls, type) else cls, options, _label(cls))  # noqa: B009 (mypy)
    call = Call(serve, (cls, args, kwargs), {}, frozenset(), apart)
    call.label, call.role = _label(cls), ACTOR
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


def _label(fn: Callable[..., Any]) -> str:
    inner = getattr(fn, "func", fn)  # of a functools.partial
    return str(getattr(inner, "__name__", None) or type(inner).__name__)


def _is_async(fn: Callable[..., Any]) -> bool:
    inner: Any = getattr(fn, "func", fn)
    code = getattr(inner, "__code__", None)
    return code is not None and bool(code.co_flags & _COROUTINE)
