"""How many messages wait in the mailbox of a shell, as its hub is told."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pysh.runtime.protocol.frames import Kind
from pysh.runtime.runner.mailbox import Mailbox
from pysh.runtime.runner.unread import GATHER, Unread
from tests.runtime.scripted_hub import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with Shell(tmp_path) as shell:
        yield shell


def told(shell: Shell) -> list[int]:
    """The counts that were told unasked."""
    return [frame.options()["unread"] for frame in shell.frames if frame.kind == Kind.NOTICE]


def message(shell: Shell, value: int) -> None:
    """Another process sends a number."""
    import cloudpickle

    shell.send(Kind.SEND, payload=cloudpickle.dumps(value))


def test_the_end_of_a_cell_tells_how_many_wait(shell: Shell) -> None:
    shell.cell("from pysh import receive, flush")
    for number in range(3):
        message(shell, number)
    assert shell.text("receive()") == "0"
    shell.wait(lambda: shell.cell("1").get("unread") == 2)
    assert shell.cell("receive()")["unread"] == 1
    assert "unread" not in shell.cell("flush()")


def test_what_comes_at_the_prompt_is_told_at_once_and_what_is_received_in_the_background_too(shell: Shell) -> None:
    assert "unread" not in shell.cell("from pysh import aio; import asyncio")
    message(shell, 1)
    shell.wait(lambda: told(shell)[-1:] == [1])
    message(shell, 2)
    shell.wait(lambda: told(shell)[-1:] == [2])
    assert shell.cell("await aio.receive()")["unread"] == 1
    shell.cell("async def later():\n    await asyncio.sleep(0.1)\n    await aio.receive()")
    assert shell.cell("task = asyncio.create_task(later())")["unread"] == 1
    shell.wait(lambda: told(shell)[-1:] == [0])


def test_many_that_come_together_are_told_together(shell: Shell) -> None:
    shell.cell("1")
    for number in range(500):
        message(shell, number)
    shell.wait(lambda: told(shell)[-1:] == [500])
    assert len(told(shell)) <= 5


class Clock:
    """A loop whose timers the test runs out."""

    def __init__(self) -> None:
        self.waits: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, seconds: float, do: Callable[[], None]) -> Any:
        self.waits.append((seconds, do))
        return SimpleNamespace(cancel=lambda: None)

    def call_soon_threadsafe(self, do: Callable[..., None], *args: Any) -> None:
        do(*args)

    def looks(self) -> float:
        """The last one runs out; after how many seconds."""
        seconds, do = self.waits.pop()
        do()
        return seconds


def test_a_message_that_nobody_receives_is_looked_for_less_and_less() -> None:
    clock, mailbox = Clock(), Mailbox()
    client: Any = SimpleNamespace(mailbox=mailbox, hub=None, post=lambda *_, **__: None)
    unread = Unread(client, clock, lambda: False)  # type: ignore[arg-type]
    mailbox.put(b"")
    assert unread.count() == {"unread": 1}
    assert [clock.looks() for _ in range(8)] == [1, 2, 4, 8, 16, 30, 30, 30]
    mailbox.put(b"")
    assert [clock.looks() for _ in range(3)] == [GATHER, 1, 2]
    unread.count()
    assert clock.looks() == 1
