"""Objects that live in processes of their own, on this node and on another."""

import pytest

from tests.system.conftest import Home
from tests.system.test_calls import CONNECT
from tests.system.test_relations import own

MODEL = (
    CONNECT
    + """
import asyncio, os, sys, time, traceback
boss = me()
class Model:
    def __init__(self, weight): self.weight, self.seen, self.lock = weight, [], None
    def predict(self, x):
        self.seen.append(x)
        return self.weight * x
    def history(self): return self.seen
    def bad(self): raise KeyError("missing")
    def slow(self, seconds):
        time.sleep(seconds)
        return seconds
    async def leave_behind(self):
        async def behind():
            try: await asyncio.sleep(60)
            finally: send(boss, "closed")
        self.task = asyncio.create_task(behind())
        await asyncio.sleep(0)
    async def hang(self): await asyncio.sleep(60)
    async def later(self, x):
        self.lock = self.lock or asyncio.Lock()
        async with self.lock: await asyncio.sleep(0.01)
        return x
    def pid(self): return os.getpid()
    def leave(self): sys.exit("bored")
    def die(self): os._exit(3)
    def heard(self): return receive(timeout=5)
    def echo(self, data): return data
    def unsendable(self): return (x for x in ())
"""
)


@pytest.fixture
def home(home: Home) -> Home:
    """A home where node n2 runs."""
    home.node("n2@localhost")
    return home


def test_an_actor_keeps_its_state_and_answers_in_order(home: Home) -> None:
    code = """
for on in (None, n2):
    m = actor(Model, weight=3, on=on)
    print(await m.predict(2), m.predict(x=5).result(timeout=5), await m.later("a"), await m.later("b"))
    replies = [m.predict(n) for n in range(500)]
    print([r.result() for r in replies] == [3 * n for n in range(500)], await m.history() == [2, 5, *range(500)])
    print(m.pid().result() != os.getpid(), m.process.node == (on or node()), flush())
"""
    done = home.script(MODEL + code)
    assert own(done) == ["6 15 a b", "True True", "True True []"] * 2


def test_what_a_method_raises_comes_back_and_the_actor_goes_on(home: Home) -> None:
    code = """
m = actor(Model, 1, on=n2)
try: await m.bad()
except KeyError: traceback.print_exc()
for call in (m.absent, m.unsendable, lambda: m.weight(), m.predict):
    try: await call()
    except Exception as error: print(type(error).__name__, getattr(error, "executed", ""))
print(await m.predict(1))
"""
    done = home.script(MODEL + code)
    assert own(done) == ["AttributeError ", "NotSendable yes", "TypeError ", "TypeError ", "1"]
    assert 'raise KeyError("missing")' in done.stderr
    assert "on n2@localhost" in done.stderr
    assert "pysh/runtime/actor.py" not in done.stderr


def test_what_its_class_raises_is_raised_where_it_was_to_be_made(home: Home) -> None:
    code = """
class Broken:
    def __init__(self): raise ValueError("no weights")
for on in (None, n2):
    try: actor(Broken, on=on)
    except ValueError as error: print(error, error.__remote__.node == str(on or node()))
while tasks(on=all_nodes): time.sleep(0.01)
try: actor(lambda on: on)
except TypeError as error: print(error)
try: actor(7)
except TypeError as error: print(error)
"""
    done = home.script(MODEL + code)
    lines = own(done)
    assert lines[:2] == ["no weights True", "no weights True"]
    assert "which is an option here" in lines[2]
    assert lines[3] == "an actor is an object of a class, not of 'int'; nothing was sent"
    assert done.stderr == ""


def test_a_reply_that_came_too_late_can_be_awaited_again(home: Home) -> None:
    code = """
m = actor(Model, 1, on=n2)
r = m.slow(0.5)
try: r.result(timeout=0.05)
except TaskTimeout as error: print(error.task is r)
try: await asyncio.wait_for(r, 0.05)
except TimeoutError: print("late")
try: r.cancel()
except PyshError as error: print(error)
print(await r, await m.predict(2), r.cancel())
"""
    assert own(home.script(MODEL + code)) == [
        "True", "late", "slow() is not cancelled alone: stop() or kill() ends its actor, with all its calls",
        "0.5 2 False",
    ]  # fmt: skip


def test_every_call_of_an_actor_that_ends_says_whether_it_ran(home: Home) -> None:
    code = """
def told(call):
    try: call.result(timeout=10)
    except PyshError as error: print(type(error).__name__, re.sub("n2.[0-9]+", "p", str(error)), sep=": ")
import re
for end in (kill, stop, lambda m: m.die(), lambda m: m.leave()):
    m = actor(Model, 1, on=n2)
    ref = monitor(m)
    if end in (kill, stop):
        calls = [m.slow(30), m.predict(1)]
        end(m)
    else:
        calls = [m.slow(0.1), end(m), m.predict(1)]
    for call in calls: told(call)
    down = receive(Down, timeout=10)
    print((down.ref, down.pid) == (ref, m.process), down.reason)
    told(m.predict(2))
"""
    lines = own(home.script(MODEL + code))
    gone = "NoProcess: there is no process <p>: it has ended, or never was; see processes(). Nothing ran."
    assert lines[:4] == [
        "NoProcess: the actor <p> ended: killed. The code may have run.",
        "NoProcess: the actor <p> ended: killed. Nothing ran.", "True killed", gone,
    ]  # fmt: skip
    assert lines[4:8] == [
        "NoProcess: the actor <p> ended: shutdown. The code may have run.",
        "NoProcess: the actor <p> ended: shutdown. Nothing ran.", "True shutdown", gone,
    ]  # fmt: skip
    assert lines[8:12] == [
        "NoProcess: the actor <p> ended: runner_killed. The code may have run.",
        "NoProcess: the actor <p> ended: runner_killed. Nothing ran.", "True runner_killed", gone,
    ]  # fmt: skip
    assert lines[12:] == [
        "RemoteError: SystemExit: bored (on n2@localhost)",
        "NoProcess: the actor <p> ended: bored. The code may have run.", "True bored", gone,
    ]  # fmt: skip


def test_a_lost_node_ends_the_calls_of_its_actors(home: Home) -> None:
    code = """
m = actor(Model, 1, on=n2)
r = m.slow(30)
stop_node(n2)
for call in (r, m.predict):
    try: await (call if call is r else call(1))
    except NodeDown as error: print(error.reason, error.executed)
"""
    done = home.script(MODEL + code)
    assert own(done) == ["shutdown maybe", "noconnection no"]


def test_an_actor_is_a_process_and_its_messages_are_no_calls(home: Home) -> None:
    code = """
m = actor(Model, 2, on=n2)
register("model", m)
print(whereis("model", on=n2) == m.process, str(m) == f"<Actor Model {m.process}>", m == eval("m"))
send(m, "hello"); send(m.process, "you")
r, s = m.heard(), m.predict(4)
print(await r, await s, await m.heard())
print(call(lambda: m.predict(21).result(), on=n2), task(lambda: m.predict(2).result()).result())
link(m); unlink(m); stop(m, "enough"); monitor(m); print(receive(Down, timeout=10).reason in ("enough", "noproc"))
"""
    assert own(home.script(MODEL + code)) == ["True True True", "hello 8 you", "42 4", "True"]


def test_large_arguments_and_results_keep_the_order(home: Home) -> None:
    code = """
m = actor(Model, 1, on=n2)
sizes = (5_000_000, 10, 900_000, 3_000_000, 20)
replies = [m.echo(bytes(size)) for size in sizes]
print([len(await r) for r in replies] == list(sizes), flush())
def leaves(): m.echo(bytes(30_000_000)); os._exit(1)
spawn(leaves)
t = task(lambda: [m.echo(bytes(20_000_000)), os._exit(1)])
try: await t
except WorkerDied: pass
print(await m.predict(6))
"""
    assert own(home.script(MODEL + code, timeout=60)) == ["True []", "6"]


def test_what_async_methods_left_running_is_cancelled_at_the_end(home: Home) -> None:
    code = """
for end in ("hang", "leave"):
    m = actor(Model, 1, on=n2)
    await m.leave_behind()
    r = getattr(m, end)()
    if end == "hang": stop(m)
    monitor(m)
    print(receive(Down, timeout=10).reason in (("shutdown", "noproc") if end == "hang" else ("bored", "noproc")))
    try: await r
    except PyshError as error: print(type(error).__name__, error.executed)
    print(receive("closed", timeout=10))
print(call(lambda: 1, on=n2))
"""
    assert own(home.script(MODEL + code)) == [
        "True", "NoProcess maybe", "closed", "True", "RemoteError yes", "closed", "1",
    ]  # fmt: skip
