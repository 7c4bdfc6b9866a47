"""The first thing that `pysh` does: paint the prompt, before anything else is imported or looked at."""

from pysh.runtime.drawn import default_node_host, generated_name, is_host, is_node
from pysh.shell import boot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = ("--name", "--sname")
VALUED = (*NAMES, "--cookie", "--cookie-file", "--connect", "--listen", "--python", "--color")
FLAGS = ("--no-color", "--norc", "--rm")


def name_of(argv: "Sequence[str]") -> str:
    """How the node will be called whose shell `argv` asks for; empty where that takes a closer look.

    That is anything but a shell with options of which nothing can be wrong.
    """
    name = ""
    words = iter(argv)
    for word in words:
        option, assigned, value = word.partition("=")
        if option in VALUED:
            value = value if assigned else next(words, "-")
            if not value or value.startswith("-"):
                return ""
            name = value if option in NAMES else name
        elif word not in FLAGS:
            return ""
    node, at, host = (name or generated_name()).partition("@")
    host = host if at else default_node_host()
    return f"{node}@{host}" if is_node(node) and is_host(host) else ""


def paint(argv: "Sequence[str]") -> "tuple[str, boot.Tty] | None":
    """Show the prompt of the shell that `argv` asks for: its name, and the terminal; None if it is not sure."""
    name = name_of(argv)
    tty = boot.paint(name) if name else None
    return (name, tty) if tty is not None else None
