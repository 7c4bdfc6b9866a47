import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from pysh.runtime.protocol.frames import Kind
from pysh.runtime.runner.interrupts import Cancelled, Interrupts
from tests.runtime.scripted_hub import Shell


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    with Shell(tmp_path_factory.mktemp("home")) as shell:
        shell.cell(BEAT)
        yield shell


BEAT = """
import asyncio, itertools, time
kept = 'kept'
beats = 0
async def beat():
    global beats
    while True:
        beats += 1
        await asyncio.sleep(0)
"""


ENDLESS = {
    "a loop": "while True: pass",
    "a call that blocks": "time.sleep(99)",
    "an await": "await asyncio.sleep(99)",
    "awaits without end": "while True: await asyncio.sleep(0)",
    "a loop below an await": "async def spin():\n    for n in itertools.count(): n * n\nawait spin()",
    "a task it waits for": "await asyncio.create_task(asyncio.sleep(99))",
    "a lock": "import threading\nlock = threading.Lock()\nwith lock: lock.acquire()",
    "a read": "input()",
    "a repr": "class Slow:\n    def __repr__(self):\n        while True: pass\nSlow()",
    "a verb": "connect('n2@there')",
    "a verb that is awaited": "await aio.connect('n2@there')",
    "a value that awaits": "[await asyncio.sleep(n) for n in (0, 0, 99)]",
}


@pytest.mark.parametrize("source", ENDLESS.values(), ids=ENDLESS.keys())
def test_one_press_ends_a_running_cell(shell: Shell, source: str) -> None:
    ref = shell.begin(f"print('going')\n{source}")
    shell.see("going")
    done = press(shell, ref)
    assert (done["kind"], done.get("error", "KeyboardInterrupt")) == ("error", "KeyboardInterrupt")
    assert shell.text("kept") == "'kept'"


def press(shell: Shell, ref: int, delay: float = 0.02) -> dict[str, object]:
    """Press Ctrl-C until the cell ends: the first time may be before it reached what never ends."""
    until = time.monotonic() + 10
    while not any(frame.kind == Kind.DONE and frame.ref == ref for frame in shell.frames):
        assert time.monotonic() < until
        shell.interrupt()
        shell.pump(delay)
    return shell.done(ref)


@pytest.mark.seeds(5)
def test_presses_at_any_instant_end_cells_and_nothing_else(shell: Shell, seed: int) -> None:
    chance = random.Random(seed)
    shell.cell("beating = asyncio.create_task(beat())")
    for _ in range(20):
        source = chance.choice([*ENDLESS.values(), "1 + 1", "await asyncio.sleep(0)", "kept = 'kept'"])
        ref = shell.begin(source)
        shell.pump(chance.random() * 0.002)
        press(shell, ref, delay=chance.random() * 0.002)
    assert shell.text("kept") == "'kept'"
    before = int(shell.text("beats"))
    assert int(shell.text("await asyncio.sleep(0.001); beats")) > before
    assert shell.text("beating.done(), beating.cancel()") == "(False, True)"


def test_presses_between_cells_do_nothing(shell: Shell) -> None:
    shell.cell("beating = asyncio.create_task(beat())")
    for _ in range(50):
        shell.interrupt()
        shell.pump(0.0002)
    # The last press may be on its way still, and is this cell's then.
    assert shell.done(shell.begin("1")).get("error", "KeyboardInterrupt") == "KeyboardInterrupt"
    assert shell.text("beating.done(), beating.cancel()") == "(False, True)"


def test_a_background_task_that_has_the_thread_is_not_hit(shell: Shell) -> None:
    source = """
async def hog():
    for n in range(20):
        until = time.monotonic() + 0.005
        while time.monotonic() < until: pass
        await asyncio.sleep(0)
    return n
hogging = asyncio.create_task(hog())
print('going')
await asyncio.sleep(99)
"""
    ref = shell.begin(source)
    shell.see("going")
    assert press(shell, ref)["error"] == "KeyboardInterrupt"
    assert shell.text("await hogging") == "19"


def test_a_cell_that_survives_a_cancel_is_cancelled_again(shell: Shell) -> None:
    source = """
asyncio.get_running_loop().call_soon(print, 'going')
try:
    await asyncio.sleep(99)
except asyncio.CancelledError:
    print('once more')
await asyncio.sleep(99)
"""
    ref = shell.begin(source)
    shell.see("going")
    shell.interrupt()
    shell.see("once more")
    assert press(shell, ref)["error"] == "KeyboardInterrupt"


def test_an_interrupted_cell_shows_where(shell: Shell) -> None:
    for source in ("while True: spinning = 1", "await asyncio.sleep(99)  # spinning"):
        ref = shell.begin(f"print('going')  # spinning\n{source}")
        shell.see("going")
        text = str(press(shell, ref)["text"])
        assert "spinning" in text
        assert text.endswith("KeyboardInterrupt\n")


def test_a_handler_of_the_users_own_ends_with_its_cell(shell: Shell) -> None:
    shell.cell("import signal; _ = signal.signal(signal.SIGINT, signal.SIG_IGN)")
    ref = shell.begin("print('going')\nwhile True: pass")
    shell.see("going")
    assert press(shell, ref)["error"] == "KeyboardInterrupt"


def test_a_typed_ctrl_c_ends_also_what_the_cell_started(shell: Shell) -> None:
    ref = shell.begin("import subprocess\nsubprocess.run(['sh', '-c', 'echo go; exec sleep 99'])")
    shell.see("go")
    shell.type(b"\x03")
    assert shell.done(ref)["error"] == "KeyboardInterrupt"


class Section:
    shielded = True
    interrupt_pending = False


def test_a_press_in_a_shielded_section_is_left_to_its_end() -> None:
    interrupts = Interrupts()
    interrupts.shield = section = Section()
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(run_shielded(interrupts, section))
    finally:
        interrupts.end()
        signal.signal(signal.SIGINT, before)
    assert section.interrupt_pending


async def run_shielded(interrupts: Interrupts, section: Section) -> None:
    interrupts.begin(asyncio.current_task())  # type: ignore[arg-type]
    signal.raise_signal(signal.SIGINT)
    assert section.interrupt_pending
    section.shielded = False
    signal.raise_signal(signal.SIGINT)


@pytest.fixture
def interrupts(sigint: None) -> Iterator[Interrupts]:
    """A handler whose cells are `asyncio.Task`s of a test's."""
    interrupts = Interrupts()
    yield interrupts
    interrupts.end()


async def test_a_press_before_its_first_step_ends_a_cell(interrupts: Interrupts) -> None:
    steps: list[str] = []

    async def cell() -> None:
        steps.append("a step that might never end")

    interrupts.begin(task := asyncio.create_task(cell()))
    signal.raise_signal(signal.SIGINT)
    await asyncio.wait([task])
    assert (task.cancelled(), steps) == (True, [])


async def test_a_press_between_what_it_awaits_and_its_next_step_ends_a_cell(interrupts: Interrupts) -> None:
    steps: list[str] = []
    awaited = asyncio.get_running_loop().create_future()

    async def cell() -> None:
        await awaited
        steps.append("a step that might never end")

    interrupts.begin(task := asyncio.create_task(cell()))
    await asyncio.sleep(0)
    awaited.set_result(None)
    signal.raise_signal(signal.SIGINT)
    await asyncio.wait([task])
    assert (task.cancelled(), steps) == (True, [])


async def test_a_press_after_a_cell_arrived_and_before_it_begins_ends_it(interrupts: Interrupts) -> None:
    interrupts.install()
    signal.raise_signal(signal.SIGINT)
    interrupts.expect()
    interrupts.begin(task := asyncio.create_task(asyncio.sleep(0)))
    await asyncio.wait([task])
    assert not task.cancelled()
    interrupts.end()
    interrupts.expect()
    signal.raise_signal(signal.SIGINT)
    interrupts.begin(task := asyncio.create_task(asyncio.sleep(99)))
    await asyncio.wait([task])
    assert (task.cancelled(), interrupts.pressed) == (True, 1)


class Others:
    """What others run in a shell: one thing, which is unwanted or not."""

    unwanted = False
    presses = 0

    def is_unwanted(self) -> bool:
        return self.unwanted

    def pressed(self) -> int:
        self.presses += 1
        return self.presses

    def holds(self, least: float = 0.0) -> str:
        return f"{least} s with it"


def step(function: Callable[..., Any], *, first: Callable[[], object] = int) -> Any:
    """Make a step of theirs, after `first`."""
    first()
    return function()


@pytest.fixture
def others(interrupts: Interrupts, monkeypatch: pytest.MonkeyPatch) -> Others:
    """Something that others run, whose steps `step` makes."""
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    interrupts.heed_finalizers()
    others = Others()
    interrupts.heed_visitors(step.__code__, others)
    interrupts.install()
    return others


def runs_on() -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        pass
    raise AssertionError("it was not interrupted")


def test_what_is_unwanted_is_turned_out_wherever_it_is(interrupts: Interrupts, others: Others) -> None:
    others.unwanted = True
    with pytest.raises(Cancelled):
        step(lambda: (interrupts.turn_out(), runs_on()))


def test_what_is_wanted_or_over_is_not_turned_out(interrupts: Interrupts, others: Others) -> None:
    assert step(lambda: (interrupts.turn_out(), 1)[1]) == 1
    others.unwanted = True
    interrupts.turn_out()
    assert step(lambda: 2) == 2


async def test_a_turning_out_that_comes_late_is_no_press_for_a_cell(interrupts: Interrupts, others: Others) -> None:
    assert others.presses == 0
    interrupts._turning_out = True  # by `turn_out`, whose signal is on its way
    interrupts.begin(task := asyncio.create_task(asyncio.sleep(0)))
    signal.raise_signal(signal.SIGINT)
    await asyncio.wait([task])
    assert (task.cancelled(), interrupts.pressed) == (False, 0)


def test_a_step_itself_is_not_torn_and_the_code_in_it_is_turned_out_after(
    interrupts: Interrupts, others: Others
) -> None:
    others.unwanted = True
    entered: list[bool] = []

    def code() -> None:
        entered.append(True)
        runs_on()

    interrupts._turning_out = True  # by `turn_out`, whose signal lands in the step
    with pytest.raises(Cancelled):
        step(code, first=partial(os.kill, os.getpid(), signal.SIGINT))
    assert entered == [True]


@pytest.mark.parametrize("seconds", [0, 0.01])
def test_a_cancel_that_python_drops_in_a_finalizer_comes_again(
    interrupts: Interrupts, others: Others, seconds: float
) -> None:
    others.unwanted = True

    class Slow:
        def __del__(self) -> None:
            time.sleep(seconds)

    def code() -> None:
        interrupts.turn_out()
        until = time.monotonic() + 10
        while time.monotonic() < until:
            Slow()
        raise AssertionError("it was not interrupted")

    class Late(Slow):
        def __del__(self) -> None:
            interrupts.turn_out()

    for _ in range(20):
        with pytest.raises(Cancelled):
            step(lambda: (Late(), code()))


def test_the_second_press_interrupts_what_others_run(interrupts: Interrupts, others: Others) -> None:
    def code() -> None:
        signal.raise_signal(signal.SIGINT)
        assert others.presses == 1
        runs_on() if others.presses > 1 else signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="twice"):
        step(code)
    assert others.presses == 2
