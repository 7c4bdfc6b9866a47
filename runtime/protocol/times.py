"""Where a job stands and where its time went on its own node: durations, since no two clocks agree."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from pysh.runtime.protocol.frames import Frame
from pysh.runtime.protocol.jobs import DONE, QUEUED, Job
from pysh.runtime.protocol.links import Link, addressed
from pysh.runtime.protocol.terms import Ref

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node


class Times(NamedTuple):
    """Seconds: until its worker had it, and from then on, None before that."""

    queued: float
    working: float | None


def spent(accepted: float, sent: float, ended: float, now: float) -> Times:
    """What came of three moments, those that have not been yet being 0."""
    end = ended or now
    return Times((sent or end) - accepted, end - sent if sent else None)


def times_of(job: Job, now: float) -> Times:
    """Those of one that is known; a job that was given back waits again."""
    sent = 0.0 if job.state == QUEUED else job.sent_at
    return spent(job.accepted_at, sent, job.ended_at if job.state == DONE else 0.0, now)


def _times(node: "Node", link: Link | None, frame: Frame, asked: dict[str, Any]) -> dict[str, Any]:
    """What is known of a task or process, also a while after its end; nothing of one that is not known any more."""
    work, number = node.work, int(asked.get("number") or 0)
    job = work.jobs.get(number) if number else work.meant(Ref(addressed(asked["owner"]), asked["ref"]))
    if job is not None:
        times = times_of(job, node.now)._asdict()
        about = {"number": job.number, "label": job.options.get("label", ""), "owner": job.by, "lost": job.lost}
        where = {
            "shared": job.worker in work.tenancy.apartments,
            "limit": job.options.get("limit"),
            "parked": job.parked,
        }
        return {"ok": {**times, **about, **where, **work.standing.of(job)._asdict()}}
    moments = work.jobs.moments(number)
    return {"ok": {} if moments is None else {"number": number, "state": DONE, **spent(*moments, node.now)._asdict()}}


VERBS: dict[object, Callable[["Node", Link | None, Frame, dict[str, Any]], Any]] = {"times": _times}
