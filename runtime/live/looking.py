"""What the nodes say of themselves, asked all at once and never waited for: one that hangs is late alone."""

from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from pysh.runtime.errors import PyshError
from pysh.runtime.live.model import NODES, PROCESSES, TASKS, Row
from pysh.runtime.live.spark import spark
from pysh.runtime.live.text import plain
from pysh.runtime.node import milliseconds
from pysh.runtime.protocol.durations import lasting
from pysh.runtime.protocol.terms import Pid, shown
from pysh.runtime.results import field, load, megabytes
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.view import NodeInfo
from pysh.runtime.runner.waiting import Steps, Waiter

MOST = 1000
"""Rows of one node that are asked for, whatever there is."""
SILENT = 3.0
"""Seconds without an answer until a node counts as silent."""
LATELY = 20
"""How many loads of a node are remembered."""

Told = list[dict[str, Any]]


class Going:
    """A verb on its way, taken as far as it comes without waiting."""

    def __init__(self, client: Client, steps: Steps[Any], now: float) -> None:
        self.began = now
        self.value: Any = None
        self.error: Exception | None = None
        self.done = False
        self._client, self._steps = client, steps
        self._waiter: Waiter | None = None
        self._resume(lambda: next(steps))

    def advance(self) -> bool:
        """Whether it is done."""
        while not self.done and (waiter := self._waiter) is not None and self._client.look(waiter):
            error = waiter.error
            if error is None:
                self._resume(lambda value=waiter.value: self._steps.send(value))  # type: ignore[misc]
            else:
                self._resume(lambda error=error: self._steps.throw(error))  # type: ignore[misc]
        return self.done

    def _resume(self, step: Callable[[], Waiter]) -> None:
        try:
            self._waiter = step()
        except StopIteration as end:
            self.value, self.done = end.value, True
        except PyshError as error:
            self.error, self.done = error, True


def pages(client: Client, verb: str, dest: Pid, last: int = 0) -> Steps[Told]:
    """What a hub lists, page by page, but no more than is worth showing."""
    rows: Told = []
    while len(rows) < MOST:
        page = yield client.ask_later(verb, dest=dest, after=last)
        before, last = last, page[-1]["number"] if page else last
        if last <= before:
            break
        rows += page
    return rows


class Looking:
    """The last answers of all nodes, and the questions under way: one of each kind a node."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._going: dict[tuple[str, bytes], Going] = {}
        self._told: dict[tuple[str, bytes], Told] = {}
        self._loads: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=LATELY))

    @property
    def waits(self) -> bool:
        """Whether some answer is still to come."""
        return bool(self._going)

    def ask(self) -> None:
        """Ask every node that has answered the last time."""
        client, now = self._client, monotonic()
        infos = client.view.nodes
        known = {info.incarnation for info in infos}
        for kept in (self._going, self._told):
            for key in [key for key in kept if key[1] not in known]:
                del kept[key]
        self._start("nodes", client.hub, now, last=-1)
        for info in infos:
            self._start("tasks", info.hub, now)
            self._start("processes", info.hub, now)

    def _start(self, verb: str, dest: Pid, now: float, last: int = 0) -> None:
        key = verb, dest.incarnation
        if key not in self._going:
            self._going[key] = Going(self._client, pages(self._client, verb, dest, last), now)

    def advance(self) -> bool:
        """Take what has come; whether anything did."""
        ended = [key for key, going in self._going.items() if going.advance()]
        for key in ended:
            going = self._going.pop(key)
            if going.error is None:
                self._told[key] = going.value
                if key[0] == "nodes":
                    self._remember(going.value)
        return bool(ended)

    def _remember(self, rows: Told) -> None:
        for row in rows:
            pool = row.get("pool") or {}
            self._loads[row["name"]].append(float(pool.get("busy", 0) + pool.get("waiting", 0)))

    def rows(self) -> Mapping[str, list[Row]]:
        """All panes, of what was told last."""
        now, panes = monotonic(), {NODES: [self._node(row) for row in self._of("nodes", self._client.incarnation)]}
        panes[PROCESSES], panes[TASKS] = [], []
        for info in self._client.view.nodes:
            own = self._client.pid.number if info.incarnation == self._client.incarnation else 0
            panes[PROCESSES] += [_process(info, row, own) for row in self._of("processes", info.incarnation)]
            panes[TASKS] += [
                _task(info, row) for row in self._of("tasks", info.incarnation) if row.get("kind") != "process"
            ]
            if (silent := self._silent(info.incarnation, now)) >= SILENT:
                panes[NODES] = [_silent(row, info, silent) for row in panes[NODES]]
        return panes

    def _of(self, verb: str, incarnation: bytes) -> Told:
        return self._told.get((verb, incarnation), [])

    def _silent(self, incarnation: bytes, now: float) -> float:
        began = [now - going.began for key, going in self._going.items() if key[1] == incarnation]
        return max(began, default=0.0)

    def _node(self, row: dict[str, Any]) -> Row:
        name, rtt, pool = plain(row["name"]), row.get("rtt"), row.get("pool") or {}
        lately = self._loads[row["name"]]
        texts = (
            name, plain(row["state"]), "" if rtt is None else milliseconds(rtt), plain(load(row)),
            str(spark(lately, low=0, high=max(1.0, *lately, float(pool.get("size", 1))))), field(row.get("tasks")),
        )  # fmt: skip
        busy = pool.get("busy", 0) + pool.get("waiting", 0)
        values = (name, texts[1], rtt or 0, busy, busy, row.get("tasks") or 0)
        return Row((name, 0), texts, values, "", bytes(row["incarnation"]))


def _silent(row: Row, info: NodeInfo, seconds: float) -> Row:
    if row.incarnation != info.incarnation:
        return row
    return row._replace(fields=(row.fields[0], f"silent {lasting(seconds)}", *row.fields[2:]))


def _process(info: NodeInfo, row: dict[str, Any], own: int) -> Row:
    number, memory = int(row["number"]), row.get("memory") or 0
    texts = (
        plain(shown(info.name, number)), plain(row.get("name") or ""), plain(row.get("label", "")),
        plain(row.get("kind", "")), plain(row.get("state", "")), lasting(row["age"]), field(row.get("queue")),
        megabytes(memory / 1e6) if memory else "",
    )  # fmt: skip
    values = (info.name, *texts[1:5], row["age"], row.get("queue") or 0, memory)
    seat = row.get("kind") in ("shell", "program") and not row.get("label")
    return Row((info.name, number), texts, values, "self" if number == own else "seat" * seat, info.incarnation)


def _task(info: NodeInfo, row: dict[str, Any]) -> Row:
    number = int(row["number"])
    texts = (
        str(number), plain(info.name), plain(row.get("label", "")), plain(row.get("kind", "")),
        plain(row.get("status", "")), plain(row.get("owner", "")), lasting(row["age"]),
    )  # fmt: skip
    return Row((info.name, number), texts, (number, *texts[1:6], row["age"]), "", info.incarnation)
