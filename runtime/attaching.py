"""`attach(n)` at a prompt: the terminal that typed it goes over to the shell of another node once its cell is over."""

from pysh.runtime.errors import PyshError
from pysh.runtime.node import Node
from pysh.runtime.protocol.addresses import parse
from pysh.runtime.runner.asking import somebody_here
from pysh.runtime.started import current

_asked: list[str] = []


def attach(n: str | Node) -> None:
    """Go over to the shell of node `n` once this cell is over; Ctrl-D or `exit()` there comes back.

    `n` is a node, or what `pysh attach` takes (`n2`, `n2@[user@]host[:port]`), which the terminal reaches by itself
    from where it is. Raises `BadName` for what names no node, and `PyshError` where no terminal typed this.
    """
    if not isinstance(n, str | Node):
        raise TypeError(f"attach() takes a node, or its name as text, not {n!r}; nothing was done")
    client = current()
    text = str(n)
    if client.role != "evaluator" or not somebody_here(client.role):
        raise PyshError(f"attach() is for a prompt: no terminal typed this. In another terminal: pysh attach {text}")
    parse(text, ())
    if text == client.name:
        raise PyshError(f"this is the shell of {text}; nothing was done")
    known = next((info for info in client.view.nodes if text == info.name or text in info.aliases), None)
    _asked[:] = [known.aliases[0] if known is not None and known.aliases and text == known.name else text]


def taken() -> str:
    """Where the terminal is to go, told once; empty if nowhere."""
    asked, _asked[:] = _asked[:], []
    return asked[0] if asked else ""
