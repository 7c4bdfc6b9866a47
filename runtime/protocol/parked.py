"""Code that waits in a debugger for somebody at the shell of its owner, as its hub knows of it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.frames import Frame, Kind, pack, pages
from pysh.runtime.protocol.jobs import DONE
from pysh.runtime.protocol.links import Link, addressed
from pysh.runtime.protocol.terms import HUB, Pid

if TYPE_CHECKING:
    from pysh.runtime.protocol.console import Console
    from pysh.runtime.protocol.node import Node

Meta = dict[str, Any]
PLACE = 300
"""Characters that tell where it waits."""


def _park(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    """The asker, a job of this node, waits `at` a place; or goes on. Who asked for it is told."""
    job = node.work.jobs.get(frame.source.number) if frame.source.incarnation == node.incarnation else None
    if job is None or job.state == DONE:
        return {"ok": False}
    job.parked = str(asked.get("at", ""))[:PLACE]
    stage = {"stage": "parked", "at": job.parked}
    node.post(job.key.owner, Kind.STAGE, ref=job.key.number, meta=stage, source=node.work.pid(job))
    return {"ok": True}


def _parked(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    """What waits here of that `owner`: as many as an answer has room for."""
    owner = addressed(asked["owner"])
    jobs = (job for job in node.work.jobs if job.parked and job.owner == owner and job.state != DONE)
    rows = ({"number": job.number, "label": job.options.get("label", ""), "at": job.parked} for job in jobs)
    return {"ok": next(pages(rows))}


def _attended(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    """Whether process `number` is a shell here at which a person sits, or will again: whoever is elsewhere is told."""
    shell = node.shells.of(number := int(asked["number"]))
    if shell is None or shell.evaluator != number:
        return {"ok": False}
    if not shell.attended:
        _call_back(node, shell, node.members.label(frame.source.incarnation))
    return {"ok": shell.attended or bool(shell.seats.away)}


def _call_back(node: "Node", shell: "Console", where: str) -> None:
    """Tell the terminals that went over to another shell that code on node `where` is about to wait for this one."""
    text = f"code on {where} waits in a debugger for {shell.title}: Ctrl-D goes back there, and debug() to the code"
    for number in shell.seats.away:
        if (link := node.processes.get(number)) is not None:
            meta = pack({"text": text, "level": "warn", "call": True})
            node.write(link, Frame(Kind.NOTICE, node.me, Pid(node.incarnation, number), meta=meta))


def tell_gone(node: "Node", shell: Pid) -> None:
    """The `shell` of this node has died, and the node lives: let the others know, where something may wait for it."""
    for peer in list(node.peers):
        node.post(Pid(peer, HUB), Kind.REQUEST, meta={"verb": "gone"}, source=shell)


def _gone(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> None:
    """In the asker's name its node says that it is dead, as of all processes of a node that is down."""
    node.work.requester_lost(lambda asker: asker == frame.source)


VERBS: dict[object, Callable[["Node", Link | None, Frame, Meta], Any]] = {
    "park": _park, "parked": _parked, "attended": _attended, "gone": _gone,
}  # fmt: skip
