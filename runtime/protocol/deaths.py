"""What is said of a worker that died, and of the processes that were in it."""

from collections.abc import Iterable, Mapping
from signal import Signals
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.jobs import Job
from pysh.runtime.protocol.terms import Pid, shown

if TYPE_CHECKING:
    from pysh.runtime.protocol.work import Work

NAMED = 8
"""How many of those that lived in one runner are named."""


def tell(work: "Work", dead: Iterable[Job], death: Mapping[str, Any]) -> None:
    """Have the owners of those processes see what took them, in one line each; not of those that were ended."""
    by_owner: dict[Pid, list[Job]] = {}
    for job in dead:
        if job.is_process and job.cancel is None:
            by_owner.setdefault(job.owner, []).append(job)
    for jobs in by_owner.values():
        last = jobs[0].output[-1] if jobs[0].output else b"\n"
        line = f"{_named(work.node.name, jobs)}: {_how(death)}\n".encode()
        data = line if last.endswith(b"\n") else b"\n" + line
        jobs[0].keep_output(data)
        work.show(jobs[0], data)


def _named(node: str, jobs: list[Job]) -> str:
    """`<n2.7> work` for one, `<n2.7>, <n2.9>` for several."""
    if len(jobs) == 1:
        return f"{shown(node, jobs[0].number)} {jobs[0].options.get('label', '')}".rstrip()
    names = [shown(node, job.number) for job in jobs[:NAMED]]
    return ", ".join(names + [f"{len(jobs) - NAMED:,} more"] * (len(jobs) > NAMED))


def _how(death: Mapping[str, Any]) -> str:
    if death.get("text"):
        return str(death["text"])
    number, status = death.get("signal"), death.get("status")
    if number is None:
        return "the worker died" if status is None else f"the worker died with exit status {status}"
    try:
        return f"the worker died of {Signals(number).name}"
    except ValueError:
        return f"the worker died of signal {number}"


def explained(job: Job, node: str, death: dict[str, Any]) -> dict[str, Any]:
    """The same, with the limit that `job` had where its worker died of that."""
    cpu = job.options.get("cpu")
    if cpu is None or death.get("signal") != Signals.SIGXCPU:
        return death
    return {**death, "text": f"the worker on {node} died of SIGXCPU: cpu={cpu:g} were the seconds allowed to it"}
