"""The shells of a node: number 0, which all share, and those that terminals have for themselves.

Each has an evaluator, and so names, a loop and jobs of its own. One of its own is made for a terminal that asks for
it, or beside a shell with a cell that nothing ends: to the new one that cell is a job, to whose shell `fg` goes back.
It ends when its last terminal leaves, or was lost and for as long as the node lingers nothing runs there; not while
somebody is at the shell that was left for it.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.actions import Attended, EndShell
from pysh.runtime.protocol.console import DIED, DONE, RUNNING, Console, Ran
from pysh.runtime.protocol.ending import STOP_GRACE
from pysh.runtime.protocol.frames import Frame, Kind
from pysh.runtime.protocol.jobs import DONE as OVER
from pysh.runtime.protocol.links import Link
from pysh.runtime.protocol.seats import seat_of
from pysh.runtime.protocol.terms import HUB, Pid

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

MOST = 16
"""Shells beside the shared one."""


class NoShell(Exception):
    """The shell that a terminal asked for is not there, or cannot be made; nothing was run."""


def goes_on(shell: Console, asked: dict[str, Any]) -> bool:
    """Whether a cell runs there, and is that which `began` when this was asked about, if that is said."""
    return shell.busy and asked.get("began", shell.ran.began) == shell.ran.began


class Behind:
    """A shell that was left for another one, as a job of that."""

    def __init__(self, shell: Console) -> None:
        self.shell = shell
        self.ended: Ran | None = None  # the cell for which it was left
        self.seen = False  # somebody went back since

    def again(self) -> "Behind":
        """The same, for another list."""
        other = Behind(self.shell)
        other.ended, other.seen = self.ended, self.seen
        return other

    @property
    def ran(self) -> Ran:
        """What became of that cell until now."""
        return self.ended or self.shell.ran


class Shells:
    """All of `node`, by number; frames are given to the one that they are about."""

    def __init__(self, node: "Node") -> None:
        self.first = Console(node)
        self.taken_over = False  # a terminal took one of them over from another terminal
        self._node = node
        self._all = {self.first.number: self.first}
        self._numbers = count(1)
        self._behind: dict[int, dict[int, Behind]] = {}  # of a shell by its number, by the numbers of its jobs
        self._beside: dict[int, Console] = {}  # which shell a terminal went to from one
        kinds = self.first.handlers
        self.handlers: dict[int, Callable[[Link | None, Frame], None]] = {
            **{kind: partial(self._handle, kind) for kind in kinds},
            Kind.OUTPUT: self._output, Kind.REPLY: self._replied, Kind.DONE: self._done,
        }  # fmt: skip

    def __iter__(self) -> Iterator[Console]:
        return iter(list(self._all.values()))

    def get(self, number: int) -> Console | None:
        """The one of that number."""
        return self._all.get(number)

    def of(self, process: int) -> Console | None:
        """The one whose evaluator that process is, or at which that terminal is."""
        return next((shell for shell in self if process == shell.evaluator or shell.has(process)), None)

    def at(self, link: Link | None) -> Console:
        """The one at which the terminal of `link` is, or whose evaluator is at its other end; else the shared one."""
        return (self.of(link.process) if link is not None else None) or self.first

    @property
    def attached(self) -> bool:
        """Whether somebody is there who may type, or will be back."""
        return any(shell.attached for shell in self)

    @property
    def alone(self) -> list[int]:
        """Those of their own with nobody at them, and that are no job of another one."""
        jobs = {behind.shell.number for each in self._behind.values() for behind in each.values()}
        return [shell.number for shell in self if shell.number and not shell.attached and shell.number not in jobs]

    def watches(self, link: Link) -> bool:
        """Whether that terminal only watches."""
        return link.watches

    def others(self, link: Link | None) -> list[int]:
        """The terminals beside that of `link` which may type, at whatever shell: their process numbers."""
        return [number for shell in self for number in shell.others(link)]

    def notice(self, text: str, level: str = "info", gone: bytes = b"", *, keep: bool = False) -> None:
        """Tell whoever sits at this node, as `Audience.notice` does."""
        told = "" if self.first.hush.holds(level) else text
        for shell in self:
            shell.audience.say(told, level, gone, keep=keep)

    # frames

    def _handle(self, kind: int, link: Link | None, frame: Frame) -> None:
        if (shell := self._said_at(link, frame)) is not None:
            shell.handlers[kind](link, frame)

    def _said_at(self, link: Link | None, frame: Frame) -> Console | None:
        """The one whose terminal or evaluator itself says that; another node has processes of the same numbers."""
        if link is None or frame.source != Pid(self._node.incarnation, link.process):
            return None
        return self.of(link.process)

    def _output(self, link: Link | None, frame: Frame) -> None:
        (self.of(frame.dest.number) or self.first).handlers[Kind.OUTPUT](link, frame)

    def _replied(self, link: Link | None, frame: Frame) -> None:
        self.answered(frame)
        self._node.to_process(frame.dest.number, frame)

    def answered(self, frame: Frame) -> None:
        """A REPLY passes."""
        for shell in self:
            shell.answered(frame)

    def shown(self, frame: Frame) -> bool:
        """A CREDIT passes: whether it was a terminal's, for what it has shown."""
        shell = self.of(frame.source.number)
        return shell is not None and shell.shown(frame)

    def _done(self, link: Link | None, frame: Frame) -> None:
        if (shell := self._said_at(link, frame)) is not None and shell.evaluator == frame.source.number:
            shell.handlers[Kind.DONE](link, frame)
            self._tell_beside(shell)

    # terminals

    def attach(self, link: Link, shell: Console, asked: dict[str, Any]) -> dict[str, Any]:
        """Make `link` a terminal of `shell`, and of no other one; what it should know of it."""
        self._leaves(link, shell)
        told = shell.attach(link, asked)
        link.watches = bool(asked.get("watch"))
        if not link.watches:
            self._node.actions.append(Attended(True))
        return {**told, "alone": self.alone}

    def meant(self, link: Link, asked: dict[str, Any]) -> Console:
        """To which one a terminal wants: number `shell`, a new one with `own`, else where it is.

        Raises `NoShell`, and for what is no attach `TypeError`, `ValueError` or `OverflowError`; nothing is made then.
        """
        seat_of(link.process, asked)
        name = self._node.name
        if not asked.get("own"):
            number = asked.get("shell")
            shell = self.at(link) if number is None else self._all.get(int(number))
            if shell is None:
                there = ", ".join(map(str, self._all))
                raise NoShell(f"{name} has no shell {number} (there are: {there}); 0 is the one that all share")
            return shell
        if asked.get("watch"):
            raise NoShell(f"a terminal that only watches has no shell of its own; nothing was started on {name}")
        return self._open()

    def _open(self) -> Console:
        name = self._node.name
        if len(self._all) > MOST:
            short, number = name.partition("@")[0], (self.alone or list(self._all)[1:])[0]
            raise NoShell(
                f"{name} has {MOST} shells beside the shared one already, as many as it may; nothing was started. "
                f"Leave one with Ctrl-D: pysh attach --shell {number} {short}"
            )
        shell = Console(self._node, next(self._numbers), self.first.hush)
        shell.folder = self.first.folder
        self._all[shell.number] = shell
        return shell

    def terminal_gone(self, link: Link) -> bool:
        """A terminal closed; whether it was the last here that could type."""
        typed = self._leaves(link)
        last = typed and not self.attached
        if last:
            self._node.actions.append(Attended(False))
        return last

    def _leaves(self, link: Link, to: Console | None = None) -> bool:
        """A terminal leaves the shell where it is, for another one perhaps; whether it could type."""
        shell = self.of(link.process)
        if shell is None or shell is to:
            return False
        typed = not shell.watches(link)
        if shell.terminal_gone(link) and shell.number:
            shell.alone_since = self._node.now
            self._node.later(self._node.linger, partial(self._end_if_idle, shell, self._node.now))
        for behind in self._behind.get(shell.number, {}).values():
            behind.seen |= behind.shell is to and behind.ran.state != RUNNING
        return typed

    # a shell beside another one

    def beside(self, link: Link, asked: dict[str, Any]) -> dict[str, Any]:
        """Have the terminal of `link` at a shell beside its own, which has a cell that does not end, and `began` then.

        It is a new one, or that which was made for this before; what the terminal should know of it. Raises `NoShell`.
        """
        stuck = last = self.at(link)
        if not goes_on(stuck, asked):
            raise NoShell("the cell has ended meanwhile; no shell was started")
        while last.busy and last.number in self._beside:
            last = self._beside[last.number]
        seat_of(link.process, asked)
        if last.busy:
            last = self._open_beside(last)
        jobs = self._behind[last.number]
        jobs.update({number: Behind(stuck) for number, behind in jobs.items() if behind.shell is stuck})
        return self.attach(link, last, asked)

    def _open_beside(self, left: Console) -> Console:
        """A new one, which has as jobs those of the one that is left, and that itself."""
        made = self._open()
        self._beside[left.number] = made
        made.bare = not left.begun  # that may be what does not end
        jobs = {number: behind.again() for number, behind in self._behind.get(left.number, {}).items()}
        self._behind[made.number] = {**jobs, len(jobs) + 1: Behind(left)}
        return made

    def jobs(self, shell: Console) -> list[dict[str, Any]]:
        """The cells of other shells that are jobs of this one: plain data for `jobs()`."""
        now = self._node.now
        return [
            {"job": number, "shell": job.shell.number, "cell": job.ran.text, "state": job.ran.state,
             "age": (now if job.ran.ended is None else job.ran.ended) - job.ran.began}
            for number, job in self._behind.get(shell.number, {}).items() if not job.seen
        ]  # fmt: skip

    def first_job(self, shell: Console) -> int:
        """The number of the first job of its own that it has."""
        return len(self._behind.get(shell.number, {})) + 1

    def _tell_beside(self, shell: Console) -> None:
        """The cell for which a shell was left has ended: where it is a job that is said."""
        for number, jobs in self._behind.items():
            for job, behind in jobs.items():
                if behind.shell is shell and behind.ended is None:
                    behind.ended = ran = shell.ran
                    raised = f" raised {ran.error}" if ran.error else ""
                    text = f"job {job} {ran.state}: {ran.text}{raised}; fg({job}) goes back to its shell"
                    self._all[number].notice(text, "info" if ran.state == DONE else "error", keep=True)

    # the end of one

    def died(self, shell: Console, death: str) -> None:
        """The evaluator of `shell` is gone, and with it the names; where nobody is there is no other one."""
        shell.evaluator_died(death)
        if shell.ran.state == DIED:
            self._tell_beside(shell)
        if shell.number and not shell.attached:
            self.notice(f"{shell.called} died ({death}) with nobody at it, and is gone", "error", keep=True)
            self.end(shell)

    def running(self, at: Console) -> list[str]:
        """The cells and jobs that run, in words for who is at that shell."""
        found = []
        for shell in self:
            where = "" if shell is at else f" in shell {shell.number}"
            jobs = f"{shell.jobs} job{'s' if shell.jobs > 1 else ''}{'' if where else ' of this shell'} running{where}"
            found += [f"a cell is running{where}"] * shell.busy + [jobs] * bool(shell.jobs)
        return found

    def reasons(self, shell: Console) -> list[str]:
        """What would be lost if that one ended, and those that were left for it, at which nobody is."""
        found = []
        for each in self.leaving(shell):
            name = "" if each is shell else f" in shell {each.number}"
            tasks = self.tasks(each, detached=False)
            found += [f"a cell is running{name}"] if each.busy else []
            found += [f"{each.jobs} job{'s' if each.jobs > 1 else ''} running{name}"] if each.jobs else []
            found += [f"{tasks} task{'s' if tasks > 1 else ''} that it started{name}"] if tasks else []
        return found

    def leaving(self, shell: Console) -> list[Console]:
        """Those that end with `shell`: also what was left for it, if it is of its own and nobody is there."""
        behind = [behind.shell for behind in self._behind.get(shell.number, {}).values()]
        return [shell, *(each for each in behind if each.number and not each.attached)]

    def tasks(self, shell: Console, *, detached: bool = True) -> int:
        """How many tasks, here and elsewhere, it owns that have not ended, with those that outlive it or without."""
        number = shell.evaluator or 0
        owner = Pid(self._node.incarnation, number)
        mine = [job for job in self._node.work.jobs if job.owner == owner and job.state != OVER and not job.is_process]
        here = sum(detached or not job.options.get("detach") for job in mine)
        elsewhere = self._node.elsewhere.items()
        return here + sum(ref.owner.number == number and (detached or not lasts) for ref, lasts in elsewhere)

    def end(self, shell: Console) -> None:
        """End one of its own, with the tasks that it owns; who watches there is parted from."""
        if shell.number not in self._all:
            return
        for seat in shell.seats:
            if seat.watches:
                self._node.part(self._node.processes[seat.process], f"{shell.called} has ended")
        del self._all[shell.number]
        self._behind.pop(shell.number, None)
        for jobs in self._behind.values():
            for behind in jobs.values():
                behind.seen |= behind.shell is shell
        self._beside = {
            number: other for number, other in self._beside.items() if other is not shell and number != shell.number
        }
        if (number := shell.evaluator) is not None:
            self._cancel_tasks(Pid(self._node.incarnation, number))
        shell.evaluator_died("it was left")
        self._node.actions.append(EndShell(shell.number))

    def _cancel_tasks(self, owner: Pid) -> None:
        """Those of an evaluator that is to end, but for detached ones: nobody will ask for what comes of them."""
        self._node.work.ending.cancel_of(lambda each: each == owner)
        elsewhere = self._node.elsewhere
        ended = [ref for ref, lasts in elsewhere.items() if ref.owner.number == owner.number and not lasts]
        for ref in ended:
            del elsewhere[ref]
        for there in {ref.owner.incarnation for ref in ended}:
            meta = {"verb": "cancel", "grace": STOP_GRACE}
            self._node.post(Pid(there, HUB), Kind.REQUEST, meta=meta, source=owner)

    def _end_if_idle(self, shell: Console, since: float) -> None:
        """Its last terminal went `since` then: end it unless somebody is there, or something runs."""
        if shell.number not in self._all or shell.attached or shell.alone_since != since:
            return
        job = any(behind.shell is shell for each in self._behind.values() for behind in each.values())
        left = any(other is shell and self._all[number].attached for number, other in self._beside.items())
        if job or left or self.reasons(shell):
            self._node.later(max(self._node.linger, 1.0), partial(self._end_if_idle, shell, since))
        else:
            self.end(shell)
