"""What an evaluator answers in the thread that reads its socket, also while a cell has the main thread."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from pysh.runtime.protocol.frames import Frame, Kind
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.completer import Completer
from pysh.runtime.runner.entrance import Entrance
from pysh.runtime.runner.jobs import Job
from pysh.runtime.runner.supplied import Supply

HOLDS = 0.5
"""Seconds that an async task of others may have the main thread until an eval that waits for it is refused."""


class Requests:
    """Those to the shell of node `name`; `waiting` is what `deliver` queues, `running` gives what runs, and `held` the
    job that has the main thread, if one has."""

    def __init__(
        self, client: Client, name: str, entrance: Entrance, waiting: deque[Frame],
        running: Callable[[], Job | None], deliver: Callable[[Frame], None], held: Callable[[], str],
    ) -> None:  # fmt: skip
        self._client = client
        self._name = name
        self._entrance = entrance
        self._waiting = waiting
        self._running = running
        self._deliver = deliver
        self._held = held
        self._main = threading.get_ident()

    def handle(self, frame: Frame, completer: Completer, supply: Supply) -> None:
        """Answer a request, at once where the main thread is not needed or not free."""
        verb = frame.options().get("verb")
        if verb == "interrupt":
            self._interrupt(frame)
        elif verb == "stack":
            self._tell_stack(frame)
        elif verb == "complete":
            completer.request(frame)
        elif verb == "placed":
            supply.placed.update(frame.options()["values"])
        elif verb == "eval":
            self._eval(frame)
        else:
            self._refuse(frame, f"an evaluator has no verb {verb!r}")

    def reply(self, frame: Frame, meta: dict[str, Any]) -> None:
        """Answer the request `frame`."""
        self._client.post(Kind.REPLY, frame.source, ref=frame.ref, meta=meta)

    def _refuse(self, frame: Frame, text: str) -> None:
        self.reply(frame, {"error": "PyshError", "text": text, "executed": "no"})

    def _refuse_busy(self, frame: Frame, what: str) -> None:
        self._refuse(frame, f"{self._name} has been busy for {what}")

    def _eval(self, frame: Frame) -> None:
        running, visitors = self._running(), self._entrance.visitors
        if running is not None:
            self._refuse_busy(frame, f"{running.took:.1f} s with {running}")
        elif visitors is not None and visitors.will_not_let(frame.source):
            self._refuse_busy(frame, visitors.holds())
        else:
            self._deliver(frame)
            if (visitors is not None and visitors.busy) or self._held():
                self._watch(frame)

    def _watch(self, frame: Frame) -> None:
        """An eval waits for what others run here, or a job, which was not to last."""
        timer = threading.Timer(HOLDS, self._refuse_late, (frame,))
        timer.daemon = True
        timer.start()

    def _refuse_late(self, frame: Frame) -> None:
        visitors = self._entrance.visitors
        if frame not in self._waiting:
            return
        held = visitors.holds(HOLDS) if visitors is not None else ""
        if not held and (running := self._running()) is not None:  # a cell came before it
            held = f"{running.took:.1f} s with {running}"
        if not held and (job := self._held()):
            held = f"more than {HOLDS:g} s with {job}"
        if not held:
            self._watch(frame)
            return
        try:
            self._waiting.remove(frame)
        except ValueError:
            return  # it runs, or has
        self._refuse_busy(frame, held)

    def _tell_stack(self, frame: Frame) -> None:
        text, visitors = "it has ended\n", self._entrance.visitors
        if visitors is not None:
            text = visitors.stack(int(frame.options()["number"]), self._main)
        self.reply(frame, {"ok": {"text": text}})

    def _interrupt(self, frame: Frame) -> None:
        """Ctrl-C for the eval that its asker wants to end, if that is what runs."""
        running = self._running()
        hit = running is not None and running.captured is not None and running.frame.source == frame.source
        if hit:
            os.kill(os.getpid(), signal.SIGINT)
        self.reply(frame, {"ok": hit})
