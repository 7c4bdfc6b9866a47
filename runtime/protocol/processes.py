"""Which processes live on a node, and what is known of each: plain data for whoever asks."""

from collections.abc import Callable, Iterator
from heapq import heapify, heappop
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.actions import Meta
from pysh.runtime.protocol.frames import Frame, pages
from pysh.runtime.protocol.jobs import DONE, QUEUED, Job
from pysh.runtime.protocol.links import Link
from pysh.runtime.protocol.terms import shown

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

SHELLS = ("evaluator", "program")
SOME = 500
"""Processes that are told to whoever types a pid."""


def listed(node: "Node", after: int) -> Iterator[Meta]:
    """Those with a number above `after`, in their order: the shell or the program, and what was spawned."""
    shells = {link.process: link for link in node.links.values() if link.role in SHELLS and link.process > after}
    jobs = [job for job in node.work.jobs if job.number > after and job.is_process and job.state != DONE]
    numbers = [*shells, *(job.number for job in jobs)]
    heapify(numbers)  # not sorted: there may be very many, and few of them fit into an answer
    while numbers:
        number = heappop(numbers)
        job = node.work.jobs.get(number)
        yield _of_shell(node, shells[number]) if job is None else _of_job(node, job)


def described(node: "Node", number: int) -> Meta | None:
    """All that is known of one; None if it does not live."""
    job, link = node.work.jobs.get(number), node.processes.get(number)
    if job is not None and job.is_process and job.state != DONE:
        told = _of_job(node, job)
    elif link is not None and link.role in SHELLS:
        told = _of_shell(node, link)
    else:
        return None
    return told | node.relations.described(number)


def _of_shell(node: "Node", link: Link) -> Meta:
    shell = node.shells.at(link)
    label = f"shell {shell.number}" if link.role == "evaluator" and shell.number else ""
    told = {"number": link.process, "label": label, "kind": "shell" if link.role == "evaluator" else "program"}
    state = "running" if link.role == "program" or shell.busy else "waiting"
    return _told(node, told, state, node.now - link.since, link.hello.pid, 0)


def _of_job(node: "Node", job: Job) -> Meta:
    apartments = node.work.tenancy.apartments
    shared = job.worker in apartments
    link = node.work.workers.get(job.worker or 0)
    told = {"number": job.number, "label": job.options.get("label", ""), "kind": _kind(job, shared)}
    mates = apartments.tenants(job.worker or 0) - 1 if shared else 0
    waits = not shared and node.work.pool.is_blocked(job.worker or 0)
    starts = job.state == QUEUED or not job.complete or (job.in_shell and not job.told)
    state = "starting" if starts else "waiting" if waits else "running"
    return _told(node, told, state, node.now - job.accepted_at, link.hello.pid if link is not None else 0, mates)


def _kind(job: Job, shared: bool) -> str:
    if job.in_shell:
        return "shell"
    return "async" if shared else "isolated" if job.options.get("isolate") else "sync"


def _told(node: "Node", told: Meta, state: str, age: float, pid: int, mates: int) -> Meta:
    number = told["number"]
    more = {"state": state, "age": age, "queue": node.mailboxes.waiting(number), "memory": node.memory(pid)}
    return {**told, "name": node.relations.name_of(number), **more, "os_pid": pid, "mates": mates}


# what is asked for by a REQUEST; see `requests`


def _processes(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta | None:
    """Those after number `after`, as many as an answer has room for."""
    rows = next(pages(listed(node, asked.get("after", 0))))
    return node.work.census.complete(frame, {"ok": rows}, rows)


def _process(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta | None:
    number = int(asked["number"])
    if (told := described(node, number)) is not None:
        return node.work.census.complete(frame, {"ok": told}, [told])
    return {"error": "NoProcess", "pid": shown(node.name, number), "executed": "no"}


def _living(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    """Some, for whoever types a pid or a name: of each its number, what it runs, and how it is called."""
    jobs = (job for job in node.work.jobs if job.is_process and job.state != DONE)
    of_jobs = ((job.number, str(job.options.get("label", ""))) for job in jobs)
    shells = ((link.process, link.role) for link in node.links.values() if link.role in SHELLS)
    some = islice(chain(shells, of_jobs), SOME)
    return {"ok": next(pages([number, label, node.relations.names_of(number)] for number, label in some))}


VERBS: dict[object, Callable[["Node", Link | None, Frame, Meta], Any]] = {
    "processes": _processes,
    "process": _process,
    "living": _living,
}
