"""Code that waits in a debugger for somebody at the shell of its owner, as its hub knows of it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.frames import Frame, Kind, pages
from pysh.runtime.protocol.jobs import DONE
from pysh.runtime.protocol.links import Link, addressed

if TYPE_CHECKING:
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
    """Whether process `number` is a shell here at which a person sits."""
    shell = node.shells.of(number := int(asked["number"]))
    return {"ok": shell is not None and shell.evaluator == number and shell.attended}


VERBS: dict[object, Callable[["Node", Link | None, Frame, Meta], Any]] = {
    "park": _park, "parked": _parked, "attended": _attended,
}  # fmt: skip
