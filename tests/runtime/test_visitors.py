"""What others run in a shell, seen from its hub: how it begins, what is told of it, and how it ends."""

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from pysh.runtime import api, payload
from pysh.runtime.errors import BlockingCall, TaskCancelled, rebuild
from pysh.runtime.protocol.frames import LOCAL, ROOM, Flag, Frame, Kind
from pysh.runtime.protocol.terms import Parts, Pid
from pysh.runtime.runner.cells import Namespace
from pysh.runtime.runner.interrupts import Interrupts
from pysh.runtime.runner.mates import Mates
from pysh.runtime.runner.visitors import Visitors
from pysh.runtime.task import Task
from tests.runtime.elsewhere import Prompt
from tests.runtime.hub_end import HERE, ME, THERE, WORKER, HubEnd, hub_end, hub_of

DEADLINE = 10.0


class House:
    """A shell in this process, in the loop of the test; its hub is the test's to play."""

    def __init__(self, hub: HubEnd) -> None:
        assert isinstance(hub.client, Mates)
        self.hub = hub
        self.client = hub.client
        self.namespace = Namespace()
        self.interrupts = Interrupts()
        self.interrupts.shield = self.client
        self.client.shield()
        self.interrupts.heed_finalizers()
        self.loop = asyncio.get_running_loop()
        self.busy = False
        self.left = 0
        self.seen: list[bool] = []
        """Whether they said that they are busy, whenever they asked whether a cell comes first."""
        self.visitors = Visitors(
            self.client, self.namespace, self.interrupts, self.loop, self._waits, self._left
        )  # fmt: skip
        self.client.handlers[Kind.SPAWN] = self.client.handlers[Kind.CANCEL] = self.visitors.heard
        self.sender = Prompt()
        self._number = 100

    def _waits(self) -> bool:
        self.seen.append(self.visitors.busy)
        return self.busy

    def _left(self) -> None:
        self.left += 1

    def begin(self, fn: Any, *args: Any, **options: Any) -> Pid:
        """Send a call of `fn`, or of what is called so there; the process that it is."""
        self._number += 1
        dest = Pid(HERE, self._number)
        if isinstance(fn, str):
            data, _ = payload.dumps_referring((args, {}), bare=True)
            options["fn"] = fn
        else:
            data, _ = payload.dumps_bare(fn, args, {})
            options["async"] = bool(getattr(fn, "__code__", None) and fn.__code__.co_flags & 0x80)
        whole = data.join() if isinstance(data, Parts) else data
        meta = {"where": "shell", "label": "f", **options}
        self.hub.send(Kind.SPAWN, source=WORKER, dest=dest, ref=self._number, meta=meta, payload=whole)
        return dest

    def cancel(self, pid: Pid, *, last: bool = False) -> None:
        """Have it end."""
        self.hub.send(Kind.CANCEL, source=Pid(HERE, 0), dest=pid, meta={"last": last})

    async def expect(self, kind: int) -> Frame:
        """The next frame of that kind."""
        return await asyncio.to_thread(self.hub.expect, kind)

    async def told(self) -> Any:
        """The value of the one that ends next, or its error."""
        frame = await self.expect(Kind.RESULT)
        if frame.flags & Flag.FAILED:
            return rebuild(frame.options())
        return payload.loads_error(frame.payload, "n1@here") if frame.flags else payload.loads(frame.payload)

    async def until(self, happens: Callable[[], object]) -> None:
        """Let the shell run until something has happened."""
        until = time.monotonic() + DEADLINE
        while not happens():
            assert time.monotonic() < until, "it does not happen"
            await asyncio.sleep(0.001)


@pytest.fixture
async def house(sigint: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """A shell in which nothing runs."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    with hub_end("evaluator", make=Mates) as hub:
        yield House(hub)


ASKS = """
import asyncio
from pysh.runtime.runner.client import Client
def asks(): return Client.current.ask_later("what")
"""


async def test_a_function_runs_with_the_names_of_the_shell(house: House) -> None:
    house.namespace.names["df"] = [1, 2, 3]
    house.begin(house.sender("lambda: len(df)"))
    assert (await house.expect(Kind.ALIVE)).ref == 101
    assert await house.told() == 3
    assert house.left == 1


async def test_what_it_waited_for_and_left_comes_to_the_shell(house: House) -> None:
    house.sender(ASKS + "def leaves():\n    global kept\n    kept = asks()\n")
    pid = house.begin(house.sender["leaves"])
    asked = await house.expect(Kind.REQUEST)
    assert asked.source == pid
    assert (await house.expect(Kind.RESULT)).credit == 1
    house.hub.send(Kind.REPLY, source=asked.dest, dest=pid, ref=asked.ref, meta={"ok": "that"})
    kept = house.namespace.names["kept"]
    await house.until(lambda: kept.done)
    assert kept.get() == "that"
    assert (await house.expect(Kind.ALIVE)).ref == pid.number  # it began
    last = await house.expect(Kind.ALIVE)
    assert (last.ref, last.credit, last.dest) == (pid.number, 1, LOCAL)


async def test_one_that_leaves_nothing_says_so(house: House) -> None:
    house.sender(ASKS + "def asks_and_waits():\n    asks().wait(10)\n")
    loop = asyncio.get_running_loop()

    def answer() -> None:
        asked = house.hub.expect(Kind.REQUEST)
        house.hub.send(Kind.REPLY, source=asked.dest, dest=asked.source, ref=asked.ref, meta={"ok": 1})

    answering = loop.run_in_executor(None, answer)
    house.begin(house.sender["asks_and_waits"])
    await answering
    assert (await house.expect(Kind.RESULT)).credit == 0


async def test_what_code_that_it_left_asks_for_is_asked_by_the_shell(house: House) -> None:
    house.sender(
        ASKS + "async def later():\n    await gate.wait()\n    print('late')\n    await asks()\n"
        "async def leaves():\n    global task\n    task = asyncio.create_task(later())\n    await asyncio.sleep(0)\n"
    )
    house.namespace.names["gate"] = gate = asyncio.Event()
    house.begin(house.sender["leaves"])
    assert (await house.expect(Kind.RESULT)).credit == 0
    gate.set()
    asked = await house.expect(Kind.REQUEST)
    assert asked.source == ME
    house.hub.send(Kind.REPLY, source=asked.dest, dest=ME, ref=asked.ref, meta={"ok": 1})
    await asyncio.wait_for(house.namespace.names["task"], DEADLINE)


async def test_presses_count_for_one_step_alone(house: House) -> None:
    house.sender(
        "import asyncio, signal\nasync def beats():\n    for n in range(5):\n"
        "        signal.raise_signal(signal.SIGINT)\n        await asyncio.sleep(0)\n    return n\n"
    )
    house.begin(house.sender["beats"])
    assert await house.told() == 4


@pytest.mark.parametrize("code", ["pass", "Slow()", "print(end='')"])
async def test_a_cancel_at_any_instant_gives_the_shell_its_streams_back(house: House, code: str) -> None:
    house.sender(f"class Slow:\n    def __del__(self): pass\ndef spins():\n    while True: {code}")
    before = sys.stdin, sys.stdout, sys.stderr, house.namespace.names["__builtins__"]

    def cancels(pid: Pid, delay: float) -> None:
        house.hub.expect(Kind.ALIVE)
        time.sleep(delay)
        house.cancel(pid)

    for n in range(20):
        pid = house.begin(house.sender["spins"])
        await asyncio.to_thread(cancels, pid, n * 0.0001)
        assert isinstance(await house.told(), TaskCancelled)
        assert (sys.stdin, sys.stdout, sys.stderr, house.namespace.names["__builtins__"]) == before


async def test_the_stack_of_a_deep_recursion_fits_into_an_answer(house: House) -> None:
    house.sender("import sys\ndef deep(n): return stack() if n == 0 else deep(n - 1)")
    visitors, main = house.visitors, threading.get_ident()
    house.namespace.names["stack"] = lambda: visitors.stack(101, main)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    try:
        house.begin(house.sender["deep"], 4000)
        text = await house.told()
    finally:
        sys.setrecursionlimit(limit)
    assert text.splitlines()[2].endswith("in deep")
    assert len(text.encode()) <= ROOM


async def test_whoever_comes_while_one_begins_sees_that(house: House) -> None:
    house.sender("def f(): return busy.busy")
    house.namespace.names["busy"] = house.visitors
    assert not house.visitors.busy
    house.begin(house.sender["f"])
    assert await house.told() is True
    assert house.seen == [True]
    await house.until(lambda: not house.visitors.busy)


async def test_a_shell_does_not_wait_for_what_it_is_to_run_itself(house: House) -> None:
    def waits(own: Task) -> list[str]:
        told = []
        for wait in (own.result, own.exception, lambda: api.wait([own]), lambda: list(api.as_completed([own]))):
            with pytest.raises(BlockingCall) as caught:
                wait()
            told.append(str(caught.value))
        return told

    mine = Task(house.client, hub_of(HERE), "f", in_shell=True)
    assert all("would wait for this shell, which is to run f itself; write" in text for text in in_a_def(waits, mine))
    other = Task(house.client, hub_of(THERE), "f", in_shell=True)
    other.refuse_to_hold_up("result")
    await asyncio.to_thread(mine.refuse_to_hold_up, "result")


def in_a_def(function: Callable[..., Any], *args: Any) -> Any:
    """The value of `function(*args)`, called as in the body of a cell."""
    names = {"function": function, "args": args}
    exec(compile("told = function(*args)", "<cell>", "exec"), names)
    return names["told"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", "NoFunction: no name 'nothing' in the shell of n1@here"),
        ("df", "TypeError: 'list' object is not callable"),
        ("fails", 'File "<n1@here:1>", line 1, in fails'),
    ],
)
async def test_a_process_that_cannot_run_tells_its_owner_why(house: House, name: str, said: str) -> None:
    house.sender("def fails(): return 1 / 0")
    house.namespace.names.update(df=[], fails=house.sender["fails"])
    house.begin(name, kind="process")
    output = ""
    while "Error: " not in output and "NoFunction: " not in output:
        output += bytes((await house.expect(Kind.OUTPUT)).payload).decode()
    assert said in output
    assert "/pysh/runtime/" not in output
    result = await house.expect(Kind.RESULT)
    assert result.flags == Flag.ERROR
    assert bytes(result.payload).decode() in output


async def test_the_task_factory_that_the_shell_has_stays(house: House) -> None:
    class Own(asyncio.Task[Any]):
        pass

    house.loop.set_task_factory(lambda loop, coroutine, **options: Own(coroutine, loop=loop, **options))
    visitors = Visitors(house.client, house.namespace, house.interrupts, house.loop, lambda: False, list)
    house.client.handlers[Kind.SPAWN] = visitors.heard
    house.sender("import asyncio\nasync def kind(): return type(asyncio.create_task(asyncio.sleep(0))).__name__")
    house.begin(house.sender["kind"])
    assert await house.told() == "Own"
    assert type(asyncio.create_task(asyncio.sleep(0))) is Own


async def test_what_code_that_it_left_logs_is_shown_at_the_shell(
    house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    house.sender(
        "import asyncio, logging, sys\nasync def later():\n    await gate.wait()\n    log.warning('late')\n"
        "async def leaves():\n    global log, task\n    log = logging.Logger('its')\n"
        "    log.addHandler(logging.StreamHandler())\n    log.warning('soon')\n"
        "    task = asyncio.create_task(later())\n    await asyncio.sleep(0)\n"
    )
    house.namespace.names["gate"] = gate = asyncio.Event()
    house.begin(house.sender["leaves"])
    assert bytes((await house.expect(Kind.OUTPUT)).payload) == b"soon\n"
    await house.expect(Kind.RESULT)
    gate.set()
    await asyncio.wait_for(house.namespace.names["task"], DEADLINE)
    assert capfd.readouterr().err == "late\n"
