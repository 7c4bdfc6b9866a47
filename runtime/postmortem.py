"""Looking at the frames of what failed: a task in the worker that has them, in which pdb waits for what is typed."""

from typing import TYPE_CHECKING

from pysh.runtime.errors import NodeDown, PyshError, TaskTimeout
from pysh.runtime.payload import dumps
from pysh.runtime.process import Process
from pysh.runtime.protocol.frames import Frame, pack
from pysh.runtime.protocol.terms import HUB, Pid
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.waiting import Waiter
from pysh.runtime.talking import talk
from pysh.runtime.task import Task

if TYPE_CHECKING:
    from pysh.runtime.protocol.notices import Ended

FUNCTION = "pysh.runtime.runner.parking:look"
ENDING = 5.0
"""Seconds that the worker has to be free again for the next look."""


class Look(Task):
    """One at the frames of `failed`."""

    __slots__ = ("_failed", "_stands")

    def __init__(self, client: Client, failed: Pid) -> None:
        super().__init__(client, Pid(failed.incarnation, HUB), "debug")
        self._failed = failed
        self._stands = Waiter(client)

    def begin(self) -> Process:
        """Have pdb wait there; the process in which it does. Raises `PyshError`."""
        meta = {"label": self.label, "fn": FUNCTION, "frames_of": self._failed.number}
        self.submit(pack(meta), dumps(((self._failed.number,), {})))
        self._stands.wait(None)
        if self.waiter.done:
            self.result()
        return Process(Pid(self.dest.incarnation, self.seen_number), self._client.view.name_of(self.dest.incarnation))

    def leave(self, *_: object) -> str:
        """End it, what was typed there included; what is said of that."""
        self.cancel()
        return f'left; the frames stay as they are: debug("{_text(self._client, self._failed)}")'

    def progressed(self, frame: Frame) -> None:
        """A STAGE came."""
        super().progressed(frame)
        if self.parked:
            self._stands.set()

    def arrived(self, frame: Frame) -> None:
        """The RESULT came, which is no failure of the user's."""
        last = self._client.last_failed
        super().arrived(frame)
        self._client.last_failed = last
        self.overlook()
        self._stands.set()

    def lost(self, reason: str) -> None:
        """Its node is gone."""
        super().lost(reason)
        self._stands.set()

    def ending(self, _: float) -> "Ended | None":
        """Its end is no news."""
        return None


def look_into(client: Client, at: tuple[Pid, ...]) -> str:
    """Open pdb on the frames of the last of these processes that still has some; why none has, in words."""
    why = []
    for n, pid in reversed(list(enumerate(at))):
        look = Look(client, pid)
        try:
            process = look.begin()
        except (NodeDown, PyshError) as error:
            why.append(str(error))
            continue
        except BaseException:  # Ctrl-C
            look.give_up()
            raise
        if n:
            print(f'<{_text(client, at[n - 1])}> waited for this one; its frames: debug("{_text(client, at[n - 1])}")')
        talk(process, look.leave)
        try:
            look.end(ENDING)
        except TaskTimeout:
            pass  # the worker is busy then, which the next one is told
        return ""
    return "\n".join(why)


def _text(client: Client, pid: Pid) -> str:
    return str(Process(pid, client.view.name_of(pid.incarnation)))[1:-1]
