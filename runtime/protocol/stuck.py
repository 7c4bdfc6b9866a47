"""A cell that Ctrl-C does not end: what its terminal may ask of the hub, which needs no word of the shell for that."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.actions import Kill
from pysh.runtime.protocol.frames import Frame
from pysh.runtime.protocol.links import Link
from pysh.runtime.protocol.shells import NoShell, goes_on

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node


def _at_stake(node: "Node", link: Link | None, frame: Frame, asked: dict[str, Any]) -> dict[str, Any]:
    """What goes with the shell, and what stays, as far as it is known here; and whether a program reads keys there."""
    shell = node.shells.at(link)
    functions = 0 if shell.number else len(node.work.code)
    interrupts = bool(node.facts(shell=shell.number).get("interrupts", True))
    told = {"jobs": shell.jobs, "tasks": node.shells.tasks(shell), "functions": functions, "interrupts": interrupts}
    return {"ok": {**told, "began": shell.ran.began}}


def _beside(node: "Node", link: Link | None, frame: Frame, asked: dict[str, Any]) -> dict[str, Any]:
    """Have a terminal at another shell while a cell runs in its own; or why that is not done."""
    if link is None or not node.shells.at(link).types(link):
        return {"error": "PyshError", "text": "only a terminal of it can leave a shell", "executed": "no"}
    try:
        return {"ok": node.shells.beside(link, asked)}
    except NoShell as error:
        return {"ok": {"refused": str(error)}}


def _left(node: "Node", link: Link | None, frame: Frame, asked: dict[str, Any]) -> dict[str, Any]:
    """Those cells of other shells that are jobs of the one that asks."""
    return {"ok": node.shells.jobs(node.shells.at(link))}


def _kill(node: "Node", link: Link | None, frame: Frame, asked: dict[str, Any]) -> dict[str, Any]:
    """End the shell, if the cell that `began` then still runs there; its terminals hear of its end as of any other."""
    console = node.shells.at(link)
    if not console.types(link):
        return {"error": "PyshError", "text": "only a terminal of it can kill a shell", "executed": "no"}
    if going := goes_on(console, asked):
        console.killed = True
        node.actions.append(Kill(console.number))
    return {"ok": going}


VERBS: dict[object, Callable[["Node", Link | None, Frame, dict[str, Any]], dict[str, Any] | None]] = {
    "at_stake": _at_stake, "kill_shell": _kill, "beside": _beside, "left": _left,
}  # fmt: skip
