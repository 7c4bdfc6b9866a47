"""What a node runs for others: from the request to the result, through a pool of workers."""

from collections import deque
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol import deaths
from pysh.runtime.protocol.actions import Close, ForkWorker, Pause, Prepare, Signal
from pysh.runtime.protocol.apartments import SHELL
from pysh.runtime.protocol.blobs import Blobs
from pysh.runtime.protocol.census import Census
from pysh.runtime.protocol.code import Code
from pysh.runtime.protocol.ending import Ending
from pysh.runtime.protocol.flow import Outflow
from pysh.runtime.protocol.frames import CHUNK, Flag, Frame, FrameError, Kind, pack
from pysh.runtime.protocol.grants import Grants
from pysh.runtime.protocol.jobs import DONE, QUEUED, SENT, Job, Jobs, asked_for
from pysh.runtime.protocol.links import Link, addressed
from pysh.runtime.protocol.placed import Placed
from pysh.runtime.protocol.pool import Fork, Full, Pool, Retire, Run, Step
from pysh.runtime.protocol.postmortem import PostMortems
from pysh.runtime.protocol.spool import Spool
from pysh.runtime.protocol.stacks import Stacks
from pysh.runtime.protocol.standing import Standing
from pysh.runtime.protocol.tenancy import Tenancy
from pysh.runtime.protocol.terms import HUB, Buffer, Pid, Ref

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

TELL_AFTER = 0.02
"""Seconds a task runs before its requester is told that it started; most end sooner."""
HELD = frozenset((Kind.SEND, Kind.CALL, Kind.EXIT, Kind.DOWN))
"""What waits for a process that has no worker yet."""
PREFETCHED = 64 * 1024
"""Bytes: a task with larger arguments waits for a worker of its own."""
TAIL = 2048
UNKNOWN = -1
TRIES = 3
"""Workers that may die before they are up until the job that waits for them fails."""


class Work:
    """The jobs of a node, its workers, and the functions that its shell published."""

    def __init__(self, node: "Node", cores: int, limit: int) -> None:
        self.jobs = Jobs()
        numbers = count(1)
        self.pool = Pool(cores, numbers=numbers)
        self.tenancy = Tenancy(self, cores, numbers)
        self.code = Code()
        self.blobs = Blobs()
        self.placed = Placed()
        self.workers: dict[int, Link] = {}
        self.grants = Grants(node)
        self.spool = Spool(node)
        self.standing = Standing(node)
        self.stacks = Stacks(node)
        self.census = Census(node)
        self.post_mortems = PostMortems(node)
        self.node = node
        self.ending = Ending(self)
        self._limit = limit
        self._begun: deque[Job] = deque()
        self.handlers: dict[int, Callable[[Link | None, Frame], None]] = {
            Kind.SPAWN: self._spawn, Kind.FETCHED: self._fetched, Kind.CANCEL: self.ending.asked,
            Kind.BLOCKED: self._blocked, Kind.UNBLOCKED: self._blocked, Kind.RETURNED: self._blocked,
            Kind.PUBLISH: self._published,
        }  # fmt: skip

    def pid(self, job: Job) -> Pid:
        """The process that `job` is."""
        return Pid(self.node.incarnation, job.number)

    def _spawn(self, link: Link | None, frame: Frame) -> None:
        key = Ref(frame.source, frame.ref)
        job = self.jobs.of(key)
        if job is None:
            job = self._accept(link, frame, key) if frame.meta else None  # the beginning alone says what is asked for
            if job is None:
                return
        if job.complete or job.state == DONE:
            return  # a duplicate, or more of what is not wanted any more
        chunk, more = frame.payload, frame.flags & Flag.MORE
        job.size += len(chunk)
        if job.size > self._limit:
            self.abandon(job)
            text = f"over {self._limit} bytes"
            self._fail(job, {"error": "NotSendable", "path": "arguments", "text": text, "executed": "no"})
            return
        job.takes(chunk)
        job.complete = not more
        if more or len(job.chunks) > 1:
            kind, credit = pack(Kind.SPAWN), len(chunk)
            self.node.post(frame.source, Kind.CREDIT, ref=frame.ref, meta=kind, credit=credit, source=frame.dest)
        if len(job.chunks) == 1:
            self._enqueue(job)
        elif job.state == SENT and (link := self.workers.get(job.worker or 0)):
            self._send_chunk(link, job, chunk, more)
            if not more:
                self.follow(self.pool.unblocked(job.worker or 0))
                self._began(job)

    def _send_chunk(self, link: Link, job: Job, chunk: Buffer, more: int, meta: bytes = b"") -> None:
        self.node.write(link, Frame(Kind.SPAWN, job.key.owner, self.pid(job), job.key.number, more, meta, chunk))

    def abandon(self, job: Job) -> None:
        """Not all of the arguments has come, and the rest is not wanted: nor is a worker that has a part of them."""
        if job.worker in self.tenancy.apartments:
            if not job.complete or job.state == QUEUED:
                self.tenancy.withdrawn(job)
            return
        self.pool.withdrawn(job.number)
        if job.state == SENT and not job.complete and (link := self.workers.get(job.worker or 0)):
            self.node.actions.append(Close(link.number))

    def requester_lost(self, asked: Callable[[Pid], bool]) -> None:
        """Forget the jobs of which some has still to come, from those for whom `asked` is true: it never will."""
        for job in self.jobs:
            if not job.complete and asked(job.key.owner):
                self.abandon(job)
                job.wanted = False
                self.cancelled(job, "no")
                self.finish(job)
            elif job.parked and (asked(job.owner) or asked(job.key.owner)):
                self.ending.cancel(job, 0.0, "owner")  # nobody will get it to go on
        self.post_mortems.let_go(asked, "its owner is gone")
        self.spool.lost(asked)

    def _accept(self, link: Link | None, frame: Frame, key: Ref) -> Job | None:
        options = asked_for(frame.meta)
        granted = frame.dest.number
        if granted != HUB and not self.grants.take(link, granted):
            raise FrameError(f"a SPAWN to number {granted}, which was not granted")
        owner = addressed(options["owner"]) if options.get("owner") else frame.source
        number = granted or self.node.next_number()
        job = Job(number, key, owner, options, frame.meta, self.node.now)
        job.awaited = not granted
        job.by = self.node.members.name(owner.incarnation)
        self.jobs.add(job)
        name = options.get("fn") or ":"
        if self.node.stopping or (job.awaited and self.node.drain.refuses(frame.source)):
            reason = "shutdown" if self.node.stopping else "draining"
            self._fail(job, {"error": "NodeDown", "node": self.node.name, "reason": reason, "executed": "no"})
        elif job.in_shell:
            return job
        elif ":" in name:
            if (code := self.blobs.named(name)) and not options.get("code"):
                job.options = {**options, "code": code}
                job.meta = pack(job.options)
            return job
        elif (pickle := self.code.get(name)) is not None:
            job.function = pickle
            job.meta = pack({**options, "function": len(pickle)})
            return job
        else:
            self._fail(
                job, {"error": "NoFunction", "node": self.node.name, "executed": "no", **self.code.missing(name)}
            )
        return None

    def _enqueue(self, job: Job) -> None:
        self.standing.changed()
        if not job.has_own_worker:
            small = job.complete and job.size < PREFETCHED
            prefetch = small and "limit" not in job.options
            self.follow(self.pool.submit(job.number, prefetch=prefetch, code=job.code))
            return
        name = job.options.get("name")
        if name and (taken := self.node.relations.named(job.number, name)) is not None:
            self._fail(job, {**taken, "executed": "no"})
            return
        try:
            steps = self._place(job)
        except Full as full:
            self._fail(job, {"error": "PyshError", "text": f"{self.node.name}: {full}", "executed": "no"})
            return
        if not job.is_process:
            self.follow(steps)
            return
        if not job.born:  # one whose worker died before it began comes here again
            job.born = True
            self.node.relations.born(job.number, job.key, job.options)
        if job.awaited:
            stage = {"stage": "accepted", "pid": job.number}
            self.node.post(job.key.owner, Kind.STAGE, ref=job.key.number, meta=stage, source=self.pid(job))
        self.follow(steps)

    def _place(self, job: Job) -> list[Step]:
        """Where what does not queue is to run. Raises `Full`."""
        if "frames_of" in job.options:
            return self.post_mortems.place(job)
        if self.tenancy.lives_here(job):
            return self.tenancy.move_in(job)
        return self.pool.submit_own(job.number, fresh=bool(job.options.get("isolate")), code=job.code)

    def worker_up(self, worker: int, link: Link) -> None:
        """A forked worker or apartment has opened its connection, or the shell has."""
        self.workers[worker] = link
        apartments = self.tenancy.apartments
        self.follow(apartments.ready(worker) if worker in apartments else self.pool.ready(worker))
        self.grants.go_on()

    def follow(self, steps: list[Step]) -> None:
        """Do what the pool decided."""
        for step in steps:
            if isinstance(step, Run):
                self._run(step)
            elif isinstance(step, Fork):
                shell = step.worker == SHELL
                self.node.actions.append(Prepare("evaluator") if shell else ForkWorker(step.worker, step.apartment))
            elif isinstance(step, Retire) and (link := self.workers.get(step.worker)):
                self.node.actions.append(Close(link.number))

    def _run(self, step: Run) -> None:
        job, link = self.jobs.get(step.job), self.workers.get(step.worker)
        if job is None or link is None:
            return
        job.state, job.worker, job.sent_at = SENT, step.worker, self.node.now
        job.brings = bool(job.options.get("values"))
        self.node.processes[job.number] = link
        chunks = [job.function, *job.chunks] if job.function else job.chunks
        for index, chunk in enumerate(chunks):
            more = Flag.MORE if index + 1 < len(chunks) or not job.complete else 0
            self._send_chunk(link, job, chunk, more, b"" if index else job.meta)
        for message in job.messages:
            self.node.write(link, message)
        job.messages = []
        if step.worker in self.tenancy.apartments:
            if job.complete:
                job.chunks = []  # it moves no more
                self.tenancy.apartments.sent(step.worker)
            elif job.in_shell:  # its sender may be slow
                self.follow(self.tenancy.apartments.go_on(job.number))
            return
        if not job.complete:
            # It takes no slot while its arguments come: its sender may be slow.
            self.follow(self.pool.blocked(step.worker))
        elif self.pool.of(step.worker)[:1] == [job.number]:
            self._began(job)

    def hold(self, number: int, frame: Frame) -> bool:
        """Keep a message for a process that has no worker yet; whether there is such a process."""
        job = self.jobs.get(number)
        if job is None or job.state != QUEUED or frame.kind not in HELD:
            return False
        job.holds(frame)
        return True

    def _began(self, job: Job) -> None:
        """`job` is now the one its worker runs, as far as the hub can know."""
        if job.worker in self.tenancy.apartments:
            job.chunks = []  # it moves no more
            return
        job.sent_at = self.node.now
        self._begun.append(job)
        if len(self._begun) == 1:
            self.node.later(TELL_AFTER, self._tell_started)
        self.ending.began(job)

    def _tell_started(self) -> None:
        """Tell the requesters of those jobs that have run for a while; most ended sooner."""
        while self._begun and self._begun[0].sent_at + TELL_AFTER <= self.node.now:
            job = self._begun.popleft()
            if job.state == SENT and not job.told:
                if not job.brings:
                    self._started(job)
                self._reclaim(job)
        if self._begun:
            self.node.later(self._begun[0].sent_at + TELL_AFTER - self.node.now, self._tell_started)

    def _started(self, job: Job) -> None:
        job.told = True
        stage = {"stage": "started", "pid": job.number}
        self.node.post(job.key.owner, Kind.STAGE, ref=job.key.number, meta=stage, source=self.pid(job))

    def has_values(self, worker: int, number: int) -> None:
        """All values that job `number` needs are in its worker, and its code is about to run."""
        job = self.jobs.get(number)
        if job is None or job.worker != worker:
            return
        job.brings = False
        if job.state == SENT and not job.told and self.node.now - job.sent_at >= TELL_AFTER:
            self._started(job)

    def began_in_shell(self, number: int) -> None:
        """Code of `number` is about to run in the shell, which may have kept it waiting for long."""
        job = self.jobs.get(number)
        if job is None or job.state != SENT:
            return
        job.told, job.sent_at = True, self.node.now
        if not job.is_process:
            self._started(job)
        self.ending.began(job)

    def _reclaim(self, job: Job) -> None:
        """Have a worker whose job proves long give back what waits behind it; ask again until it has."""
        if job.state == SENT and job.worker is not None and self.pool.proved_long(job.worker):
            self.node.actions.append(Signal(job.worker, "SIGURG", False, job.number))
            self.node.later(TELL_AFTER, lambda: self._reclaim(job))

    def result(self, link: Link | None, frame: Frame) -> None:
        """A worker of ours sent the result of its job, or a chunk of it. Raises `FrameError` if it makes no sense."""
        if frame.flags & Flag.FAILED and not isinstance(frame.options(), dict):
            raise FrameError("a failure that says nothing")
        apartment = link.worker if link is not None and link.worker in self.tenancy.apartments else None
        if apartment is not None and not frame.flags & Flag.MORE:
            self.tenancy.left(apartment, frame.source.number, bool(frame.credit))
        job = self.jobs.get(frame.source.number)
        if job is None or job.state == DONE:
            return
        job.ends(frame.payload)
        job.flags |= frame.flags & ~Flag.MORE
        job.result_meta = job.result_meta or frame.meta
        if frame.flags & Flag.MORE:
            return
        if job.cancel is not None and job.flags & (Flag.ERROR | Flag.FAILED):
            self.cancelled(job, "yes" if not job.flags & Flag.FAILED else frame.options().get("executed", "yes"))
        self.finish(job)
        if job.flags & Flag.ERROR:
            self.post_mortems.failed(job)
        if apartment is not None:
            return
        assert job.worker is not None
        self.follow(self.pool.finished(job.worker, job.number, self.node.now - job.sent_at))
        following = self.jobs.get(next(iter(self.pool.of(job.worker)), 0))
        if following is not None and following.state == SENT:
            self._began(following)

    def cancelled(self, job: Job, executed: str) -> None:
        job.flags, job.result = Flag.FAILED, [b""]
        told = {"error": "TaskCancelled", "reason": job.reason, "executed": executed, "node": self.node.name}
        if job.reason == "limit":
            told["text"] = (
                f"task {job.number} on {self.node.name} was cancelled: limit={job.options['limit']:g} s are over"
            )
        job.result_meta = pack(told)

    def _fail(self, job: Job, meta: dict[str, Any]) -> None:
        """The infrastructure answers for `job`."""
        job.flags, job.result, job.result_meta = Flag.FAILED, [b""], pack(meta)
        self.finish(job)

    def finish(self, job: Job) -> None:
        """It has ended, in whatever way."""
        self.tenancy.admit(job)
        job.state, job.ended_at = DONE, self.node.now
        job.chunks = []
        self.standing.changed()
        self.node.ended(job.number, job)
        self.ending.ended(job.number)
        if job.output and not job.output[-1].endswith(b"\n"):
            # Its last line is finished as it is; whoever shows it need not wait for more.
            self.node.post(job.owner, Kind.OUTPUT, ref=job.key.number, meta={"end": True}, source=self.pid(job))
        self.node.processes.pop(job.number, None)
        if job.is_process or not job.wanted:
            self.remove(job)
            if not job.flags or not job.wanted:
                return
        payload = job.result[0] if len(job.result) == 1 else b"".join(job.result)
        job.result, job.length = [payload], len(payload)
        if len(payload) <= CHUNK:
            self._post_result(job, payload, job.flags)
        elif not job.lost:
            job.outflow = Outflow(payload)
            self._send_result(job)
        if not job.is_process:
            self.spool.finished(job)

    def _send_result(self, job: Job) -> None:
        assert job.outflow is not None
        for chunk, more in job.outflow.chunks():
            self._post_result(job, chunk, job.flags | (Flag.MORE if more else 0))

    def _post_result(self, job: Job, payload: Buffer, flags: int) -> None:
        self.node.post(
            job.key.owner, Kind.RESULT, ref=job.key.number, flags=flags, meta=job.result_meta, payload=payload,
            source=self.pid(job),
        )  # fmt: skip

    def _fetched(self, link: Link | None, frame: Frame) -> None:
        view = memoryview(frame.payload).cast("B")
        for start in range(0, len(view), 8):
            number = int.from_bytes(view[start : start + 8], "big")
            job = self.jobs.asked(frame._replace(ref=number))
            if job is None:
                self.spool.fetched(Ref(frame.source, number))
            elif job.state == DONE and self.spool.read(job.number):
                job.lost = True  # it stays for its readers
            elif job.state == DONE:
                self.remove(job)

    def remove(self, job: Job, reason: str = "") -> None:
        """Forget `job`, and a kept result with it; a `reason` tells why that goes unfetched."""
        self.jobs.remove(job)
        self.spool.forget(job.number, reason)

    def meant(self, ref: Ref) -> Job | None:
        """The job that was asked for as `ref`, or whose result is fetched as that."""
        return self.jobs.of(ref) or self.spool.job_of(ref)

    def owner(self, number: int) -> Pid | None:
        """Who owns process `number`, if it is a job, or was one; its own pid is nobody's to tell."""
        owner = self.jobs.owner(number)
        return owner if owner != Pid(self.node.incarnation, number) else None

    def lives(self, number: int) -> bool:
        """Whether process `number` has not ended."""
        job = self.jobs.get(number)
        return job is not None and job.state != DONE

    def _blocked(self, link: Link | None, frame: Frame) -> None:
        job = self.jobs.get(frame.source.number)
        if job is None or job.worker is None:
            return
        self.standing.changed()
        if frame.kind == Kind.BLOCKED:
            self.follow(self.pool.blocked(job.worker))
        elif frame.kind == Kind.UNBLOCKED:
            self.follow(self.pool.unblocked(job.worker))
        else:
            worker, job.worker, job.state = job.worker, None, QUEUED
            self.node.processes.pop(job.number, None)
            if job.cancel is not None:
                self.pool.returned(worker, job.number)
                self.pool.withdrawn(job.number)
                self.cancelled(job, "no")
                self.finish(job)
            else:
                self.follow(self.pool.returned(worker, job.number))

    def runs_besides(self, worker: int) -> bool:
        """Whether anything runs in another worker or in an apartment."""
        apartments = self.tenancy.apartments
        return self.pool.runs_besides(worker) or any(apartments.tenants(number) for number in apartments)

    # workers

    def printed(self, worker: int, data: bytes) -> None:
        """A worker wrote to its stdout or stderr."""
        held = self.pool.of(worker)
        job = self.jobs.get(held[0]) if held else None
        if worker in self.tenancy.apartments:
            self.tenancy.printed_raw(worker, data)
        elif job is not None:
            job.keep_output(data)
            self.show(job, data)

    def show(self, job: Job, data: bytes) -> None:
        """Pass on what `job` printed to its owner."""
        there = job.owner.incarnation
        if there != self.node.incarnation and there not in self.node.peers:
            return
        job.credit -= len(data)
        self.node.post(job.owner, Kind.OUTPUT, ref=job.key.number, payload=data, source=self.pid(job))
        if job.credit <= 0 and job.worker is not None and job.worker not in self.tenancy.apartments:
            self.node.actions.append(Pause(job.worker, on=True))

    def credited(self, frame: Frame, kind: int) -> None:
        """Whoever reads a result or an output of a job's has room for more."""
        job = self.jobs.get(frame.dest.number)
        if job is None or (kind == Kind.RESULT and self.spool.credited(Ref(frame.source, frame.ref), frame.credit)):
            return
        if kind == Kind.RESULT and job.outflow is not None:
            job.outflow.grant(frame.credit)
            self._send_result(job)
        elif kind == Kind.OUTPUT:
            job.credit += frame.credit
            if job.worker in self.tenancy.apartments:
                self.tenancy.has_room(job)
            elif job.worker is not None and job.credit > 0:
                self.node.actions.append(Pause(job.worker, on=False))

    def exited(self, worker: int, death: dict[str, Any], running: int) -> None:
        """A worker is gone. `running` is the number in its slot, 0 for none; `death` says how it ended.

        `UNKNOWN` where an answer may have been lost: what it held may have run, and runs nowhere else.
        """
        link = self.workers.pop(worker, None)
        if link is not None:
            self.node.links.pop(link.number, None)
        if worker in self.tenancy.apartments:
            self.tenancy.exited(worker, death, was_up=link is not None)
            return
        self.post_mortems.worker_gone(worker)
        unstarted: list[Job] = []
        for number in self.pool.of(worker):
            job = self.jobs.get(number)
            if job is None or job.state == DONE:
                continue
            self.node.processes.pop(number, None)
            if job.state == SENT and running in (number, UNKNOWN):
                self.requester_lost(lambda asked, job=job: asked == self.pid(job))  # type: ignore[misc]  # a default binds it
                death = deaths.explained(job, self.node.name, death)
                deaths.tell(self, [job], death)
                self.died(job, death, "yes" if running == number and not job.brings else "maybe")
            elif job.cancel is not None:
                self.cancelled(job, "no")
                self.finish(job)
            elif link is None and self.stillborn(job, death):
                pass
            else:
                job.state, job.worker = QUEUED, None
                unstarted.append(job)
        self.follow(self.pool.exited(worker, [job.number for job in unstarted if not job.has_own_worker]))
        for job in unstarted:
            if job.has_own_worker:
                self._enqueue(job)

    def stillborn(self, job: Job, death: dict[str, Any]) -> bool:
        """The worker that was to take `job` never came up: whether that happened so often that it fails."""
        job.tries += 1
        if job.tries < TRIES:
            return False
        how = death.get("text", "its worker died")
        told = {**death, "text": f"{self.node.name}: {how} before it was up, {TRIES} times"}
        self._fail(job, {"error": "WorkerDied", "node": self.node.name, "executed": "no", **told})
        return True

    def died(self, job: Job, death: dict[str, Any], executed: str = "yes") -> None:
        """What ran `job` is gone."""
        if job.cancel is not None:
            self.cancelled(job, executed)
            self.finish(job)
            return
        tail = b"".join(job.output or ())[-TAIL:].decode("utf-8", "replace")
        self._fail(job, {"error": "WorkerDied", "node": self.node.name, "tail": tail, "executed": executed, **death})

    def _published(self, link: Link | None, frame: Frame) -> None:
        """The shell of this node that all share defined something; whatever else says so is not heard."""
        if link is None or link.worker != SHELL:
            return
        more = bool(frame.flags & Flag.MORE)
        if self.code.published(frame.options(), bytes(frame.payload), more=more):
            self.standing.changed()
