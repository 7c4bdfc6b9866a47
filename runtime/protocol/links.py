"""The open connections of a node, one `Link` each, and what is known of who is at the other end."""

from typing import TYPE_CHECKING, Any

from pysh.runtime.protocol.actions import Meta
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.session import Session
from pysh.runtime.protocol.terms import Pid

if TYPE_CHECKING:
    from pysh.runtime.protocol.member import Member


class Link:
    """A connection with a neighbour: another node, one of our runners, or a terminal.

    `dial` counts the dials of whoever dialled it, as far as that is known: of two the higher is the later.
    """

    __slots__ = (
        "acknowledging",
        "address",
        "dial",
        "dialled",
        "greeted",
        "hello",
        "member",
        "number",
        "process",
        "rtt",
        "session",
        "since",
        "told",
        "watches",
        "worker",
    )

    def __init__(
        self,
        number: int,
        hello: Hello,
        process: int,
        *,
        dial: int = 0,
        address: str = "",
        worker: int = 0,
        since: float = 0.0,
    ) -> None:
        self.number = number
        self.hello = hello
        self.process = process
        self.dial = dial
        self.dialled = dial > 0
        self.address = address
        self.worker = worker
        self.since = since
        self.member: Member | None = None
        self.session: Session | None = None
        self.greeted = False  # whether we said which session we have
        self.told: Meta = {}  # what whoever asked for it is told of how it came about
        self.rtt: float | None = None
        self.acknowledging = False
        self.watches = False  # a terminal that only watches, whatever becomes of the shell where it is

    @property
    def role(self) -> str:
        """`node`, `evaluator`, `worker`, `program` or `terminal`."""
        return self.hello.role


def first_wins(ours: tuple[str, bytes], theirs: tuple[str, bytes], *, dialled: bool) -> bool:
    """Whether the connection that we `dialled` (or they did) stays, when two nodes dialled each other.

    Both ends decide alike: the one stays whose initiator has the smaller (name, incarnation).
    """
    return (ours < theirs) == dialled


def addressed(pid: Any) -> Pid:
    """A pid as it came in a meta."""
    incarnation, number = pid
    return Pid(bytes(incarnation), int(number))
