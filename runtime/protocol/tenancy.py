"""The async processes of a node: what becomes of them in their apartments, and of apartments that hang.

Their process is dead for everybody as soon as its grace is over. Code of it that runs on all the same, because it
catches what cancels it or never awaits, costs its mates their apartment: nothing else would end it. So too with what
runs in the shell, but that nothing ends such code there: the names of the shell are worth more.
"""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol import deaths
from pysh.runtime.protocol.actions import Signal
from pysh.runtime.protocol.apartments import SHELL, Apartments
from pysh.runtime.protocol.flow import PRINTED
from pysh.runtime.protocol.frames import Frame, Kind, pack
from pysh.runtime.protocol.jobs import DONE, SENT, Job
from pysh.runtime.protocol.links import Link
from pysh.runtime.protocol.pool import Step

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node
    from pysh.runtime.protocol.work import Work

MOVING, SPEAKING = 0.5, 0.3
"""Seconds after its end in which the code of a process has to be gone; and in which its apartment, asked by a
signal, may say that it is the code of a mate that keeps it waiting."""
ANSWERS = frozenset((Kind.RESULT, Kind.REPLY, Kind.STAGE, Kind.ANSWER, Kind.CREDIT))
"""What comes for what a process has asked for."""
ASKED_EVERY = 1.0
"""Seconds between two questions to an apartment, whether its loop still runs."""
SLOW, HANGS = 5.0, 30.0
"""Seconds without an answer after which that is told, and after which the apartment is evicted."""


class Tenancy:
    """The apartments of the node that `work` belongs to, one for each of `cores`."""

    def __init__(self, work: "Work", cores: int, numbers: Iterator[int]) -> None:
        self.apartments = Apartments(cores, numbers)
        self._work = work
        self._leaving: dict[int, int] = {}  # dead processes whose code may still run, and where
        self._suspected: set[int] = set()  # apartments that were asked whose code runs
        self._asked: dict[int, float] = {}  # apartments that have not answered, and since when
        self._told: set[int] = set()  # those of them of which that was said
        self._watching = False
        self._heard: set[int] = set()  # dead processes of the shell whose code may wait there for an answer

    @property
    def _node(self) -> "Node":
        return self._work.node

    def lives_here(self, job: Job) -> bool:
        """Whether `job` is to live in an apartment: an async process that asked for no worker of its own.

        Or in the shell.
        """
        options = job.options
        return job.in_shell or (job.is_process and bool(options.get("async")) and not options.get("isolate"))

    def move_in(self, job: Job) -> list[Step]:
        """Find an apartment for `job`, unless it goes into the shell."""
        if job.in_shell:
            job.worker = SHELL
            return self.apartments.enter_shell(job.number)
        job.worker, steps = self.apartments.move_in(job.number, job.code)
        if not self._watching:
            self._watching = True
            self._node.later(ASKED_EVERY, self._watch)
        return steps

    def cancel(self, job: Job, grace: float) -> None:
        """End `job`: it is cancelled now, dead after `grace`, and its code gone or evicted soon after."""
        if grace <= 0:
            self._over(job)
        else:
            self._tell(job, last=False)
            self._node.later(grace, lambda: self._over(job))

    def _tell(self, job: Job, *, last: bool) -> None:
        if (link := self._work.workers.get(job.worker or 0)) is not None:
            meta = pack({"last": last})
            self._node.write(link, Frame(Kind.CANCEL, self._node.me, self._work.pid(job), job.key.number, meta=meta))

    def _over(self, job: Job) -> None:
        if job.state == DONE or job.worker is None:
            return
        self._tell(job, last=True)
        if job.in_shell and job.state == SENT:
            self._heard.add(job.number)
        self._work.cancelled(job, "maybe" if job.in_shell and not job.told else "yes")
        self._work.finish(job)
        if not job.in_shell:
            self._leaving[job.number] = job.worker
            self._node.later(MOVING, lambda: self._suspect(job.number))

    def _suspect(self, number: int) -> None:
        """The code of a dead process is not gone: it runs on, or another one keeps the loop from ending it."""
        if (apartment := self._leaving.get(number)) is not None:
            self.apartments.condemn(apartment)
            self._suspected.add(apartment)
            self._node.actions.append(Signal(apartment, "SIGUSR1", False, 0))
            self._node.later(SPEAKING, lambda: self._evict(number))

    def _evict(self, number: int) -> None:
        apartment = self._leaving.get(number)
        if apartment in self._suspected:
            self._node.actions.append(Signal(apartment, "SIGKILL", True, 0))

    def _spared(self, apartment: int) -> None:
        """It is a mate that holds the loop: whether for too long is for the watchdog to say."""
        self._suspected.discard(apartment)
        self.apartments.condemn(apartment, False)
        for number, where in self._leaving.items():
            if where == apartment:
                self._node.later(MOVING, partial(self._suspect, number))

    def left(self, apartment: int, number: int, waits: bool) -> None:
        """The code of a process is gone; that of one in the shell may have left something that `waits`."""
        (self._heard.add if waits else self._heard.discard)(number)
        self.apartments.moved_out(apartment, number)
        self._work.follow(self.apartments.go_on())
        self._leaving.pop(number, None)
        if apartment in self._suspected and apartment not in self._leaving.values():
            self._suspected.discard(apartment)
            self.apartments.condemn(apartment, False)

    def heir(self, number: int, kind: int) -> Link | None:
        """Where answers go to a process that is gone: what it left in the shell may wait for them there."""
        return self._work.workers.get(SHELL) if number in self._heard and kind in ANSWERS else None

    def withdrawn(self, job: Job) -> None:
        """`job` never began, and will not: it still waited, or not all of its arguments came."""
        self.apartments.moved_out(job.worker or 0, job.number)
        if job.state == SENT:
            self._tell(job, last=True)
        self._work.follow(self.apartments.go_on())
        self._work.grants.go_on()

    def exited(self, apartment: int, death: dict[str, Any], *, was_up: bool) -> None:
        """An apartment is gone. Who waited for it finds another one; all others are dead."""
        self.apartments.exited(apartment)
        if apartment == SHELL:
            self._heard.clear()
        self._asked.pop(apartment, None)
        self._told.discard(apartment)
        self._suspected.discard(apartment)
        self._leaving = {number: where for number, where in self._leaving.items() if where != apartment}
        jobs = [job for job in self._work.jobs if job.worker == apartment and job.state != DONE]
        dead = {self._work.pid(job) for job in jobs if job.state == SENT}
        if dead:
            self._work.requester_lost(dead.__contains__)
        deaths.tell(self._work, [job for job in jobs if job.state == SENT], death)
        for job in jobs:
            if job.state == SENT or (job.in_shell and was_up):
                self._work.died(job, death, "no" if job.in_shell and not job.told else "yes")
            elif was_up or not self._work.stillborn(job, death):
                job.worker = None
                self._work.follow(self.move_in(job))
        self._work.grants.go_on()

    # what they print

    def printed(self, frame: Frame) -> None:
        """A process printed something. What nobody takes is left out and counted: its mates must not wait for that."""
        job = self._work.jobs.get(frame.source.number)
        if job is None:
            return
        data = bytes(frame.payload)
        job.keep_output(data)
        if job.credit <= 0 or job.left_out:
            job.left_out += len(data)
        else:
            self._work.show(job, data)

    def has_room(self, job: Job) -> None:
        """Whoever reads what `job` prints goes on: first of all he is told what he has missed."""
        if job.credit >= PRINTED // 2:
            self.admit(job)

    def admit(self, job: Job) -> None:
        """Say how much of what `job` printed was left out, if anything was."""
        if job.left_out:
            text, job.left_out = f"\n[{job.left_out:,} bytes of output were left out here]\n", 0
            self._work.show(job, text.encode())

    def printed_raw(self, apartment: int, data: bytes) -> None:
        """C code or a child wrote, which nobody can be named for: it is shown as of the eldest there."""
        for job in self._work.jobs:
            if job.worker == apartment and job.state == SENT:
                job.keep_output(data)
                self._work.show(job, data)
                return

    # whether they run

    def _watch(self) -> None:
        """Ask each apartment in which somebody lives whether its loop still runs."""
        self._watching = False
        for apartment in self.apartments:
            link = self._work.workers.get(apartment)
            if link is None or not self.apartments.tenants(apartment):
                continue
            self._watching = True
            if apartment not in self._asked:
                self._asked[apartment] = self._node.now
                self._node.write(link, Frame(Kind.ALIVE, self._node.me, self._node.me))
            else:
                self._judge(apartment, self._node.now - self._asked[apartment])
        if self._watching:
            self._node.later(ASKED_EVERY, self._watch)

    def _judge(self, apartment: int, silent: float) -> None:
        if silent >= HANGS:
            self.apartments.condemn(apartment)
            self._node.actions.append(Signal(apartment, "SIGKILL", True, 0))
        elif silent >= SLOW and apartment not in self._told:
            self._told.add(apartment)
            self._node.actions.append(Signal(apartment, "SIGUSR2", False, 0))  # it dumps where it stands

    def answered(self, apartment: int, frame: Frame) -> None:
        """Its loop runs, and has begun some processes; or a signal found it in the code of one, which holds it.

        The shell tells of each that it has begun; or that nothing is waited for any more there that one left. A worker
        tells that a job of its has the values that it needs.
        """
        if apartment == SHELL and frame.credit:
            self._heard.discard(frame.ref)
        elif apartment == SHELL:
            self._work.began_in_shell(frame.ref)
            self._work.follow(self.apartments.go_on(frame.ref))
        elif apartment not in self.apartments:
            self._work.has_values(apartment, frame.ref)
        elif frame.ref:
            if frame.ref not in self._leaving:
                self._spared(apartment)
        else:
            self.apartments.begun(apartment, frame.credit)
            self._work.grants.go_on()
            self._asked.pop(apartment, None)
            self._told.discard(apartment)
