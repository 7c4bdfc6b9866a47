"""A worker of its own for what asks for it, and limits on what it takes there."""

import pytest

from tests.system.conftest import CONNECT, Home
from tests.system.test_relations import own

pytestmark = pytest.mark.usefixtures("n2")

ISOLATED = (
    CONNECT
    + """
import os, time
def died(t):
    try: return t.result(20)
    except WorkerDied as error: return f"WorkerDied {error.signal} {error.executed}"
    except MemoryError as error: return "MemoryError"
"""
)


def test_an_isolated_task_waits_behind_nothing_and_its_worker_is_used_once(home: Home) -> None:
    code = """
def waits(path):
    while not os.path.exists(path): time.sleep(0.01)
    return os.getpid()
go = "go"
busy = [task(waits, os.path.abspath(go), on=n2) for _ in range(2 * os.cpu_count())]
alone = {call_own() for call_own in [lambda: task(os.getpid, on=n2, isolate=True).result(20)] * 3}
print(len(alone), any(t.done() for t in busy))
open(go, "w").close()
print(alone.isdisjoint(t.result(20) for t in busy), alone.isdisjoint(call(os.getpid, on=n2) for _ in range(9)))
"""
    assert own(home.script(ISOLATED + code)) == ["3 False", "True True"]


def test_too_much_memory_is_a_memory_error_of_the_task_and_costs_nobody_else(home: Home) -> None:
    code = """
def takes(size): return len(bytearray(size))
print(died(task(takes, 8 << 20, on=n2, memory=64 << 20)), died(task(takes, 256 << 20, on=n2, memory=64 << 20)))
print(died(task(takes, 256 << 20, on=n2)))
p = spawn(takes, 256 << 20, on=n2, memory=64 << 20, monitor=True)
print(receive(Down, timeout=20).reason)
"""
    assert own(home.script(ISOLATED + code)) == [
        f"{8 << 20} MemoryError", f"{256 << 20}", "MemoryError",
    ]  # fmt: skip


def test_a_process_that_waits_for_a_message_is_seen_to_wait(home: Home) -> None:
    code = """
def serve(to):
    while True:
        send(to, receive())
        while not os.path.exists("go"): time.sleep(0.01)
p = spawn(serve, me(), on=n2)
def becomes(state):
    until = time.monotonic() + 10
    while p.info()["state"] != state and time.monotonic() < until: time.sleep(0.01)
    return [row["state"] for row in processes(on=n2) if row["kind"] == "sync"]
print(becomes("waiting"))
send(p, 1)
print(receive(timeout=10), becomes("running"))
open("go", "w").close()
print(becomes("waiting"))
"""
    assert own(home.script(ISOLATED + code)) == ["['waiting']", "1 ['running']", "['waiting']"]


def test_too_much_processor_time_ends_the_worker_and_that_is_told(home: Home) -> None:
    code = """
def spins():
    while True: pass
async def spins_too(): spins()
print(died(task(spins, on=n2, cpu=0.5)))
spawn(spins_too, on=n2, cpu=0.5, monitor=True)
print(receive(Down, timeout=20).reason, call(int, on=n2))
"""
    assert own(home.script(ISOLATED + code)) == ["WorkerDied 24 yes", "runner_killed 0"]


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("memory='1 GB'", "TypeError: memory= takes a number of bytes, not '1 GB'; nothing was sent"),
        ("memory=1000", "ValueError: memory= takes 1,048,576 bytes or more, not 1,000; nothing was sent"),
        ("memory=True", "TypeError: memory= takes a number of bytes, not True; nothing was sent"),
        ("cpu=-1", "ValueError: cpu= takes a number of seconds, 0 or more, not -1; nothing was sent"),
        ("cpu=float('inf')", "ValueError: cpu= takes fewer than 1,000,000,000 seconds, not inf; nothing was sent"),
        ("memory=2**70", f"ValueError: memory= takes fewer than {2**62:,} bytes, not {2**70:,}; nothing was sent"),
        ("cpu=0", "ValueError: cpu= takes more than 0 seconds, not 0; nothing was sent"),
    ],
)
def test_limits_that_are_none_are_refused(home: Home, option: str, told: str) -> None:
    code = f"""
try: task(int, on=n2, {option})
except Exception as error: print(f"{{type(error).__name__}}: {{error}}")
"""
    assert own(home.script(CONNECT + code)) == [told]


def test_a_cancel_that_lands_in_a_finalizer_is_not_lost(home: Home) -> None:
    code = """
class Leaving:
    def __del__(self):
        open(self.flag, "w").close()
        while True: pass
def goes_on(flag):
    leaving = Leaving()
    leaving.flag = flag
    del leaving
    while True: pass
t = task(goes_on, os.path.abspath("in"), on=n2)
while not os.path.exists("in"): time.sleep(0.01)
began = time.monotonic()
t.cancel(grace=30)
try: t.result(25)
except TaskCancelled as error: print(error.executed, time.monotonic() - began < 20)
"""
    assert own(home.script(ISOLATED + code)) == ["yes True"]
