"""A cell that Ctrl-C does not end: what its terminal may ask of the hub, which needs no word of the shell for that."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.actions import Kill
from pysh.runtime.protocol.frames import Frame
from pysh.runtime.protocol.jobs import DONE
from pysh.runtime.protocol.links import Link
from pysh.runtime.protocol.terms import Pid

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node


def _at_stake(node: "Node", link: Link | None, frame: Frame, asked: dict[str, Any]) -> dict[str, Any]:
    """What goes with the shell, and what stays, as far as it is known here; and whether a program reads keys there."""
    shell = node.console.evaluator or 0
    owner = Pid(node.incarnation, shell)
    here = sum(job.owner == owner and job.state != DONE and not job.is_process for job in node.work.jobs)
    elsewhere = sum(ref.owner.number == shell for ref in node.elsewhere)
    functions, jobs = len(node.work.code), node.console.jobs
    interrupts = bool(node.facts().get("interrupts", True))
    return {"ok": {"jobs": jobs, "tasks": here + elsewhere, "functions": functions, "interrupts": interrupts}}


def _kill(node: "Node", link: Link | None, frame: Frame, asked: dict[str, Any]) -> dict[str, Any]:
    """End the shell, if a cell still runs there; its terminals hear of its end as of any other."""
    console = node.console
    if not console.types(link):
        return {"error": "PyshError", "text": "only a terminal of it can kill a shell", "executed": "no"}
    if console.busy:
        console.killed = True
        node.actions.append(Kill())
    return {"ok": bool(console.busy)}


VERBS: dict[object, Callable[["Node", Link | None, Frame, dict[str, Any]], dict[str, Any] | None]] = {
    "at_stake": _at_stake, "kill_shell": _kill,
}  # fmt: skip
