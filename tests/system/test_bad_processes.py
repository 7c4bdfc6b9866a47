"""Bad input to the verbs of processes: an error that says what and where, and whether anything was done."""

import json

import pytest

from tests.system.conftest import CONNECT, Home, ok

GONE = "spawn(lambda: None, on=n2)"
GREETING = """
import json
def idle(): receive()
def said(bad):
    try:
        return repr(bad())
    except Exception as error:
        return f"{type(error).__name__}: {error}"
"""

REFUSED = {
    # a node that is unknown
    'spawn(idle, on="nowhere")': "ConnectError: [find] nowhere is not connected; known here: ",
    'processes(on="nowhere")': 'Nothing ran. Try: connect("nowhere")',
    'send(("w", "nowhere"), 1)': "ConnectError: [find] nowhere is not connected",
    'pid("nowhere.17")': "ConnectError: [find] nowhere is not connected",
    "spawn(idle, on=3)": "TypeError: on= takes a node, its name, several of those or all_nodes, not 3",
    "Executor(on=[])": "ValueError: on= names no node; nothing was sent",
    'disconnect("nowhere")': "ConnectError: [find] nowhere is not connected; known here: ",
    'Executor(n2, max_workers="x")': "TypeError: max_workers= takes a number of tasks, or None, not 'x'; nothing was",
    'task(":x", on=n2)': 'ValueError: \':x\' names no function, as "module:function" or "function" do; nothing was',
    # a pid that is none, or was never one
    "pid(3)": "TypeError: a pid is text, as one is printed: <n2.17>, not 3",
    'pid("nonsense")': "ValueError: 'nonsense' is no pid: one is printed as <n2.17>",
    'pid("n2.-1")': "ValueError: 'n2.-1' is no pid",
    'pid("n2." + "9" * 20)': "is no pid: one is printed as <n2.17>",
    'pid("n2.99999").info()': "NoProcess: there is no process <n2.99999>: it has ended, or never was; see processes()",
    # who is meant
    "spawn(3)": "TypeError: what runs is a function, or the name of one, not 'int'; nothing was sent",
    'send(3, "x")': "TypeError: send() takes a process, a name or (name, node), not 3; nothing was sent",
    'send((1, 2, 3), "x")': "TypeError: send() takes a process, a name or (name, node), not (1, 2, 3)",
    'link("x")': "TypeError: a process is meant, as spawn() and me() return, not 'x'; nothing was done",
    "monitor(3)": "TypeError: a process is meant",
    "kill(None)": "TypeError: a process is meant",
    "stop([])": "TypeError: a process is meant",
    # names
    "register(3)": "TypeError: a name is text, not 3; nothing was done",
    'register("")': "ValueError: '' is no name: 1 to 255 characters that can be printed; nothing was done",
    'register("a\\nb")': "ValueError: 'a\\nb' is no name",
    'register("w") or spawn(idle, name="w")': "PyshError: the name 'w' is taken on ",
    "whereis(3)": "TypeError: a name is text, not 3",
    # limits
    "receive(timeout='soon')": "TypeError: timeout= takes a number of seconds, 0 or more, or None",
    "receive(timeout=float('nan'))": "ValueError: timeout= takes a number of seconds",
    "spawn(idle, memory=1)": "ValueError: memory= takes 1,048,576 bytes or more, not 1; nothing was sent",
    "spawn(idle, memory=2**70)": "ValueError: memory= takes fewer than 4,611,686,018,427,387,904 bytes, not 1,180,",
    "task(idle, memory='many')": "TypeError: memory= takes a number of bytes, not 'many'; nothing was sent",
    "spawn(idle, cpu=float('nan'))": "ValueError: cpu= takes a number of seconds, 0 or more, not nan",
    "task(idle, limit=-1)": "ValueError: limit= takes a number of seconds, 0 or more, not -1",
    "task(idle).cancel(grace='x')": "TypeError: grace= takes a number of seconds, not 'x'; nothing was sent",
    # actors and supervisors
    "actor(3)": "TypeError: an actor is an object of a class, not of 'int'; nothing was sent",
    "supervise([3])": "TypeError: a child is a Child(name, fn, *args), or a function or class, not 3; nothing was",
    'supervise([idle], "one_for_none")': "ValueError: strategy='one_for_none' is none of one_for_one, one_for_all,",
    "supervise([idle, idle])": "ValueError: 2 children are called 'idle'; nothing was started",
    "supervise([idle], intensity=(-1, 5))": "ValueError: intensity=(-1, 5) is no (restarts, seconds); nothing was",
    "supervise([Child('a', idle, restart='often')])": "nothing was started",
    "supervise(5)": "TypeError: supervise() takes children in a list or the like, not 5; nothing was started",
    "supervise([idle], intensity=5)": "ValueError: intensity=5 is no (restarts, seconds); nothing was started",
    "supervise([Child('a', idle, shutdown='kill')])": "a: shutdown='kill' is no number of seconds; nothing was started",
    'demonitor("x")': "TypeError: a monitor is meant by its ref, which monitor() returns, not 'x'; nothing was done",
    # messages that cannot travel
    "send(me(), __import__('threading').Lock())": "NotSendable: cannot send value (_thread.lock)",
}
"""What is refused at once, and words of the error."""


@pytest.fixture
def answers(home: Home, n2: str) -> dict[str, str]:
    """What each of them says."""
    code = "".join(f"print(json.dumps([{bad!r}, said(lambda: {bad})]))\n" for bad in REFUSED)
    return dict(json.loads(line) for line in ok(home.script(CONNECT + GREETING + code)).splitlines())


def test_what_makes_no_sense_is_refused_and_said(answers: dict[str, str]) -> None:
    assert answers.keys() == REFUSED.keys()
    for bad, words in REFUSED.items():
        assert words in answers[bad], bad


def test_a_process_that_is_gone_is_told_of_as_such(home: Home, n2: str) -> None:
    """A signal to it has nobody to reach; who watches it is told, and who wants an answer gets an error."""
    done = home.script(f"""{CONNECT}{GREETING}
trap_exits(True)
p = {GONE}
monitor(p)
receive(timeout=10)
print(kill(p), stop(p), unlink(p))
link(p)
print(receive(timeout=10).reason)
monitor(p)
print(receive(timeout=10).reason)
print(said(p.info))
print(said(lambda: register("late", p)))
""")
    lines = ok(done).splitlines()
    assert lines[:3] == ["None None None", "noproc", "noproc"]
    assert len(lines) == 5
    for line in lines[3:]:
        assert line.startswith("NoProcess: there is no process <n2."), line


def test_a_node_that_is_lost_and_one_of_its_name_that_came_after_it(home: Home, n2: str) -> None:
    """A pid means a process of the node as it was started then, and never one of a later start."""
    done = home.script(f"""{CONNECT}{GREETING}
import subprocess, sys
trap_exits(True)
p = spawn(idle, on=n2)
link(p); monitor(p)
subprocess.run([sys.executable, "-m", "pysh", "stop", "n2"], check=True)
print(sorted((type(told).__name__, told.reason) for told in (receive(timeout=10), receive(timeout=10))))
for bad in (lambda: call(int, on=n2), lambda: spawn(idle, on=n2), lambda: send(p, 1), lambda: p.info()):
    print(said(bad))
link(p)
print(receive(timeout=10).reason)
subprocess.run([sys.executable, "-m", "pysh", "node", "--name", "n2@localhost", "--detach"], check=True)
again = connect("n2@localhost")
for _ in range(20):
    q = spawn(idle, on=again)
print(call(int, on=again), said(p.info), said(lambda: send(p, 1)))
monitor(p)
print(receive(timeout=10).reason)
""")
    ended, *errors, linked, after, monitored = ok(done).splitlines()
    assert ended == "[('Down', 'noconnection'), ('Exit', 'noconnection')]"
    assert len(errors) == 4
    for error in errors:
        assert "n2" in error, error
        assert error.split(":")[0] in ("NodeDown", "ConnectError"), error
    assert after.startswith("0 NodeDown: "), after
    assert linked == monitored == "noconnection"
