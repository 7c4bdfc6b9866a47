"""A hub that a test plays itself: it has a real fork server make real workers, and speaks frames with them."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from pysh.runtime import system
from pysh.runtime.payload import dumps, dumps_call, loads, loads_error
from pysh.runtime.protocol.frames import CHUNK, Decoder, Flag, Frame, Kind, encode, pack, parse
from pysh.runtime.protocol.handshake import Handshake
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.terms import Parts, Payload, Pid
from pysh.runtime.runner.slot import Slots

NAME = "n1@here"
INCARNATION = bytes(range(16))
SECRET = bytes(range(32))
ASKER = Pid(INCARNATION, 5)
DEADLINE = 10.0
ROOT = Path(__file__).parents[2]
CORE = str(ROOT / "typings")
STAGE0 = (
    "import sys; sys.path.insert(1, sys.argv[1]); from pysh.runtime.runner.boot import main; main(int(sys.argv[2]))"
)


def alive(pid: int) -> bool:
    """Whether `pid` is a process that runs; one that ended and is not waited for does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


class Worker:
    """A worker's other end: what it sent and what it printed."""

    def __init__(self, node: "Node", number: int, slot: int) -> None:
        self.node = node
        self.number = number
        self.slot = slot
        self.pid = 0
        self.status: int | None = None
        self.output = b""
        self.frames: list[Frame] = []
        self.lost = False
        self.reading = True
        self.sock, self._theirs = socket.socketpair()
        self.pipe, self._write = os.pipe()
        self._decoder = Decoder()
        hello = Hello("node", NAME, INCARNATION, os.urandom(32))
        self._handshake = Handshake(hello, SECRET, dialling=False, now=time.monotonic())

    def hand_over(self, sock: socket.socket, order: bytes, *shared: int) -> None:
        socket.send_fds(sock, [order], [self._theirs.fileno(), self._write, *shared])
        self.let_go()

    def let_go(self) -> None:
        """Close the ends that are the worker's."""
        self._theirs.close()
        os.close(self._write)

    def close(self) -> None:
        self.sock.close()
        os.close(self.pipe)

    # what comes

    @property
    def welcomed(self) -> bool:
        return self._handshake.done

    def received(self) -> None:
        try:
            data = self.sock.recv(1 << 18)
        except ConnectionResetError:
            data = b""
        if not data:
            self.lost = True
        elif self.welcomed:
            self._keep(data)
        else:
            self._handshake.receive_data(data, time.monotonic())
            assert self._handshake.error is None, self._handshake.error
            self.sock.sendall(self._handshake.data_to_send())
            if self.welcomed:
                meta = {"number": 0, "name": NAME, "incarnation": INCARNATION, "nodes": []}
                self.sock.sendall(b"".join(encode(Frame(Kind.WELCOME, ASKER, ASKER, meta=pack(meta)))))
                self._keep(self._handshake.rest)

    def _keep(self, data: bytes) -> None:
        self.frames += [parse(raw) for raw in self._decoder.feed(data)]

    def printed(self) -> bool:
        """Read the pipe once; False at its end."""
        data = os.read(self.pipe, 1 << 16)
        self.output += data
        return bool(data)

    # what a hub does

    def send(self, kind: int, job: int, ref: int, payload: Payload = b"", /, **meta: Any) -> None:
        """Send a frame for `job`, in chunks if it is long."""
        payload = payload.join() if isinstance(payload, Parts) else payload
        frame = Frame(kind, ASKER, Pid(INCARNATION, job), ref, 0, pack(meta) if meta else b"")
        for start in range(0, len(payload) or 1, CHUNK):
            more = Flag.MORE if start + CHUNK < len(payload) else 0
            chunk = frame._replace(flags=more, payload=payload[start : start + CHUNK])
            self.sock.sendall(b"".join(encode(chunk)))
            frame = frame._replace(meta=b"")

    def begin(self, function: Callable[..., Any], *args: Any, **meta: Any) -> int:
        """Send a job; its number."""
        job = self.node.next_job()
        self.send(Kind.SPAWN, job, job, dumps_call(function, args, {}), **meta)
        return job

    def begin_named(self, name: str, *args: Any, function: bytes = b"", **meta: Any) -> int:
        """Send a job whose function is named by text; `function` is what this node's shell has published so."""
        job = self.node.next_job()
        if function:
            meta["function"] = len(function)
        self.send(Kind.SPAWN, job, job, function + dumps((args, {})), fn=name, **meta)
        return job

    def cancel(self, job: int) -> None:
        """The first rung: SIGINT, for this job alone."""
        self.node.slots.cancel(self.slot, job)
        self.node.signal(self, signal.SIGINT)

    @property
    def running(self) -> int:
        return self.node.slots.running(self.slot)

    def result(self, job: int) -> Frame:
        """Wait for the RESULT of `job`, put together if it came in chunks."""
        self.node.wait(lambda: any(_ends(frame, job) for frame in self.frames), self)
        parts = [frame for frame in self.frames if frame.kind == Kind.RESULT and frame.source.number == job]
        assert all(frame.dest == ASKER and frame.ref == job for frame in parts)
        whole = b"".join(bytes(frame.payload) for frame in parts)
        return parts[0]._replace(flags=parts[-1].flags, payload=whole)

    def value(self, job: int) -> Any:
        """Wait for the value that `job` returned."""
        result = self.result(job)
        assert not result.flags, self.told(result)
        return loads(result.payload)

    def error(self, job: int) -> BaseException:
        """Wait for the exception that `job` raised."""
        result = self.result(job)
        assert result.flags == Flag.ERROR, self.told(result)
        return loads_error(result.payload, NAME)

    def failure(self, job: int) -> dict[str, Any]:
        """Wait for what the worker says instead of a result."""
        result = self.result(job)
        assert result.flags == Flag.FAILED
        failure = result.options()
        assert isinstance(failure, dict)
        return failure

    def told(self, result: Frame) -> str:
        return str(loads_error(result.payload, NAME).__cause__) if result.flags == Flag.ERROR else str(result.options())

    def call(self, function: Callable[..., Any], *args: Any, **meta: Any) -> Any:
        """Run `function` there; its value."""
        return self.value(self.begin(function, *args, **meta))

    def see(self, text: str) -> None:
        """Wait until `text` was printed."""
        self.node.wait(lambda: text.encode() in self.output, self)

    def got(self, kind: int, job: int) -> Frame:
        """Wait for a frame of that kind from `job`."""
        found: list[Frame] = []

        def arrived() -> bool:
            found[:] = [frame for frame in self.frames if frame.kind == kind and frame.source.number == job]
            return bool(found)

        self.node.wait(arrived, self)
        return found[0]


def _ends(frame: Frame, job: int) -> bool:
    return frame.kind == Kind.RESULT and frame.source.number == job and not frame.flags & Flag.MORE


class Node:
    """One fork server and its workers."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.sock, theirs = socket.socketpair()
        self.slots = Slots(64)
        self.stacks = system.memory_file("pysh-stacks", 0)
        self.workers: dict[int, Worker] = {}
        self.messages: list[dict[str, Any]] = []
        self._heard = b""
        self._jobs = 100
        self.process = subprocess.Popen(
            [sys.executable, "-c", STAGE0, CORE, str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            env={**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT), **environment},
            cwd=home,
            start_new_session=True,
        )
        theirs.close()
        config = {"role": "forkserver", "name": NAME, "incarnation": INCARNATION.hex(), "secret": SECRET.hex()}
        self.sock.sendall(json.dumps(config).encode() + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()
        try:
            self.process.wait(DEADLINE)
        finally:
            self.process.kill()
            for worker in self.workers.values():
                worker.close()
            self.slots.close()
            os.close(self.stacks)

    def next_job(self) -> int:
        self._jobs += 1
        return self._jobs

    def order(self, **message: Any) -> None:
        """Say one line to the fork server."""
        self.sock.sendall(json.dumps(message).encode() + b"\n")

    def fork(self, **more: Any) -> Worker:
        """Have a worker made; it is not there yet."""
        number = len(self.workers) + 1
        worker = self.workers[number] = Worker(self, number, self.slots.take())
        order = {"fork": number, "secret": SECRET.hex(), "slot": worker.slot, **more}
        worker.hand_over(self.sock, json.dumps(order).encode() + b"\n", self.slots.fileno(), self.stacks)
        return worker

    def worker(self) -> Worker:
        """A worker that waits for a job."""
        worker = self.fork()
        self.wait(lambda: worker.welcomed and bool(worker.pid), worker)
        return worker

    def signal(self, worker: Worker, number: int, group: bool = False) -> None:
        self.order(signal=worker.number, sig=int(number), group=group)

    def kill(self, worker: Worker) -> None:
        """The last rung."""
        self.signal(worker, signal.SIGKILL, group=True)

    def exit_of(self, worker: Worker, seconds: float = DEADLINE) -> int:
        """Wait until the fork server reports the end of `worker`; its exit code, negative for a signal."""
        self.wait(lambda: worker.status is not None, worker, seconds)
        assert worker.status is not None
        return os.waitstatus_to_exitcode(worker.status)

    def wait(self, condition: Callable[[], bool], about: Worker | None = None, seconds: float = DEADLINE) -> None:
        """Take in what comes until `condition` holds; fails after `seconds`."""
        until = time.monotonic() + seconds
        while not condition():
            left = until - time.monotonic()
            seen = (about.status, list(map(str, about.frames)), about.output[-2000:]) if about else self.messages
            assert left > 0, f"waited in vain: {seen}"
            self.take_in(min(left, 0.02))

    def take_in(self, seconds: float) -> None:
        """Read what comes within `seconds`, once."""
        sources: dict[int, Callable[[], object]] = {self.sock.fileno(): self._told}
        for worker in self.workers.values():
            if not worker.lost:
                sources[worker.sock.fileno()] = worker.received
            if worker.reading:
                sources[worker.pipe] = lambda worker=worker: self._printed(worker)  # type: ignore[misc]
        ready, _, _ = select.select(list(sources), [], [], seconds)
        for fd in ready:
            sources[fd]()

    def _printed(self, worker: Worker) -> None:
        worker.reading = worker.printed()

    def _told(self) -> None:
        data = self.sock.recv(1 << 16)
        assert data, f"the fork server is gone: {self.process.poll()}"
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            self.messages.append(message)
            if "forked" in message:
                self.workers[message["forked"]].pid = message["pid"]
            elif "exited" in message:
                self.workers[message["exited"]].status = message["status"]
