"""`tour`: what makes this prompt another one than Python's, in steps that can be typed."""

from typing import NamedTuple


class Step(NamedTuple):
    """One step: what it is about, cells to type one after the other, and what to notice."""

    title: str
    cells: tuple[str, ...]
    notice: str


STEPS = (
    Step(
        "Results come back",
        ("6 * 7", "_ + 1", "v(-2)"),
        "`_` is the last result, `_3` and `v(3)` that of cell 3. A long one is cut,\n"
        "and its last line says how to see the rest.",
    ),
    Step(
        "Help is a question mark",
        ("task?", "i({'a': 1})"),
        "`x?` is help, `x??` the source; `i(x)` tells what a value is, and whether it\n"
        "can be sent to other nodes. `h()` lists everything.",
    ),
    Step(
        "A second node",
        ('w = start_node("w1")', "nodes()"),
        'This one runs on this machine; start_node("w1", host="db1") starts one where\n'
        "there is only SSH and a Python. Names of nodes complete with Tab.",
    ),
    Step(
        "Run something there",
        ("t = task(lambda: sum(range(10**6)), on=w)", "await t", "t"),
        "What was typed here goes along, with what it uses. The task is a handle:\n"
        "t.status, t.output, t.cancel(), t.result(timeout=5).",
    ),
    Step(
        "Run it everywhere",
        ("import os", "call_all(os.getpid)"),
        'One answer, or error, for each node. sh("uptime", on=all_nodes) does that for\n'
        "commands, put() and get() for files. `!ls -l` is a command on this terminal.",
    ),
    Step(
        "Processes and messages",
        ('p = spawn(lambda: send(receive(), "hello from afar"), on=w)', "send(p, me())", "receive(timeout=10)"),
        "A process lives on its node and has a mailbox; it can be linked, monitored,\n"
        "registered by a name, and killed.",
    ),
    Step(
        "When something fails",
        ("await task(lambda: 1 / 0, on=w)", "e()"),
        "The error is the real one, with the lines that were typed here; `_e` and `e()`\n"
        "have it. Nothing that you have bound is lost.",
    ),
    Step(
        "Tidy up",
        ("stop_node(w)", "whos()"),
        'save("first.pysh") writes the cells that worked to a file, which\n`pysh first.pysh` runs. Ctrl-D leaves.',
    ),
)

_at = 0


def tour(step: int | None = None) -> None:
    """Show the next step of a short tour, or that step. Each has some lines to type, one after the other."""
    global _at
    if step is not None and (type(step) is not int or not 1 <= step <= len(STEPS)):
        raise ValueError(f"the tour has the steps 1 to {len(STEPS)}, and no {step!r}")
    number = step or _at + 1
    _at = number % len(STEPS)
    title, cells, notice = STEPS[number - 1]
    more = "tour() goes on" if number < len(STEPS) else "that was all; tour(1) begins again"
    print(f"{number} of {len(STEPS)}: {title}. Type:\n", *(f"    {cell}" for cell in cells), f"\n{notice}", sep="\n")
    print(f"Then: {more}.")
