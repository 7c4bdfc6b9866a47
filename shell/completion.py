"""Tab: what can stand at the cursor is asked of the node whose objects are meant, and shown in a menu."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Any

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

PATIENCE = 0.15
"""Seconds for an answer: later it would be to another question."""
LONGEST = 16_000
"""Characters before the cursor that are sent."""

Ask = Callable[[str, int, Callable[[Any], object], str], None]
"""Asks what can stand at a position of a text; the answer is told in the loop. Last: what of it alone, or nothing."""


class Completions(Completer):
    """Asks each time. The next key ends the question."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def get_completions(self, _document: Document, _event: CompleteEvent) -> Iterable[Completion]:
        """Nothing: there is no answer before the loop goes on."""
        return ()

    async def get_completions_async(
        self, document: Document, _event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        """What the node says, if it does so in time."""
        text = document.text_before_cursor[-LONGEST:]
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def told_of(told: Any) -> None:
            if not answer.done():
                answer.set_result(told)

        self._ask(text, len(text), told_of, "")
        try:
            told = await asyncio.wait_for(answer, PATIENCE)
        except TimeoutError:
            return
        for each in offered(told, len(text)):
            yield each


def offered(told: Any, position: int) -> list[Completion]:
    """The menu for an answer, which another version of pysh may have given."""
    try:
        back = int(told["start"]) - position
        return [
            Completion(_plain(text), back, display_meta=_plain(kind))
            for text, kind in told["found"]
            if isinstance(text, str) and isinstance(kind, str)
        ]
    except (KeyError, TypeError, ValueError):
        return []


def _plain(text: str) -> str:
    """Without what would steer the terminal."""
    return "".join(char for char in text if char.isprintable())
