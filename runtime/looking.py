"""Looking at what runs: `why` it is where it is, `trace` of where its time went, and its `stack`.

Nothing of it costs what runs anything: it uses what is noted of each task anyway, and asks when somebody looks.
"""

from typing import Any, NamedTuple

from pysh.runtime.dumps import doing, shown_stack
from pysh.runtime.errors import NodeDown, NoProcess, PyshError, RemoteTraceback
from pysh.runtime.listed import Listed
from pysh.runtime.node import Shown
from pysh.runtime.process import Actor, Process
from pysh.runtime.protocol.durations import lasting
from pysh.runtime.protocol.terms import HUB, Pid
from pysh.runtime.results import Rows, table
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.waiting import Steps, block, refuse_to_block
from pysh.runtime.started import current
from pysh.runtime.task import Task
from pysh.runtime.tracebacks import Told

Looked = Task | Listed | Process | Actor | str
"""What can be looked at: a task, a row of `tasks()`, or a process, also by its text such as `n2.17`."""


def why(t: Looked) -> Shown:
    """Why a task or process is where it is: in which queue, for what it waits, where its code is, how it ended.

    `t` is a task, a row of `tasks()`, or a process. Raises `NodeDown`, and `TypeError` for what is none of these.
    """
    refuse_to_block("why")
    return block(reason(t))


def trace(t: Looked) -> "Trace":
    """Where the time of a task went, stage by stage: a table at the prompt, with milliseconds.

    Each is measured by one clock, that of the node named beside it; no two are compared. So the way there and back
    is one stage: what is left of the time here once that there is taken off. Of one that has not ended it is so far. Of
    what has been over for long (1,024 tasks of its node) only what was noted here is left. Raises as `why`.
    """
    refuse_to_block("trace")
    return block(traced(t))


def stack(t: Looked) -> str:
    """Where the code of a task or process is right now, innermost call first; or why it does not run.

    Of an async process, whose code shares a runner with others, that is not known. Raises as `why`.
    """
    refuse_to_block("stack")
    return block(stacked(t))


class Meant(NamedTuple):
    """What is looked at: as its handle here, and by how its hub knows it."""

    name: str
    hub: Pid
    asked: dict[str, Any]
    task: Task | None = None
    process: Process | None = None


def meant(t: Any) -> Meant:
    """How its node is asked for `t`. Raises `TypeError`."""
    if isinstance(t, str):
        from pysh.runtime.messages import process_of

        t = process_of(t)
    if isinstance(t, Actor):
        t = t.process
    if isinstance(t, Process):
        return Meant(repr(t), Pid(t.pid.incarnation, HUB), {"number": t.pid.number}, None, t)
    if isinstance(t, Listed):
        name = f"Task {t.get('number')} {t.get('label')} on {str(t.get('node')).partition('@')[0]}"
        if t.get("kind") == "process":
            pid = Pid(t.hub.incarnation, int(t["number"]))
            return meant(Process(pid, str(t["node"])))
        return Meant(f"<{name}>", t.hub, {"number": t["number"]})
    if isinstance(t, Task):
        number = t.seen_number
        by_ref = {"ref": t.ref, "owner": list(t.source)}
        hub = Pid(t.dest.incarnation, HUB)
        return Meant(f"<{t.called}>", hub, {"number": number} if number else by_ref, t)
    raise TypeError(f"what is looked at is a task, a row of tasks() or a process, not {t!r}")


# why


def reason(t: Looked) -> Steps[Shown]:
    """Why it is where it is."""
    client = current()
    what = meant(t)
    if what.task is not None and what.task.done():
        return Shown(f"{what.name}: {ended(what.task)}")
    if what.task is not None and what.task.dest.number != HUB:  # a call of an actor
        return Shown(f"{what.name}: not answered yet; its actor {(yield from _doing(client, what))}")
    if _silent(client, what.hub):
        return Shown(
            f"{what.name}: nothing comes from {_node(client, what.hub)} at present; it goes on once that is back"
        )
    return Shown(f"{what.name}: {(yield from _stands(client, what))}")


def _doing(client: Client, what: Meant) -> Steps[str]:
    assert what.task is not None
    pid = what.task.dest
    process = Process(pid, client.view.name_of(pid.incarnation))
    return (yield from _stands(client, Meant(repr(process), what.hub, {"number": pid.number}, None, process)))


def _silent(client: Client, hub: Pid) -> bool:
    return any(info.incarnation == hub.incarnation and info.state == "suspect" for info in client.view.nodes)


def _node(client: Client, hub: Pid) -> str:
    return client.view.name_of(hub.incarnation).partition("@")[0]


def _stands(client: Client, what: Meant) -> Steps[str]:
    told = yield client.ask_later("times", dest=what.hub, **what.asked)
    node = _node(client, what.hub)
    if not told or told["state"] == "done":
        if what.process is not None and not told:
            return (yield from _shell(client, what.process))
        over = "it has ended" if what.process is not None else "it is over, or not known any more"
        return f"{over} on {node}"
    text = ""
    if told["state"] in ("running", "sent") and told["working"] is not None and not told["shared"]:
        try:
            text = str((yield client.ask_later("stack", dest=what.hub, **what.asked))["text"])
        except NodeDown:
            raise
        except PyshError:
            return f"it is over on {node}"  # just now
    about = None
    if what.process is not None:
        try:
            about = yield client.ask_later("process", dest=what.hub, number=what.process.pid.number)
        except NoProcess:
            return f"it has ended on {node}"  # just now
    return standing(told | {"owner": "" if told["owner"] == client.name else told["owner"]}, node, text, about)


def _shell(client: Client, process: Process) -> Steps[str]:
    """Of a process that is no job: a shell, a program, or one that is gone."""
    try:
        about = yield client.ask_later("process", dest=Pid(process.pid.incarnation, HUB), number=process.pid.number)
    except NoProcess:
        return "it has ended, or never was"
    return f"the {about['kind']} of {process.node}, {'busy' if about['state'] == 'running' else 'at its prompt'}"


def standing(told: dict[str, Any], node: str, text: str = "", about: dict[str, Any] | None = None) -> str:
    """In words where something stands that has not ended, as its node `told` it, and the stack's `text`."""
    owner = f"; its owner is on {told['owner']}" if told.get("owner") else ""
    if told.get("lost"):
        owner += ", and lost: tasks() lists it, and its result is kept"
    if told["state"] in ("queued", "sent") and not (text and told["working"] is not None):
        what = f": {told['why']}" if told.get("why") else f" to {node}"
        return f"{told['state']} for {lasting(told['queued'])}{what}{owner}"
    if told.get("parked"):
        does = f"waits in a debugger at {told['parked']}: debug() gets there"
    elif about is not None and about["state"] == "waiting" and told["shared"]:
        does = f"waits, in receive or for what has not happened yet ({about['queue']} messages wait for it)"
    elif told["shared"]:
        does = "runs, beside others in its runner"
    else:
        does = doing(text)
    limit = f" of the {told['limit']:g} s that it has" if told.get("limit") else ""
    return f"{does}, for {lasting(told['working'] or 0.0)}{limit} on {node}{owner}"


def ended(task: Task) -> str:
    """How a task ended that has."""
    error, took = task.outcome(), task.took
    ran = "" if took is None else f" after {lasting(took)}"
    if error is None:
        return f"done{ran}; its result is here"
    state = task.status
    if state == "failed":
        return f"failed{ran}{_raised(error)}: {type(error).__name__}: {error}".rstrip(": ")
    return f"{state}{ran}: {error}"


def _raised(error: BaseException) -> str:
    cause = error.__cause__
    if not isinstance(cause, RemoteTraceback) or not isinstance(cause.told, Told):
        return ""
    frames = [frame for frame in cause.told.frames if frame.file and not frame.ours]
    return f" in {frames[-1].name} at {frames[-1].file}:{frames[-1].line}" if frames else ""


# trace


class Trace(Rows):
    """Rows of `stage ms where`: plain data, and a table at the prompt."""

    def __pysh_table__(self) -> tuple[list[str], list[list[str]]]:
        made = [[row["stage"], f"{row['ms']:,.2f}".rjust(11), row["where"]] for row in self]
        return ["stage", "         ms", "where"], made

    def __repr__(self) -> str:
        return table(*self.__pysh_table__())


class Own(NamedTuple):
    """What was noted here of a task, in seconds: until it was sent, and until its end came or now."""

    pickled: float | None = None
    away: float | None = None
    over: bool = False


def traced(t: Looked) -> Steps[Trace]:
    """Where its time went."""
    from time import perf_counter

    client = current()
    what = meant(t)
    if what.process is not None:
        raise TypeError(f"{what.name} is a process: its time has no stages; why() and stack() look at it")
    told: dict[str, Any] = {}
    if what.task is None or what.task.dest.number == HUB:
        try:
            told = yield client.ask_later("times", dest=what.hub, **what.asked)
        except PyshError:
            pass  # its node is gone: what was noted here is left
    own, task = Own(), what.task
    if task is not None and task.sent:
        pickled = task.sent - task.made if task.made else None
        own = Own(pickled, (task.came or perf_counter()) - task.sent, bool(task.came))
    spent = task.spent if task is not None and task.waiter.done else ()
    stages = split(own, told, spent, client.name.partition("@")[0], _node(client, what.hub))
    return Trace(("stage", "ms", "where"), stages)


def split(
    own: Own, told: dict[str, Any], spent: tuple[float, ...], here: str, there: str
) -> list[dict[str, Any]]:  # fmt: skip
    """The stages of a task, as rows: what was noted here, what its hub `told`, and what its worker `spent`."""
    rows: list[tuple[str, float | None, str]] = [("pickled", own.pickled, here)]
    queued, working = told.get("queued"), told.get("working")
    known = queued is not None
    inside = (queued or 0.0) + (working or 0.0)
    if own.over and own.away is not None and (known or spent):
        rows.append(("on the way", own.away - (inside if known else spent[0]), f"{here} to {there} and back"))
    rows.append(("queued", queued, f"{there}, until a worker had it"))
    if spent:
        took, found, ran = (*spent, 0.0, spent[0])[:3] if len(spent) != 3 else spent
        rows.append(("to its worker", None if working is None else working - took, f"{there}, and back"))
        rows.append(("unpickled", found if len(spent) == 3 else None, f"{there}, with the code it needs"))
        rows.append(("ran", ran, there))
        rows.append(("result pickled", took - found - ran if len(spent) == 3 else None, there))
    elif working is not None:
        rows.append(("ran" if own.over else "runs so far", working, there))
    rows.append(("total" if own.over else "so far", _total(own, inside if known else None), here))
    return [{"stage": stage, "ms": max(0.0, took) * 1000, "where": at} for stage, took, at in rows if took is not None]


def _total(own: Own, inside: float | None) -> float | None:
    return inside if own.away is None else (own.pickled or 0.0) + own.away


# stack


def stacked(t: Looked) -> Steps[str]:
    """Where its code is."""
    client = current()
    what = meant(t)
    if what.task is not None and what.task.done():
        return Shown(f"it is over: {what.task.status}\n")
    if what.process is not None:
        told = yield client.ask_later("times", dest=what.hub, **what.asked)
        if told and told["shared"] and told["state"] != "done":
            where = f"{what.name} is an async process, which shares its runner: where it awaits is not known"
            return Shown(f"{where}; with isolate=True it has a stack of its own\n")
    answer = yield client.ask_later("stack", dest=what.hub, **what.asked)
    return shown_stack(str(answer["text"]))
