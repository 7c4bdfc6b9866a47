"""Supervisors with real children: what is started again, stopped in order, and given up."""

import re

import pytest

from tests.system.conftest import Home
from tests.system.test_calls import CONNECT
from tests.system.test_relations import own

CHILDREN = (
    CONNECT
    + """
import os, sys, time
boss = me()
def work(name):
    send(boss, ("up", name))
    while (message := receive()) != "quit":
        if message == "raise": raise ValueError("bad")
        if message == "die": os._exit(3)
        if message == "trap": trap_exits()
        if message == "escape": trap_exits(); unlink(receive()); send(boss, "escaped")
        if isinstance(message, Exit): send(boss, ("down", name, message.reason)); return
class Counter:
    def __init__(self, count=0, broken=False):
        if broken: raise OSError("no disk")
        self.count = count
        send(boss, ("up", "counter"))
    def add(self, number):
        self.count += number
        return self.count
    def die(self): os._exit(3)
def ups(count): return sorted(receive(("up", str), timeout=10)[1] for _ in range(count))
def die(actor):
    try: actor.die().result()
    except NoProcess: pass
def row(name): return next(row for row in s.children().result() if row["name"] == name)
"""
)


@pytest.fixture
def home(home: Home) -> Home:
    """A home where node n2 runs."""
    home.node("n2@localhost")
    return home


def test_children_are_started_again_as_the_strategy_says(home: Home) -> None:
    code = """
for strategy, on in (("one_for_one", None), ("one_for_all", n2), ("rest_for_one", None)):
    s = supervise([Child(name, work, name) for name in "abc"], strategy, on=on)
    print(ups(3), [str(whereis(name, on=on)) for name in "abc"] == [str(s.child(name).result()) for name in "abc"])
    for message in ("raise", "die", "quit"):
        send(s.child("b").result(), message)
        print(*ups({"one_for_one": 1, "one_for_all": 3, "rest_for_one": 2}[strategy]))
    print(row("b")["restarts"], row("a")["restarts"], flush())
    ref = monitor(s); stop(s); down = receive(Down, timeout=10)
    print(down.ref == ref, down.reason, [whereis(name, on=on) for name in "abc"])
"""
    lines = own(home.script(CHILDREN + code, timeout=60))
    assert lines == [
        "['a', 'b', 'c'] True", "b", "b", "b", "3 0 []", "True shutdown [None, None, None]",
        "['a', 'b', 'c'] True", "a b c", "a b c", "a b c", "3 0 []", "True shutdown [None, None, None]",
        "['a', 'b', 'c'] True", "b c", "b c", "b c", "3 0 []", "True shutdown [None, None, None]",
    ]  # fmt: skip


def test_an_actor_is_a_child_as_well(home: Home) -> None:
    code = """
s = supervise([Child("counter", Counter, 40), Child("w", work, "w", restart="transient")], on=n2)
print(ups(2), s.child("counter").result().add(2).result())
die(s.child("counter").result())
print(ups(1), s.child("counter").result().add(3).result())
send(("w", n2), "quit")
while row("w")["process"]: time.sleep(0.01)
print(s.children().result())
try: s.child("x").result()
except KeyError as error: print("KeyError", error)
"""
    lines = own(home.script(CHILDREN + code))
    assert lines[:2] == ["['counter', 'w'] 42", "['counter'] 43"]
    assert lines[2].split() == ["name", "process", "restart", "restarts"]
    assert re.fullmatch(r"counter +<Actor Counter <n2\.\d+>> +permanent +1", lines[3])
    assert lines[4].split() == ["w", "transient", "0"]
    assert lines[5] == "KeyError 'x'"


def test_it_gives_up_in_order_and_says_why(home: Home) -> None:
    code = """
trap_exits()
s = supervise([Child("a", work, "a"), Child("b", work, "b")], intensity=(1, 60), on=n2)
ups(2)
send(("a", n2), "trap")
for _ in range(2): send(s.child("b").result(), "raise"); ups(1) if not _ else None
print(receive(timeout=10)); print(receive(Exit, timeout=10).reason)
trap_exits(False)
s = supervise([Child("b", work, "b")], intensity=(0, 1), on=n2)
monitor(s); send(("b", n2), "raise"); receive(Down, timeout=10)
"""
    done = home.script(CHILDREN + code)
    assert own(done) == [
        "('down', 'a', 'shutdown')",
        "gave up after 1 restarts within 60 s; 'b' ended last: ValueError: bad",
    ]
    assert re.search(r"exit signal from <n2\.\d+>: gave up after 0 restarts within 1 s; 'b' ended last", done.stderr)


def test_what_does_not_start_leaves_nothing(home: Home) -> None:
    code = """
def gone(): return [whereis(name, on=n2) for name in ("a", "counter")] == [None, None] and not tasks(on=n2)
try: supervise([Child("a", work, "a"), Child("counter", Counter, broken=True)], on=n2)
except OSError as error: print(error, *error.__notes__, sep=" / ")
while not gone(): time.sleep(0.01)
register("taken")
try: supervise([Child("a", work, "a"), Child("taken", work, "b")])
except PyshError as error: print(error.text.partition(" on ")[0])
while tasks(): time.sleep(0.01)
for wrong in (lambda: supervise([work, work]), lambda: supervise([Child("a", work, restart="ever")]),
              lambda: supervise([Child("a", 7)])):
    try: wrong()
    except (ValueError, TypeError) as error: print(error)
print(len(tasks(on=all_nodes)))
"""
    lines = own(home.script(CHILDREN + code))
    assert lines == [
        "no disk / the supervisor ended with all its children: 'counter' did not start: OSError: no disk",
        "the name 'taken' is taken",
        "2 children are called 'work'; nothing was started",
        "a: restart='ever' is none of permanent, transient, temporary; nothing was started",
        "what runs is a function, or the name of one, not 'int'; nothing was sent",
        "0",
    ]


def test_of_a_name_that_is_taken_it_is_said_once_whether_anything_ran(home: Home) -> None:
    code = """
spawn(lambda: receive("never"), on=n2, name="b")
for children in ([Child("b", work, "b")], [Child("a", work, "a"), Child("b", work, "b")]):
    try: supervise(children, on=n2)
    except PyshError as error: print(error.executed, error, *error.__notes__, sep=" / ")
"""
    assert [re.sub(r"<n2\.\d+>", "<n2.N>", line) for line in own(home.script(CHILDREN + code))] == [
        f"{executed} / the name 'b' is taken on n2@localhost, by <n2.N>. {ran} / the supervisor ended with all its "
        "children: 'b' did not start: PyshError: the name 'b' is taken on n2@localhost, by <n2.N>"
        for executed, ran in (("no", "Nothing ran."), ("yes", "The code ran."))
    ]


def test_a_counter_that_breaks_while_it_is_started_again_is_given_up(home: Home) -> None:
    code = """
class Once:
    def __init__(self):
        if os.path.exists("once"): raise OSError("again")
        open("once", "w").close()
    def die(self): os._exit(3)
trap_exits()
s = supervise([Child("w", work, "w"), Child("once", Once)], on=n2)
die(s.child("once").result())
print(receive(Exit, timeout=20).reason)
print(whereis("w", on=n2))
"""
    assert own(home.script(CHILDREN + code)) == [
        "gave up after 3 restarts within 5 s; 'once' ended last: OSError: again", "None",
    ]  # fmt: skip


def test_its_children_end_with_it_and_it_ends_with_its_parent(home: Home) -> None:
    code = """
def parent():
    trap_exits()
    s = supervise([Child("a", work, "a"), Child("b", work, "b")])
    send(boss, s); receive("end")
p = spawn(parent, on=n2)
s = receive(Actor, timeout=10); ups(2)
ref = monitor(s); send(p, "end"); print(receive(Down, timeout=10).reason, whereis("a", on=n2), whereis("b", on=n2))
p = spawn(parent, on=n2)
s = receive(Actor, timeout=10); ups(2)
a = whereis("a", on=n2); monitor(a); kill(s); print(receive(Down, timeout=10).reason)
s = supervise([Child("a", work, "a", shutdown=0.2), Child("b", work, "b")], on=n2); ups(2)
send(("a", n2), "escape"); send(("a", n2), s.process); receive("escaped")
send(s, "what"); print(len(s.children().result()))
monitor(s); stop(s, "enough"); print(receive(("down", str, str), timeout=10), receive(Down, timeout=10).reason)
"""
    done = home.script(CHILDREN + code)
    assert own(done) == ["normal None None", "killed", "2", "('down', 'a', 'shutdown') enough"]
    assert "a supervisor takes no messages; one was dropped" in done.stdout
