"""The open connections of a node, one `Link` each, and what is known of who is at the other end."""

from typing import Any

from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.session import Session
from pysh.runtime.protocol.terms import Pid


class Link:
    """A neighbour: another node, one of our runners, or a terminal."""

    __slots__ = (
        "acknowledging",
        "address",
        "aliases",
        "dialled",
        "hello",
        "load",
        "number",
        "process",
        "rtt",
        "session",
        "suspect",
        "worker",
    )

    def __init__(
        self, number: int, hello: Hello, process: int, *, dialled: bool, address: str = "", worker: int = 0
    ) -> None:
        self.number = number
        self.hello = hello
        self.process = process
        self.dialled = dialled
        self.address = address
        self.worker = worker
        self.aliases: list[str] = []
        self.session = Session(hello.incarnation) if hello.role == "node" else None
        self.rtt: float | None = None
        self.load = 0
        self.suspect = False
        self.acknowledging = False

    @property
    def role(self) -> str:
        """`node`, `evaluator`, `worker`, `program` or `terminal`."""
        return self.hello.role

    def view(self) -> dict[str, Any]:
        """What runners are told of a node."""
        return {
            "name": self.hello.name,
            "incarnation": self.hello.incarnation,
            "state": "suspect" if self.suspect else "up",
            "python": self.hello.python,
            "aliases": self.aliases,
            "load": self.load,
            "rtt": self.rtt,
        }


def first_wins(ours: tuple[str, bytes], theirs: tuple[str, bytes], *, dialled: bool) -> bool:
    """Whether the connection that we `dialled` (or they did) stays, when two nodes dialled each other.

    Both ends decide alike: the one stays whose initiator has the smaller (name, incarnation).
    """
    return (ours < theirs) == dialled


def addressed(pid: Any) -> Pid:
    """A pid as it came in a meta."""
    incarnation, number = pid
    return Pid(bytes(incarnation), int(number))
