"""The processes that run user code, as a hub has them: the evaluator, and the workers behind their fork server."""

import os
from typing import TYPE_CHECKING, Any

from pysh.runtime.hub.children import wait_for
from pysh.runtime.hub.evaluator import EVALUATOR, Evaluator
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
        self.evaluator = Evaluator(config, core, environ)
        self.workers = Workers(config, core, environ)

    def attach(self, server: "Server") -> None:
        """The loop runs."""
        self.workers.attach(server)
        self.evaluator.attach(server)

    def printed(self, number: int) -> list[bytes]:
        """What a worker (0: the evaluator) wrote so far, at most `AT_ONCE`; never waits."""
        pieces: list[bytes] = []
        size = 0
        while size < AT_ONCE:
            data = self.evaluator.printed() if number == EVALUATOR else self.workers.printed(number)
            if not data:
                break
            pieces.append(data)
            size += len(data)
        return pieces

    def pause(self, number: int, on: bool) -> None:
        """Stop reading a flood, or go on."""
        if number == EVALUATOR:
            self.evaluator.pause(on)
        else:
            self.workers.pause(number, on)

    def pids(self) -> dict[str, Any]:
        """Who runs now."""
        evaluator, fork_server = self.evaluator.child, self.workers.child
        return {
            "evaluator": evaluator.pid if evaluator else None,
            "fork_server": fork_server.pid if fork_server else None,
            "workers": self.workers.pids,
        }

    def memory(self) -> dict[str, int]:
        """The bytes of memory that they have now, workers together."""
        pids = self.pids()
        workers = sum(memory_of(pid) for pid in pids.pop("workers") if pid)
        return {name: memory_of(pid) for name, pid in pids.items() if pid} | {"workers": workers}

    def end(self) -> None:
        """End every runner."""
        wait_for([child for child in (self.workers.end(), self.evaluator.end()) if child is not None], LAST_SECOND)
