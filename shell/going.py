"""From one shell of a node to another: how a terminal comes to it, how long it stays, and how it goes back."""

from collections.abc import Callable, Mapping
from typing import Any

from pysh.shell.console import Console, Refused
from pysh.shell.leaving import may_leave
from pysh.shell.stuck import Moved

Told = Mapping[str, Any]
"""The answer to an attach: what a terminal knows of the shell where it is."""
Say = Callable[[str], None]


def stay(
    console: Console, cells: Callable[[Console], int], say: Say, key: Callable[[], bytes], *, visit: bool = False
) -> int:
    """Run `cells` there until the user leaves; the exit code. A `visit` ends no node, but a shell of one's own."""
    while True:
        left = cells(console)
        if visit and not console.shell:
            return left
        code = may_leave(console, say, key, visit=True) if visit else may_leave(console, say, key)
        if code is not None:
            return left or code


def enter(told: Told, come: Callable[[Told], None], leave: Callable[[Moved], Told]) -> None:
    """Come to the shell of which that is told; or to another one, if the cell that runs there is left for that."""
    while True:
        try:
            return come(told)
        except Moved as moved:
            told = leave(moved)


def go_back(console: Console, shell: int, attach: Callable[[Mapping[str, Any]], object], say: Say) -> None:
    """Be at the `shell` again that was left for this one."""
    stays = f"shell {console.shell} stays: attach(node(), shell={console.shell})"
    say(f"back at {console.called(shell)}; {stays}")
    try:
        attach({"shell": shell})
    except Refused as refused:
        say(f"pysh: {refused}")


def beside(console: Console) -> str:
    """What is said once a cell was left for another shell."""
    return f"at {console.called(console.shell)}; that cell is a job: fg() goes back to it"
