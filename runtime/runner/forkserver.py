"""The fork server: a plain process of one thread that has the core loaded, and forks it into workers.

The hub speaks lines of JSON with it over a socket; descriptors travel beside them.

    hub     {"fork": worker, "secret": hex, "slot": offset}, with its socket, output pipe, the slots and
            the file that stacks go to
    here    {"forked": worker, "pid": pid}
    hub     {"signal": worker, "sig": number, "group": bool}
    hub     {"paths": {"cwd": folder, "sys_path": [...]}}, for workers forked from then on
    here    {"ready": true, "python": ..., "executable": ...}, first of all
    here    {"exited": worker, "status": wait status}, when all that it left is gone too; with
            "error" where it could not be forked

Workers adopt what their living children leave behind, and the fork server what dead workers do. So a
child of ours that is no worker has no business to live. Nobody but us waits for workers or sends them
signals: until they are waited for, their pids are nobody else's.
"""

import faulthandler
import gc
import json
import os
import select
import signal
import socket
import sys
from collections import deque
from importlib import import_module
from time import monotonic
from typing import Any, NamedTuple, NoReturn

from pysh.runtime import payload, system
from pysh.runtime.runner import worker
from pysh.runtime.runner.output import Output

FDS = 4
"""Descriptors of one fork: socket, output pipe, slots, and where stacks go."""
PATIENCE = 0.5
"""Seconds until a death is reported although something that the worker left does not die."""
FAREWELL = 0.8
"""Seconds from the hub's end to ours."""
IDLE = 0.3
"""Seconds of silence before the next of `LATER` is loaded."""
AGAIN = 0.005
LATER = ("pysh.runtime.task", "pysh.runtime.process", "pysh.runtime.raised", "traceback", "hashlib", "asyncio")
"""What many a job wants, loaded one by one while nobody waits."""


class Death(NamedTuple):
    """A worker that ended, as told to the hub at `told_by` at the latest."""

    worker: int
    status: int
    told_by: float


def main(sock: socket.socket, config: dict[str, Any]) -> NoReturn:
    """Serve the hub at the other end of `sock` until it is gone."""
    if os.getpgrp() != os.getpid():
        os.setsid()  # workers have no terminal to read from, nor one that stops them
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    sys.path[:] = filter(None, sys.path)  # no file in the current folder is run here
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable(2)
    ForkServer(sock, config).serve()


class ForkServer:
    """Everything here happens in one thread, and nothing in it waits for anybody but the kernel."""

    def __init__(self, sock: socket.socket, config: dict[str, Any]) -> None:
        self._sock = sock
        self._config = config
        self._pids: dict[int, int] = {}
        self._workers: dict[int, int] = {}
        self._deaths: deque[Death] = deque()
        self._left: list[int] = []
        self._paths: dict[str, Any] = {}
        self._heard = b""
        self._fds: deque[int] = deque()
        self._unsent = b""
        self._wake, self._awake = socket.socketpair()
        self._later = deque(LATER)
        self._adopts = system.adopt_orphans()
        self._output = Output()

    def serve(self) -> NoReturn:
        """Do what the hub says, until it is gone."""
        self._sock.setblocking(False)
        self._wake.setblocking(False)
        self._awake.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._awake.fileno(), warn_on_full_buffer=False)
        payload.preload()
        gc.collect()
        gc.freeze()  # what is never collected is never written to, and stays shared with the workers
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        self._tell(ready=True, python=version, executable=sys.executable)
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        while True:
            poll.register(self._sock, select.POLLIN | (select.POLLOUT if self._unsent else 0))
            ready = poll.poll(self._patience())
            if not ready and self._later and not self._left:
                self._prepare(self._later.popleft())
            self._bury()
            if any(fd == self._sock.fileno() for fd, _ in ready):
                self._converse()

    def _prepare(self, module: str) -> None:
        try:
            import_module(module)
        except Exception:
            pass  # the job that needs it will say what is wrong with it
        gc.freeze()

    def _patience(self) -> float | None:
        """Milliseconds to wait for news."""
        if self._deaths or self._left:
            return AGAIN * 1000
        return IDLE * 1000 if self._later else None

    # the hub

    def _converse(self) -> None:
        self._flush()
        try:
            data, fds, _, _ = socket.recv_fds(self._sock, 65536, 4 * FDS)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        if not data:
            self._end()
        for fd in fds:
            os.set_inheritable(fd, False)
        self._fds += fds
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))

    def _obey(self, order: dict[str, Any]) -> None:
        if "fork" in order:
            self._fork(order)
        elif "signal" in order:
            pid = self._pids.get(order["signal"])
            if pid is not None and (order["sig"] != system.STACK_SIGNAL or system.catches(pid, order["sig"])):
                self._signal(pid, order["sig"], order["group"])
        elif "paths" in order:
            self._paths = order["paths"]

    def _tell(self, **message: Any) -> None:
        self._unsent += json.dumps(message).encode() + b"\n"
        self._flush()

    def _flush(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except BlockingIOError:
            pass  # a slow hub hears it later
        except OSError:
            self._unsent = b""  # its end is noticed where it is read

    def _end(self) -> NoReturn:
        """The hub is gone, and so is everything it had us start."""
        until = monotonic() + FAREWELL
        for pid in self._workers:
            self._signal(pid, signal.SIGKILL, True)
        while self._workers or self._deaths or self._left:
            self._bury()
            left = until - monotonic()
            if left <= 0:
                break
            select.select([self._wake], [], [], min(left, AGAIN))
        os._exit(0)

    # workers

    def _fork(self, order: dict[str, Any]) -> None:
        fds = [self._fds.popleft() for _ in range(min(FDS, len(self._fds)))]
        number = order["fork"]
        try:
            if len(fds) < FDS:
                raise OSError("its descriptors did not arrive: too many files are open")
            parent, pid = os.getpid(), os.fork()
        except OSError as error:
            self._tell(exited=number, status=255 << 8, error=str(error))
        else:
            if not pid:
                self._become(fds, order, parent)
            self._pids[number], self._workers[pid] = pid, number
            self._tell(forked=number, pid=pid)
        finally:
            for fd in fds:
                os.close(fd)

    def _become(self, fds: list[int], order: dict[str, Any], parent: int) -> NoReturn:
        """In the child: give up what is the fork server's, and be a worker."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for end in (self._sock, self._wake, self._awake):
                end.close()
            for fd in self._fds:
                os.close(fd)  # they are for the worker after this one
            worker.main(fds, {**self._config, **self._paths, **order}, self._output, parent)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(1)

    def _signal(self, pid: int, number: int, group: bool) -> None:
        if group and number == signal.SIGKILL and not self._adopts:
            system.kill_tree(pid)
        else:
            system.send_signal(pid, number, group=group)

    def _bury(self) -> None:
        """Wait for whoever has ended, kill what they left, and report them once nothing of that is left.

        What is killed here hands its own children to us, and wakes us by its end: the tree goes layer by
        layer, one call of this for each.
        """
        try:
            while self._wake.recv(4096):
                pass
        except BlockingIOError:
            pass
        some = False
        while ended := system.reap(self._last_of):
            some = True
            self._note(*ended)
        if not (some or self._left or self._deaths):
            return
        self._left = self._adopted()
        for pid in self._left:
            system.send_signal(pid, signal.SIGKILL)
        while self._deaths and (not self._left or monotonic() >= self._deaths[0].told_by):
            death = self._deaths.popleft()
            self._tell(exited=death.worker, status=death.status)

    def _note(self, pid: int, status: int) -> None:
        number = self._workers.pop(pid, None)
        if number is not None:
            del self._pids[number]
            self._deaths.append(Death(number, status, monotonic() + PATIENCE))

    def _last_of(self, pid: int) -> None:
        """What shares the process group of a dead worker goes in one stroke."""
        if pid in self._workers:
            system.send_signal(pid, signal.SIGKILL, group=True)

    def _adopted(self) -> list[int]:
        """What dead workers left us, ended or not."""
        mine = system.children(os.getpid()) if self._adopts else []
        return [pid for pid in mine if pid not in self._workers]
