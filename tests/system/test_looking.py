"""Why things are where they are, and where their time went, with real nodes."""

import json

import pytest

from tests.system.conftest import CONNECT, Home, ok

pytestmark = pytest.mark.usefixtures("n2")

BUSY = """
import time, threading
def is_(condition):
    until = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < until, "it never was"
        time.sleep(0.01)
def busy(seconds):
    time.sleep(seconds)
"""


def test_what_waits_runs_and_is_over_says_why(home: Home) -> None:
    code = """
cores = len(call(__import__("os").sched_getaffinity, 0, on=n2))
ts = [task(busy, 60, on=n2) for _ in range(cores + 2)]
is_(lambda: "queued" in why(ts[-1]) and all("runs in busy" in why(t) for t in ts[:cores]))
print(why(ts[-1]).partition(": ")[2].partition(" for ")[0], "1 before it" in why(ts[-1]))
p = spawn(lambda: receive(), on=n2)
is_(lambda: "waits in receive()" in why(p))
async def sleeps():
    import asyncio
    await asyncio.sleep(60)
q = spawn(sleeps, on=n2)
is_(lambda: "waits, in receive or for what has not happened yet" in why(q))
print("isolate=True" in stack(q), "in <lambda>" in stack(p), "in busy" in stack(ts[0]))
ts[0].cancel()
is_(lambda: why(ts[0]).endswith("The code ran."))
for t in ts: t.cancel()
wait(ts); [t.exception() for t in ts]
kill(p); kill(q)
is_(lambda: why(p) == f"{p}: it has ended on n2" or why(p) == f"{p}: it has ended, or never was")
"""
    assert ok(home.script(CONNECT + BUSY + code)) == "queued True\nTrue True True\n"


def test_a_call_on_a_node_is_timed_in_parts(home: Home) -> None:
    code = """
told = timeit(busy, 0.1, on=n2, seconds=0.5)
print(len(told.runs) >= 1, told.best >= 0.1, sorted(told.stages), 0.1 <= told.stages["run"] <= told.worst)
print(" on n2; mostly net " in repr(told))
try:
    timeit(lambda: 1 / 0, on=n2)
except ZeroDivisionError:
    print("raised")
"""
    told = "True True ['net', 'queue', 'run', 'worker'] True\nTrue\nraised\n"
    assert ok(home.script(CONNECT + BUSY + code)) == told


def test_the_stages_of_a_task_add_up_to_its_time(home: Home) -> None:
    code = """
t = task(busy, 0.3, on=n2)
t.result()
import json
took = {row["stage"]: row["ms"] for row in trace(t)}
print(json.dumps(took))
"""
    took = json.loads(ok(home.script(CONNECT + BUSY + code)))
    assert list(took) == [
        "pickled", "on the way", "queued", "to its worker", "unpickled", "ran", "result pickled", "total"
    ]  # fmt: skip
    total = took.pop("total")
    assert took["ran"] >= 300
    assert sum(took.values()) == pytest.approx(total, rel=0.02, abs=2)
