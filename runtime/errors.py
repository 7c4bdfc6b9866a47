"""What pysh raises, and how it travels as plain data.

    PyshError
        ConnectError    no connection to a node came about; `stage` says how far it got
        NodeDown        the node is gone, or cannot be reached
        TaskTimeout     no result in time; the task goes on (also a TimeoutError)
        TaskCancelled   the task was cancelled, and by what
        WorkerDied      the process that ran the code died
        NotSendable     a value cannot travel; `path` says what in it
        NoFunction      nothing of that name was defined there (a NameError)
        NoModule        a module that the code needs is not there (a ModuleNotFoundError)
        NoProcess       there is no such process
        MailboxFull     the receiver does not keep up
        BlockingCall    a blocking verb inside an `async def`
        CodeSkew        two nodes hold different code under one name
        UpgradeFailed   nodes could not go over to other code, and are back on what they had
        VersionSkew     two nodes run Python versions that cannot exchange code
        RemoteError     remote code raised what cannot be raised here
    LargeCapture        a warning: a function drags a large value along
    RemoteTraceback     the cause of every exception that came from a node: the frames there

An error holds data and builds its text from them: what happened, the evidence, the next command, and
whether the code ran. `text`, where it is given, replaces the words that the class would find.

Every parameter of an error's `__init__` is plain data kept in an attribute of the same name; that is
what `describe` puts into a frame's meta, and what is pickled. (`TaskTimeout.task` is the exception:
it belongs to the process that waited.)
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

STAGES = ("resolve", "tcp", "hostkey", "sshauth", "launch", "find", "version", "name", "cookie", "ready")
"""How far `connect` gets, in order: the values of `ConnectError.stage`."""

_RAN = {"no": "Nothing ran.", "maybe": "The code may have run.", "yes": "The code ran."}


def _sentences(*parts: str) -> str:
    """Those of `parts` that say something, each but the last with an end."""
    *before, last = [part for part in parts if part] or [""]
    return " ".join([*(part if part[-1] in ".!?" else f"{part}." for part in before), last])


class PyshError(Exception):
    """The base of all errors that are pysh's own and not the user's code's.

    `executed` tells whether the code in question ran: `"no"`, `"maybe"`, `"yes"`, or `""` where no
    code is in question.
    """

    def __init__(self, text: str = "", *, executed: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.executed = executed

    def what(self) -> str:
        """What happened, made of the error's data; for when nobody gave a `text`."""
        return ""

    def __str__(self) -> str:
        return _sentences(self.text or self.what(), _RAN.get(self.executed, ""))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({(self.text or self.what())!r})"

    def __reduce__(self) -> Any:
        if KINDS.get(type(self).__name__) is not type(self):
            return super().__reduce__()  # a subclass of the user's, with an `__init__` of its own
        carried = {name: value for name, value in vars(self).items() if name in ("__notes__", "__remote__")}
        return _restore, (type(self), _data(self)), carried


class ConnectError(PyshError):
    """No connection came about. `stage` is one of `STAGES`, `hint` the next command to try.

    `trace` has the stages that were passed, each with its milliseconds and evidence.
    """

    def __init__(
        self, stage: str = "ready", address: str = "", *, text: str = "", hint: str = "",
        trace: Iterable[Sequence[Any]] = (), executed: str = "no",
    ) -> None:  # fmt: skip
        super().__init__(text, executed=executed)
        self.stage = stage
        self.address = address
        self.hint = hint
        self.trace = [tuple(row) for row in trace]

    def what(self) -> str:
        return f"cannot connect to {self.address or 'the node'}"

    def __str__(self) -> str:
        return f"[{self.stage}] {_sentences(super().__str__(), self.hint and f'Try: {self.hint}')}"


def traced(rows: Iterable[Sequence[Any]]) -> str:
    """A `trace` as people read it: a line for each stage."""
    return "\n".join(f"{stage:8} {took:7.1f} ms  {evidence}" for stage, took, evidence in rows)


class NodeDown(PyshError):
    """The node is gone or cannot be reached: `reason` is `noconnection`, `shutdown`, `restarted` ..."""

    def __init__(self, node: str = "", reason: str = "", *, text: str = "", executed: str = "maybe") -> None:
        super().__init__(text, executed=executed)
        self.node = node
        self.reason = reason

    def what(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        return f"{self.node or 'the node'} is down{why}; nodes() shows who is up"


class TaskTimeout(PyshError, TimeoutError):
    """No result within `seconds`. The task goes on: `.task` is its handle, to wait again or cancel."""

    def __init__(
        self,
        text: str = "",
        *,
        task: Any = None,
        name: str = "",
        seconds: float | None = None,
        executed: str = "maybe",
    ) -> None:
        super().__init__(text, executed=executed)
        self.task = task
        self.name = name or (repr(task) if task is not None else "")
        self.seconds = seconds

    def what(self) -> str:
        within = "in time" if self.seconds is None else f"within {self.seconds:g} s"
        who = f" from {self.name}" if self.name else ""
        handle = "its handle is the .task of this exception (at the prompt: sys.last_value.task)"
        return f"no result{who} {within}; it goes on, and {handle}: wait again with result(), or end it with cancel()"


class TaskCancelled(PyshError):
    """The task was cancelled; `reason` is `cancel`, `limit`, `owner` ..."""

    def __init__(self, reason: str = "", node: str = "", *, text: str = "", executed: str = "maybe") -> None:
        super().__init__(text, executed=executed)
        self.reason = reason
        self.node = node

    def what(self) -> str:
        where = f" on {self.node}" if self.node else ""
        return f"the task{where} was cancelled" + (f" ({self.reason})" if self.reason else "")


class WorkerDied(PyshError):
    """The process that ran the code died: of `signal`, or with exit `status`. `tail` is its last output."""

    def __init__(
        self,
        signal: int | None = None,
        tail: str = "",
        *,
        status: int | None = None,
        node: str = "",
        text: str = "",
        executed: str = "maybe",
    ) -> None:
        super().__init__(text, executed=executed)
        self.signal = signal
        self.status = status
        self.tail = tail
        self.node = node

    def what(self) -> str:
        return f"the worker{f' on {self.node}' if self.node else ''} died{self._how()}"

    def _how(self) -> str:
        if self.signal is None:
            return "" if self.status is None else f" with exit status {self.status}"
        from signal import Signals

        try:
            return f" of {Signals(self.signal).name}"
        except ValueError:
            return f" of signal {self.signal}"

    def __str__(self) -> str:
        # Not the tail itself: its owner's terminal has shown it.
        return _sentences(super().__str__(), "What it printed last is in .tail." if self.tail.strip() else "")


class NotSendable(PyshError):
    """A value cannot travel. `path` leads to what in it cannot, `reason` says why, `hint` what to do instead.

    For a value over the limit, `size` and `limit` are set, in bytes.
    """

    def __init__(
        self,
        path: str = "",
        kind: str = "",
        reason: str = "",
        *,
        hint: str = "",
        size: int | None = None,
        limit: int | None = None,
        text: str = "",
        executed: str = "no",
    ) -> None:
        super().__init__(text, executed=executed)
        self.path = path
        self.kind = kind
        self.reason = reason
        self.hint = hint
        self.size = size
        self.limit = limit

    def what(self) -> str:
        kind = f" ({self.kind})" if self.kind else ""
        parts = [f"cannot send {self.path or 'a value'}{kind}"]
        if self.size is not None:
            parts.append(f"it takes {self.size:,} bytes")
        if self.limit is not None:
            parts.append(f"the limit is {self.limit:,} bytes (PYSH_MAX_VALUE)")
        parts += [part for part in (self.reason, self.hint) if part]
        return "; ".join(parts)


class NoFunction(PyshError, NameError):
    """No `function` of that name was defined in the shell of `node`, or it cannot go to a worker: `why`.

    Of the `known` ones `near` has those that are called much alike, else some; `others` are nodes that have it.
    """

    def __init__(
        self, function: str = "", node: str = "", *, why: str = "", near: Sequence[str] = (), known: int = 0,
        others: Sequence[str] = (), text: str = "", executed: str = "no",
    ) -> None:  # fmt: skip
        super().__init__(text, executed=executed)
        self.function = function  # and not `name`, beside which Python shows its own guess
        self.node = node
        # Nodes tell these of themselves, and they are shown on a terminal.
        self.why = _shown(why)
        self.near = _names(near)
        self.known = known if isinstance(known, int) else 0
        self.others = _names(others)

    def what(self) -> str:
        if self.why:
            return f"{self.function!r} of the shell of {self.node} cannot be called by name: {self.why}"
        more = f" and {self.known - len(self.near)} more" if self.known > len(self.near) else ""
        has = f"it has {', '.join(self.near)}{more}" if self.near else "none is defined there"
        elsewhere = f'; one is on {", ".join(self.others)}: try on="{self.others[0]}"' if self.others else ""
        return f"no function {self.function!r} in the shell of {self.node}; {has}{elsewhere}"


def _names(told: object) -> list[str]:
    return [_shown(name) for name in told] if isinstance(told, list | tuple) else []


def _shown(text: object) -> str:
    return "".join(c if c.isprintable() else "?" for c in str(text)[:200])


class NoProcess(PyshError):
    """No process answers to `pid`: it ended, or never was."""

    def __init__(self, pid: str | int = "", *, text: str = "", executed: str = "no") -> None:
        super().__init__(text, executed=executed)
        self.pid = pid

    def what(self) -> str:
        return f"there is no process {self.pid}: it has ended, or never was; see processes()"


class MailboxFull(PyshError):
    """The mailbox of `pid` is full, and had no room for `seconds`; the message was not sent."""

    def __init__(self, pid: str = "", seconds: float = 0, *, text: str = "", executed: str = "") -> None:
        super().__init__(text, executed=executed)
        self.pid = pid
        self.seconds = seconds

    def what(self) -> str:
        waited = f", and had no room for {self.seconds:g} s" if self.seconds else ""
        return f"the mailbox of {self.pid or 'the process'} is full{waited}; the message was not sent"


class BlockingCall(PyshError):
    """A blocking verb inside an `async def` would stop its event loop; `instead` is the awaitable form."""

    def __init__(self, verb: str = "", instead: str = "", *, text: str = "", executed: str = "no") -> None:
        super().__init__(text, executed=executed)
        self.verb = verb
        self.instead = instead or f"await pysh.aio.{verb}(...)"

    def what(self) -> str:
        return f"{self.verb}() would block the event loop of its async caller; write: {self.instead}"


class CodeSkew(PyshError):
    """Module `name` is other code there than here: the SHA-256 of the two is `here` and `there`."""

    def __init__(
        self, name: str = "", here: str = "", there: str = "", node: str = "", *, here_path: str = "",
        there_path: str = "", text: str = "", executed: str = "no",
    ) -> None:  # fmt: skip
        super().__init__(text, executed=executed)
        self.name = name
        self.here = here
        self.there = there
        self.node = node
        self.here_path = here_path
        self.there_path = there_path

    def what(self) -> str:
        here, there = _located(self.here, self.here_path), _located(self.there, self.there_path)
        return (
            f"{self.name} differs: {here} here, {there} on {self.node or 'the other node'}; make them the same, "
            'or run it with sync="auto" in a folder that has it below'
        )


def _located(digest: str, path: str) -> str:
    return f"{digest[:12]} in {path}" if path else digest[:12]


class NoModule(PyshError, ModuleNotFoundError):
    """Code needs `module`, which `python`, the interpreter that `node` runs code in, does not have.

    `install` is the command that would install it there, where one is known.
    """

    def __init__(
        self, module: str = "", node: str = "", *, python: str = "", install: str = "", text: str = "",
        executed: str = "no",
    ) -> None:  # fmt: skip
        super().__init__(text, executed=executed)
        self.module = module
        self.node = node
        self.python = python
        self.install = install

    def what(self) -> str:
        where = f" in {self.python}" if self.python else ""
        hint = f"to install it there: {self.install}" if self.install else "install there what has it"
        return f"{self.node or 'the other node'} has no module {self.module!r}{where}; {hint}"


class UpgradeFailed(PyshError):
    """An upgrade to the code that it is `about` failed on `node`, as `why` says; `table` is what became of each node.

    `executed` is `yes` where tasks may have run with the new code, on the nodes that were rolled back.
    """

    def __init__(
        self, node: str = "", about: str = "", why: str = "", table: dict[str, str] | None = None, *, text: str = "",
        executed: str = "maybe",
    ) -> None:  # fmt: skip
        super().__init__(text, executed=executed)
        self.node = node
        self.about = about
        self.why = why
        self.table = dict(table or {})

    def what(self) -> str:
        lines = "".join(f"\n  {node}: {text}" for node, text in self.table.items())
        return f"the upgrade to {self.about or 'other code'} failed on {self.node or 'a node'}: {self.why}{lines}"

    def __str__(self) -> str:
        ran = {"yes": "Tasks may have run with the new code.", "no": "Nothing ran with the new code."}
        return "\n".join(filter(None, (self.text or self.what(), ran.get(self.executed, ""))))


class VersionSkew(PyshError):
    """Code cannot go between Python `here` and Python `there`; text, data and importable names can."""

    def __init__(
        self, here: str = "", there: str = "", node: str = "", *, text: str = "", executed: str = "no"
    ) -> None:
        super().__init__(text, executed=executed)
        self.here = here
        self.there = there
        self.node = node

    def what(self) -> str:
        node = self.node or "the other node"
        return (
            f"a function of Python {self.there} on {node} cannot run in Python {self.here} here; start both "
            'with the same --python, or name an importable function by text: "module:function"'
        )


class RemoteError(PyshError):
    """Code on `node` raised what cannot be raised here: `type` is its name, `text` its own text.

    So arrive exceptions that do not survive a pickle, and on purpose those that would end a shell or
    a loop here for what happened there: `SystemExit`, `KeyboardInterrupt`, `CancelledError` and all
    else that is no `Exception`, and `StopIteration`, which no coroutine can raise.
    """

    def __init__(
        self, type: str = "", text: str = "", node: str = "", *, traceback: str = "", told: Any = None,
        executed: str = "yes",
    ) -> None:  # fmt: skip
        super().__init__(text, executed=executed)
        self.type = type
        self.node = node
        self.traceback = traceback
        self.told = told  # the same as data, where it came in an answer of a shell

    def __str__(self) -> str:
        raised = f"{self.type}: {self.text}" if self.type and self.text else self.type or self.text
        where = f" (on {self.node})" if self.node else ""
        return _sentences(f"{raised}{where}", "" if self.executed == "yes" else _RAN.get(self.executed, ""))


class Remote(NamedTuple):
    """What `exception.__remote__` holds: the node an exception came from, and its traceback there."""

    node: str
    traceback: str


class RemoteTraceback(Exception):
    """The `__cause__` of an exception that came from a node, so that Python prints the frames there.

    `told` is the `Told` that its text was made of, where that is known, and `at` the processes that it went through,
    as a pid each: the task whose outcome it is, then those that this one waited for.
    """

    def __init__(self, node: str = "", traceback: str = "", told: Any = None) -> None:
        super().__init__(node, traceback)
        self.node = node
        self.traceback = traceback
        self.told = told
        self.at: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return f"on {self.node}:\n{self.traceback.rstrip()}"


class LargeCapture(UserWarning):
    """A function drags a large value along, with every call or, where it goes `apart`, once to each node."""

    def __init__(self, function: str = "", name: str = "", size: int = 0, apart: bool = False) -> None:
        super().__init__(function, name, size, apart)
        self.function = function
        self.name = name
        self.size = size
        self.apart = apart

    def __str__(self) -> str:
        what = f"{self.function} drags {self.name!r} along, {self.size / 2**20:,.1f} MiB"
        if self.apart:
            return (
                f"{what}, once to each node and again when it has changed; to take it there before: "
                f"push({self.name}={self.name}, on=...)"
            )
        return f"{what} with every call; pass it as an argument where it is needed"


KINDS: dict[str, type[PyshError]] = {
    kind.__name__: kind
    for kind in (
        PyshError, ConnectError, NodeDown, TaskTimeout, TaskCancelled, WorkerDied, NotSendable, NoFunction, NoModule,
        NoProcess, MailboxFull, BlockingCall, CodeSkew, UpgradeFailed, VersionSkew, RemoteError,
    )
}  # fmt: skip
"""The errors that travel by name."""


def describe(error: BaseException) -> dict[str, Any]:
    """`error` as plain data for a frame's meta: its class under `"error"`, and what it holds.

    An exception that is not pysh's own keeps its name and text only.
    """
    if isinstance(error, PyshError) and KINDS.get(type(error).__name__) is type(error):
        return {"error": type(error).__name__, **_data(error), "text": error.text or error.what()}
    text = str(error) if isinstance(error, PyshError) else f"{type(error).__name__}: {error}".rstrip(": ")
    return {"error": "PyshError", "text": text, "executed": getattr(error, "executed", "")}


def rebuild(meta: dict[str, Any]) -> PyshError:
    """The inverse of `describe`. What this version does not know of `meta` is left out; nothing raises."""
    name = str(meta.get("error", ""))
    kind = KINDS.get(name)
    if kind is None:
        text = f"{name}: {meta.get('text', '')}".strip(": ")
        return PyshError(text, executed=str(meta.get("executed", "")))
    data = {key: value for key, value in meta.items() if key in _fields(kind)}
    return kind(**data | {key: str(data[key]) for key in ("text", "executed") if key in data})


def _fields(kind: type[PyshError]) -> tuple[str, ...]:
    code = kind.__init__.__code__
    named = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    return tuple(name for name in named if name != "task")


def _data(error: PyshError) -> dict[str, Any]:
    return {name: getattr(error, name) for name in _fields(type(error))}


def _restore(kind: type[PyshError], data: dict[str, Any]) -> PyshError:
    return kind(**data)
