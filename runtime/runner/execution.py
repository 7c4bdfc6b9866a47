"""One job in a worker: from its pickled call to its pickled result, and how it is cancelled on the way.

SIGINT may find the main thread anywhere. The handler asks in turn:

1. Is it meant for the job that runs now? The hub writes that job's number into the slot before it
   sends the signal; one that comes too late, when the next job runs already, is ignored.
2. Does a section of the client's run that must not be torn? Then it is raised again after that.
3. Is the job a coroutine? Then its task is cancelled.
4. Does code of the user's run? Then `Cancelled` is raised in it, right there. If it does not run yet, it
   begins with a look into the slot; if it does not run any more, nothing is left to be cancelled.
"""

import os
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from functools import lru_cache
from struct import Struct
from time import perf_counter
from types import CoroutineType, FrameType, TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from pysh.runtime import system
from pysh.runtime.errors import NotSendable, PyshError, describe
from pysh.runtime.payload import NOTHING, dumps, dumps_error, format_traceback, loads, loads_call, loads_function
from pysh.runtime.protocol.frames import Flag, Frame, pack, unpack
from pysh.runtime.protocol.jobs import NORMAL
from pysh.runtime.protocol.relations import REASON
from pysh.runtime.protocol.terms import Buffer, Payload
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.codes import Codes
from pysh.runtime.runner.condition import stop_clocks
from pysh.runtime.runner.interrupts import PRESS, Cancelled, again, among
from pysh.runtime.runner.output import flush
from pysh.runtime.runner.slot import Slot

if TYPE_CHECKING:
    import asyncio


_THREE = Struct(">BBdBdBd")
"""Three numbers as msgpack has them in a list, in a tenth of the time."""
LOOKED_AFTER = 0.0002
"""Seconds: after a shorter job its process is not looked at, which would take some 30 us."""


class Withheld(Exception):
    """The job came to its end, and what it returned cannot travel. No frame of the user's is to blame."""

    def __init__(self, reason: NotSendable) -> None:
        super().__init__(reason)
        self.reason = reason

    def answer(self, executed: str) -> "Answer":
        """What is told instead of the result."""
        return Answer(Flag.FAILED, pack({**describe(self.reason), "executed": executed}))


INSTEAD = "return what it says, or keep it where it is and call its methods: m = actor(cls, on=n)"
"""What to do with a result that cannot travel."""


class Answer(NamedTuple):
    """What a RESULT says: the value's or the error's pickle, or the data of a failure."""

    flags: int
    meta: bytes
    payload: Payload = b""


class Execution:
    """Runs the jobs of a worker in its main thread, one after the other."""

    def __init__(self, client: Client, slot: Slot) -> None:
        self._client = client
        self._slot = slot
        self._pid = os.getpid()
        self._begun = False
        self._options: Mapping[str, Any] = {}
        self._started = self._found_at = self._returned_at = 0.0
        self._task: asyncio.Task[Any] | None = None
        self.codes = client.codes = Codes(client)
        os.register_at_fork(after_in_child=self._forked)

    def take_signals(self) -> None:
        """Handle SIGINT and nothing else, whatever the last job did with its signals."""
        system.set_handler(_SIGINT, self._interrupted)
        system.set_handler(_SIGTERM, _DEFAULT)
        sys.unraisablehook = self._dropped
        signal.setitimer(signal.ITIMER_REAL, 0)

    def run(self, frame: Frame, options: Mapping[str, Any]) -> Answer:
        """Run the job of a SPAWN frame with these options, whose number stands in the slot already."""
        self._begun, self._options = False, options
        self._started = perf_counter()
        error: BaseException | None = None
        payload: Payload = b""
        bounded = "memory" in options or "cpu" in options
        try:
            if bounded:
                system.bound(options.get("memory"), options.get("cpu"))
            payload = self._perform(frame, options)
        except BaseException as raised:
            error = BaseException.with_traceback(raised, of_users(TRACE.__get__(raised)))
        ended = perf_counter()
        self._settle()
        if bounded:
            system.unbound()  # to say how it went takes memory too
            if isinstance(error, MemoryError) and (memory := options.get("memory")) is not None:
                error.add_note(f"memory={memory:,} bytes were allowed to it on {self._client.name}")
        took = self._took(ended)
        if os.getpid() != self._pid:
            _leave_fork(error)
        answer = Answer(0, took, payload) if error is None else self._failed(error, took, is_process(options))
        if self._client.talk is not None:
            self._client.talk.job_ended()
        if error is not None and options.get("frames") and answer.flags & Flag.ERROR:
            # Cleared too where no code of the user's ran: the hub counts on those of the last failure, and no others.
            self._client.kept = (frame.dest.number, error) if self._begun else None
        error = None  # its frames lead to this one: nothing is to wait for the collector
        return answer

    def _perform(self, frame: Frame, options: Mapping[str, Any]) -> Payload:
        """What runs code of the user's; on the stack whenever such code is, and not otherwise."""
        if self._slot.cancelled:
            raise Cancelled
        try:
            function, args, kwargs = self._found(frame, options)
        except Exception as error:
            if options.get("role") == "actor":
                from pysh.runtime import actor

                _explain(error, self._client.name)
                actor.refuse(error)
            raise
        self._begun, self._found_at = True, perf_counter()
        value = function(*args, **kwargs)
        if isinstance(value, CoroutineType):
            value = self._drive(value)
        self._returned_at = perf_counter()
        self._settle()
        portable = self._client.view.is_foreign(frame.source.incarnation)
        payload = b"" if is_process(options) else dumps_result(value, portable=portable)
        flush()
        return payload

    def _took(self, ended: float) -> bytes:
        """The meta of a RESULT: seconds of it all, until its code was here, and while that ran."""
        found = self._found_at if self._begun else ended
        returned = self._returned_at if self._returned_at >= found else ended
        return _THREE.pack(0x93, 0xCB, ended - self._started, 0xCB, found - self._started, 0xCB, returned - found)

    def _settle(self) -> None:
        """Let no clock that the job has wound up end what is ours to do, unless it was too short to wind one up."""
        if perf_counter() - self._started >= LOOKED_AFTER:
            stop_clocks()

    def _found(self, frame: Frame, options: Mapping[str, Any]) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
        """What to call, once all that it needs is here."""
        supplied = NOTHING if self.codes.ready(options) else self.codes.prepared(frame, options)
        try:
            return call_of(frame.payload, options, supplied)
        except ModuleNotFoundError as error:
            told = self.codes.missing(error)
            if told is error:
                raise
            trace = of_users(TRACE.__get__(error))
            raise told from (BaseException.with_traceback(error, trace) if trace else None)
        except Exception as error:
            raise_unbuilt(error, options, self._client.name)

    def _drive(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """The value of a coroutine, run by a loop of its own."""
        import asyncio

        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            task = self._task = loop.create_task(coroutine)
            try:
                loop.run_until_complete(asyncio.wait((task,)))
            finally:
                self._task = None
            return task.result()  # asked here, an error comes without the loop's own frames

    def _failed(self, error: BaseException, took: bytes, unseen: bool) -> Answer:
        """The answer for `error`. `unseen`: nobody waits for it, so the owner's terminal has to show it."""
        executed = "yes" if self._begun else "no"
        return failed(
            error, took, executed, lambda: self._slot.cancelled, lambda: self._describe(error, executed, unseen)
        )

    def _describe(self, error: BaseException, executed: str, unseen: bool) -> bytes:
        """The pickle of an error; where nobody waits, its traceback goes to stderr, and the exit reason is given.

        It runs code of the user's.
        """
        if self._options.get("debug") and isinstance(error, Exception) and self._begun:
            from pysh.runtime.runner import parking

            parking.post_mortem(self._client, error)
        return described(error, executed, unseen, self._client.name)

    def _interrupted(self, _number: int, frame: FrameType | None) -> None:
        if not self._slot.cancelled:
            return
        if self._client.shielded:
            self._client.interrupt_pending = True
            return
        if self._task is not None:
            # Not cancelled here: the loop may be in the middle of its own lists, or asleep.
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)
            return
        if among(_OURS, frame):
            again(lambda: self._slot.cancelled)
        elif among(_USERS, frame):
            raise Cancelled

    def _dropped(self, told: "sys.UnraisableHookArgs") -> object:
        """Python drops what is raised in a finalizer or a weak reference's callback: a cancel has to come again."""
        if told.exc_type is Cancelled and self._slot.cancelled:
            return PRESS.now
        sys.__unraisablehook__(told)
        return None

    def _forked(self) -> None:
        """A child that a job forked is no worker: it has no hub, and its signals are its own."""
        self._client.close()
        signal.signal(signal.SIGINT, signal.default_int_handler)


TRACE = vars(BaseException)["__traceback__"]
"""Asked of the base: the class of an exception is the user's."""
_SIGINT, _SIGTERM, _DEFAULT = int(signal.SIGINT), int(signal.SIGTERM), int(signal.SIG_DFL)
_USERS = (Execution._perform.__code__, Execution._describe.__code__)
_OURS = (Execution._dropped.__code__, Execution._interrupted.__code__)
"""What is raised in these is lost."""


def failed(
    error: BaseException, took: bytes, executed: str, unwanted: Callable[[], bool],
    describe: Callable[[], bytes],
) -> Answer:  # fmt: skip
    """The answer for `error` of what may be `unwanted`; to `describe` it runs code of the user's."""
    if isinstance(error, Withheld):
        return error.answer(executed)
    worse = error
    if not (_is_cancel(error) and unwanted()):
        try:
            return Answer(Flag.ERROR, took, describe())
        except BaseException as raised:
            worse = raised
    return cancelled(executed) if _is_cancel(worse) and unwanted() else untold(error, worse, executed)


def _is_cancel(error: BaseException) -> bool:
    return isinstance(error, Cancelled) or type(error).__name__ == "CancelledError"


def cancelled(executed: str) -> Answer:
    """The answer for a job that was cancelled."""
    return Answer(Flag.FAILED, pack({"error": "TaskCancelled", "reason": "cancel", "executed": executed}))


def described(error: BaseException, executed: str, unseen: bool, node: str) -> bytes:
    """`error` as bytes; `unseen` where nobody waits for it, so that the owner's terminal has to show it."""
    if unseen:
        payload = last_words(error, node)
    else:
        _explain(error, node)
        payload = dumps_error(error, executed)
    flush()
    return payload


def last_words(error: BaseException, node: str) -> bytes:
    """Print the traceback of what ends a process on `node`, since nobody waits for that; the exit reason."""
    _explain(error, node)
    if not isinstance(error, SystemExit):  # as in a thread: it asked for no more than to end
        print(format_traceback(error), end="", file=sys.stderr)
    return _exit_reason(error)


def _explain(error: BaseException, node: str) -> None:
    if isinstance(error, ModuleNotFoundError):  # the folder may be the reason
        error.add_note(_where(node))


def _exit_reason(error: BaseException) -> bytes:
    """What those are told who watch a process that raised."""
    if isinstance(error, SystemExit) and (not error.code or isinstance(error.code, str)):
        return (error.code or NORMAL)[:REASON].encode("utf-8", "replace")  # `sys.exit("bored")` gives the reason
    return f"{type(error).__name__}: {error}".rstrip(": ")[:REASON].encode("utf-8", "replace")


def untold(error: BaseException, worse: BaseException, executed: str) -> Answer:
    """The answer for `error` where telling it raised something `worse`."""
    kind = type(error).__name__
    text = f"it could not be told, because that raised {type(worse).__name__}"
    return Answer(Flag.FAILED, pack({"error": "RemoteError", "type": kind, "text": text, "executed": executed}))


def dumps_result(value: Any, *, portable: bool) -> Payload:
    """The pickle of what a job returned. Raises `Withheld` where it cannot travel."""
    try:
        return dumps(value, portable=portable)
    except NotSendable as error:
        error.path = "result" + error.path.removeprefix("value")
        if error.size is None:
            error.hint = INSTEAD
        raise Withheld(error) from None


def is_process(options: Mapping[str, Any]) -> bool:
    """Whether it was spawned: nobody waits for what comes of it."""
    return options.get("kind") == "process"


_OWN = Execution.run.__code__.co_filename
_LEADING = frozenset(
    (_OWN, loads_call.__code__.co_filename, *(_OWN.replace("execution", name) for name in ("visit", "visitors")))
)
"""The files whose frames only lead to the code, or to what keeps it from being found."""


def of_users(trace: TracebackType | None) -> TracebackType | None:
    """`trace` from the first frame on that is not ours."""
    while trace is not None and trace.tb_frame.f_code.co_filename in _LEADING:
        trace = trace.tb_next
    return trace


def _where(node: str) -> str:
    """What explains that a module is not found which is there elsewhere."""
    try:
        folder = os.getcwd()  # noqa: PTH109
    except OSError:
        folder = "a folder that was removed"
    return f"{node} runs in {folder}, with {sys.executable}: a node takes the folder it was started in"


@lru_cache(maxsize=64)
def options_of(meta: bytes) -> Mapping[str, Any]:
    """What a SPAWN asks for, to be read only. Most come with the same, and unpacking it takes longer than they do."""
    return unpack(meta) if meta else {}


def call_of(
    payload: Buffer, options: Mapping[str, Any], supplied: dict[str, Any] = NOTHING
) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """The function that a SPAWN means, which finds what is `supplied`, and what to call it with."""
    name = options.get("fn")
    if name is None:
        return loads_call(payload, supplied)
    if (size := options.get("function")) is not None:
        # What the shell there published comes in front of the arguments.
        view = memoryview(payload)
        args, kwargs = loads(view[size:])
        return loads_function(view[:size]), args, kwargs
    args, kwargs = loads(payload)
    return importable(name), args, kwargs


def importable(name: str) -> Any:
    """The function called `module:path`."""
    module, _, path = name.partition(":")
    __import__(module)  # unlike importlib's own, it leaves the frames of the import out of an error
    found: Any = sys.modules[module]
    for part in path.split("."):
        found = getattr(found, part)
    return found


def raise_unbuilt(error: Exception, options: Mapping[str, Any], node: str) -> NoReturn:
    """Raise what `call_of` raised where it says enough, as what a module does that is imported for it.

    Raises `NotSendable` for what came of an argument, which would be taken for an error of the function.
    """
    by_text = "fn" in options and "function" not in options
    trace = of_users(TRACE.__get__(error))
    if by_text or isinstance(error, PyshError | MemoryError) or _imports(trace):
        raise error
    what = f"what {options.get('label') or 'it'} was to be called with cannot be rebuilt on {node}"
    cause = BaseException.with_traceback(error, trace)
    raise NotSendable("arguments", text=f"{what}: {type(error).__name__}: {error}", executed="no") from cause


def _imports(trace: TracebackType | None) -> bool:
    """Whether something was imported when that was raised."""
    while trace is not None and not trace.tb_frame.f_code.co_filename.startswith("<frozen importlib"):
        trace = trace.tb_next
    return trace is not None


def _leave_fork(error: BaseException | None) -> NoReturn:
    """End a process that a job forked and that came to the job's end: the answer is its parent's to give."""
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        sys.excepthook(type(error), error, error.__traceback__)
        code = 1
    flush()
    os._exit(code)
