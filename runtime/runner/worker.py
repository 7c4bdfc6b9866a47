"""A worker: a forked process that runs one job after the other and reads its own socket between them.

The order of things at a job's end keeps "it ran at most once" true, whenever the worker dies:

1. What the job printed is in the pipe.
2. The RESULT is in the socket.
3. Only now is the slot cleared. If the worker dies before that, the hub takes the job as begun.
"""

import faulthandler
import gc
import os
import signal
import sys
import threading
from collections import deque
from select import POLLIN, poll
from socket import socket
from time import perf_counter
from typing import Any, NoReturn

from pysh.runtime import system
from pysh.runtime.protocol.frames import LOCAL, Frame, Kind
from pysh.runtime.protocol.hello import HandshakeError, Hello
from pysh.runtime.protocol.terms import Pid
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.condition import Condition
from pysh.runtime.runner.execution import LOOKED_AFTER, Answer, Execution, cancelled, options_of
from pysh.runtime.runner.output import Output
from pysh.runtime.runner.slot import Slot
from pysh.runtime.runner.waiting import Waiter

JOBS, GROWTH = 10_000, 512 * 1024 * 1024
"""So many jobs, or so many bytes more than at its start, and a worker ends: what they left goes with it."""
SHARE = 4
"""Of the machine's memory a worker may have one part in so many, and still keep the frames of a failure."""
AT_ONCE = 0.001
"""Seconds within which bytes that have arrived are surely read."""


def main(fds: list[int], config: dict[str, Any], output: Output, parent: int) -> NoReturn:
    """Be a worker, in a process just forked by `parent`, on a socket, an output pipe, the slots and a file for stacks.

    `config` has `name`, `incarnation` and `secret` (hex) and `slot`, `core` (the place of pysh
    itself), and perhaps `cwd` and `sys_path`.
    """
    os.setpgid(0, 0)
    system.adopt_orphans()
    system.be_expendable()
    system.die_with_parent(parent)
    sock, pipe, slots, stacks = fds
    faulthandler.register(system.STACK_SIGNAL, stacks, all_threads=True)
    output.print_into(pipe)
    _settle(config)
    sys.breakpointhook = _parked
    slot = Slot(slots, config["slot"])
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    incarnation, nonce = bytes.fromhex(config["incarnation"]), os.urandom(32)
    role = "apartment" if config.get("apartment") else "worker"
    hello = Hello(role, config["name"], incarnation, nonce, python=python, pid=os.getpid())
    try:
        if role == "apartment":
            from pysh.runtime.runner.apartment import Apartment

            Apartment(socket(fileno=sock), hello, bytes.fromhex(config["secret"])).serve()
        Worker(Client(socket(fileno=sock), hello, bytes.fromhex(config["secret"])), slot, output, sock).serve()
    except (HandshakeError, OSError):
        os._exit(0)  # the hub is gone, or has no use for us any more


def _settle(config: dict[str, Any]) -> None:
    """Go where the shell is, and import from where it does."""
    if "cwd" in config:
        _enter(config["cwd"])
    told = config.get("sys_path", ["", *sys.path])
    core = [config["core"]] if config["core"] not in told else []
    sys.path[:] = [*told, *core]


def _enter(folder: str) -> None:
    try:
        os.chdir(folder)
    except OSError:
        pass  # it was removed: code that needs it will say so better


class Worker:
    """The jobs that were sent here, of which one runs."""

    def __init__(self, client: Client, slot: Slot, output: Output, sock: int) -> None:
        self._client = client
        self._slot = slot
        self._output = output
        self._execution = Execution(client, slot)
        self._queue: deque[Frame] = deque()
        self._condition = Condition()
        self._left = JOBS
        self._most = system.peak_memory() + GROWTH
        self._worn = False
        self._arrived = Waiter(client)
        self._poll = poll()
        self._poll.register(sock, POLLIN)
        self._folder = os.getcwd()  # noqa: PTH109 - what chdir takes back
        client.handlers[Kind.SPAWN] = self._spawned
        client.handlers[Kind.CANCEL] = self._withdrawn
        client.on_blocked.append(self._give_back)
        client.on_lost.append(_vanish)

    def serve(self) -> NoReturn:
        """Run what the hub sends, until it closes the connection."""
        self._take_signals()
        while True:
            self._hear()
            if self._queue:
                self._do(self._queue.popleft())

    def _take_signals(self) -> None:
        self._execution.take_signals()
        sys.breakpointhook = _parked
        system.set_handler(_SIGURG, self._hurried)
        signal.siginterrupt(_SIGURG, False)  # or code of the user's that is in a system call would fail

    def _hear(self) -> None:
        """Take what has arrived; with nothing to do, wait for it."""
        if self._queue and not self._poll.poll(0):
            return
        self._arrived = Waiter(self._client)
        self._client.pump(self._arrived, AT_ONCE if self._queue else None)

    def _do(self, frame: Frame) -> None:
        options = options_of(frame.meta)
        looks = "frames_of" in options
        if (self._worn and not looks) or not self._execution.codes.fits(options):
            _vanish()  # other code is loaded here under its names, or too much is left: it begins elsewhere
        self._slot.running = frame.dest.number
        owner = options.get("owner")
        self._client.begin(frame.dest)
        self._client.owner = Pid(*owner) if owner else frame.source
        self._client.keeps_frames = bool(options.get("frames"))
        begun = perf_counter()
        self._answer(frame, self._execution.run(frame, options))
        brief = perf_counter() - begun < LOOKED_AFTER
        if not self._execution.codes.settle():
            _vanish()  # what was imported may be older than what lies there now
        self._worn = self._worn or self._is_worn()
        if _threads_left() or self._left_children() or (not brief and self._condition.is_spoiled()):
            _vanish()  # what is left would be beside other people's jobs; those that wait here go elsewhere
        if self._worn and not (looks or self._keeps(frame)):
            _vanish()
        self._slot.running = 0
        self._tidy()
        if not brief:
            self._condition.put_right()

    def _left_children(self) -> bool:
        """Whether a job that was to end has left what it started: the fork server kills that with this worker."""
        return self._slot.cancelled and bool(system.children(os.getpid()))

    def _keeps(self, frame: Frame) -> bool:
        """Whether the frames of that job stay here until somebody has looked, or they are too large for that."""
        kept = self._client.kept
        return kept is not None and kept[0] == frame.dest.number and system.peak_memory() <= system.memory() // SHARE

    def _is_worn(self) -> bool:
        self._left -= 1
        return self._left <= 0 or system.peak_memory() > self._most

    def _answer(self, frame: Frame, answer: Answer) -> None:
        self._client.post(
            Kind.RESULT, frame.source, ref=frame.ref, source=frame.dest,
            flags=answer.flags, meta=answer.meta, payload=answer.payload,
        )  # fmt: skip

    def _tidy(self) -> None:
        """Undo what a job does to the process that the next one would notice."""
        self._take_signals()
        self._output.restore()
        _enter(self._folder)

    # called while the socket is read

    def _spawned(self, frame: Frame) -> None:
        if self._slot.running and self._client.blocked:
            self._return(frame)  # it was on its way when the hub was told
        else:
            self._queue.append(frame)
            self._arrived.set()

    def _withdrawn(self, cancel: Frame) -> None:
        """A job that waits here is not wanted any more, or the frames of one that failed; the hub counts with that.

        The one that runs is ended by signals alone.
        """
        kept = self._client.kept
        if kept is not None and kept[0] == cancel.dest.number:
            self._let_go()
        for frame in self._queue:
            if frame.dest == cancel.dest:
                self._queue.remove(frame)
                self._answer(frame, cancelled("no"))
                break

    def _let_go(self) -> None:
        if self._worn and not self._slot.running:
            _vanish()
        self._client.kept = None
        gc.collect()  # frames lead to each other

    # given back

    def _hurried(self, _number: int, _frame: object) -> None:
        """SIGURG: the running job proves long, and slots are free elsewhere.

        Nothing may wait here for what this interrupts; the hub asks again until it has all.
        """
        client = self._client
        if self._slot.running and not (client.lost or client.shielded or client.sending):
            client.look(Waiter(client))  # what was sent meanwhile has to go back as well
            self._give_back()

    def _give_back(self) -> None:
        """Nothing must wait behind the running job, which waits itself or proves long; the last goes first."""
        # Not to be torn by a cancel of the running job, nor by another SIGURG: none may be lost, and none be both
        # returned and run.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGURG))
        try:
            while self._queue:
                self._return(self._queue.pop())
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _return(self, frame: Frame) -> None:
        self._client.post(Kind.RETURNED, LOCAL, ref=frame.ref, source=frame.dest)


def _parked(*args: Any, **kwargs: Any) -> Any:
    """What `breakpoint()` does."""
    from pysh.runtime.runner import parking  # which brings pdb

    return parking.hook(*args, **kwargs)


_SIGURG = int(signal.SIGURG)


def _threads_left() -> bool:
    if threading.active_count() == 1:
        return False
    return any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())


def _vanish() -> NoReturn:
    """End without a word: nobody listens, and nothing here is worth tidying."""
    os._exit(0)
