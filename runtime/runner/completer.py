"""An evaluator's answers to Tab: in a thread of their own, also while a cell runs."""

import threading
from collections.abc import Callable
from functools import partial
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
        self._latest: dict[bool, Frame] = {}

    def request(self, frame: Frame) -> None:
        """Answer what can stand at `position` of `text`, or with `only="signature"` the signature of the call there.

        Only the latest that is asked of either is answered in full.
        """
        asked = frame.options()
        alone = asked.get("only") == "signature"
        self._latest[alone] = frame
        args = (frame, str(asked["text"]), int(asked["position"]), alone)
        threading.Thread(target=self._answer, args=args, name="completion", daemon=True).start()

    def _answer(self, frame: Frame, text: str, position: int, alone: bool) -> None:
        found: dict[str, Any] = {}
        if self._lock.acquire(timeout=PATIENCE):
            try:
                if frame is self._latest[alone]:
                    found = self._found(text, position, alone)
            finally:
                self._lock.release()
        self._reply(frame, {"ok": found})

    def _found(self, text: str, position: int, alone: bool) -> dict[str, Any]:
        from pysh.runtime.runner.completing import Known, complete, signature
        from pysh.runtime.runner.nearby import living

        nodes = tuple(info.name for info in self._client.view.nodes)
        known = Known(self._preloaded, self._load, nodes, partial(living, self._client))
        try:
            done = (signature if alone else complete)(text, position, self._names, known)
        except Exception:  # whatever an object of the user's does to be looked at
            return {}
        told, room = [], ROOM - 8192
        for each in done.candidates:
            room -= len(each.text.encode("utf-8", "replace")) + 24
            if room < 0:
                break
            told.append(list(each))
        more = done.more or len(told) < len(done.candidates)
        return {"start": done.start, "found": told, "more": more, "signature": done.signature and list(done.signature)}
