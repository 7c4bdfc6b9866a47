"""The processes that run user code, as a hub has them: evaluators, and the workers behind their fork server."""

import os
from typing import TYPE_CHECKING, Any

from pysh.runtime.hub.children import wait_for
from pysh.runtime.hub.evaluator import Evaluator
from pysh.runtime.hub.workers import Workers
from pysh.runtime.system import memory_of

if TYPE_CHECKING:
    from pysh.runtime.hub.server import Server

AT_ONCE = 1 << 20
"""Bytes passed on before an answer; past that the answer overtakes what is left of the flood."""
LAST_SECOND = 1.0


class Runners:
    """Every runner of one node."""

    def __init__(self, config: dict[str, Any], core: str) -> None:
        environ = {**os.environ, "PYSH_NODE": config["name"]}
        self._making = config, core, environ
        self.evaluator = Evaluator(*self._making)
        self.workers = Workers(*self._making)
        self._shells = {0: self.evaluator}
        self._server: Server | None = None

    def attach(self, server: "Server") -> None:
        """The loop runs."""
        self._server = server
        self.workers.attach(server)
        self.evaluator.attach(server)

    def of(self, shell: int) -> Evaluator | None:
        """The evaluator of that shell, if there is one."""
        return self._shells.get(shell)

    def start(self, shell: int) -> None:
        """Start the evaluator of that shell, if there is none."""
        if shell not in self._shells:
            made = self._shells[shell] = Evaluator(*self._making, shell)
            if self._server is not None:
                made.attach(self._server)
        self._shells[shell].start()

    def end_shell(self, shell: int) -> None:
        """End an evaluator, and have no other one for that shell."""
        if (evaluator := self._shells.get(shell)) is not None and evaluator.child is not None:
            evaluator.kill()  # and `forget` follows
        else:
            self.forget(shell)

    def forget(self, shell: int) -> None:
        """An evaluator has ended, and so has its shell."""
        self._shells.pop(shell, None)

    def printed(self, number: int) -> list[bytes]:
        """What a worker (0 and less: an evaluator) wrote so far, at most `AT_ONCE`; never waits."""
        pieces: list[bytes] = []
        size = 0
        while size < AT_ONCE:
            evaluator = self._shells.get(-number)
            data = evaluator.printed() if evaluator is not None else self.workers.printed(number)
            if not data:
                break
            pieces.append(data)
            size += len(data)
        return pieces

    def pause(self, number: int, on: bool) -> None:
        """Stop reading a flood, or go on."""
        if number > 0:
            self.workers.pause(number, on)
        elif (evaluator := self._shells.get(-number)) is not None:
            evaluator.pause(on)

    def pids(self) -> dict[str, Any]:
        """Who runs now."""
        evaluator, fork_server = self.evaluator.child, self.workers.child
        own = (other.child for number, other in self._shells.items() if number)
        return {
            "evaluator": evaluator.pid if evaluator else None,
            "own_evaluators": [child.pid for child in own if child is not None],
            "fork_server": fork_server.pid if fork_server else None,
            "workers": self.workers.pids,
        }

    def memory(self) -> dict[str, int]:
        """The bytes of memory that they have now, workers together."""
        pids = self.pids()
        several = {name: sum(memory_of(pid) for pid in pids.pop(name) if pid) for name in ("workers", "own_evaluators")}
        return {name: memory_of(pid) for name, pid in pids.items() if pid} | several

    def end(self) -> None:
        """End every runner."""
        ended = [self.workers.end(), *(evaluator.end() for evaluator in self._shells.values())]
        wait_for([child for child in ended if child is not None], LAST_SECOND)
