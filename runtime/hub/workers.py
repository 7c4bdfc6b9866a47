"""A node's workers, as its hub has them made, watches and ends them: children of the fork server, a child of ours.

Nothing here waits for anybody: what is slow comes as an event, and what the fork server does not take at
once waits in a queue, with the descriptors that go beside it.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
from collections import deque
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from pysh.runtime import system
from pysh.runtime.hub.children import READ, Child, death, launch, read_some
from pysh.runtime.hub.stacks import Stacks
from pysh.runtime.protocol.work import UNKNOWN
from pysh.runtime.runner.slot import Slots

if TYPE_CHECKING:
    from pysh.runtime.hub.server import Server

OVERDUE = 5.0
"""Seconds after which a fork server that makes no worker is looked at again, while others of its workers run jobs."""
MUTE = 0.5
"""Seconds that a worker may live on without its connection: it can answer nobody any more."""
AGAIN = 0.1
"""Seconds until it is told that a worker could not be made, and another may be tried."""
MUTED = "the code closed its worker's connection, or became another program; what went on was killed"


class Worker:
    """A worker as the hub holds it: the read end of its pipe, and its pid once forked."""

    __slots__ = ("death", "mute", "pid", "pipe", "reading", "silent", "slot", "spoiled")

    def __init__(self, pipe: int, slot: int) -> None:
        self.pipe = pipe
        self.slot = slot
        self.pid = 0
        self.reading = False
        self.silent = self.spoiled = False
        self.mute = False
        self.death: dict[str, Any] | None = None


class Workers:
    """The fork server, started with the first worker, and the workers by their numbers."""

    def __init__(self, config: dict[str, Any], core: str, environ: dict[str, str]) -> None:
        self._config = config
        self._core = core
        self._environ = environ
        self._server: Server | None = None
        self._child: Child | None = None
        self._heard = b""
        self._untold: deque[tuple[bytes, list[int]]] = deque()
        self._workers: dict[int, Worker] = {}
        self._slots = Slots()
        self.stacks = Stacks(self)
        self._paths: dict[str, Any] = {}

    def attach(self, server: "Server") -> None:
        """The loop runs."""
        self._server = server

    @property
    def child(self) -> Child | None:
        """The fork server's process, if there is one."""
        return self._child

    @property
    def pids(self) -> list[int]:
        """The workers' pids, 0 for one that is being forked."""
        return [worker.pid for worker in self._workers.values()]

    # the fork server

    def start(self) -> None:
        """Start the fork server ahead of its first use; if that fails, the first worker says why."""
        with suppress(OSError):
            self._start()

    def _start(self) -> None:
        if self._child is not None:
            return
        assert self._server is not None
        config = {"role": "forkserver", "name": self._config["name"], "incarnation": self._config["incarnation"]}
        options = {"env": self._environ, "cwd": self._config.get("cwd"), "stdin": subprocess.DEVNULL}
        child = self._child = launch(self._config["python"], self._core, config, **options)
        child.sock.setblocking(False)
        self._server.loop.add_reader(child.sock.fileno(), self._spoke)
        if self._paths:
            self._tell({"paths": self._paths})

    def set_paths(self, paths: dict[str, Any]) -> None:
        """The working directory and `sys.path` of workers forked from now on."""
        self._paths = paths
        if self._child is not None:
            self._tell({"paths": paths})

    def _tell(self, message: dict[str, Any], *fds: int) -> None:
        """Send a message, and each descriptor, which is closed here then."""
        self._untold.append((json.dumps(message).encode() + b"\n", list(fds)))
        self._tell_on()

    def _tell_on(self) -> None:
        assert self._server is not None and self._child is not None
        sock, loop = self._child.sock, self._server.loop
        loop.remove_writer(sock.fileno())
        try:
            while self._untold:
                data, fds = self._untold[0]
                sent = socket.send_fds(sock, [data], fds) if fds else sock.send(data)
                _close(fds)
                self._untold[0] = (data[sent:], [])
                if sent == len(data):
                    self._untold.popleft()
        except BlockingIOError:
            loop.add_writer(sock.fileno(), self._tell_on)
        except OSError:
            pass  # its end is noticed where it is read

    def _spoke(self) -> None:
        assert self._child is not None
        try:
            data = self._child.sock.recv(READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost()
            return
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            self._heard_of(json.loads(line))

    def _heard_of(self, message: dict[str, Any]) -> None:
        if "forked" in message:
            if (worker := self._workers.get(message["forked"])) is not None:
                worker.pid = message["pid"]
        elif "error" in message:
            self._not_forked(message["exited"], message["error"])
        elif "exited" in message:
            self._exited(message["exited"], death(message["status"]))

    def _lost(self) -> None:
        """It died, and its workers with it; another starts with the next task."""
        assert self._server is not None and self._child is not None
        self._server.loop.remove_reader(self._child.sock.fileno())
        self._server.loop.remove_writer(self._child.sock.fileno())
        self._child.sock.close()
        self._child.popen.poll()
        self._child, self._heard = None, b""
        self._forget_untold()
        for number in list(self._workers):
            self._exited(number, {"signal": 9, "text": "the fork server died"})

    def _forget_untold(self) -> None:
        for _, fds in self._untold:
            _close(fds)
        self._untold.clear()

    def end(self) -> Child | None:
        """Have every worker killed: the fork server does so when its socket closes; it, to be waited for."""
        if self._child is not None:
            self._child.sock.close()
        self._forget_untold()
        return self._child

    # workers

    def fork(self, number: int, apartment: bool = False) -> None:
        """Have a worker or an apartment made, and serve its socket. One that cannot be is reported as one that died."""
        assert self._server is not None
        try:
            self._start()
            ours, theirs, read, write, *shared = self._descriptors()
        except OSError as error:
            gone = {"signal": None, "status": None, "text": f"no worker could be made: {error}"}
            self._server.loop.call_later(AGAIN, self._server.worker_exited, number, gone, 0)
            return
        secret = secrets.token_bytes(32)
        worker = self._workers[number] = Worker(read, self._slots.take())
        order = {"fork": number, "secret": secret.hex(), "slot": worker.slot, "apartment": apartment}
        self._tell(order, theirs, write, *shared)
        self._server.loop.create_task(self._server.entrance.adopt(ours, secret, worker=number))
        self._read(number, worker, True)

    def _descriptors(self) -> tuple[socket.socket, int, int, int, int, int]:
        """Those of one worker: our socket and its, our end of its pipe and its, its slots, and where stacks go."""
        with ExitStack() as undo:
            ours, theirs = socket.socketpair()
            undo.callback(ours.close)
            undo.callback(theirs.close)
            read, write = os.pipe()
            undo.callback(_close, [read, write])
            os.set_blocking(read, False)
            slots = os.dup(self._slots.fileno())
            undo.callback(os.close, slots)
            stacks = os.dup(self.stacks.fileno())
            undo.pop_all()
        return ours, theirs.detach(), read, write, slots, stacks

    def _not_forked(self, number: int, error: str) -> None:
        """The fork server could not fork it; whoever wants another at once would ask without end."""
        assert self._server is not None
        gone = {"signal": None, "status": None, "text": f"no worker could be forked: {error}"}
        self._server.loop.call_later(AGAIN, self._exited, number, gone)

    def signal(self, number: int, name: str, group: bool, job: int) -> None:
        """Send a signal through the fork server, which knows who still lives."""
        worker = self._workers.get(number)
        if worker is not None and self._child is not None:
            if name == "SIGINT":
                self._slots.cancel(worker.slot, job)
            self._tell({"signal": number, "sig": int(signal.Signals[name]), "group": group})

    def tell_stack(self, number: int) -> int:
        """Have a worker write its stack down; its pid, 0 if it is gone."""
        worker = self._workers.get(number)
        if worker is None or not worker.pid or self._child is None:
            return 0
        self._tell({"signal": number, "sig": system.STACK_SIGNAL, "group": False})
        return worker.pid

    def running(self, number: int) -> int:
        """The job that a worker has begun and not answered for; 0 if none."""
        worker = self._workers.get(number)
        return self._slots.running(worker.slot) if worker is not None else 0

    @property
    def server(self) -> "Server":
        """Whose workers these are, once the loop runs."""
        assert self._server is not None
        return self._server

    def overdue(self, number: int) -> None:
        """A worker did not say in time who it is: it hangs, or the fork server that was to make it does."""
        worker = self._workers.get(number)
        if worker is None or self._child is None:
            return
        if worker.pid:
            self.signal(number, "SIGKILL", True, 0)
        elif self._server is not None and self._server.core.work.runs_besides(number):
            # It may be held up, and its death would be that of the jobs that run.
            self._server.loop.call_later(OVERDUE, self.overdue, number)
        else:
            self._child.popen.kill()

    def lost(self, number: int, *, spoiled: bool) -> None:
        """A worker's socket ended, so everything it said was heard; how it ended the fork server says.

        `spoiled`: not everything, because what came last made no sense.
        """
        if (worker := self._workers.get(number)) is not None:
            worker.silent, worker.spoiled = True, spoiled
            self._bury(number, worker)
            if number in self._workers:
                assert self._server is not None
                self._server.loop.call_later(MUTE, self._silence, number)

    def _silence(self, number: int) -> None:
        """End a worker that lives on without its connection, whoever closed that: its job would never end."""
        if (worker := self._workers.get(number)) is not None and worker.death is None:
            worker.mute = True
            self.signal(number, "SIGKILL", True, 0)

    def _exited(self, number: int, how: dict[str, Any]) -> None:
        if (worker := self._workers.get(number)) is not None:
            worker.death = {**how, "text": MUTED} if worker.mute else how
            self._bury(number, worker)

    def _bury(self, number: int, worker: Worker) -> None:
        """Report a worker's end once both are known: how it died, and that no result of it is on its way."""
        if worker.death is None or not worker.silent:
            return
        assert self._server is not None
        self._server.drain(number)
        del self._workers[number]
        self._read(number, worker, False)
        running = self._slots.running(worker.slot) or (UNKNOWN if worker.spoiled else 0)
        self._slots.give_back(worker.slot)
        os.close(worker.pipe)
        self._server.worker_exited(number, worker.death, running)

    # what they print

    def printed(self, number: int) -> bytes | None:
        """Some of what a worker wrote and nobody has read yet; never waits."""
        worker = self._workers.get(number)
        return read_some(worker.pipe) if worker is not None else None

    def pause(self, number: int, on: bool) -> None:
        """Stop reading a flood, or go on."""
        if (worker := self._workers.get(number)) is not None:
            self._read(number, worker, not on)

    def _read(self, number: int, worker: Worker, on: bool) -> None:
        assert self._server is not None
        if on and not worker.reading:
            self._server.loop.add_reader(worker.pipe, self._ready, number, worker)
        elif not on and worker.reading:
            self._server.loop.remove_reader(worker.pipe)
        worker.reading = on

    def _ready(self, number: int, worker: Worker) -> None:
        assert self._server is not None
        data = read_some(worker.pipe)
        if data:
            self._server.printed(number, data)
            self._server.carry_out()
        elif data is not None:
            self._read(number, worker, False)


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
