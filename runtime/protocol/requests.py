"""What a hub answers when asked: one short function a verb."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol import (
    blobs,
    grants,
    parked,
    placed,
    postmortem,
    processes,
    relations,
    stuck,
    times,
    upgrades,
)
from pysh.runtime.protocol.actions import Prepare, Start
from pysh.runtime.protocol.addresses import read_way
from pysh.runtime.protocol.frames import ROOM, Frame, pages
from pysh.runtime.protocol.jobs import DONE, Job
from pysh.runtime.protocol.links import Link, addressed
from pysh.runtime.protocol.shells import NoShell
from pysh.runtime.protocol.terms import TAKEN_OVER, Ref

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

Meta = dict[str, Any]


def answer(node: "Node", link: Link | None, frame: Frame) -> None:
    """Answer REQUEST `frame`, now or when its outcome is known."""
    asked = frame.options()
    verb = asked.get("verb")
    do = VERBS.get(verb)
    if link is not None and node.shells.watches(link):
        text = f"this terminal only watches {node.name}: it may ask for nothing"
        node.reply(frame, {"error": "PyshError", "text": text, "executed": "no"})
        return
    if do is None:
        node.reply(
            frame,
            {
                "error": "PyshError",
                "text": f"{node.name} does not know the request {verb!r}",
                "executed": "no",
            },
        )
        return
    try:
        told = do(node, link, frame, asked)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        text = f"{node.name} cannot read the request {verb!r}: {error!r}"
        told = {"error": "PyshError", "text": text, "executed": "no"}
    if told is not None:
        node.reply(frame, told)


def _info(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    pool = node.work.pool
    facts = {
        "name": node.name,
        "jobs": len(node.work.jobs),
        "workers": len(pool.workers),
        "waiting": len(pool.waiting),
    }
    more = node.facts(memory=True) if asked.get("memory") else node.facts()
    own = [shell for shell in node.shells if shell.number]
    shells = [{"number": shell.number, "attached": shell.attached, "busy": shell.busy} for shell in own]
    return {"ok": {**facts, "links": sorted(other.role for other in node.links.values()), "shells": shells, **more}}


def _nodes(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    """Those after number `after`, as many as an answer has room for."""
    tasks = dict.fromkeys(node.peers, 0)
    for ref in node.elsewhere:
        if ref.owner.incarnation in tasks:
            tasks[ref.owner.incarnation] += 1
    mine = sum(job.state != DONE and not job.is_process for job in node.work.jobs)
    tasks[node.incarnation] = mine
    pools = {member.incarnation: member.pool for member in node.peers.values()}
    pools[node.incarnation] = node.work.standing.facts
    rows = (
        {**view, "tasks": tasks[view["incarnation"]], "pool": pools[view["incarnation"]]}
        for view in node.members.view(asked.get("after", -1))
    )
    return {"ok": next(pages(rows))}


def _ping(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    return {"ok": node.work.standing.load}


def _connect(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta | None:
    try:
        way = read_way(asked)
    except ValueError as error:
        return {"error": "ConnectError", "stage": "resolve", "address": asked["addr"], "text": str(error)}
    node.members.connect(str(asked["addr"]), frame, way, asks=_asks(node, link, asked))
    return None


def _asks(node: "Node", link: Link | None, asked: Meta) -> bool:
    """Whether the asker has a person who may be asked; an evaluator has whoever sits at the attached terminal."""
    if link is None or not asked.get("asks"):
        return False
    return link.role != "evaluator" or node.shells.at(link).attended


def _answer(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta | None:
    text = asked.get("text")
    if node.members.dials.answer(int(asked["token"]), None if text is None else str(text), frame):
        return None
    return {"error": "ConnectError", "stage": "sshauth", "address": "", "text": "nobody waits for this answer any more"}


def _start(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> None:
    """Whoever asks is answered as for a `connect`."""
    token = node.members.dials.expect(frame)
    texts = {field: str(asked.get(field) or "") for field in ("name", "host", "python", "cwd", "setup", "hostkey")}
    env = {str(name): str(value) for name, value in (asked.get("env") or {}).items()}
    asks = _asks(node, link, asked)
    program = link.process if link is not None and link.role == "program" else 0
    persist = bool(asked.get("persist"))
    node.actions.append(Start(token, env=env, persist=persist, asks=asks, program=program, **texts))


def _disconnect(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    for peer in list(node.peers.values()):
        if peer.met and peer.goes_by(asked["name"]):
            node.members.part(peer, "disconnected")
            return {"ok": True}
    return {"error": "NodeDown", "node": asked["name"], "reason": "not connected", "executed": "no"}


def _tasks(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    """Those after number `after`, as many as an answer has room for."""
    jobs = (job for job in node.work.jobs if job.number > asked.get("after", 0))
    return {"ok": next(pages({**job.described(node.now), "node": node.name} for job in jobs))}


def _job(node: "Node", asked: Meta) -> Job | None:
    """The task that is meant: by its number here, or by who asked for it as what."""
    if (number := asked.get("number")) is not None:
        return node.work.jobs.get(int(number))
    return node.work.meant(Ref(addressed(asked["owner"]), asked["ref"]))


def _unknown(node: "Node") -> Meta:
    text = f"{node.name} does not know this task any more: its result was fetched, or it was cancelled by its owner"
    return {"error": "PyshError", "text": text, "executed": "maybe"}


def _fetch(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    """The result follows by itself."""
    return node.work.spool.fetch(int(asked["number"]), Ref(frame.source, int(asked["ref"])))


def _cancel_task(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    job = _job(node, asked)
    if job is None or job.state == DONE:
        return {"ok": False}
    node.work.ending.cancel(job, float(asked.get("grace", 2.0)), "cancel")
    return {"ok": True}


def _stack(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta | None:
    job = _job(node, asked)
    return _unknown(node) if job is None else node.work.stacks.ask(job, frame)


def _standing(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    """Where a task stands; nothing of one that has not come yet, or is gone."""
    job = _job(node, asked)
    return {"ok": {} if job is None else {**node.work.standing.of(job)._asdict(), "number": job.number}}


def _output(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    job = _job(node, asked)
    key = job.key if job is not None else Ref(addressed(asked["owner"]), asked["ref"])
    printed = node.work.jobs.printed(key) or b""
    # What is no UTF-8 takes more room as text than it did as bytes.
    return {"ok": {"text": printed.decode("utf-8", "replace").encode()[-ROOM:].decode("utf-8", "ignore")}}


def _printed(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    """What the shell printed in cells after number `after`, as much as an answer has room for."""
    return {"ok": next(pages(node.shells.at(link).printed.rows(int(asked.get("after", 0)))))}


def _attach(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    if link is None or link.role != "terminal":
        return {"error": "PyshError", "text": "only a terminal can attach", "executed": "no"}
    try:
        console = node.shells.meant(link, asked)
    except NoShell as error:
        return {"error": "PyshError", "text": str(error), "executed": "no"}
    if asked.get("force") and not asked.get("watch"):
        for number in console.others(link):
            node.part(node.processes[number], TAKEN_OVER)
            node.shells.taken_over = True
    told = node.shells.attach(link, console, asked)
    node.members.tell_grace()
    return {"ok": told}


def _away(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    """A terminal goes over to another shell; it attaches again when it is back."""
    return {"ok": link is not None and node.shells.at(link).goes_away(link)}


def _leave(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta | None:
    """While the shell's last messages are `sending` the terminal asks again, and the node stops then.

    While others sit there it only goes. A shell of its own ends; with it the node, if that has no other terminal.
    """
    shells, shell, everybody = node.shells, node.shells.at(link), node.shells.others(link)
    if others := len(shell.others(link) if shell.number else everybody):
        return {"ok": {"stop": False, "persistent": True, "reasons": [], "others": others}}
    if shells.taken_over:
        node.persistent = True  # its last terminal is not its first: what another one made ends by no key
    whole = not shell.number or not (everybody or node.persistent or asked.get("visit"))
    reasons = node.reasons_to_stay(shell) if whole else shells.reasons(shell)
    if not asked.get("stop") and (reasons or (whole and node.persistent)):
        called = {} if whole else {"called": shell.called}
        return {"ok": {"stop": False, "persistent": whole and node.persistent, "reasons": reasons, **called}}

    def end() -> None:
        if shell.others(link) if shell.number else shells.others(link):
            node.delivery.ending.discard(shell.evaluator or 0)  # who came meanwhile has it
        elif whole and not shells.others(link):
            node.stop("its last terminal left")
        else:
            for each in shells.leaving(shell):
                shells.end(each)

    def sent(unsent: list[str], sending: bool) -> None:
        if not sending:
            node.later(0, end)
        node.reply(frame, {"ok": {"stop": True, "reasons": [], "unsent": unsent, "sending": sending}})

    node.delivery.wait(node.processes.get(shell.evaluator or 0), sent)
    return None


def _stop(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta | None:
    """Another node's shell hears that we part, and has its answer with that."""
    if asked.get("drain") is not None:
        node.drain.begin(float(asked["drain"]))
    else:
        node.later(0, lambda: node.stop("it was told to"))
    return {"ok": True} if frame.source.incarnation not in node.peers else None


def _cancel(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    """Cancel every unfinished task of the asker that is not detached (a script ended)."""
    return {"ok": node.work.ending.cancel_of(lambda owner: owner == frame.source, float(asked.get("grace", 0.5)))}


def _sent(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> None:
    """The asker is about to end: it is answered once the other nodes have what it sent, or no more gets there now."""
    node.delivery.wait(link, lambda unsent, sending: node.reply(frame, {"ok": {"unsent": unsent, "sending": sending}}))


def _settle(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    """The asker is about to end: what it would be told in a while it is told before the answer."""
    node.undelivered.settle(frame.source)
    return {"ok": True}


def _eval(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> None:
    """The evaluator answers, straight to the asker: that at which a terminal is, else the shared one."""
    shell = node.shells.at(link) if link is not None and link.role == "terminal" else node.console
    shell.to_evaluator(frame)


def _begun(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> None:
    """The evaluator lives after what it runs before the first cell."""
    node.shells.at(link).begun = True


def _notice(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    """The shell of this node has something to tell whoever sits there."""
    if link is None or link.role != "evaluator":
        return {"error": "PyshError", "text": "only the shell of a node tells who sits there", "executed": "no"}
    for level, text in asked["notices"]:
        node.shells.at(link).notice(str(text), str(level), keep=True)
    return {"ok": True}


def _quiet(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    return {"ok": node.console.hush.set(str(asked["level"]))}


def _screen(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    """Whether the terminal that typed the cell shows what a program paints."""
    return {"ok": node.shells.at(link).paints}


def _prepare(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    node.actions.append(Prepare(str(asked.get("what"))))
    return {"ok": True}


def _paths(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta:
    node.paths = {"cwd": str(asked["cwd"]), "sys_path": [str(part) for part in asked["sys_path"]]}
    node.actions.append(Prepare("paths"))
    return {"ok": True}


VERBS: dict[object, Callable[["Node", Link | None, Frame, Meta], Meta | None]] = {
    "info": _info, "nodes": _nodes, "ping": _ping, "connect": _connect, "start": _start, "answer": _answer,
    "disconnect": _disconnect, "tasks": _tasks, "output": _output, "attach": _attach, "away": _away, "leave": _leave,
    "stop": _stop, "cancel": _cancel, "sent": _sent, "settle": _settle, "fetch": _fetch, "cancel_task": _cancel_task,
    "stack": _stack, "standing": _standing, "notice": _notice, "quiet": _quiet, "screen": _screen,
    "prepare": _prepare, "paths": _paths, "eval": _eval, "interrupt": _eval,
    "complete": _eval, **relations.VERBS, **processes.VERBS, **grants.VERBS, **blobs.VERBS, **placed.VERBS,
    **upgrades.VERBS, **times.VERBS, **parked.VERBS, **postmortem.VERBS, **stuck.VERBS,
    "begun": _begun, "printed": _printed,
}  # fmt: skip
