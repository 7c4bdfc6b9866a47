"""What a supervisor does about its children: whom it starts, stops and starts again, and when it gives up.

The strategies and their terms are those of OTP ("Supervisor Behaviour", OTP Design Principles). One step is
taken at a time, so that children start in their order and stop in the reverse: the next follows once the
child of the last has `started` or `ended`.
"""

from collections import Counter, deque
from collections.abc import Collection, Sequence
from math import inf
from typing import NamedTuple

from pysh.runtime.protocol.jobs import NORMAL, SHUTDOWN

PERMANENT, TRANSIENT, TEMPORARY = "permanent", "transient", "temporary"
RESTARTS = (PERMANENT, TRANSIENT, TEMPORARY)
ONE_FOR_ONE, ONE_FOR_ALL, REST_FOR_ONE = "one_for_one", "one_for_all", "rest_for_one"
STRATEGIES = (ONE_FOR_ONE, ONE_FOR_ALL, REST_FOR_ONE)


class Rule(NamedTuple):
    """How one child is treated: `shutdown` is the seconds that it has to end by itself, None for no limit."""

    name: str
    restart: str = PERMANENT
    shutdown: float | None = 5.0


class Start(NamedTuple):
    """Start a child, and say `started`; or `ended` if it cannot be started."""

    name: str


class Stop(NamedTuple):
    """Ask a child to end; its `ended` follows."""

    name: str


class Kill(NamedTuple):
    """End a child whatever it does; its `ended` follows."""

    name: str


class Exit(NamedTuple):
    """No child is left: the supervisor ends for `reason`."""

    reason: str


Action = Start | Stop | Kill | Exit


class Restarts:
    """The children of one supervisor, in their order.

    With more than `intensity[0]` restarts within `intensity[1]` seconds it gives up. Raises `ValueError` for
    what makes no sense.
    """

    def __init__(
        self, rules: Sequence[Rule], strategy: str = ONE_FOR_ONE, intensity: tuple[int, float] = (3, 5.0)
    ) -> None:  # fmt: skip
        self._rules = {rule.name: rule for rule in rules}
        self._strategy = strategy
        self._check(rules, intensity)
        self._most, self._seconds = intensity
        self._plan: deque[Action] = deque(Start(name) for name in self._rules)
        self._step: Action | None = None  # whose child has to start or to end before the next
        self._deadline = inf
        self._alive: set[str] = set()
        self._history: deque[float] = deque()  # when children were restarted
        self._up = False
        self._ending = False
        self.restarted: Counter[str] = Counter()
        """How often each child ended and was started again."""

    def _check(self, rules: Sequence[Rule], intensity: object) -> None:
        if self._strategy not in STRATEGIES:
            raise ValueError(f"strategy={self._strategy!r} is none of {', '.join(STRATEGIES)}; nothing was started")
        match intensity:
            case (int() as most, int() | float() as seconds) if most >= 0 and seconds > 0:
                pass
            case _:
                raise ValueError(f"intensity={intensity!r} is no (restarts, seconds); nothing was started")
        for name, count in Counter(rule.name for rule in rules).items():
            if count > 1:
                raise ValueError(f"{count} children are called {name!r}; nothing was started")
        for name, restart, shutdown in rules:
            if restart not in RESTARTS:
                raise ValueError(f"{name}: restart={restart!r} is none of {', '.join(RESTARTS)}; nothing was started")
            if shutdown is not None and not (isinstance(shutdown, int | float) and shutdown >= 0):
                raise ValueError(f"{name}: shutdown={shutdown!r} is no number of seconds; nothing was started")

    def begin(self, now: float) -> list[Action]:
        """Start all."""
        return self._go_on(now)

    def started(self, name: str, now: float) -> list[Action]:
        """A child was started."""
        self._alive.add(name)
        if self._step == Start(name):
            self._step = None
        return self._go_on(now)

    def ended(self, name: str, reason: str, now: float) -> list[Action]:
        """A child has ended, or could not be started."""
        self._alive.discard(name)
        if self._step is not None and self._step in (Start(name), Stop(name)):
            wanted, self._step, self._deadline = isinstance(self._step, Start), None, inf
        else:
            wanted = Start(name) not in self._plan  # else it will be started again as it is
            if not wanted and self._strategy == ONE_FOR_ONE and not self._comes_back(name, reason):
                self._plan = deque(step for step in self._plan if step != Start(name))  # it was done, before its turn
        if wanted and not self._ending:
            if not self._up:
                return self._end(f"{name!r} did not start: {reason}", now)
            if self._comes_back(name, reason):
                self._history.append(now)
                while self._history[0] <= now - self._seconds:
                    self._history.popleft()
                if len(self._history) > self._most:
                    within = f"{self._most} restarts within {self._seconds:g} s"
                    return self._end(f"gave up after {within}; {name!r} ended last: {reason}", now)
                self.restarted[name] += 1
                self._plan += self._group(name)
        return self._go_on(now)

    def renew(self, names: Collection[str], now: float) -> list[Action]:
        """Start those of the children that run anew, as they are then: that is no failure of theirs.

        Each after the one before it; with another strategy than `one_for_one` with those that go with the first of
        them. A temporary child goes on, unless it goes with these: then it ends.
        """
        able = [name for name in self._rules if name in names and name in self._alive and self._lasts(name)]
        if able and not self._ending:
            if self._strategy == ONE_FOR_ONE:
                self._plan += [step for name in able for step in (Stop(name), Start(name))]
            else:
                self._plan += self._group(able[0], stops=True)
        return self._go_on(now)

    @property
    def busy(self) -> bool:
        """Whether a child is to start or to stop before all is as it should be."""
        return self._step is not None or bool(self._plan)

    def shut_down(self, reason: str, now: float) -> list[Action]:
        """Stop all, the last first, and end for `reason`."""
        return [] if self._ending else self._end(reason, now)

    def next_deadline(self) -> float:
        """When to call `tick` at the latest."""
        return self._deadline

    def tick(self, now: float) -> list[Action]:
        """Let time pass."""
        if now < self._deadline or not isinstance(self._step, Stop):
            return []
        self._deadline = inf
        return [Kill(self._step.name)]

    def _comes_back(self, name: str, reason: str) -> bool:
        restart = self._rules[name].restart
        return restart == PERMANENT or (restart == TRANSIENT and reason not in (NORMAL, SHUTDOWN))

    def _lasts(self, name: str) -> bool:
        return self._rules[name].restart != TEMPORARY

    def _group(self, name: str, *, stops: bool = False) -> list[Action]:
        """What is to be done, as things stand then, so that `name` and who depends on it run again.

        It has ended, or `stops` first.
        """
        names = list(self._rules)
        if self._strategy == ONE_FOR_ONE:
            return [Start(name)]
        if self._strategy == REST_FOR_ONE:
            names = names[names.index(name) :]
        before = [Stop(each) for each in reversed(names) if stops or each != name]
        return [*before, *(Start(each) for each in names if self._lasts(each))]

    def _end(self, reason: str, now: float) -> list[Action]:
        self._ending = True
        self._plan = deque([*(Stop(name) for name in reversed(self._rules)), Exit(reason)])
        return self._go_on(now)

    def _go_on(self, now: float) -> list[Action]:
        """The next step of the plan, unless one is under way; those that are done already are left out."""
        while self._step is None and self._plan:
            step = self._plan.popleft()
            if isinstance(step, Exit):
                return [step]
            if isinstance(step, Start) is (step.name in self._alive):
                continue
            self._step, self._deadline = step, inf
            if isinstance(step, Stop):
                seconds = self._rules[step.name].shutdown
                if seconds == 0:
                    return [Kill(step.name)]
                self._deadline = inf if seconds is None else now + seconds
            return [step]
        self._up = self._up or self._step is None
        return []
