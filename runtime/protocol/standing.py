"""How busy a node is, why a task of it waits, and what the other nodes hear: how busy, and what is callable by name."""

from typing import TYPE_CHECKING, Any, NamedTuple

from pysh.runtime.protocol.apartments import SHELL
from pysh.runtime.protocol.frames import LOCAL, Frame, Kind, pack, pages
from pysh.runtime.protocol.jobs import DONE, QUEUED, Job
from pysh.runtime.protocol.pool import Pool

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

CORDONED = 1 << 40
"""What the load of a node is raised by that is being upgraded: it is chosen only among such."""
SOON, PAUSE = 0.05, 0.5
"""Seconds from a change until the other nodes are told, and from one report to the next, at least."""

CHOOSERS = frozenset(("evaluator", "program"))
"""Who is told of every change. Workers are not: hundreds may rest, and those that choose know what they sent where."""


class Stand(NamedTuple):
    """Where a task stands: `sent`, `queued`, `running` or `done`, and why it is no further."""

    state: str
    why: str = ""


def stand(job: Job, pool: Pool, node: str, shell: bool = True) -> Stand:
    """Where `job` stands at `node`, whose `shell` is up, as far as its hub knows."""
    if job.state == DONE:
        return Stand("done")
    if not job.complete:
        return Stand("sent", "its arguments are on their way")
    if job.number in pool.waiting:
        before = pool.waiting.index(job.number)
        return Stand("queued", f"{before} before it, {_busy(pool)} busy on {node}")
    if job.in_shell:
        why = f"the shell of {node} {'is busy' if shell else 'starts'}"
        return Stand("running") if job.told else Stand("queued", why)
    if job.state == QUEUED:
        return Stand("sent", f"a worker for it starts on {node}")
    held = pool.of(job.worker or 0)
    if job.number not in held:
        return Stand("running")  # in an apartment, beside others
    if held[:1] != [job.number]:
        return Stand("queued", f"{held.index(job.number)} before it in its worker on {node}")
    why = "values that it needs are being brought" if job.brings else ""
    return Stand("running") if job.told else Stand("sent", why)


def _busy(pool: Pool) -> str:
    return f"{pool.busy} worker{'s' if pool.busy != 1 else ''}"


def facts(pool: Pool) -> dict[str, int]:
    """What the table of nodes shows of a pool."""
    return {"busy": pool.running, "size": pool.size, "waiting": len(pool.waiting)}


def load(told: dict[str, int] | None) -> int:
    """How busy a node is that tells those `facts`, as one number, by which nodes are compared."""
    return told["busy"] + told["waiting"] + CORDONED * ("cordoned" in told) if told is not None else 0


def read_facts(told: Any) -> dict[str, int] | None:
    """The `facts` that another node tells; None for what are none."""
    names = ("busy", "size", "waiting")
    if not isinstance(told, dict) or not all(type(told.get(name)) is int for name in names):
        return None
    return {name: told[name] for name in names} | ({"cordoned": 1} if told.get("cordoned") else {})


class Standing:
    """Tells the other nodes of the pool and of the names of this one, and who chooses a node here how busy all are.

    Each of them is told now and then, where something has changed.
    """

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._due = False
        self._told: dict[str, Any] = {}
        self._told_at = -PAUSE
        self._passing = False
        self._passed: dict[bytes, int] = {}
        self._passed_at = -PAUSE

    @property
    def facts(self) -> dict[str, int]:
        """Those of this node's pool, and whether it is cordoned."""
        told = facts(self._node.work.pool)
        return told | {"cordoned": 1} if self._node.upgrades.cordoned else told

    @property
    def load(self) -> int:
        """How busy this node is."""
        return load(self.facts)

    def of(self, job: Job) -> Stand:
        """Where a job of this node stands."""
        work = self._node.work
        return stand(job, work.pool, self._node.name.partition("@")[0], SHELL in work.workers)

    def changed(self, *, at_once: bool = False) -> None:
        """A task or a process has come or ended, begins or ends to wait, or another name is callable.

        `at_once` the others are told that tasks had better go elsewhere, or may come again.
        """
        if at_once:
            self._tell(at_once=True)
        elif not self._due and self._node.peers:
            self._due = True
            self._node.later(max(SOON, self._told_at + PAUSE - self._node.now), self._tell)

    def _tell(self, *, at_once: bool = False) -> None:
        self._due = False
        about = self._about()
        if news := {key: value for key, value in about.items() if self._told.get(key) != value}:
            self._told, self._told_at = about, self._node.now
            for member in self._node.peers.values():
                if member.link is not None:
                    self._node.write(member.link, _report(news))
            self.heard(at_once=at_once)

    def heard(self, *, at_once: bool = False) -> None:
        """Some node is busier than it was, or less: whoever may choose one is told soon, or `at_once`."""
        if at_once:
            self._pass_on()
        elif not self._passing:
            self._passing = True
            self._node.later(max(SOON, self._passed_at + PAUSE - self._node.now), self._pass_on)

    def _pass_on(self) -> None:
        node, self._passing = self._node, False
        loads = {member.incarnation: member.load for member in node.peers.values()} | {node.incarnation: self.load}
        news = [(each, busy) for each, busy in loads.items() if self._passed.get(each) != busy]
        self._passed, self._passed_at = loads, node.now
        frames = [Frame(Kind.LOADS, LOCAL, LOCAL, meta=pack(page)) for page in pages(news) if page]
        for link in node.links.values():
            if link.role in CHOOSERS:
                for frame in frames:
                    node.write(link, frame)

    def _about(self) -> dict[str, Any]:
        return {"pool": self.facts, "names": self._node.work.code.told()}

    def report(self) -> Frame:
        """What tells a neighbour all of it."""
        return _report(self._about())


def _report(about: dict[str, Any]) -> Frame:
    return Frame(Kind.ABOUT, LOCAL, LOCAL, meta=pack(about))
