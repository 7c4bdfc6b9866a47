"""Results that nobody has fetched yet: when they go to disk, which go first, and who else may have them.

A result is sent to its requester at once, and forgotten when that has acknowledged it. One that stays is
written to disk, where it outlives this node: as soon as its requester is lost, or after `AFTER` seconds.
From then on, and before, anybody may fetch it by the number of its task: he is a reader, and is sent a copy
piece by piece. With the last piece acknowledged the result of a lost requester has been fetched; that of
another stays for him.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from pysh.runtime.protocol.actions import Discard, Keep, Recall
from pysh.runtime.protocol.flow import WINDOW
from pysh.runtime.protocol.frames import CHUNK, Flag, Kind, pack
from pysh.runtime.protocol.jobs import DONE, Job
from pysh.runtime.protocol.terms import Buffer, Pid, Ref

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

AFTER = 5.0
"""Seconds that a requester who can be reached has before what he was sent is written down as well."""
AGE = 7 * 86400.0
"""Seconds that a result is kept."""
ROOM = 1 << 30
"""Bytes that the kept results of a node may take."""
LEAST = 16 * 1024
"""Bytes that each counts at least, for its file and for what is known of it here."""
OVER = 1.0
"""Seconds that more may be kept than there is room for, so that a flood of small ones is gone through once."""
READERS = 4096
"""Fetches that may be under way at a time."""


class Kept(NamedTuple):
    """One kept result. `loose` ones may go before their time: nobody is in the middle of reading them."""

    number: int
    size: int
    since: float
    loose: bool = True

    @property
    def weight(self) -> int:
        """What it counts."""
        return max(self.size, LEAST)


def is_due(*, lost: bool, waited: float) -> bool:
    """Whether a result that is not fetched is to be kept now: its requester is lost, or takes so long."""
    return lost or waited >= AFTER


def surplus(kept: Iterable[Kept], now: float, age: float = AGE, room: int = ROOM) -> dict[int, str]:
    """The results that go, the oldest first, each with the reason."""
    ordered = sorted(kept, key=lambda one: one.since)
    over = sum(one.weight for one in ordered) - room
    gone: dict[int, str] = {}
    for one in ordered:
        if one.loose and now - one.since >= age:
            gone[one.number] = f"it was kept for {age / 86400:g} days"
        elif one.loose and over > 0:
            gone[one.number] = f"the kept results of a node take {room:,} bytes at most, and it was the oldest"
        else:
            continue
        over -= one.weight
    return gone


class Reader:
    """Somebody who fetches the result of job `job` as his `ref`, and how far he is."""

    __slots__ = ("credit", "job", "offset", "recalling", "ref", "whole")

    def __init__(self, job: int, ref: Ref) -> None:
        self.job = job
        self.ref = ref
        self.offset = 0
        self.credit = WINDOW
        self.recalling = False
        self.whole = False  # all of it was sent


class Spool:
    """The kept results of a node, and their readers."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._kept: dict[int, Kept] = {}
        self._size = 0
        self._readers: dict[Ref, Reader] = {}
        self._looks = self._bounds = self._ages = False

    # what is kept

    def finished(self, job: Job) -> None:
        """A task has ended, and its result is on its way to its requester, if he is still there."""
        for reader in [reader for reader in self._readers.values() if reader.job == job.number]:
            self._go_on(reader)
        if job.lost:
            self._keep(job)
        elif not self._looks:
            self._looks = True
            self._node.later(AFTER, self._look)

    def lost(self, asked: Callable[[Pid], bool]) -> None:
        """Those for whom `asked` is true are gone: what they asked for is kept, what they were fetching is not."""
        for reader in [reader for reader in self._readers.values() if asked(reader.ref.owner)]:
            del self._readers[reader.ref]
        for job in self._node.work.jobs:
            if asked(job.key.owner) and not job.is_process:
                job.lost, job.outflow = True, None
                if job.state == DONE and job.fetched and not self.read(job.number):
                    self._node.work.remove(job)
                elif job.state == DONE:
                    self._keep(job)

    def _look(self) -> None:
        """Keep what has waited for long enough."""
        now, self._looks = self._node.now, False
        waiting = [job for job in self._node.work.jobs if job.state == DONE and job.number not in self._kept]
        for job in waiting:
            job.lost = job.lost or self._is_gone(job.key.owner)
            if is_due(lost=job.lost, waited=now - job.ended_at):
                self._keep(job)
            elif not self._looks:
                self._looks = True
                self._node.later(AFTER, self._look)

    def _is_gone(self, requester: Pid) -> bool:
        """Whether a process of this node that asked has ended."""
        return requester.incarnation == self._node.incarnation and not self._node.lives(requester.number)

    def _keep(self, job: Job) -> None:
        cancelled = job.cancel is not None and job.flags & Flag.FAILED
        if cancelled and job.reason == "owner":
            self._node.work.remove(job)
            return
        if job.number in self._kept or (cancelled and self._node.stopping) or not job.wanted:
            return
        self._note(job)
        self._node.actions.append(Keep(job.number, pack(record(job)), job.result[0]))

    def _note(self, job: Job) -> None:
        """A result is kept from now on; see to it that it goes when it is too old, or the oldest of too much."""
        self._kept[job.number] = kept = Kept(job.number, job.length, job.ended_at)
        self._size += kept.weight
        if self._size > ROOM and not self._bounds:
            self._bounds = True
            self._node.later(OVER, self._bound)
        if not self._ages:
            self._ages = True
            self._node.later(max(OVER, kept.since + AGE - self._node.now), self._age)

    def written(self, number: int, fault: str) -> None:
        """What `Keep` asked for is done; with a `fault` it could not be, and the result stays in memory."""
        job = self._node.work.jobs.get(number)
        if job is not None and not fault:
            job.result = []

    def found(self, told: dict[str, Any], age: float) -> int:
        """A result that an earlier start of this node kept, `age` seconds ago; the number of its task now.

        Raises `KeyError`, `TypeError` or `ValueError` for a record that is none.
        """
        node = self._node
        job = restored(told, node.next_number(), node.now - age)
        node.work.jobs.add(job)
        self._note(job)
        return job.number

    def _age(self) -> None:
        self._ages = False
        self._bound()
        if self._kept and not self._ages:
            oldest = min(kept.since for kept in self._kept.values())
            self._ages = True
            self._node.later(max(OVER, oldest + AGE - self._node.now), self._age)

    def _bound(self) -> None:
        """Drop what is too old, and what there is no room for."""
        self._bounds = False
        jobs = self._node.work.jobs
        under_way = {job.number for job in jobs if job.outflow is not None and not job.outflow.finished}
        kept = [one._replace(loose=one.number not in under_way) for one in self._kept.values()]
        for number, reason in surplus(kept, self._node.now, AGE, ROOM).items():
            job = jobs.get(number)
            assert job is not None
            text = f"the result of task {number} ({job.options.get('label', '')}) for {job.by} was dropped: {reason}"
            self._node.shells.notice(text, "warn")
            self._node.work.remove(job, text)

    def forget(self, number: int, reason: str = "") -> None:
        """A task is not known any more; with a `reason` its result was dropped unfetched."""
        if (kept := self._kept.pop(number, None)) is not None:
            self._size -= kept.weight
            self._node.actions.append(Discard(number, reason))
        for reader in [reader for reader in self._readers.values() if reader.job == number]:
            del self._readers[reader.ref]
            if not reader.whole:
                self._refuse(reader, reason or "its owner has stopped")

    # who fetches

    def fetch(self, number: int, ref: Ref) -> dict[str, Any]:
        """`ref.owner` wants the result of task `number`, now or when it has ended; what he is answered."""
        node = self._node
        job = node.work.jobs.get(number)
        if job is None or job.is_process:
            text = (
                f"{node.name} has no result of a task {number}, or no more: see which it has: tasks(on={node.name!r})"
            )
            return {"error": "PyshError", "text": text, "executed": "maybe"}
        if len(self._readers) >= READERS:
            text = f"{node.name} is asked for {READERS} results already; fetch this one later"
            return {"error": "PyshError", "text": text}
        reader = self._readers[ref] = Reader(number, ref)
        if job.state == DONE:
            self._go_on(reader)
        return {"ok": True}

    def job_of(self, ref: Ref) -> Job | None:
        """The job whose result is being fetched as `ref`."""
        reader = self._readers.get(ref)
        return self._node.work.jobs.get(reader.job) if reader is not None else None

    def read(self, number: int) -> bool:
        """Whether somebody is fetching the result of task `number`."""
        return any(reader.job == number for reader in self._readers.values())

    def fetched(self, ref: Ref) -> None:
        """A reader has all of it. If nobody else waits for it, it has been fetched."""
        reader = self._readers.pop(ref, None)
        job = self._node.work.jobs.get(reader.job) if reader is not None else None
        if job is not None:
            job.fetched = True
            if job.lost and not self.read(job.number):
                self._node.work.remove(job)

    def credited(self, ref: Ref, credit: int) -> bool:
        """A reader has room for more; whether there is such a one."""
        reader = self._readers.get(ref)
        if reader is not None:
            reader.credit += credit
            self._go_on(reader)
        return reader is not None

    def recalled(self, ref: Ref, data: Buffer | None) -> None:
        """What `Recall` asked for was read; None where it could not be."""
        reader = self._readers.get(ref)
        job = self._node.work.jobs.get(reader.job) if reader is not None else None
        if reader is None or job is None:
            return
        reader.recalling = False
        if data is None:
            del self._readers[ref]
            self._refuse(reader, f"it cannot be read on {self._node.name}; why is in its log")
        else:
            self._send(reader, job, data)
            self._go_on(reader)

    def _go_on(self, reader: Reader) -> None:
        job = self._node.work.jobs.get(reader.job)
        while job is not None and reader.credit > 0 and not (reader.whole or reader.recalling):
            if job.result or not job.length:
                whole = memoryview(job.result[0] if job.result else b"").cast("B")
                self._send(reader, job, whole[reader.offset : reader.offset + CHUNK])
            else:
                reader.recalling = True
                self._node.actions.append(Recall(job.number, reader.offset, CHUNK, reader.ref))

    def _send(self, reader: Reader, job: Job, data: Buffer) -> None:
        size = memoryview(data).nbytes
        reader.offset += size
        reader.credit -= size
        reader.whole = reader.offset >= job.length
        self._node.post(
            reader.ref.owner, Kind.RESULT, ref=reader.ref.number, flags=job.flags | (0 if reader.whole else Flag.MORE),
            meta=job.result_meta, payload=data, source=self._node.work.pid(job),
        )  # fmt: skip

    def _refuse(self, reader: Reader, reason: str) -> None:
        meta = {"error": "PyshError", "text": f"the result is gone: {reason}", "executed": "yes"}
        source = Pid(self._node.incarnation, reader.job)
        self._node.post(
            reader.ref.owner, Kind.RESULT, ref=reader.ref.number, flags=Flag.FAILED, meta=meta, source=source
        )


def record(job: Job) -> dict[str, Any]:
    """What is written down beside a result: who asked when for what, and how it ended."""
    return {
        "label": job.options.get("label", ""),
        "fn": job.options.get("fn"),
        "detach": bool(job.options.get("detach")),
        "owner": list(job.owner),
        "requester": list(job.key.owner),
        "ref": job.key.number,
        "by": job.by,
        "took": job.ended_at - job.accepted_at,
        "flags": job.flags,
        "meta": job.result_meta,
        "size": job.length,
        "output": b"".join(job.output or ()),
    }


def restored(told: dict[str, Any], number: int, ended_at: float) -> Job:
    """The task of a `record`, as a later start of the node has it: it has ended, and nobody waits for it."""
    options = {"label": str(told["label"]), "fn": told["fn"], "detach": bool(told["detach"])}
    key = Ref(Pid(bytes(told["requester"][0]), int(told["requester"][1])), int(told["ref"]))
    owner = Pid(bytes(told["owner"][0]), int(told["owner"][1]))
    job = Job(number, key, owner, options, b"", ended_at - float(told["took"]))
    job.by, job.ended_at, job.length = str(told["by"]), ended_at, int(told["size"])
    job.flags, job.result_meta = int(told["flags"]), bytes(told["meta"])
    job.state, job.complete, job.lost, job.restored = DONE, True, True, True
    if told["output"]:
        job.keep_output(bytes(told["output"]))
    return job
