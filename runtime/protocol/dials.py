"""Who asked for a dial, what a server on its way asks him, and what he is answered."""

from itertools import count
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.actions import Answer
from pysh.runtime.protocol.frames import Frame

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

QUESTIONS = 64
"""How many questions of SSH servers may wait for a person's answer."""


class Dials:
    """The dials of `node` that somebody waits for, by their tokens."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._tokens = count(1)
        self._asked: dict[int, Frame] = {}
        self._questions: dict[int, dict[str, Any] | None] = {}
        """For each dial that waits for a person's answer its outcome, if it has one already."""

    def expect(self, asked: Frame | None) -> int:
        """The token of a dial to come; whoever `asked` is answered when that succeeds or fails."""
        token = next(self._tokens)
        if asked is not None:
            self._asked[token] = asked
        return token

    def question(self, token: int, text: str, wanted: bool) -> bool:
        """A server on the way of a dial asks something; whether whoever asked for the dial still waits, and is told.

        That answers what he asked last; what comes of the dial answers his own answer.
        """
        asked = self._asked.pop(token, None)
        if asked is not None:
            if len(self._questions) >= QUESTIONS:
                del self._questions[next(iter(self._questions))]  # whoever was asked is gone
            self._questions[token] = None
            self._node.reply(asked, {"ok": {"question": text, "wanted": wanted, "token": token}})
        return asked is not None

    def answer(self, token: int, text: str | None, asked: Frame) -> bool:
        """Pass the answer to a question on; whether there was one. Whoever `asked` hears how it goes on."""
        if token not in self._questions:
            return False
        self._asked[token] = asked
        self._node.actions.append(Answer(token, text))
        if (outcome := self._questions.pop(token)) is not None:
            self.tell(token, outcome)
        return True

    def tell(self, token: int, outcome: dict[str, Any]) -> bool:
        """Tell whoever asked for the dial `token` what came of it; whether anybody did."""
        if (asked := self._asked.pop(token, None)) is not None:
            self._node.reply(asked, outcome)
        elif token in self._questions:
            self._questions[token] = outcome  # while a person thinks about the answer; it is told behind that
        else:
            return False
        return True
