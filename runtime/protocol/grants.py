"""Process numbers that runners of this node hold in advance: who has one spawns with it, and need not wait.

A runner knows then what its process is called, and sends the SPAWN to that very number. So nothing may be in the way
of a process with a number once that is granted: not a name, which may be taken; not a drain, which grants none.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pysh.runtime.protocol.actions import Meta
from pysh.runtime.protocol.flow import NUMBERS
from pysh.runtime.protocol.frames import Frame, Kind, pack
from pysh.runtime.protocol.links import Link

if TYPE_CHECKING:
    from pysh.runtime.protocol.node import Node

BEHIND = 4096
"""How many processes may wait for one apartment, up or not, to begin them; while more do, no numbers are granted.

It is no bound on processes: whoever has no number asks for each, and each is accepted.
"""


class Grants:
    """The numbers that the runners of `node` hold, by their links."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._held: dict[int, set[int]] = {}
        self._waiting: dict[int, tuple[Link, Frame, int]] = {}

    def grant(self, link: Link, count: int) -> list[int]:
        """Up to `count` numbers, for the runner at `link`."""
        held = self._held.setdefault(link.number, set())
        granted = [self._node.next_number() for _ in range(min(count, NUMBERS - len(held)))]
        held.update(granted)
        return granted

    def ask(self, link: Link, frame: Frame, count: int) -> None:
        """Answer a REQUEST for numbers, once no apartment is far behind: who runs out of them waits meanwhile.

        The runner is answered, not the process that asked: the numbers are for all there, also once that has ended.
        One that asks again while it waits gets none.
        """
        if link.number in self._waiting:
            self._answer(link, frame, [])
            return
        self._waiting[link.number] = link, frame, count
        self.go_on()

    def go_on(self) -> None:
        """An apartment is less far behind than it was."""
        if self._waiting and self._node.work.tenancy.apartments.behind <= BEHIND:
            waiting, self._waiting = self._waiting, {}
            for link, frame, count in waiting.values():
                refused = self._node.stopping or self._node.drain.refuses(frame.source)
                self._answer(link, frame, [] if refused else self.grant(link, count))

    def _answer(self, link: Link, frame: Frame, granted: list[int]) -> None:
        meta = pack({"ok": granted})
        self._node.write(link, Frame(Kind.REPLY, frame.dest, frame.source, frame.ref, meta=meta))

    def take(self, link: Link | None, number: int) -> bool:
        """Whether the runner at `link` holds that number; not any more, then."""
        held = self._held.get(link.number) if link is not None else None
        if held is None or number not in held:
            return False
        held.remove(number)
        return True

    def closed(self, link: int) -> None:
        """A link is gone: what was granted there is never used."""
        self._held.pop(link, None)
        self._waiting.pop(link, None)


def _numbers(node: "Node", link: Link | None, frame: Frame, asked: Meta) -> Meta | None:
    """What is asked for by a REQUEST; see `requests`."""
    if link is None or link.session is not None:
        return {"ok": []}
    node.work.grants.ask(link, frame, int(asked["count"]))
    return None


VERBS: dict[object, Callable[["Node", Link | None, Frame, Meta], Meta | None]] = {"numbers": _numbers}
