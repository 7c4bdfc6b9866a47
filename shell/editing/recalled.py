"""The history as prompt_toolkit asks for it: for Up and Down, and for what is suggested behind the cursor."""

from collections.abc import AsyncGenerator, Iterable

from prompt_toolkit.auto_suggest import AutoSuggest, Suggestion
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.history import History as Base

from pysh.shell.history import History
from pysh.shell.recall import Place, suggested


class Recalled(Base):
    """What Up and Down go through."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history

    async def load(self) -> AsyncGenerator[str, None]:
        """All entries, the newest first."""
        for source in self.load_history_strings():
            yield source

    def get_strings(self) -> list[str]:
        """All entries, the oldest first."""
        return [entry.source for entry in self._history.entries()]

    def append_string(self, string: str) -> None:
        """Keep what was typed."""
        self._history.add(string)

    def load_history_strings(self) -> Iterable[str]:
        """All entries, the newest first."""
        return reversed(self.get_strings())

    def store_string(self, string: str) -> None:
        """Keep what was typed."""
        self._history.add(string)


class Suggested(AutoSuggest):
    """What was typed before and begins as this line does."""

    def __init__(self, history: History) -> None:
        self._history = history

    def get_suggestion(self, _buffer: Buffer, document: Document) -> Suggestion | None:
        """The rest of that line."""
        history = self._history
        here = Place(history.node, history.folder)
        return Suggestion(suggested(history.entries(), document.text, here))
