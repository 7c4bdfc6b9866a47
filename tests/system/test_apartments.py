"""Async processes: many in one runner, each with a mailbox, an output and an end of its own."""

import re

import pytest

from tests.system.conftest import Home
from tests.system.test_calls import CONNECT, ok
from tests.system.test_relations import own

ASYNC = (
    CONNECT
    + """
import asyncio, os, time
import pysh
async def echo():
    while True:
        who, what = await pysh.aio.receive()
        await pysh.aio.send(who, (what, me()))
async def sleeps(mark=None):
    try:
        if mark: send(mark, "sleeps")
        await asyncio.sleep(1000)
    finally:
        if mark: send(mark, "tidied")
async def swallows(boss):
    send(boss, "begun")
    while True:
        try: await asyncio.sleep(1000)
        except asyncio.CancelledError: pass
async def hogs(boss):
    send(boss, "begun")
    while True: pass
def down(of, timeout=10): return receive(lambda m: isinstance(m, Down) and m.pid == of, timeout=timeout).reason
def where(): return pysh.call(os.getpid, on=n2)
async def pid_of(who): send(who, os.getpid())
def runner():
    spawn(pid_of, me(), on=n2)
    return receive(int, timeout=10)
"""
)


@pytest.fixture
def home(home: Home) -> Home:
    """A home where node n2 runs."""
    home.node("n2@localhost")
    return home


def test_many_of_them_share_a_few_runners_and_each_has_its_own_mailbox(home: Home) -> None:
    code = """
async def tells(who, n):
    await pysh.aio.send(who, (n, me(), os.getpid(), await pysh.aio.receive()))
ps = [spawn(tells, me(), n, on=n2) for n in range(100)]
for n, p in enumerate(ps): send(p, n * n)
told = sorted(receive(tuple, timeout=10) for _ in ps)
print([(n, p, got) for n, p, _, got in told] == [(n, ps[n], n * n) for n in range(100)])
print(len({pid for *_, pid, _ in told}) <= os.cpu_count(), len(set(ps)))
"""
    assert own(home.script(ASYNC + code)) == ["True", "True 100"]


def test_what_ends_them_is_told_as_for_any_process(home: Home) -> None:
    code = """
async def fine(): pass
async def raises(): raise ValueError("bad")
async def leaves(): raise SystemExit(3)
async def misspells(): return receive()
def no_coroutine(): return 3
for fn in (fine, raises, leaves, misspells):
    print(fn.__name__, down(spawn(fn, on=n2, monitor=True)))
a, b = spawn(echo, on=n2, monitor=True), spawn(sleeps, on=n2, monitor=True)
async def tied(other):
    await pysh.aio.link(other)
    raise KeyError(1)
c = spawn(tied, b, on=n2, monitor=True)
print(down(c), down(b))
send(a, (me(), "still here")); print(receive(tuple, timeout=10)[0])
"""
    done = home.script(ASYNC + code)
    assert own(done)[:4] == [
        "fine normal", "raises ValueError: bad", "leaves SystemExit: 3",
        "misspells BlockingCall: receive() would block the event loop of its async caller; "
        "write: await pysh.aio.receive(...). Nothing ran.",
    ]  # fmt: skip
    assert own(done)[4:] == ["KeyError: 1 KeyError: 1", "still here"]
    assert re.search(r'n2 \|   File ".*", line \d+, in raises', done.stdout)
    assert "n2 | ValueError: bad" in done.stdout
    assert "run_forever" not in done.stdout and "_begin" not in done.stdout


def test_a_stopped_one_tidies_up_and_its_mates_live_on(home: Home) -> None:
    code = """
mate = spawn(echo, on=n2)
p = spawn(sleeps, me(), on=n2, monitor=True)
before = runner()
receive("sleeps", timeout=10)
t = time.monotonic(); stop(p)
print(receive("tidied", timeout=10), down(p), time.monotonic() - t < 1)
q = spawn(sleeps, me(), on=n2, monitor=True)
receive("sleeps", timeout=10)
t = time.monotonic(); kill(q)
print(down(q), time.monotonic() - t < 1, receive("tidied", timeout=10))
send(mate, (me(), "here")); print(receive(tuple, timeout=10) == ("here", mate))
"""
    assert own(home.script(ASYNC + code)) == ["tidied shutdown True", "killed True tidied", "True"]


@pytest.mark.parametrize("code", ["hogs", "swallows"])
def test_code_that_does_not_end_is_dead_at_once_and_gone_with_its_apartment(home: Home, code: str) -> None:
    script = f"""
kept = [spawn(echo, on=n2, monitor=True) for _ in range(8)]
p = spawn({code}, me(), on=n2, monitor=True)
receive("begun", timeout=10)
began = time.monotonic(); kill(p)
print(down(p), time.monotonic() - began < 0.5)
first = receive(Down, timeout=10)
print(first.reason, time.monotonic() - began < 1.5)
dead = {{first.pid}}
try:
    while True: dead.add(receive(Down, timeout=1).pid)
except TimeoutError: pass
alive = [one for one in kept if one not in dead]
for one in alive: send(one, (me(), 1))
print(all(receive(tuple, timeout=10)[0] == 1 for _ in alive), len(dead) + len(alive))
again = spawn(echo, on=n2); send(again, (me(), "again")); print(receive(tuple, timeout=10)[0])
"""
    assert own(home.script(ASYNC + script)) == ["killed True", "runner_killed True", "True 8", "again"]


def test_what_they_print_goes_under_their_own_names_and_whole(home: Home) -> None:
    code = """
async def prints(n):
    for i in range(50):
        print(n, i, end="")
        await asyncio.sleep(0)
        print(" of", n)
ps = [spawn(prints, n, on=n2, monitor=True) for n in range(20)]
for p in ps: down(p)
"""
    lines = ok(home.script(ASYNC + code)).splitlines()
    for n in range(20):
        assert [line for line in lines if line.endswith(f" of {n}")] == [f"n2 | {n} {i} of {n}" for i in range(50)]


def test_a_flood_of_one_costs_its_mates_and_the_node_nothing_but_time(home: Home) -> None:
    code = """
async def floods():
    for n in range(100_000):
        print("x" * 90)
        if n % 1000 == 0: await asyncio.sleep(0)
mate = spawn(echo, on=n2)
p = spawn(floods, on=n2, monitor=True)
for n in range(20):
    send(mate, (me(), n)); assert receive(tuple, timeout=10)[0] == n
print("mate", down(p, 60))
"""
    done = home.script(ASYNC + code, timeout=90)
    assert own(done)[-1] == "mate normal"
    assert len(done.stdout) < 20_000_000


MATES = """
async def tells_runner(boss, then):
    await pysh.aio.send(boss, (os.getpid(), me()))
    await then(boss)
def mates(*coroutines):
    # Processes that live in one apartment, one for each of these.
    while True:
        there = {}
        for coroutine in coroutines + coroutines[::-1]:
            spawn(tells_runner, me(), coroutine, on=n2)
            pid, process = receive((int, Process), timeout=10)
            there.setdefault(pid, []).append((coroutine, process))
        for living in there.values():
            found = [next((p for c, p in living if c is coroutine), None) for coroutine in coroutines]
            if all(found): return found
"""


def test_messages_among_mates_keep_their_order_whatever_way_they_take(home: Home) -> None:
    code = """
async def collects(boss):
    trap_exits_on = await pysh.aio.trap_exits()
    await pysh.aio.send(boss, [await pysh.aio.receive() for _ in range(9)])
async def sends(boss):
    to = await pysh.aio.receive(Process)
    for n in range(3): send(to, n)
    send(to, bytes(8_000_000))
    send(to, 3)
    await pysh.aio.stop(to, "soon")
    for n in range(4, 7): send(to, n)
for _ in range(3):
    to, by = mates(collects, sends)
    assert to.info()["os_pid"] == by.info()["os_pid"]
    send(by, to)
    print([len(m) if isinstance(m, bytes) else getattr(m, "reason", m) for m in receive(list, timeout=20)])
"""
    assert own(home.script(ASYNC + MATES + code, timeout=60)) == ["[0, 1, 2, 8000000, 3, 'soon', 4, 5, 6]"] * 3


def test_a_full_mailbox_of_a_mate_stops_its_sender_until_half_of_it_is_received(home: Home) -> None:
    code = """
async def slow(boss):
    await asyncio.sleep(1)  # meanwhile it is filled
    got = 0
    while await pysh.aio.receive() != "end": got += 1
    await pysh.aio.send(boss, got)
async def fills(boss):
    to = await pysh.aio.receive(Process)
    sent = 0
    try:
        while True:
            send(to, sent)
            sent += 1
    except MailboxFull: await pysh.aio.send(boss, f"full with {sent}")
    await pysh.aio.send(to, sent)
    await pysh.aio.send(to, "end")
to, by = mates(slow, fills)
send(by, to)
print(receive(str, timeout=20), receive(int, timeout=20))
"""
    assert own(home.script(ASYNC + MATES + code, timeout=60)) == ["full with 10000 10001"]


def test_a_kill_ends_the_tasks_of_a_process_too_and_leaves_a_busy_mate_alone(home: Home) -> None:
    code = """
async def ticks(path):
    while True:
        with open(path, "a") as file: file.write(".")
        await asyncio.sleep(0.01)
async def parent(boss):
    background = asyncio.create_task(ticks(os.path.abspath(f"ticks{me().pid.number}")))
    await asyncio.sleep(1000)
async def busy(boss):
    await pysh.aio.receive("work")
    until = time.monotonic() + 1.5
    while time.monotonic() < until: pass
    await pysh.aio.send(boss, "worked")
p, mate = mates(parent, busy)
path = f"ticks{p.pid.number}"
while not os.path.exists(path): time.sleep(0.01)
send(mate, "work")
time.sleep(0.2)  # it does so
monitor(p); kill(p)
print(down(p), receive("worked", timeout=10), mate.info is not None)
until = time.monotonic() + 2  # one tick may have been due when the kill came in
def size_soon(): time.sleep(0.3); return os.path.getsize(path)
while (size := os.path.getsize(path)) != size_soon(): assert time.monotonic() < until, "it ticks on"
print("it ticks no more")
"""
    done = home.script(ASYNC + MATES + code, timeout=60)
    assert own(done) == ["killed worked True", "it ticks no more"]


def test_a_large_message_of_a_process_that_ends_at_once_arrives_whole(home: Home) -> None:
    code = """
async def says(boss): await pysh.aio.send(boss, bytes(8_000_000))
p = spawn(says, me(), on=n2, monitor=True)
print(len(receive(bytes, timeout=20)), down(p))
"""
    assert own(home.script(ASYNC + code)) == ["8000000 normal"]


def test_what_threads_and_children_of_theirs_print_is_shown(home: Home) -> None:
    code = """
import subprocess, sys
def in_thread(): print("in a thread", me())
async def prints():
    await asyncio.get_running_loop().run_in_executor(None, in_thread)
    await (await asyncio.create_subprocess_exec("echo", "by a child")).wait()
    sys.stdout.buffer.write(b"by bytes\\n")
    print("an error", file=sys.stderr, end=""); print("unbroken")
    sys.stdout.reconfigure(line_buffering=True)
p = spawn(prints, on=n2, monitor=True)
print(down(p) == "normal", p)
"""
    done = home.script(ASYNC + code)
    assert own(done)[-1].startswith("True <n2.")
    shown = [line for line in ok(done).splitlines() if line.startswith("n2 | ")]
    process = own(done)[-1].split()[1]
    assert sorted(shown) == sorted(
        ["n2 | in a thread " + process, "n2 | by a child", "n2 | by bytes", "n2 | unbroken", "n2 | an error"]
    )


def test_they_spawn_watch_and_call_from_where_they_are(home: Home) -> None:
    code = """
async def parent(boss):
    child = await pysh.aio.spawn(echo, monitor=True)
    await pysh.aio.send(child, (me(), 7))
    seven, who = await pysh.aio.receive(tuple)
    value = await pysh.aio.call(lambda: 6 * 7)
    t = pysh.task(lambda: "task")
    kill(child)
    gone = await pysh.aio.receive(pysh.Down)
    await pysh.aio.send(boss, (seven, who == child, value, await t, gone.reason, gone.pid == child))
spawn(parent, me(), on=n2)
print(receive(tuple, timeout=10))
"""
    assert own(home.script(ASYNC + code)) == ["(7, True, 42, 'task', 'killed', True)"]


def test_their_end_is_told_when_their_node_ends(home: Home) -> None:
    code = """
p = spawn(echo, on=n2, monitor=True)
pysh.stop_node(n2)
print(down(p))
"""
    assert own(home.script(ASYNC + code)) == ["noconnection"]


def test_processes_are_listed_and_one_tells_all_of_itself(home: Home) -> None:
    code = """
def waits():
    trap_exits(); send(receive(), "traps"); receive("end")
a = spawn(echo, on=n2, name="echo", monitor=True)
b = spawn(waits, on=n2); send(b, me()); receive("traps", timeout=10)
for n in range(3): send(b, n)
def info(of, **wanted):
    until = time.monotonic() + 10
    while any((told := of.info())[key] != value for key, value in wanted.items()):
        assert time.monotonic() < until, told
        time.sleep(0.05)
    return told
def some(told, keys): return {key: value for key, value in told.items() if key in keys.split()}
print(some(info(a, state="waiting"), "label kind name queue links monitored_by"))
print(some(info(b, queue=3), "label kind name queue traps_exits mates"))
assert a.info()["memory"] > 1e6 and a.info()["os_pid"] != b.info()["os_pid"]
print([(row["process"] == p, row["name"], row["kind"]) for p, row in zip((a, b), processes(on=n2)[-2:])])
print(processes(on=n2).columns, [row["kind"] for row in processes()])
kill(b); kill(a); down(a)
try: a.info()
except NoProcess as error: print(error)
print(len(spawn_many := [spawn(echo, on=n2) for _ in range(2000)]), len(processes(on=n2)) >= 2000)
"""
    assert own(home.script(ASYNC + code)) == [
        "{'label': 'echo', 'kind': 'async', 'name': 'echo', 'queue': 0, 'monitored_by': 1, 'links': []}",
        "{'label': 'waits', 'kind': 'sync', 'name': '', 'queue': 3, 'mates': 0, 'traps_exits': True}",
        "[(True, 'echo', 'async'), (True, '', 'sync')]",
        "['process', 'name', 'label', 'kind', 'state', 'age', 'queue', 'memory'] ['program']",
        "there is no process <n2.2>: it has ended, or never was; see processes(). Nothing ran.",
        "2000 True",
    ]


def test_they_are_listed_as_they_are_with_all_that_waits_for_them(home: Home) -> None:
    code = """
async def picky(boss):
    await pysh.aio.receive("end")
async def fills(boss):
    to = await pysh.aio.receive(Process)
    for n in range(5): await pysh.aio.send(to, n)
    background = asyncio.create_task(asyncio.sleep(1000))
    await pysh.aio.send(boss, "filled")
    await asyncio.sleep(1000)
async def works(boss):
    while True: await asyncio.sleep(0)
to, by, busy = mates(picky, fills, works)
send(by, to); receive("filled", timeout=10)
def stands():
    rows = {row["process"]: row for row in processes(on=n2)}
    return [(rows[p]["state"], rows[p]["queue"]) for p in (to, by, busy)]
print(stands(), to.info()["state"], to.info()["queue"])
held = [spawn(hogs, me(), on=n2) for _ in range(2 * os.cpu_count())]  # some in each runner
until = time.monotonic() + 10
while {row["state"] for row in processes(on=n2) if row["kind"] == "async"} != {"running"}:
    assert time.monotonic() < until, processes(on=n2)
began = time.monotonic(); told = stands()
print(told, time.monotonic() - began < 0.3)
"""
    assert own(home.script(ASYNC + MATES + code, timeout=60)) == [
        "[('waiting', 5), ('waiting', 0), ('running', 0)] waiting 5",
        "[('running', 0), ('running', 0), ('running', 0)] True",
    ]


def test_of_those_that_have_ended_nothing_is_kept_until_somebody_looks_for_garbage(home: Home) -> None:
    code = """
import gc
async def brief(): pass
async def looks(boss):
    gc.disable()
    await pysh.aio.send(boss, "begun")
    await pysh.aio.receive("look")
    await pysh.aio.send(boss, sum(type(each).__name__ in ("Tenant", "Context") for each in gc.get_objects()))
    gc.enable()
lookers = [spawn(looks, me(), on=n2) for _ in range(2 * os.cpu_count())]  # some in each runner
for _ in lookers: receive("begun", timeout=10)
for p in [spawn(brief, on=n2, monitor=True) for _ in range(1000)]: down(p)
for p in lookers: send(p, "look")
most = max(receive(int, timeout=10) for _ in lookers)
print(most < 100 or most)
"""
    assert own(home.script(ASYNC + code, timeout=60)) == ["True"]


def test_those_that_one_spawns_without_waiting_are_all_there_and_outlive_it(home: Home) -> None:
    code = """
async def parent(boss):
    made = [await pysh.aio.spawn(echo, monitor=not n) for n in range(5000)]
    kill(made[0])
    await pysh.aio.send(boss, (made, (await pysh.aio.receive(pysh.Down)).reason))
p = spawn(parent, me(), monitor=True)
made, reason = receive(tuple, timeout=30)
print(reason, down(p), len(set(made)))
for n, child in enumerate(made[1:]): send(child, (me(), n))
answers = [receive(tuple, timeout=30) for _ in made[1:]]
print(sorted(n for n, _ in answers) == list(range(4999)), {child for _, child in answers} == set(made[1:]))
by_program = [spawn(echo) for _ in range(5000)]
for n, child in enumerate(by_program): send(child, (me(), n))
print({receive(tuple, timeout=30) for _ in by_program} == set(enumerate(by_program)), not set(made) & set(by_program))
"""
    assert own(home.script(ASYNC + code, timeout=90)) == ["killed normal 5000", "True True", "True True"]
