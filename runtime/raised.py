"""Exceptions on their way from where the code ran to who waits for it.

An exception travels as plain data (type, message, notes, the whole traceback) and, where that works, also
as itself. So whatever it is, its text arrives. At the caller it has its own type again, with the
frames of the other node as its cause; what cannot be raised there is a `RemoteError`.
"""

import pickle
from typing import Any

from pysh.runtime import byvalue, tracebacks
from pysh.runtime.errors import PyshError, Remote, RemoteError, RemoteTraceback
from pysh.runtime.protocol.frames import pack, unpack
from pysh.runtime.protocol.terms import Buffer, Pid
from pysh.runtime.tracebacks import Told

DEPTH = 8
"""Processes that an error went through of which it is known."""
LONGEST = 64 * 1024
"""Characters of a message or note; of a longer one the beginning and the end travel."""

_HEAPTYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE
_BY_ARGS: Any = BaseException.__reduce__
_ENDINGS = (StopIteration, StopAsyncIteration)


class _Pickler(byvalue.Pickler):
    """Pickles exceptions as any other object: by what they hold, without calling `__init__` again.

    Python's own way calls it with `args`: it fails for `__init__(self, code, text)` that hands one
    text to `super().__init__`, or does its work twice.
    """

    def reducer_override(self, obj: Any) -> Any:
        kind = type(obj)
        if isinstance(obj, BaseException) and _is_initialised(kind):
            return revive, (kind, obj.args), obj.__dict__ or None
        return super().reducer_override(obj)


def _is_initialised(kind: type) -> bool:
    """Whether `kind` has an `__init__` written in Python, and no pickling of its own."""
    written = {name for base in kind.__mro__ if base.__flags__ & _HEAPTYPE for name in vars(base)}
    by_args = getattr(kind, "__reduce__", None) == _BY_ARGS  # not so OSError, and others written in C
    return by_args and "__init__" in written and not written & {"__reduce_ex__", "__setstate__", "__getstate__"}


def revive(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    """An exception with these `args`, made without its `__init__`. Pickles call this by name."""
    error = kind.__new__(kind, *args)
    error.args = args
    return error


def dumps(error: BaseException, limit: int, executed: str) -> bytes:
    """`error` as text, and as a pickle of at most `limit` bytes if it survives one."""
    told: dict[str, Any] = {
        "type": type(error).__qualname__,
        "module": type(error).__module__,
        "text": _clean(_text(error)),
        "told": _told(error).packed(),
        "at": [list(pid) for pid in _passed(error)],
        "executed": executed,
        "notes": [_clean(note) for note in getattr(error, "__notes__", ()) if isinstance(note, str)],
    }
    if isinstance(error, Exception) and not isinstance(error, _ENDINGS):
        told["pickle"] = _pickled(error, limit)
    return pack(told)


def loads(data: Buffer, node: str) -> Exception:
    """The exception to raise for what `dumps` made on `node`. Raises `FrameError` for what is none."""
    told = unpack(data)
    there = tracebacks.read(told["told"])
    traceback = str(there)
    error = _unpickled(told.get("pickle"))
    if error is None:
        error = RemoteError(_full_name(told), told["text"], node, traceback=traceback)
        if told["notes"]:
            error.__notes__ = told["notes"]
    if isinstance(error, PyshError):
        # A call inside the code may have raised it, and nothing ran there. Here the question is whether
        # the code itself ran; what the error said of that call stands in its cause.
        error.executed = told["executed"]
    # Not by plain assignment: an exception may be a frozen dataclass.
    BaseException.__setattr__(error, "__remote__", Remote(node, traceback))
    cause = RemoteTraceback(node, traceback, there)
    cause.at = tuple(Pid(bytes(incarnation), int(number)) for incarnation, number in told.get("at", ()))
    BaseException.__setattr__(error, "__cause__", cause)
    return error


def came_from(error: BaseException, pid: Pid) -> None:
    """Note in an error that `loads` made that `pid` is the process whose outcome it is."""
    if isinstance(error.__cause__, RemoteTraceback):
        error.__cause__.at = (pid, *error.__cause__.at)[:DEPTH]


def _passed(error: BaseException) -> tuple[Any, ...]:
    return error.__cause__.at if isinstance(error.__cause__, RemoteTraceback) else ()


def _pickled(error: Exception, limit: int) -> bytes | None:
    """A pickle of `error` that gives it back unchanged, None if there is none."""
    sink = byvalue.Sink(limit)
    try:
        _Pickler(sink).dump(error)
        if sink.size > limit:
            return None
        data = sink.getvalue()
        again = _unpickled(data)
        return data if type(again) is type(error) and str(again) == str(error) else None
    except Exception:
        return None


def _unpickled(data: bytes | None) -> Exception | None:
    if data is None:
        return None
    try:
        error = pickle.loads(data)
    except (Exception, SystemExit, GeneratorExit):
        return None
    return error if isinstance(error, Exception) else None


def _full_name(told: dict[str, Any]) -> str:
    module, name = told["module"], told["type"]
    return name if module in ("builtins", "__main__") else f"{module}.{name}"


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return f"<its __str__ failed: {type(error).__name__}>"


def _clean(text: str) -> str:
    """`text` that any encoder takes, cut in the middle if it is long."""
    if len(text) > LONGEST:
        left_out = f"\n[... {len(text) - LONGEST} characters left out ...]\n"
        text = text[: LONGEST // 2] + left_out + text[-LONGEST // 2 :]
    return text.encode("utf-8", "backslashreplace").decode()


def format_traceback(error: BaseException) -> str:
    """The traceback of `error` with its causes and notes; without the frames of pysh that led to the code."""
    return str(_told(error))


def _told(error: BaseException) -> Told:
    return tracebacks.of(error).without_way(whole=isinstance(error, PyshError))
