"""The processes that run user code, as the hub starts, watches and ends them.

The evaluator is our child, on a pty that we hold; the fork server is our child, in the user's Python,
and workers are its children. Nothing here waits: what is slow is polled, or comes as an event.
"""

import fcntl
import json
import os
import pty
import secrets
import signal
import socket
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING, Any

from pysh.runtime import system
from pysh.runtime.runner.slot import Slots

if TYPE_CHECKING:
    from pysh.runtime.hub.server import Server

STAGE0 = "import sys; sys.path[0] = sys.argv[1]; from pysh.runtime.runner.boot import main; main(int(sys.argv[2]))"
AT_ONCE = 1 << 20
"""Bytes passed on before an answer; past that the answer overtakes what is left of the flood."""
READ = 64 * 1024
POLL = 0.01


class Process:
    """A child of the hub's and our end of its socket."""

    def __init__(self, popen: "subprocess.Popen[bytes]", sock: socket.socket, secret: bytes) -> None:
        self.popen = popen
        self.sock = sock
        self.secret = secret
        self.pid = popen.pid


def launch(python: str, core: str, config: dict[str, Any], **popen: Any) -> Process:
    """Start a runner of `config["role"]` in `python`; its secret goes over the socket alone."""
    ours, theirs = socket.socketpair()
    secret = secrets.token_bytes(32)
    argv = [python, "-c", STAGE0, core, str(theirs.fileno())]
    child = subprocess.Popen(argv, pass_fds=[theirs.fileno()], **popen)
    theirs.close()
    ours.sendall(json.dumps({**config, "secret": secret.hex()}).encode() + b"\n")
    return Process(child, ours, secret)


class Worker:
    """A worker as the hub holds it: the read end of its pipe, and its pid once forked."""

    __slots__ = ("death", "pid", "pipe", "reading", "secret", "silent", "slot", "sock")

    def __init__(self, sock: socket.socket, pipe: int, slot: int, secret: bytes) -> None:
        self.sock = sock
        self.pipe = pipe
        self.slot = slot
        self.secret = secret
        self.pid = 0
        self.reading = False
        self.silent = False
        self.death: dict[str, Any] | None = None


class Runners:
    """Every runner of one node. `begin_evaluator` may be called before there is a loop."""

    def __init__(self, config: dict[str, Any], core: str) -> None:
        self._config = config
        self._core = core
        self._python: str = config["python"]
        self._environ = {**os.environ, "PYSH_NODE": config["name"]}
        self._server: Server | None = None
        self._evaluator: Process | None = None
        self._master = -1
        self._master_reading = False
        self._size = (24, 80)
        self._typed = bytearray()
        self._fork_server: Process | None = None
        self._heard = b""
        self._workers: dict[int, Worker] = {}
        self._slots = Slots()
        self._paths: dict[str, Any] = {}
        self._deaths = 0

    # evaluator

    def begin_evaluator(self) -> None:
        """Start the evaluator's process; nobody listens to it yet."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *self._size, 0, 0))
        config = {key: self._config[key] for key in ("name", "incarnation")}
        config |= {
            "role": "evaluator",
            "pty": True,
            "cell": self._server.core.console.cell if self._server else 1,
        }
        environ = {**self._environ, "TERM": self._config.get("term") or "xterm-256color"}
        streams = {"stdin": slave, "stdout": slave, "stderr": slave, "start_new_session": True}
        cwd = self._config.get("cwd")
        self._evaluator = launch(self._python, self._core, config, env=environ, cwd=cwd, **streams)
        os.close(slave)
        os.set_blocking(master, False)
        self._master = master

    def start_evaluator(self) -> None:
        """Start and serve the evaluator, if there is none."""
        if self._evaluator is None:
            self.begin_evaluator()
            self._serve_evaluator()

    def _serve_evaluator(self) -> None:
        assert self._server is not None and self._evaluator is not None
        self._server.loop.create_task(self._server.adopt(self._evaluator.sock, self._evaluator.secret, worker=0))
        self._read_master(True)

    def _read_master(self, on: bool) -> None:
        if self._server is None or self._master < 0 or on == self._master_reading:
            return
        self._master_reading = on
        if on:
            self._server.loop.add_reader(self._master, self._master_ready)
        else:
            self._server.loop.remove_reader(self._master)

    def _master_ready(self) -> None:
        assert self._server is not None
        try:
            data = os.read(self._master, READ)
        except BlockingIOError:
            return
        except OSError:  # EIO: nobody has the other side open any more
            data = b""
        if data:
            self._server.printed(0, data)
            self._server.carry_out()
        else:
            self._read_master(False)

    def evaluator_lost(self) -> None:
        """Its socket ended: wait for the process, then say how it died."""
        if self._evaluator is not None:
            self._reap(self._evaluator, time.monotonic() + 1.0)

    def _reap(self, process: Process, until: float) -> None:
        assert self._server is not None
        status = process.popen.poll()
        if status is None:
            if time.monotonic() > until:
                process.popen.kill()
            self._server.loop.call_later(POLL, self._reap, process, until + 1.0)
            return
        if process is self._evaluator:
            self._server.drain(0)
            self._close_master()
            self._evaluator = None
            self._server.evaluator_died(_how(status))

    def _close_master(self) -> None:
        if self._master >= 0:
            self._read_master(False)
            if self._server is not None:
                self._server.loop.remove_writer(self._master)
            os.close(self._master)
            self._master = -1
            self._typed.clear()

    def type(self, data: bytes) -> None:
        """Bytes for whoever reads the evaluator's terminal."""
        if self._master >= 0:
            self._typed += data
            self._type_on()

    def _type_on(self) -> None:
        assert self._server is not None
        self._server.loop.remove_writer(self._master)
        try:
            del self._typed[: os.write(self._master, self._typed)]
        except BlockingIOError:
            pass
        except OSError:
            self._typed.clear()
        if self._typed:
            self._server.loop.add_writer(self._master, self._type_on)

    def resize(self, rows: int, columns: int) -> None:
        """The terminal's size; the kernel tells the evaluator with SIGWINCH."""
        self._size = (max(1, min(rows, 9999)), max(1, min(columns, 9999)))
        if self._master >= 0:
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", *self._size, 0, 0))

    def interrupt(self) -> None:
        """SIGINT to the evaluator."""
        if self._evaluator is not None:
            self._evaluator.popen.send_signal(signal.SIGINT)

    # fork server and workers

    def start_fork_server(self) -> None:
        """Start the fork server, if there is none."""
        if self._fork_server is not None:
            return
        assert self._server is not None
        config = {
            "role": "forkserver",
            "name": self._config["name"],
            "incarnation": self._config["incarnation"],
        }
        cwd = self._config.get("cwd")
        process = launch(self._python, self._core, config, env=self._environ, cwd=cwd, stdin=subprocess.DEVNULL)
        process.sock.setblocking(False)
        self._fork_server = process
        self._server.loop.add_reader(process.sock.fileno(), self._fork_server_spoke)
        if self._paths:
            self._tell({"paths": self._paths})

    def set_paths(self, paths: dict[str, Any]) -> None:
        """The working directory and `sys.path` of workers forked from now on."""
        self._paths = paths
        if self._fork_server is not None:
            self._tell({"paths": paths})

    def _tell(self, message: dict[str, Any], fds: list[int] | None = None) -> None:
        assert self._fork_server is not None
        data = json.dumps(message).encode() + b"\n"
        try:
            self._fork_server.sock.setblocking(True)  # a few hundred bytes to a process that only reads and forks
            self._fork_server.sock.settimeout(2.0)
            if fds:
                sent = socket.send_fds(self._fork_server.sock, [data], fds)
                self._fork_server.sock.sendall(data[sent:])
            else:
                self._fork_server.sock.sendall(data)
        except OSError:
            pass  # its end is noticed where it is read
        finally:
            self._fork_server.sock.setblocking(False)

    def fork(self, number: int) -> None:
        """Have a worker made, and serve its socket."""
        assert self._server is not None
        self.start_fork_server()
        ours, theirs = socket.socketpair()
        read, write = os.pipe()
        os.set_blocking(read, False)
        secret = secrets.token_bytes(32)
        worker = self._workers[number] = Worker(ours, read, self._slots.take(), secret)
        self._tell(
            {"fork": number, "secret": secret.hex(), "slot": worker.slot},
            [theirs.fileno(), write, self._slots.fileno()],
        )
        theirs.close()
        os.close(write)
        self._server.loop.create_task(self._server.adopt(ours, secret, worker=number))
        self._read_pipe(number, worker, True)

    def _fork_server_spoke(self) -> None:
        assert self._server is not None and self._fork_server is not None
        try:
            data = self._fork_server.sock.recv(READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._fork_server_lost()
            return
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            self._heard_of(json.loads(line))

    def _heard_of(self, message: dict[str, Any]) -> None:
        if "forked" in message:
            if (worker := self._workers.get(message["forked"])) is not None:
                worker.pid = message["pid"]
        elif "exited" in message:
            self._exited(message["exited"], _death(message["status"]))

    def _exited(self, number: int, death: dict[str, Any]) -> None:
        if (worker := self._workers.get(number)) is not None:
            worker.death = death
            self._bury(number, worker)

    def _bury(self, number: int, worker: Worker) -> None:
        """Report a worker's end once both are known: how it died, and that no result of it is on its way."""
        if worker.death is None or not worker.silent:
            return
        assert self._server is not None
        death = worker.death
        self._server.drain(number)
        del self._workers[number]
        self._read_pipe(number, worker, False)
        running = self._slots.running(worker.slot)
        self._slots.give_back(worker.slot)
        os.close(worker.pipe)
        self._server.worker_exited(number, death, running)

    def _fork_server_lost(self) -> None:
        """It died, and its workers with it; another starts with the next task."""
        assert self._server is not None and self._fork_server is not None
        self._server.loop.remove_reader(self._fork_server.sock.fileno())
        self._fork_server.sock.close()
        self._fork_server.popen.poll()
        self._fork_server, self._heard = None, b""
        for number in list(self._workers):
            self._exited(number, {"signal": 9, "text": "the fork server died"})

    def worker_lost(self, number: int) -> None:
        """Its socket ended, so everything it said was heard; how it ended the fork server says."""
        if (worker := self._workers.get(number)) is not None:
            worker.silent = True
            self._bury(number, worker)

    def signal(self, number: int, name: str, group: bool, job: int) -> None:
        """Send a signal through the fork server, which knows who still lives."""
        worker = self._workers.get(number)
        if worker is not None:
            if name == "SIGINT":
                self._slots.cancel(worker.slot, job)
            self._tell({"signal": number, "sig": int(signal.Signals[name]), "group": group})

    # output

    def printed(self, number: int) -> list[bytes]:
        """What a worker (0: the evaluator) wrote so far, at most `AT_ONCE`; never waits."""
        fd = self._master if not number else self._workers[number].pipe if number in self._workers else -1
        pieces: list[bytes] = []
        size = 0
        while fd >= 0 and size < AT_ONCE:
            try:
                data = os.read(fd, READ)
            except (BlockingIOError, OSError):
                break
            if not data:
                break
            pieces.append(data)
            size += len(data)
        return pieces

    def _read_pipe(self, number: int, worker: Worker, on: bool) -> None:
        assert self._server is not None
        if on and not worker.reading:
            self._server.loop.add_reader(worker.pipe, self._pipe_ready, number, worker)
        elif not on and worker.reading:
            self._server.loop.remove_reader(worker.pipe)
        worker.reading = on

    def _pipe_ready(self, number: int, worker: Worker) -> None:
        assert self._server is not None
        try:
            data = os.read(worker.pipe, READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._server.printed(number, data)
            self._server.carry_out()
        else:
            self._read_pipe(number, worker, False)

    def pause(self, number: int, on: bool) -> None:
        """Stop reading a flood, or go on."""
        if not number:
            self._read_master(not on)
        elif (worker := self._workers.get(number)) is not None:
            self._read_pipe(number, worker, not on)

    # all of them

    def attach(self, server: "Server") -> None:
        """The loop runs: serve what was started before it did."""
        self._server = server
        if self._evaluator is not None:
            self._serve_evaluator()

    def pids(self) -> dict[str, Any]:
        """Who runs now."""
        return {
            "evaluator": self._evaluator.pid if self._evaluator else None,
            "fork_server": self._fork_server.pid if self._fork_server else None,
            "workers": [worker.pid for worker in self._workers.values()],
        }

    def end(self) -> None:
        """End every runner: the fork server kills its workers when its socket closes, as does the evaluator."""
        children = [process for process in (self._fork_server, self._evaluator) if process is not None]
        for process in children:
            process.sock.close()
        if self._evaluator is not None:
            system.kill_tree(self._evaluator.pid)
        self._close_master()
        self._evaluator = None
        until = time.monotonic() + 1.0
        for process in children:
            try:
                process.popen.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.popen.kill()
                process.popen.wait()


def _death(status: int) -> dict[str, Any]:
    if os.WIFSIGNALED(status):
        return {"signal": os.WTERMSIG(status), "status": None}
    return {"signal": None, "status": os.waitstatus_to_exitcode(status)}


def _how(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"
