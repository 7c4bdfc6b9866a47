"""What an ssh process asks a person, who sits somewhere else: at the prompt of a shell, or of a command.

The ssh has no terminal. It runs a program for each question (SSH_ASKPASS), which brings the question here by
a Unix socket, and the answer back. No answer is in a command line, an environment or a file.
"""

import asyncio
import os
import shlex
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from pysh.transports.base import TransportError, cleaned

LINES = 12
"""Lines of a question that are shown."""
LONGEST = 64 * 1024
"""Bytes of one question."""
TELLING = "none"
"""The kind of a question that wants no answer: a key's button is to be touched."""


class Question(NamedTuple):
    """What to show a person, safe on any terminal, and whether an answer is wanted."""

    text: str
    wanted: bool = True


Ask = Callable[[Question], Awaitable[str | None]]
"""Asks a person; None where he would not say, or nobody is there."""


def shown(data: bytes) -> Question:
    """The question that the program of `askpass` brings: text from elsewhere."""
    kind, _, text = data.decode(errors="replace").partition("\n")
    lines = [cleaned(line) for line in text.strip().splitlines()[:LINES]]
    return Question("\n".join(lines), kind != TELLING)


class Desk:
    """Takes the questions of ssh processes whose environment is `environ`; `folder` is for us alone.

    `may_ask()` is called first, and raises `TransportError` where no secret may go.
    """

    def __init__(self, folder: Path, ask: Ask, may_ask: Callable[[], None]) -> None:
        self.over: asyncio.Future[TransportError] = asyncio.get_running_loop().create_future()
        """Done, with the reason, when a question will have no answer: the login cannot succeed any more."""
        self._socket, self._program = folder / "questions", folder / "askpass"
        self._ask, self._may_ask = ask, may_ask
        self._turn = asyncio.Lock()
        self._server: asyncio.Server | None = None

    @property
    def environ(self) -> dict[str, str]:
        """What has ssh bring its questions here."""
        # Before 8.4 it takes no order, and asks so where it has no terminal and there is a display.
        asking = {"SSH_ASKPASS": str(self._program), "SSH_ASKPASS_REQUIRE": "force"}
        return {"DISPLAY": "none", **os.environ, **asking}

    async def open(self) -> None:
        """Be there for questions."""
        words = [sys.executable, "-I", "-S", str(Path(__file__).with_name("askpass.py")), str(self._socket)]
        self._program.touch(0o700)
        self._program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$1"\n')
        self._server = await asyncio.start_unix_server(self._asked, self._socket)

    def close(self) -> None:
        """Take no more questions."""
        if self._server is not None:
            self._server.close()

    async def _asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            said = b""
            while len(said) < LONGEST and (piece := await reader.read(LONGEST - len(said))):
                said += piece
            question = shown(said)
            async with self._turn:
                if (answer := await self._answer(question)) is not None:
                    writer.write(answer.encode(errors="surrogateescape") + b"\n")
                    await writer.drain()
        except ConnectionError:
            pass  # who asked is gone
        finally:
            writer.close()

    async def _answer(self, question: Question) -> str | None:
        if self.over.done():
            return None
        try:
            self._may_ask()
            answer = await self._ask(question)
        except TransportError as error:
            self.over.set_result(error)
            return None
        if answer is None:
            what, evidence = "what the server asks was not answered", f"it asks: {question.text}"
            self.over.set_result(TransportError("sshauth", what, evidence, "nothing was run; connect again"))
        return answer
