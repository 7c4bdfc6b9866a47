"""Which apartment an async process moves into: decisions only; forking and sending is the hub's.

There is one apartment a core. They are made as they are needed, and stay: a process moves into the one with the
fewest in it, and never out of it. Where one may be evicted at any moment nobody moves in; another is made meanwhile.

The shell of the node is one too, for those who ask for it, and for nobody else. It is never evicted.
"""

from collections.abc import Iterator

from pysh.runtime.protocol.pool import NONE, Code, Fork, Retire, Run, Step, fits

SHELL = -1
"""What the shell is called where workers and apartments are called by their numbers from 1."""
AHEAD = 16
"""So many are sent to the shell that have not begun there; the others wait in the hub."""


class Apartment:
    """What is known of one: how many live there, and who waits until it is up."""

    __slots__ = ("behind", "code", "condemned", "ready", "tenants", "waiting")

    def __init__(self) -> None:
        self.tenants = 0
        self.code: dict[str, str] = {}  # what they brought
        self.behind = 0  # processes that it was sent and has not begun
        self.waiting: list[int] = []
        self.ready = False
        self.condemned = False  # it may be about to be evicted


class Apartments:
    """At most `size` of them, called by the next of `numbers`, which workers have as well."""

    def __init__(self, size: int, numbers: Iterator[int]) -> None:
        self.size = size
        self._numbers = numbers
        self._apartments: dict[int, Apartment] = {}
        self._shell = Apartment()
        self._ahead: set[int] = set()  # what was sent to the shell and has not begun there

    def __contains__(self, number: object) -> bool:
        return number == SHELL or number in self._apartments

    def __iter__(self) -> Iterator[int]:
        """The apartments; the shell is not among them."""
        return iter(list(self._apartments))

    def _get(self, number: int) -> Apartment | None:
        return self._shell if number == SHELL else self._apartments.get(number)

    def tenants(self, number: int) -> int:
        """How many live there, or are on their way."""
        apartment = self._get(number)
        return apartment.tenants if apartment is not None else 0

    @property
    def behind(self) -> int:
        """How many processes wait to begin in the apartment that is furthest behind, or until it is up."""
        return max((each.behind + len(each.waiting) for each in self._apartments.values()), default=0)

    def sent(self, number: int) -> None:
        """A process was sent there."""
        if number != SHELL:
            self._apartments[number].behind += 1

    def begun(self, number: int, count: int) -> None:
        """So many more have begun there, among them perhaps some whose arguments came in pieces."""
        if (apartment := self._apartments.get(number)) is not None:
            apartment.behind = max(0, apartment.behind - count)

    def move_in(self, job: int, code: Code = NONE) -> tuple[int, list[Step]]:
        """Process `job` moves in, which needs `code`: where, and the steps to take now."""
        number = sound = 0
        for each, apartment in self._apartments.items():
            if not apartment.condemned and fits(apartment.code, code):
                sound += 1
                if not number or apartment.tenants < self._apartments[number].tenants:
                    number = each
        steps: list[Step] = []
        if code and not number:
            steps += self._retire_empty()
        if not number or (self._apartments[number].tenants and sound < self.size):
            number = next(self._numbers)
            self._apartments[number] = Apartment()
            steps.append(Fork(number, apartment=True))
        apartment = self._apartments[number]
        apartment.tenants += 1
        apartment.code.update(code)
        if apartment.ready:
            steps.append(Run(number, job))
        else:
            apartment.waiting.append(job)
        return number, steps

    def enter_shell(self, job: int) -> list[Step]:
        """What is to run in the shell arrived: the steps to take now."""
        self._shell.tenants += 1
        self._shell.waiting.append(job)
        return self.go_on() if self._shell.ready else [Fork(SHELL)]

    def go_on(self, begun: int = 0) -> list[Step]:
        """What is to be sent to the shell now, where `begun` keeps others waiting no more."""
        self._ahead.discard(begun)
        steps: list[Step] = []
        while self._shell.ready and self._shell.waiting and len(self._ahead) < AHEAD:
            job = self._shell.waiting.pop(0)
            self._ahead.add(job)
            steps.append(Run(SHELL, job))
        return steps

    def _retire_empty(self) -> list[Step]:
        """Those that nobody fits into and nobody lives in are of no use any more."""
        steps: list[Step] = []
        for number, apartment in self._apartments.items():
            if apartment.ready and not (apartment.tenants or apartment.condemned):
                apartment.condemned = True
                steps.append(Retire(number))
        return steps

    def ready(self, number: int) -> list[Step]:
        """A forked apartment has opened its connection, or the shell has."""
        if number == SHELL:
            self._shell.ready = True
            return self.go_on()
        apartment = self._apartments[number]
        apartment.ready = True
        waiting, apartment.waiting = apartment.waiting, []
        return [Run(number, job) for job in waiting]

    def moved_out(self, number: int, job: int) -> None:
        """A process there has ended, or is not to move in any more."""
        if (apartment := self._get(number)) is not None:
            apartment.tenants -= 1
            self._ahead.discard(job)
            if job in apartment.waiting:
                apartment.waiting.remove(job)

    def condemn(self, number: int, on: bool = True) -> None:
        """Nobody moves in while it may be evicted at any moment."""
        if (apartment := self._apartments.get(number)) is not None:
            apartment.condemned = on

    def exited(self, number: int) -> None:
        """An apartment is gone, with all who lived there."""
        if number == SHELL:
            self._shell = Apartment()
            self._ahead.clear()
        else:
            del self._apartments[number]
