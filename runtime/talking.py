"""The terminal's side of a debugger elsewhere: what is typed goes there, what it says is shown."""

import sys
from collections.abc import Callable

from pysh.runtime.actor import ask
from pysh.runtime.errors import NodeDown, NoProcess
from pysh.runtime.payload import dumps
from pysh.runtime.process import Actor, Process
from pysh.runtime.protocol.frames import Kind
from pysh.runtime.runner.parking import LEFT, METHOD
from pysh.runtime.started import current


def talk(process: Process, left: Callable[[Process, bool], str]) -> None:
    """Pass on what is typed and said, until one of the two ends it.

    After a Ctrl-C what `left` returns is shown; it is told whether the code runs.
    """
    line, runs = None, False
    try:
        while True:
            runs = line is not None
            text, over = ask(Actor(process), METHOD, (line,), {}).result()
            runs = False
            prompt = _show(str(text), asks=not over)
            if over:
                return
            line = _typed(prompt)
    except KeyboardInterrupt:
        print(f"\n{left(process, runs)}")
    except (NoProcess, NodeDown) as error:
        print(error)


def leave(process: Process, runs: bool) -> str:
    """Let `process`, which may go on, know that nobody waits for what it says next; what is said of that."""
    if not runs:
        return f'{process} goes on waiting: debug("{str(process)[1:-1]}")'
    client = current()
    client.post(
        Kind.CALL, process.pid, ref=client.next_ref(), meta={"method": METHOD}, payload=dumps(((LEFT,), {}))
    )  # fmt: skip
    return f"{process} goes on running; a line says so if it stops again"


def _show(text: str, asks: bool) -> str:
    """Print what was said; of what asks the last line is returned, which is the prompt."""
    shown = "".join(char if char.isprintable() or char in "\n\t" else "?" for char in text)
    head, end, prompt = shown.rpartition("\n") if asks else (shown, "", "")
    sys.stdout.write(head + end)
    sys.stdout.flush()
    return prompt


def _typed(prompt: str) -> str:
    try:
        return input(prompt)
    except EOFError:
        print()
        return "continue"
