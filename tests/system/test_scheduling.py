"""Many tasks over few workers: each runs once, and none waits behind another without need."""

import os

import pytest

from tests.system.conftest import CONNECT, Home, ok

pytestmark = pytest.mark.usefixtures("n2")


def test_twenty_thousand_tasks_with_one_cancelled_one_raising_and_one_worker_killed(home: Home) -> None:
    code = """
import os, signal, time
COUNT, CANCELLED, RAISING, PRINTING, KILLING = 20_000, 10_000, 5_000, 12_000, 15_000
def work(i):
    if i == CANCELLED:
        time.sleep(600)  # so that it is there to be cancelled, whether it waits or runs
    if i == RAISING:
        raise ValueError(i)
    if i == PRINTING:
        print('this is', i)
    if i == KILLING:
        os.kill(os.getpid(), signal.SIGKILL)
    return i * i
ts = []
for i in range(COUNT):
    ts.append(task(work, i, on=n2))
    if i == CANCELLED:
        ts[i].cancel(grace=0.5)
bad, wrong = {}, []
for i, t in enumerate(ts):
    try:
        if t.result() != i * i or t.status != 'done':
            wrong.append((i, t))
    except Exception as e:
        bad[i] = f'{type(e).__name__} {t.status}'
print(len({t.ref for t in ts}), wrong, bad)
"""
    printed, told = ok(home.script(CONNECT + code, timeout=60)).splitlines()
    assert printed == "n2 | this is 12000"
    assert told == (
        "20000 [] {5000: 'ValueError failed', 10000: 'TaskCancelled cancelled', 15000: 'WorkerDied failed'}"
    )


@pytest.mark.skipif(os.cpu_count() == 1, reason="there is no second slot")
def test_short_tasks_do_not_wait_behind_a_long_one_while_a_slot_is_free(home: Home) -> None:
    code = """
import time
def sleep(seconds): time.sleep(seconds)
wait([task(sleep, 0, on=n2) for _ in range(200)])  # they prove short
long = task(sleep, 3, on=n2)
short = [task(sleep, 0, on=n2) for _ in range(20)]
done, pending = wait(short, timeout=1.5)
print(len(done), long.done())
"""
    assert ok(home.script(CONNECT + code)) == "20 False\n"


def test_a_worker_that_has_run_many_jobs_or_grown_large_is_replaced(home: Home) -> None:
    code = """
import os, time
def large(): return len(bytearray(600 << 20)) and os.getpid()
def gone(pid):
    until = time.monotonic() + 5
    while os.path.exists(f'/proc/{pid}') and time.monotonic() < until:
        time.sleep(0.01)
    return not os.path.exists(f'/proc/{pid}')
pids = {t.result() for t in [task(os.getpid, on=n2) for _ in range(25_000)]}
print(len(pids) > os.cpu_count(), gone(call(large, on=n2)))
"""
    assert ok(home.script(CONNECT + code)) == "True True\n"


def test_a_node_whose_processes_run_is_busy_and_one_whose_processes_wait_is_not(home: Home) -> None:
    home.node("n3@localhost")
    code = """
import pysh, time
n3 = connect("n3@localhost")
def soon(true):
    until = time.monotonic() + 10
    while not true(): assert time.monotonic() < until, nodes(); time.sleep(0.02)
def load(n): return next(row[3] for row in nodes().__pysh_table__()[1] if row[0] == n.name)
def chosen(): return call(lambda: pysh.node().name, on=[n2, n3])
for _ in range(4): spawn(time.sleep, 1000, on=n2); spawn(lambda: receive(), on=n3)
soon(lambda: load(n2).startswith("4/") and load(n3) == "0")
soon(lambda: chosen() == n3.name)
print({chosen() for _ in range(20)})
"""
    assert ok(home.script(CONNECT + code)) == "{'n3@localhost'}\n"
