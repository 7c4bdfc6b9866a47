"""The hub's shell around the core: feeds it bytes and time, carries out what it says, decides nothing."""

import asyncio
import os
import random
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Any

from pysh.runtime import system
from pysh.runtime.hub import attendance
from pysh.runtime.hub.dialling import Dialler
from pysh.runtime.hub.discovery import Claim
from pysh.runtime.hub.entrance import Entrance
from pysh.runtime.hub.evaluator import Evaluator
from pysh.runtime.hub.kept import KeptCarrier
from pysh.runtime.hub.neighbours import Neighbours
from pysh.runtime.hub.peer import Peer, joined
from pysh.runtime.hub.proving import Prover
from pysh.runtime.hub.runners import Runners
from pysh.runtime.hub.spool import Spool
from pysh.runtime.protocol import actions
from pysh.runtime.protocol.addresses import read_way
from pysh.runtime.protocol.connection import Recovered, Silent, Suspect
from pysh.runtime.protocol.heartbeat import Heartbeat
from pysh.runtime.protocol.hello import WIRE, Hello
from pysh.runtime.protocol.member import GRACE
from pysh.runtime.protocol.node import Node
from pysh.runtime.protocol.terms import Buffer, Cookie
from pysh.transports import unix

if TYPE_CHECKING:
    from pysh.runtime.hub.listening import Port
    from pysh.runtime.hub.starter import Starter

MILLISECOND = 0.001
"""What uvloop's timers may come too early; a timer that does would be set again and again."""
LAST_SECONDS = 5.0
"""Seconds that carriers have to let what was written to other machines leave."""
LAST_SECOND = 1.1
"""Seconds that cancelled jobs have to end before their node does."""
BEAT = 2.0
"""Seconds of silence after which a node is asked for a sign of life. Suspect it is after 2.5 times as long, and
its connection is given up after 7.5 times: so little, as only the connection is lost by that."""
BORN = time.monotonic()
"""When this process began, near enough to tell how long its node is up."""
FIRST_TERMINAL = 10.0
"""Seconds that a node made for a terminal waits for it."""


class Server:
    """One running node."""

    def __init__(self, config: dict[str, Any], claim: Claim, runners: Runners) -> None:
        self.config = config
        self.claim = claim
        self.runners = runners
        self.cookie = Cookie(bytes.fromhex(config["cookie"]), config.get("cookie_source", ""))
        self.incarnation = bytes.fromhex(config["incarnation"])
        self.name: str = config["name"]
        self.link_numbers = count(1)
        self.peers: dict[int, Peer] = {}
        self.core = Node(
            self.name, self.incarnation, python=config["python_version"],
            cores=config.get("cores") or os.cpu_count() or 1, facts=self.facts,
            persistent=bool(config.get("persistent")), linger=float(config.get("linger", 600.0)),
            starter=bytes.fromhex(config.get("starter", "")),
            grace=tuple(config.get("grace", GRACE)), jitter=random.random,
            memory=system.memory_of,
        )  # fmt: skip
        self.core.console.folder = str(config.get("cwd") or "")
        self.loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[str] = self.loop.create_future()
        self._timer: asyncio.Handle | None = None
        self._listener: asyncio.Server | None = None
        self._due_at = inf
        self._carrying = False
        self._unsent: dict[int, list[Buffer]] = {}
        self.listens = ""  # where nodes of other machines may come in
        self.attended = False  # whether a terminal was ever here
        self.dialler = Dialler(self)
        self._starter: Starter | None = None
        self._kept = KeptCarrier(log=2)
        self.prover = Prover(self._kept.use)
        self.spool = Spool(self)
        self.entrance = Entrance(self, self.cookie)
        self._port: Port | None = None
        self._beat = float(config.get("beat", BEAT))
        self._neighbours = Neighbours()
        runners.attach(self)

    # opening

    def hello(self) -> Hello:
        """What this node says of itself to whoever connects."""
        return Hello(
            "node", self.name, self.incarnation, os.urandom(32), python=self.config["python_version"], pid=os.getpid()
        )

    def went_up(self, peer: Peer) -> None:
        """A handshake is over: from now on heartbeats watch a node."""
        if peer.connection.peer is not None and peer.connection.peer.role == "node":
            now = time.monotonic()
            beat = self._beat
            peer.connection.heartbeat = Heartbeat(beat, 2.5 * beat, 7.5 * beat, now=now)
            peer.connection.ping(now)
            self._neighbours.met(peer.connection.peer.incarnation)

    # closing

    def drop(self, peer: Peer, reason: str, *, fault: bool = False) -> None:
        """End a connection that cannot be trusted or is not wanted, perhaps by a `fault` of its other end."""
        peer.spoiled = fault
        if peer.connection.opened:
            self.core.closed(peer.number, reason, time.monotonic(), fault=fault)
        self.carry_out()  # a last word may be for this connection
        peer.close()

    def lost(self, peer: Peer) -> None:
        """The bytes of a connection ended."""
        self.peers.pop(peer.number, None)
        if peer.worker is not None and peer.worker > 0:
            self.drain(peer.worker)
            self.runners.workers.lost(peer.worker, spoiled=peer.spoiled or peer.connection.torn)
        elif peer.worker is not None and (evaluator := self.runners.of(-peer.worker)) is not None:
            self.drain(peer.worker)
            evaluator.worked = peer.connection.opened
            evaluator.lost()
        self.dialler.lost(peer)
        if peer.connection.opened:
            self.core.closed(peer.number, "connection lost", time.monotonic())
        elif peer.vital:
            self.core.stop("who started it went away")
        self.carry_out()

    # carrying out

    def carry_out(self) -> None:
        """Do what the core asked for, until it asks for nothing more."""
        if self._carrying:
            return
        self._carrying = True
        try:
            while todo := self.core.take():
                for action in todo:
                    if type(action) is actions.Write:
                        self._unsent.setdefault(action.link, []).extend(action.buffers)
                    else:
                        self._send()
                        self._do(action)
            self._send()
        finally:
            self._carrying = False
        self._arm()

    def _do(self, action: actions.Action) -> None:
        try:
            self._DO[type(action)](self, action)
        except Exception:
            sys.excepthook(*sys.exc_info())  # into the log; one that fails must not take the others along

    def _send(self) -> None:
        """Write what was gathered, in one go a connection."""
        unsent, self._unsent = self._unsent, {}
        for number, buffers in unsent.items():
            if (peer := self.peers.get(number)) is not None:
                peer.send(joined(buffers))

    def _arm(self) -> None:
        due = self.core.next_deadline()
        if due is None or due >= self._due_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due_at = due
        self._timer = self.loop.call_later(max(0.0, due - time.monotonic()) + MILLISECOND, self._due)

    def _due(self) -> None:
        self._due_at = inf
        self.core.tick(time.monotonic())
        self.carry_out()

    def watch(self) -> None:
        """Twice a second: whether this machine slept, and heartbeats of the connections to other nodes."""
        now = time.monotonic()
        self.core.members.slept(system.slept(), now)
        for peer in list(self.peers.values()):
            if peer.connection.opened and peer.connection.heartbeat is not None:
                for event in peer.connection.tick(now):
                    if isinstance(event, Suspect | Recovered):
                        self.core.members.suspect(peer.number, isinstance(event, Suspect), now)
                    elif isinstance(event, Silent):
                        self.drop(peer, f"silent for {event.for_seconds:.0f} s")
                peer.send(peer.connection.data_to_send())
        if self._starter is not None:
            self._starter.reap()
        self.core.tick(now)
        self.carry_out()
        self.loop.call_later(min(0.5, self._beat / 4), self.watch)

    def drain(self, worker: int) -> None:
        """Pass on what a worker (0 and less: an evaluator) printed before what it answers."""
        for data in self.runners.printed(worker):
            self.printed(worker, data)

    def printed(self, worker: int, data: bytes) -> None:
        """Output came."""
        if worker > 0:
            self.core.work.printed(worker, data)
        elif (shell := self.core.shells.get(-worker)) is not None:
            shell.printed.add(shell.cell, data)
            shell.screen(data)

    def worker_exited(self, worker: int, death: dict[str, Any], running: int) -> None:
        """A worker is reaped."""
        self.core.now = time.monotonic()
        self.core.work.exited(worker, death, running)
        self.carry_out()

    def evaluator_died(self, evaluator: Evaluator, death: str) -> None:
        """It is reaped; another one starts, at its next use if this one never worked, unless its shell is over."""
        if not self.core.stopping:
            self.core.evaluator_died(death, evaluator.shell)
            if self.core.shells.get(evaluator.shell) is None:
                self.runners.forget(evaluator.shell)
            elif evaluator.worked:
                evaluator.start()
        self.carry_out()

    def _close(self, action: actions.Close) -> None:
        if (peer := self.peers.get(action.link)) is not None:
            peer.close()

    def _dial(self, action: actions.Dial) -> None:
        self.dialler.start(*action)

    def _answer(self, action: actions.Answer) -> None:
        self.dialler.answer(*action)

    def _start(self, action: actions.Start) -> None:
        if self._starter is None:
            from pysh.runtime.hub.starter import Starter  # most nodes start no others

            self._starter = Starter(self)
        self._starter.start(action)

    def _probe(self, action: actions.Probe) -> None:
        if self._neighbours.gone(action.incarnation, action.name):
            self.core.members.gone(action.incarnation, time.monotonic())

    def _prepare(self, action: actions.Prepare) -> None:
        if action.what == "evaluator":
            if self.core.shells.get(action.shell) is not None:
                self.runners.start(action.shell)
        elif action.what == "paths":
            self.runners.workers.set_paths(self.core.paths)
        else:
            self.runners.workers.start()

    def _at(self, shell: int, do: Callable[[Evaluator], None]) -> None:
        """Have the evaluator of that shell do something, if it is still there."""
        if (evaluator := self.runners.of(shell)) is not None:
            do(evaluator)

    def _attended(self, action: actions.Attended) -> None:
        if self.config["role"] == "shell":
            self.loop.call_soon(attendance.changed, self, action.on)

    def _stop(self, action: actions.Stop) -> None:
        self._end(action.reason, time.monotonic() + LAST_SECOND)

    def _end(self, reason: str, until: float) -> None:
        """End once every cancelled job is gone, `until` at the latest."""
        busy = any(worker.jobs for worker in self.core.work.pool.workers.values())
        if busy and time.monotonic() < until:
            self.loop.call_later(0.01, self._end, reason, until)
        elif not self.ended.done():
            self.ended.set_result(reason)

    _DO: dict[type, Callable[["Server", Any], None]] = {
        actions.Close: _close,
        actions.Dial: _dial,
        actions.Answer: _answer,
        actions.Start: _start,
        actions.Probe: _probe,
        actions.Prepare: _prepare,
        actions.Attended: _attended,
        actions.Keep: lambda self, action: self.spool.keep(action),
        actions.Recall: lambda self, action: self.spool.recall(action),
        actions.Discard: lambda self, action: self.spool.discard(action),
        actions.Dump: lambda self, action: self.runners.workers.stacks.ask(action.worker, action.job),
        actions.Stop: _stop,
        actions.ForkWorker: lambda self, action: self.runners.workers.fork(action.worker, action.apartment),
        actions.Signal: lambda self, action: self.runners.workers.signal(
            action.worker, action.signal, action.group, action.job
        ),
        actions.Pause: lambda self, action: self.runners.pause(action.worker, action.on),
        actions.Type: lambda self, action: self._at(action.shell, lambda there: there.type(action.data)),
        actions.Resize: lambda self, action: self._at(
            action.shell, lambda there: there.resize(action.rows, action.columns)
        ),
        actions.Interrupt: lambda self, action: self._at(action.shell, Evaluator.interrupt),
        actions.Kill: lambda self, action: self._at(action.shell, Evaluator.kill),
        actions.EndShell: lambda self, action: self.runners.end_shell(action.shell),
    }

    # living

    def facts(self, *, memory: bool = False, shell: int = 0) -> dict[str, Any]:
        """What `info` says of the process itself; the memory of all, which costs much more to find out, if asked.

        `interrupts`: whether Ctrl-C is a signal on the terminal of that `shell`.
        """
        evaluator = self.runners.of(shell)
        return {
            "pid": os.getpid(),
            "modules": sorted(sys.modules),
            "runners": self.runners.pids(),
            "python": sys.version.split()[0],
            "up": time.monotonic() - BORN,
            "interrupts": evaluator is None or evaluator.interrupts,
            **({"memory": {"hub": system.memory_of(os.getpid()), **self.runners.memory()}} if memory else {}),
        }

    async def listen(self) -> None:
        """Be there for whoever looks for this node. Raises `TransportError` where it cannot listen."""
        await self.spool.find()
        if place := self.config.get("listen"):
            from pysh.runtime.hub.listening import Port  # which few hubs need

            self._port = Port(self, place, log=2)
            self.listens = await self._port.open()
        sock = unix.listening_socket(self.claim.socket)
        self._listener = await self.loop.create_unix_server(self.entrance.welcome, sock=sock)
        self.claim.publish({
            "incarnation": self.incarnation.hex(), "python": self.config["python_version"],
            "version": "{}-{}".format(*WIRE), "listen": self.listens,
        })  # fmt: skip
        for address in self.config.get("connect", ()):
            self.core.members.connect(address, way=read_way(self.config))
        if self.config["role"] == "shell":
            self.core.now = time.monotonic()
            self.core.expect_terminal(FIRST_TERMINAL)
        self.watch()

    async def serve(self) -> str:
        """Live until told to stop; the reason why."""
        try:
            return await self.ended
        finally:
            if self._listener is not None:
                self._listener.close()
            self.claim.release()
            self.runners.end()
            for peer in list(self.peers.values()):
                peer.close()
            # Whatever of it hangs: the process ends, and what it started with it.
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_SECONDS):
                    await asyncio.gather(self.spool.close(), self._close_all(), self._sent())
            await asyncio.sleep(0)

    async def _sent(self) -> None:
        """Wait until what was written for the other nodes has left."""
        while any(peer.is_node for peer in self.peers.values()):
            await asyncio.sleep(0.005)

    async def _close_all(self) -> None:
        """Let go of what works for this node."""
        if self._starter is not None:
            await self._starter.close()
        await self.dialler.close()
        self.prover.close()
        await self._kept.close()
        if self._port is not None:
            await self._port.close()
