"""A cluster in trouble, drawn from a seed, and what must hold of all that was seen in it.

One node fails itself, and its connections do, and some of the others; the rest must not notice.
"""

from collections import defaultdict
from itertools import combinations

from tests.sim.cluster import Cluster, Machine, Program

CALM = 60.0
"""Seconds without trouble at the end: more than any grace here, so that everything is settled by then."""


class Trouble:
    """`seconds` of load and faults among 3 to 5 nodes, then calm."""

    def __init__(self, seed: int, seconds: float = 70.0, rate: float = 1.0) -> None:
        self.cluster = cluster = Cluster(
            *"abcde"[: 3 + seed % 3], seed=seed, delay=(0.0005, 0.005, 0.05)[seed % 7 % 3], grace=(20.0, 40.0),
            one_machine=seed % 2 == 0,
        )  # fmt: skip
        self.random = cluster.random
        self.names = list(cluster.machines)
        for one, other in combinations(self.names, 2):
            cluster.join(one, other)
        self.programs = [cluster[name].program() for name in self.names]
        self.everybody = list(self.programs)  # those on nodes that were killed as well
        self.tasks: list[tuple[Program, int]] = []
        self.lines = list(cluster.lines)
        self.victim = self.random.choice(self.names)
        self.troubled = {
            pair for pair in combinations(self.names, 2) if self.victim in pair or self.random.random() < 0.25
        }
        self._load(seconds, rate)
        self._faults(seconds)
        cluster.run(seconds + CALM)

    def _load(self, seconds: float, rate: float) -> None:
        """Every program sends messages to every other and asks for tasks, at random times."""
        for _ in range(int(seconds * rate * len(self.names))):
            self.cluster.at(self.random.random() * seconds, self._burst)

    def _burst(self) -> None:
        sender = self.random.choice([program for program in self.programs if program.machine.running])
        receiver = self.random.choice([program for program in self.everybody if program is not sender])
        if self.random.random() < 0.3 and receiver.machine.incarnation in sender.known:
            self.tasks.append((sender, sender.task(receiver.machine, str(self.random.randrange(3000)).encode())))
        for _ in range(self.random.randrange(1, 4)):
            sender.message(receiver)

    # faults

    def _faults(self, seconds: float) -> None:
        for pair in sorted(self.troubled):
            for _ in range(self.random.randrange(1, 6)):
                fault = self.random.choice((self._cut, self._cut, self._part, self._stall, self._stall))
                self.cluster.at(self.random.random() * seconds, lambda pair=pair, fault=fault: fault(*pair))
        fault = self.random.choice((self._restart, self._restart, self._suspend, self._suspend, self._stop))
        self.cluster.at(self.random.random() * seconds, lambda: fault(self.victim))

    def _between(self, one: str, other: str) -> None:
        self.cut_lines = [
            line for line in self.cluster.lines
            if not line.broken and {machine.short for machine, _ in line.ends} == {one, other}
        ]  # fmt: skip

    def _cut(self, one: str, other: str) -> None:
        """The connection breaks; the next one may be made at once, by both ends perhaps."""
        self._between(one, other)
        for line in self.cut_lines:
            line.cut()
        if self.random.random() < 0.3:
            for name, there in ((one, other), (other, one)):
                self.cluster.at(self.random.random() / 10, lambda name=name, there=there: self._dial(name, there))

    def _dial(self, name: str, there: str) -> None:
        if self.cluster[name].running:
            self.cluster[name].dial(there)

    def _part(self, one: str, other: str) -> None:
        """It breaks, and for a while there is no way between the two."""
        pair = frozenset((one, other))
        self.cluster.unreachable.add(pair)
        self._cut(one, other)
        self.cluster.at(self.random.uniform(0.1, 30), lambda: self.cluster.unreachable.discard(pair))

    def _stall(self, one: str, other: str) -> None:
        """Nothing goes through, one way or both; connections made meanwhile go well."""
        self._between(one, other)
        ends = self.random.choice(((0,), (1,), (0, 1)))
        for line in self.cut_lines:
            for end in ends:
                line.stall(end)
                self.cluster.at(self.random.uniform(0.1, 25), lambda line=line, end=end: line.stall(end, on=False))

    def _suspend(self, name: str) -> None:
        self.cluster[name].freeze(self.random.uniform(1, 30), asleep=self.random.random() < 0.5)

    def _stop(self, name: str) -> None:
        """It stops, with goodbye."""
        machine = self.cluster[name]
        if machine.running:
            machine.core.stop("it was told to")
            machine.settle()
            self.cluster.at(1.0, lambda: self._end(machine))

    def _end(self, machine: Machine) -> None:
        if self.cluster.machines[machine.short] is machine and machine.up:
            self._restart(machine.short)

    def _restart(self, name: str) -> None:
        """kill -9; a while later, perhaps, a node of the same name starts and dials the others."""
        old = self.cluster[name]
        if not old.running:
            return
        self.cluster.kill(name)
        self.programs = [program for program in self.programs if program.machine is not old]
        if self.random.random() < 0.6:
            self.cluster.at(self.random.uniform(0.2, 10), lambda: self._start(name))

    def _start(self, name: str) -> None:
        machine = self.cluster.restart(name)
        self.programs.append(machine.program())
        self.everybody.append(self.programs[-1])
        for other in self.names:
            if other != name and self.random.random() < 0.8:
                machine.dial(other)

    # what must hold

    def problems(self) -> list[str]:
        """Everything that broke a promise, each with its number."""
        living = [program for program in self.programs if program.machine.up]
        found = [text for program in living for text in (*order(program), *downs(program))]
        found += [text for a in living for b in living if a is not b for text in delivery(a, b)]
        for program, ref in self.tasks:
            if program in living and (answers := len(program.results.get(ref, []))) != 1:
                found.append(f"P5: task {ref} of {program.machine.name} has {answers} answers")
        found += [
            f"P2: a task ran twice on {m.name}"
            for m in self.cluster.machines.values()
            if max(m.runs.values(), default=0) > 1
        ]
        return found + self._disturbed()

    def _disturbed(self) -> list[str]:
        """P15: what nodes saw of each other that had no trouble."""
        calm = set(combinations(self.names, 2)) - self.troubled
        found = [
            f"P15: the connection of {line.ends[0][0].name} and {line.ends[1][0].name} was made anew"
            for line in self.cluster.lines
            if tuple(sorted(machine.short for machine, _ in line.ends)) in calm and line not in self.lines
        ]
        for program in self.programs:
            pairs = {f"{other}@sim" for one in calm for other in one if program.machine.short in one}
            found += [
                f"P15: {program.machine.name} saw {name} go down"
                for name in program.downs
                if name in pairs and name != program.machine.name
            ]
        return found


def order(program: Program) -> list[str]:
    """P1: messages of one sender whose numbers do not rise."""
    last: dict[bytes, int] = defaultdict(int)
    found = []
    for what, sender, number in program.told:
        if what == "message" and isinstance(number, int):
            if number <= last[sender]:
                found.append(f"P1: {program.machine.name} got message {number} after {last[sender]}")
            last[sender] = max(last[sender], number)
    return found


def downs(program: Program) -> list[str]:
    """P3: node-down events that are not one for each session, or that a message of that session follows."""
    up: dict[bytes, bool] = {}
    found = []
    for what, incarnation, said in program.told:
        before = up.get(incarnation, what == "down")  # what was up before the program came has no event
        if what == "message":
            if not up.get(incarnation, True):
                found.append(f"P3: {program.machine.name} got message {said} of a node that is down")
        elif before == (what == "up"):
            found.append(f"P3: {program.machine.name} was told twice that {said} is {what}")
        if what != "message":
            up[incarnation] = what == "up"
    return found


def delivery(sender: Program, receiver: Program) -> list[str]:
    """P2: messages of a session that are not the first so many of it; all, where it still stands."""
    got = [number for what, who, number in receiver.told if what == "message" and who == sender.pid.incarnation]
    sessions: dict[int, list[int]] = defaultdict(list)
    for number, session in sender.sent.get(receiver.pid.incarnation, []):
        sessions[session].append(number)
    member = sender.machine.core.peers.get(receiver.pid.incarnation)
    found = [f"P2: {receiver.machine.name} got a message twice"] if len(set(got)) < len(got) else []
    for session, sent in sessions.items():
        arrived = [number for number in sent if number in set(got)]
        stands = member is not None and member.number == session and not member.suspect
        if arrived != sent[: len(arrived)] or (stands and arrived != sent):
            found.append(
                f"P2: {receiver.machine.name} lacks {sorted(set(sent) - set(got))[:5]} of {sender.machine.name}"
            )
    return found
