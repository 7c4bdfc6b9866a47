import asyncio
import random
import signal
import time
from collections.abc import Iterator

import pytest

from pysh.runtime.protocol.frames import Kind
from pysh.runtime.runner.interrupts import Interrupts
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
    interrupts = Interrupts(run_shielded.__code__)
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
def interrupts() -> Iterator[Interrupts]:
    """A handler whose cells are `asyncio.Task`s of a test's; it is taken away at the end."""
    before = signal.getsignal(signal.SIGINT)
    interrupts = Interrupts(run_shielded.__code__)
    yield interrupts
    interrupts.end()
    signal.signal(signal.SIGINT, before)


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
