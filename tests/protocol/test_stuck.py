from functools import partial
from types import SimpleNamespace
from typing import Any, cast

from pysh.runtime.protocol.actions import Kill
from pysh.runtime.protocol.console import Ran
from pysh.runtime.protocol.frames import Frame, Kind
from pysh.runtime.protocol.jobs import DONE, SENT
from pysh.runtime.protocol.shells import Shells
from pysh.runtime.protocol.stuck import VERBS
from pysh.runtime.protocol.terms import HUB, Pid, Ref

OWN, THERE = bytes(16), bytes([1]) * 16
SHELL, TERMINAL, PROGRAM = 1, 2, 3


def job(owner: int, state: str = SENT, *, process: bool = False) -> Any:
    return SimpleNamespace(owner=Pid(OWN, owner), state=state, is_process=process)


def node(**facts: Any) -> Any:
    """A node whose shell is busy."""
    jobs = [job(SHELL), job(SHELL, DONE), job(SHELL, process=True), job(PROGRAM)]
    refs = [Ref(Pid(THERE, SHELL), 1), Ref(Pid(THERE, SHELL), 2), Ref(Pid(THERE, PROGRAM), 1)]
    elsewhere = dict.fromkeys(refs, False)
    console = SimpleNamespace(evaluator=SHELL, busy=True, jobs=2, killed=False, number=0, ran=Ran(began=5.0))
    console.types = lambda link: link.process == TERMINAL
    work = SimpleNamespace(jobs=jobs, code=["f", "g", "h", "i"])
    made = SimpleNamespace(
        incarnation=OWN, console=console, work=work, elsewhere=elsewhere, actions=[], facts=lambda **_: facts
    )
    tasks = partial(Shells.tasks, SimpleNamespace(_node=made))
    made.shells = SimpleNamespace(at=lambda _: console, tasks=tasks)
    return made


def asks(there: Any, verb: str, process: int = TERMINAL) -> dict[str, Any]:
    link = cast(Any, SimpleNamespace(process=process))
    return VERBS[verb](there, link, Frame(Kind.REQUEST, Pid(OWN, process), Pid(OWN, HUB)), {}) or {}


def test_what_is_at_stake_is_counted_without_a_word_of_the_shell() -> None:
    assert asks(node(), "at_stake") == {"ok": {"jobs": 2, "tasks": 3, "functions": 4, "interrupts": True, "began": 5.0}}


def test_a_program_that_reads_ctrl_c_as_a_key_is_known() -> None:
    assert asks(node(interrupts=False), "at_stake")["ok"]["interrupts"] is False


def test_its_terminal_kills_a_busy_shell() -> None:
    there = node()
    assert asks(there, "kill_shell") == {"ok": True}
    assert (there.actions, there.console.killed) == ([Kill()], True)


def test_a_shell_that_is_free_by_then_is_not_killed() -> None:
    there = node()
    there.console.busy = False
    assert asks(there, "kill_shell") == {"ok": False}
    assert there.actions == []


def test_nobody_but_a_terminal_of_it_kills_a_shell() -> None:
    there = node()
    assert asks(there, "kill_shell", PROGRAM)["executed"] == "no"
    assert there.actions == []
