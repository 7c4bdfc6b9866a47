"""Closures from a script to another node and back: real hubs, fork servers and workers."""

import pytest

from tests.system.conftest import CONNECT, Home, ok

pytestmark = pytest.mark.usefixtures("n2")


def test_a_lambda_runs_on_another_node(home: Home) -> None:
    assert ok(home.script(CONNECT + "print(call(lambda: 6 * 7, on=n2))")) == "42\n"


def test_a_closure_carries_the_values_at_sending(home: Home) -> None:
    code = """
x = 1
t = task(lambda: x, on=n2)
x = 2
print(await t, call(lambda: x, on=n2))
"""
    assert ok(home.script(CONNECT + code)) == "1 2\n"


def test_a_task_runs_in_another_process_of_that_node(home: Home) -> None:
    code = "import os\nprint(os.getpid() == call(os.getpid, on=n2), node().name != n2.name)"
    assert ok(home.script(CONNECT + code)) == "False True\n"


def test_an_async_closure_runs_too(home: Home) -> None:
    code = """
import asyncio
async def f(x):
    await asyncio.sleep(0)
    return x + 1
print(await task(f, 1, on=n2))
"""
    assert ok(home.script(CONNECT + code)) == "2\n"


def test_a_remote_exception_arrives_as_its_own_type_with_the_line_that_raised(home: Home) -> None:
    code = """
import traceback
def f():
    return {}['key']
try:
    call(f, on=n2)
except KeyError:
    traceback.print_exc()
"""
    done = home.script(CONNECT + code)
    assert done.returncode == 0
    assert "return {}['key']" in done.stderr
    assert "n2@localhost" in done.stderr
    assert "/pysh/runtime/runner/" not in done.stderr  # what led to the code there is no news


def test_a_result_that_came_too_late_can_be_awaited_again(home: Home) -> None:
    code = """
import time
t = task(lambda: time.sleep(0.5) or 'late', on=n2)
try:
    t.result(timeout=0.05)
except TaskTimeout as e:
    print(e.task is t)
print(t.result())
"""
    assert ok(home.script(CONNECT + code)) == "True\nlate\n"


def test_messages_arrive_in_order_and_a_process_answers(home: Home) -> None:
    code = """
def echo():
    while (got := receive()) != 'stop':
        who, what = got
        send(who, what * 2)
p = spawn(echo, on=n2)
for i in range(50):
    send(p, (me(), i))
print([receive(timeout=10) for _ in range(50)] == [i * 2 for i in range(50)])
send(p, 'stop')
"""
    assert ok(home.script(CONNECT + code)) == "True\n"


def test_nested_tasks_do_not_deadlock(home: Home) -> None:
    code = """
def nest(depth):
    return depth if not depth else task(nest, depth - 1).result() + 1
print([t.result() for t in [task(nest, 4, on=n2) for _ in range(4)]])
"""
    assert ok(home.script(CONNECT + code, timeout=60)) == "[4, 4, 4, 4]\n"


def test_sixty_four_mebibytes_arrive_whole(home: Home) -> None:
    code = """
import hashlib, os
big = os.urandom(64 << 20)
print(call(lambda b: hashlib.sha256(b).digest(), big, on=n2) == hashlib.sha256(big).digest())
print(call(lambda b: b, big, on=n2) == big)
"""
    assert ok(home.script(CONNECT + code, timeout=60)) == "True\nTrue\n"


def test_a_worker_that_is_killed_says_so_and_the_node_goes_on(home: Home) -> None:
    code = """
import os, signal
try:
    call(lambda: os.kill(os.getpid(), signal.SIGKILL), on=n2)
except WorkerDied as e:
    print(e.signal, e.executed)
print(call(lambda: 1, on=n2))
"""
    assert ok(home.script(CONNECT + code)) == "9 yes\n1\n"


def test_a_task_that_ignores_everything_is_killed(home: Home) -> None:
    code = """
import signal, time
def stubborn():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        pass
t = task(stubborn, on=n2)
while t.status != 'running':
    time.sleep(0.01)
begun = time.monotonic()
t.cancel(grace=0.2)
try:
    t.result()
except TaskCancelled as e:
    print(e.executed, time.monotonic() - begun < 1.2)
"""
    assert ok(home.script(CONNECT + code)) == "yes True\n"
