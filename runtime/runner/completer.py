"""An evaluator's answers to Tab: in a thread of their own, also while a cell runs."""

import threading
from collections.abc import Callable
from typing import Any

from pysh.runtime.protocol.frames import ROOM, Frame
from pysh.runtime.runner.client import Client

PATIENCE = 0.15
"""Seconds that one waits for another, which a slow folder may hold up; then it finds nothing."""


class Completer:
    """Completes in a shell with these `names`; `preloaded` ones are had by `load`. `reply` answers a request."""

    def __init__(
        self, client: Client, names: dict[str, Any], preloaded: frozenset[str], load: Callable[[str], Any],
        reply: Callable[[Frame, dict[str, Any]], None],
    ) -> None:  # fmt: skip
        self._client = client
        self._names = names
        self._preloaded, self._load = preloaded, load
        self._reply = reply
        self._lock = threading.Lock()
        self._latest: Frame | None = None

    def request(self, frame: Frame) -> None:
        """Answer what can stand at `position` of `text`. Only the latest that is asked is answered in full."""
        self._latest = frame
        threading.Thread(target=self._answer, args=(frame,), name="completion", daemon=True).start()

    def _answer(self, frame: Frame) -> None:
        found: dict[str, Any] = {}
        if self._lock.acquire(timeout=PATIENCE):
            try:
                if frame is self._latest:
                    found = self._found(frame)
            finally:
                self._lock.release()
        self._reply(frame, {"ok": found})

    def _found(self, frame: Frame) -> dict[str, Any]:
        from pysh.runtime.runner.completing import Known, complete

        asked = frame.options()
        nodes = tuple(info.name for info in self._client.view.nodes)
        known = Known(self._preloaded, self._load, nodes)
        try:
            done = complete(str(asked["text"]), int(asked["position"]), self._names, known)
        except Exception:  # whatever an object of the user's does to be looked at
            return {}
        told, room = [], ROOM - 8192
        for each in done.candidates:
            room -= len(each.text.encode("utf-8", "replace")) + 24
            if room < 0:
                break
            told.append(list(each))
        more = done.more or len(told) < len(done.candidates)
        signature = done.signature and [done.signature[0], done.signature[1], done.signature[2]]
        return {"start": done.start, "found": told, "more": more, "signature": signature}
