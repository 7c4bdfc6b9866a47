"""Whose node this is: one that another node started ends with it, unless it was made to persist."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node


class Attachment:
    """Watches the node with the incarnation `starter`; nobody, if that is empty.

    When that stops on purpose, this node stops. When it is away for longer than this node's grace, and down, it
    stops as soon as nothing runs on it and nobody has a result to fetch.
    """

    def __init__(self, node: "Node", starter: bytes) -> None:
        self._node = node
        self._starter = starter
        self._looks_at = 0.0

    def lost(self, incarnation: bytes, reason: str, away: float) -> None:
        """A node is down, and was away for so many seconds; `shutdown` is the reason of one that stopped on purpose."""
        if not self._starter or incarnation != self._starter:
            return
        if reason == "shutdown":
            self._node.stop("who started it has stopped")
        else:
            self._look_in(max(0.0, self._node.grace - away))

    def _look_in(self, seconds: float) -> None:
        self._looks_at = self._node.now + seconds
        self._node.later(seconds, self._look)

    def _look(self) -> None:
        if self._starter in self._node.peers or self._node.now < self._looks_at:
            return  # it is back, or was back and is lost anew: that has a timer of its own
        if self._node.reasons_to_stay():
            self._look_in(max(1.0, self._node.grace))
        else:
            self._node.stop("who started it is gone, and nothing runs here")
