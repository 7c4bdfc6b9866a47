"""`attach(n)` at a prompt: the terminal that typed it goes over to the shell of another node once its cell is over."""

from typing import Any

from pysh.runtime.errors import PyshError
from pysh.runtime.node import Node
from pysh.runtime.protocol.addresses import parse
from pysh.runtime.runner.asking import somebody_here
from pysh.runtime.started import current

_asked: dict[str, Any] = {}


def attach(n: str | Node, *, own: bool = False, shell: int | None = None) -> None:
    """Go over to the shell of node `n` once this cell is over; Ctrl-D or `exit()` there comes back.

    `n` is a node, or what `pysh attach` takes (`n2`, `n2@[user@]host[:port]`), which the terminal reaches by itself
    from where it is; with `own=True` or a number of a `shell` it may be this one. `own` is a shell of one's own there,
    with no name of others in it, which ends with its last terminal; `shell` is one of those again. Raises `BadName`
    for what names no node, and `PyshError` where no terminal typed this.
    """
    if not isinstance(n, str | Node):
        raise TypeError(f"attach() takes a node, or its name as text, not {n!r}; nothing was done")
    client = current()
    text = str(n)
    if client.role != "evaluator" or not somebody_here(client.role):
        raise PyshError(f"attach() is for a prompt: no terminal typed this. In another terminal: pysh attach {text}")
    parse(text, ())
    how = {**({"own": True} if own else {}), **({} if shell is None else {"shell": int(shell)})}
    if len(how) > 1:
        raise ValueError("own=True is a new shell, and shell= one that is there; nothing was done")
    if text == client.name and not how:
        raise PyshError(f"this is the shell of {text}; nothing was done. Another one there: attach({text!r}, own=True)")
    known = next((info for info in client.view.nodes if text == info.name or text in info.aliases), None)
    there = known.aliases[0] if known is not None and known.aliases and text == known.name else text
    _asked.clear()
    _asked.update({"attach": there, "how": how})


def go_back(shell: int) -> None:
    """Have the terminal at another shell of this node once this cell is over. Raises `PyshError` without one."""
    if not somebody_here(current().role):
        raise PyshError("fg() of that job is for a prompt: no terminal typed this; nothing was done")
    _asked.clear()
    _asked["shell"] = shell


def taken() -> dict[str, Any]:
    """Where the terminal is to go, told once: a part of what is told at the end of its cell."""
    asked = dict(_asked)
    _asked.clear()
    return asked
