"""What a node was asked to run, from its acceptance until its result was fetched."""

from collections import deque
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from pysh.runtime.protocol.flow import PRINTED, Outflow
from pysh.runtime.protocol.frames import Flag, Frame, FrameError, unpack
from pysh.runtime.protocol.outcome import outcome
from pysh.runtime.protocol.pool import NONE, OF_HERE
from pysh.runtime.protocol.terms import Buffer, Pid, Ref

NORMAL, SHUTDOWN, KILLED, RUNNER_KILLED = "normal", "shutdown", "killed", "runner_killed"
"""Exit reasons; that of a process which raised is what it raised, as text."""
KEPT_OUTPUT = 64 * 1024
OWNERS = 1024
"""Jobs that are over whose owner is still known: a message of theirs may come back. So are the times of them."""
REMEMBERED = 256
"""Jobs that printed something and are over whose output is still known."""
_TEXT = (str, type(None))
_ASKED = {
    "kind": _TEXT, "fn": _TEXT, "label": _TEXT, "name": _TEXT, "role": _TEXT, "limit": (int, float, type(None)),
    "owner": (list, type(None)), "code": (dict, type(None)), "frames_of": (int, type(None)),
}  # fmt: skip
QUEUED, SENT, DONE = "queued", "running", "done"
_NONE: list[Any] = []
"""What a job has of what most jobs have none of, never changed: there are many jobs."""


@lru_cache(maxsize=64)
def asked_for(meta: bytes) -> Mapping[str, Any]:
    """What the meta of a SPAWN asks for, to be read only; most come with the same, and share this.

    Raises `FrameError` for what cannot be: it is looked at as long as the job is known.
    """
    options = unpack(meta)
    if isinstance(options, dict) and all(isinstance(options.get(name), kinds) for name, kinds in _ASKED.items()):
        return options
    raise FrameError("a SPAWN that asks for what there is not")


class Job:
    """One task or process. It is found by its number here and by its requester's ref."""

    __slots__ = (
        "accepted_at",
        "awaited",
        "born",
        "by",
        "cancel",
        "chunks",
        "complete",
        "credit",
        "ended_at",
        "exit",
        "fetched",
        "flags",
        "function",
        "has_own_worker",
        "in_shell",
        "is_process",
        "kept",
        "key",
        "left_out",
        "length",
        "lost",
        "messages",
        "meta",
        "number",
        "options",
        "outflow",
        "output",
        "owner",
        "parked",
        "reason",
        "restored",
        "result",
        "result_meta",
        "sent_at",
        "size",
        "state",
        "told",
        "tries",
        "wanted",
        "worker",
    )

    def __init__(self, number: int, key: Ref, owner: Pid, options: Mapping[str, Any], meta: bytes, now: float) -> None:
        self.number = number
        self.key = key
        self.owner = owner
        self.options = options
        self.is_process = options.get("kind") == "process"  # made by `spawn`, not by `task`
        self.in_shell = options.get("where") == "shell"
        self.has_own_worker = self.is_process or self.in_shell or bool(options.get("isolate") or "frames_of" in options)
        """Whether it waits behind nothing else in the pool, and nothing behind it."""
        self.meta = meta
        self.function = b""  # the pickle of one that is named by text, as the shell had published it then
        self.chunks: list[Buffer] = _NONE  # of the arguments, until nothing can need them any more
        self.size = 0
        self.messages: list[Frame] = _NONE  # that wait until it runs
        self.complete = False
        self.state = QUEUED
        self.worker: int | None = None
        self.by = ""  # the name of the node that its owner is on
        self.lost = False  # whoever asked for it waits no more
        self.fetched = False  # somebody else has its result
        self.restored = False  # an earlier start of this node ran it
        self.accepted_at = now
        self.sent_at = self.ended_at = 0.0
        self.awaited = True  # whoever asked waits to hear that it was accepted
        self.told = False
        self.parked = ""  # where it waits in a debugger
        self.born = False  # its ties and its name were made
        self.tries = 0  # workers that died before they could take it
        self.wanted = True
        self.cancel: float | None = None
        self.reason = "cancel"
        self.exit = ""  # the reason of the exit signal that ends it
        self.output: deque[bytes] | None = None
        self.kept = 0
        self.credit = PRINTED
        self.left_out = 0  # bytes of its output that nobody took
        self.flags = 0
        self.result: list[Buffer] = _NONE  # in chunks as it comes, then whole; none once it lies on disk
        self.length = 0  # of the result
        self.result_meta = b""
        self.outflow: Outflow | None = None

    @property
    def code(self) -> Mapping[str, str]:
        """What it needs of its requester's own modules: hashes by their names. One that is named by text is of here."""
        code: Mapping[str, str] | None = self.options.get("code")
        if code:
            return code
        name = self.options.get("fn") or ""
        return OF_HERE if ":" in name and not name.startswith("pysh.") else NONE

    @property
    def _failure(self) -> Any:
        """What the infrastructure answered in place of a result."""
        return unpack(self.result_meta).get("error") if self.flags & Flag.FAILED else None

    @property
    def status(self) -> str:
        """Where it stands in one word, and how it ended once it has."""
        return outcome(self.flags, self._failure) if self.state == DONE else self.state

    @property
    def exit_reason(self) -> str:
        """Why it ended, now that it has."""
        if not self.flags:
            return NORMAL
        if self.exit:
            return self.exit
        if self.flags & Flag.ERROR:
            return bytes(self.result[0]).decode("utf-8", "replace") if self.is_process else "error"
        return {"TaskCancelled": SHUTDOWN, "WorkerDied": RUNNER_KILLED}.get(str(self._failure), "error")

    def takes(self, chunk: Buffer) -> None:
        """Some of its arguments came."""
        self.chunks = self.chunks or []
        self.chunks.append(chunk)

    def holds(self, message: Frame) -> None:
        """A message came before it runs."""
        self.messages = self.messages or []
        self.messages.append(message)

    def ends(self, chunk: Buffer) -> None:
        """Some of its result came."""
        self.result = self.result or []
        self.result.append(chunk)

    def keep_output(self, data: bytes) -> None:
        """Remember the last `KEPT_OUTPUT` bytes of what it printed."""
        if self.output is None:
            self.output = deque()
        self.output.append(data)
        self.kept += len(data)
        while self.kept - len(self.output[0]) >= KEPT_OUTPUT:
            self.kept -= len(self.output.popleft())

    def described(self, now: float) -> dict[str, Any]:
        """Plain data for `tasks()`."""
        return {
            "number": self.number,
            "ref": self.key.number,
            "requester": [self.key.owner.incarnation, self.key.owner.number],
            "owner": self.by,
            "owner_pid": [self.owner.incarnation, self.owner.number],
            "lost": self.lost,
            "kind": self.options.get("kind", "task"),
            "label": self.options.get("label", ""),
            "status": self.status,
            "age": now - self.accepted_at,
            "detached": bool(self.options.get("detach")),
        }


class Jobs:
    """All jobs of a node, by number and by the ref of their requester."""

    def __init__(self) -> None:
        self._by_number: dict[int, Job] = {}
        self._by_key: dict[Ref, Job] = {}
        self._printed: dict[Ref, Job] = {}
        self._ended: dict[int, tuple[Pid, float, float, float]] = {}  # owner and moments of those that ended last

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._by_number.values()))

    def __len__(self) -> int:
        return len(self._by_number)

    def add(self, job: Job) -> None:
        """Keep `job` until it is removed."""
        self._by_number[job.number] = job
        self._by_key[job.key] = job

    def remove(self, job: Job) -> None:
        """Forget `job`, but for a while not what it printed."""
        self._by_number.pop(job.number, None)
        self._by_key.pop(job.key, None)
        self._ended[job.number] = job.owner, job.accepted_at, job.sent_at, job.ended_at
        if len(self._ended) > OWNERS:
            del self._ended[next(iter(self._ended))]
        if job.output:
            self._printed[job.key] = job
            job.result, job.outflow = [], None
            if len(self._printed) > REMEMBERED:
                del self._printed[next(iter(self._printed))]

    def printed(self, key: Ref) -> bytes | None:
        """The last that a job printed, also after its result was fetched; None if it is unknown."""
        job = self._by_key.get(key) or self._printed.get(key)
        return b"".join(job.output or ()) if job is not None else None

    def owner(self, number: int) -> Pid | None:
        """Who owns job `number`, also a while after its end; None for what is no job."""
        job = self._by_number.get(number)
        return job.owner if job is not None else self._ended.get(number, (None,))[0]

    def moments(self, number: int) -> tuple[float, float, float] | None:
        """When a job that ended lately was accepted, was sent to its worker (0: never) and ended."""
        ended = self._ended.get(number)
        return ended[1:] if ended is not None else None

    def get(self, number: int) -> Job | None:
        """The job of process `number`."""
        return self._by_number.get(number)

    def asked(self, frame: Frame) -> Job | None:
        """The job that the sender of `frame` asked for as `frame.ref`."""
        return self._by_key.get(Ref(frame.source, frame.ref))

    def of(self, key: Ref) -> Job | None:
        """The job that was asked for as `key`."""
        return self._by_key.get(key)
