"""What was typed at one prompt, called by name from everywhere: real nodes, and what may have become of its shell."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.system.conftest import CONNECT, PYSH, Home, ok, until

DEFINED = """
import functools, os
base = 1
@functools.cache
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
def where(): return os.getpid()
def add(n): return base + n
class Point:
    def __init__(self, x): self.x = x
    def __eq__(self, other): return isinstance(other, Point) and other.x == self.x
def origin(): return Point(0)
"""


def rpc(home: Home, node: str, code: str) -> str:
    """What the shell of a node shows for `code`."""
    return ok(home.pysh("rpc", node, "-c", code)).strip()


@pytest.fixture
def shell(home: Home) -> str:
    """The name of a node whose shell has `DEFINED`."""
    node = home.node("n2@localhost")
    rpc(home, node, DEFINED)
    return node


def test_a_name_is_called_from_every_node_and_by_every_verb(home: Home, shell: str) -> None:
    home.node("n3@localhost")
    code = """
n3 = connect("n3@localhost")
print(call("fib", 30, on=n2), await task("add", n=2, on=n2), n2.call("add", 3))
print(call_all("fib", 5, on=[n2]))
print(call(lambda: connect("n2@localhost") and call("fib", 31, on="n2@localhost"), on=n3))
def asks(boss): send(boss, call("fib", 32, on="n2@localhost"))
spawn(asks, me(), on=n3)
print(receive(timeout=10))
print(n3.eval('call("fib", 33, on="n2@localhost")'), n2.eval('call("fib", 34)'))
print(call("origin", on=n2).x, call("Point", 5, on=n2).x)
"""
    assert ok(home.script(CONNECT + code)).splitlines() == [
        "832040 3 4", "n2: 5", "1346269", "2178309", "3524578 5702887", "0 5",
    ]  # fmt: skip


BUSY = {
    "busy": "import time; time.sleep(60)",
    "asking": "input()",
    "holding the GIL": "import ctypes; ctypes.PyDLL(None).sleep(60)",
    "stopped": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
}


@contextmanager
def running(home: Home, node: str, code: str) -> Iterator[None]:
    """`code` runs in the shell of a node."""
    command = [*PYSH, "rpc", node, "-c", f"open('begun', 'x').close(); {code}"]
    with subprocess.Popen(command, env=home.environ, cwd=home.folder, stdout=-1, stderr=-1) as rpc:
        try:
            until((home.folder / "begun").exists, "the beginning of the code")
            yield
        finally:
            rpc.kill()


@pytest.mark.parametrize("code", BUSY.values(), ids=BUSY)
def test_names_answer_whatever_their_shell_is_at(home: Home, shell: str, code: str) -> None:
    with running(home, shell, code):
        assert ok(home.script(CONNECT + "print(call('fib', 10, on=n2), call('add', 1, on=n2))")) == "55 2\n"


KILLS = """
import os, signal
for _ in range(3):
    while True:
        try:
            pid = int(n2.eval("__import__('os').getpid()"))
            break
        except PyshError: pass
    os.kill(pid, signal.SIGKILL)
    assert [call("add", n, on=n2) for n in range(50)] == list(range(1, 51))
print(call("fib", 10, on=n2), call("where", on=n2) != pid)
"""


def test_names_outlive_a_shell_that_is_killed_until_they_are_bound_anew(home: Home, shell: str) -> None:
    assert ok(home.script(CONNECT + KILLS)) == "55 True\n"
    rpc(home, shell, "def add(n): return -n\nfib = None")
    code = """
print(call("add", 5, on=n2), call("origin", on=n2).x)
try: call("fib", 10, on=n2)
except NameError as error: print(error.executed, error)
"""
    assert ok(home.script(CONNECT + code)).splitlines() == [
        "-5 0",
        "no no function 'fib' in the shell of n2@localhost; it has Point, add, origin, where. Nothing ran.",
    ]


HANGS_AGAIN = """
import os, socket, sys, time
if "pysh.runtime.runner.boot" in " ".join(sys.orig_argv) and os.path.exists({marker!r}):
    sock = socket.socket(fileno=int(sys.orig_argv[-1]))
    role = sock.recv(1000, socket.MSG_PEEK).decode()
    sock.detach()
    if "evaluator" in role:
        open({marker!r} + " hung", "w").close()
        time.sleep(1000)
"""


def test_names_answer_while_their_shell_is_being_started_again(home: Home) -> None:
    marker = home.folder / "hang"
    (home.folder / "sitecustomize.py").write_text(HANGS_AGAIN.format(marker=str(marker)))
    path = os.pathsep.join([str(home.folder), home.environ.get("PYTHONPATH", "")])
    assert home.pysh("node", "--name", "n2@localhost", "--detach", PYTHONPATH=path).returncode == 0
    rpc(home, "n2@localhost", DEFINED)
    pid = int(rpc(home, "n2@localhost", "os.getpid()"))
    marker.touch()
    os.kill(pid, signal.SIGKILL)
    until((home.folder / "hang hung").exists, "a shell that hangs at its start")
    assert ok(home.script(CONNECT + "print(call('fib', 10, on=n2), call('add', 1, on=n2))")) == "55 2\n"


def test_a_name_that_is_nowhere_is_told_with_those_like_it_and_the_nodes_that_have_it(home: Home, shell: str) -> None:
    home.node("n3@localhost")
    rpc(home, "n3@localhost", "def square(n): return n * n\ndef fob(): ...")
    code = """
import time
n3 = connect("n3@localhost")
def told(name, on):
    try: call(name, 1, on=on)
    except NoFunction as error: return error
until = time.monotonic() + 10
while not told("square", n2).others and time.monotonic() < until: time.sleep(0.01)
for name, on in (("square", n2), ("fob", n2), ("fiber", n2), ("fib", n3)): print(told(name, on))
t = task("nothing", on=node())
print(type(t.exception()).__name__, t.status, t.executed)
try: spawn("square", 1, on=n2)
except NameError as error: print(error.others)
"""
    elsewhere = '; one is on {0}@localhost: try on="{0}@localhost"'
    n2, n3 = elsewhere.format("n2"), elsewhere.format("n3")
    assert ok(home.script(CONNECT + code)).splitlines() == [
        *(
            f"no function {text}. Nothing ran."
            for text in (
                f"'square' in the shell of n2@localhost; it has Point, add, fib, origin, where{n3}",
                f"'fob' in the shell of n2@localhost; it has fib and 4 more{n3}",
                "'fiber' in the shell of n2@localhost; it has fib and 4 more",
                f"'fib' in the shell of n3@localhost; it has fob and 1 more{n2}",
            )
        ),
        "NoFunction failed no",
        "['n3@localhost']",
    ]


def test_what_cannot_be_called_by_name_says_why(home: Home, shell: str) -> None:
    rpc(home, shell, "import threading\nlock = threading.Lock()\ndef locked(): return lock\ndef _private(): ...")
    code = """
for name in ("locked", "_private"):
    try: call(name, on=n2)
    except NameError as error: print(error)
"""
    locked, private = ok(home.script(CONNECT + code)).splitlines()
    assert locked.startswith("'locked' of the shell of n2@localhost cannot be called by name: NotSendable: ")
    assert "lock" in locked and locked.endswith("Nothing ran.")
    assert private.startswith("no function '_private' in the shell of n2@localhost; it has ")


TRAPS = """
count = 0
def inc():
    global count
    count += 1
    return count
def get(): return count
class C:
    counter = 0
    def bump(self):
        C.counter = 99
        return self
def bumped(): return C().bump(), C.counter
"""
"""What is typed at a prompt and counts."""


def test_closures_of_one_call_share_their_globals_and_every_call_begins_anew(home: Home, n2: str) -> None:
    """Also where a name is called, and where a process or an actor is what runs."""
    at_n1 = """
n2 = connect("n2@localhost")
def both(a, b): return a(), a(), b()
class Counter:
    def up(self): return inc(), get()
m = actor(Counter, on=n2)
p = spawn(lambda boss: send(boss, [inc(), inc(), get()]), me(), on=n2)
"""
    asked = """[
    call(lambda: (inc(), inc(), get()), on=n2), call(both, inc, get, on=n2), call(both, inc, get, on=n2), count,
    m.up().result(), m.up().result(), receive(list, timeout=10),
    call("inc", on=n2), call("inc", on=n2), call("get", on=n2),
]"""
    home.node("n1@localhost")
    rpc(home, n2, TRAPS)
    rpc(home, "n1@localhost", TRAPS + at_n1)
    expected = [(1, 2, 2), (1, 2, 2), (1, 2, 2), 0, (1, 1), (2, 2), [1, 2, 2], 1, 1, 0]
    assert rpc(home, "n1@localhost", f"print({asked})") == str(expected)


def test_an_instance_comes_back_as_one_of_the_class_typed_here_which_no_call_changes(home: Home, n2: str) -> None:
    home.node("n1@localhost")
    rpc(home, "n1@localhost", TRAPS + "n2 = connect('n2@localhost')\nc, there = call(bumped, on=n2)")
    assert rpc(home, "n1@localhost", "type(c) is C, isinstance(c, C), there, C.counter") == "(True, True, 99, 0)"
    again = "[type(x) is C for x in (call(C, on=n2), call(lambda x: [x], c, on=n2)[0], c.bump(), call('origin'))]"
    rpc(home, "n1@localhost", "C.counter = 5\ndef origin(): return C()")
    assert rpc(home, "n1@localhost", again) == "[True, True, True, True]"


def test_an_instance_of_a_class_that_was_typed_anew_meanwhile_stays_one_of_the_old(home: Home, n2: str) -> None:
    home.node("n1@localhost")
    sent = """
import time
n2 = connect('n2@localhost')
def late(*all): time.sleep(0.5); return C(), *all
old, c = C, C()
t = task(late, c, on=n2)
u = task(late, on=n2)
"""
    rpc(home, "n1@localhost", TRAPS + sent)
    rpc(home, "n1@localhost", "class C:\n    version = 2")
    shown = rpc(home, "n1@localhost", "[(type(x) is old, isinstance(x, C)) for x in (*t.result(), *u.result())]")
    assert shown == "[(True, False), (True, False), (True, False)]"
    rpc(home, "n1@localhost", "v = task(lambda: (time.sleep(0.5), C())[1], on=n2)\nclass C:\n    version = 3")
    gone = "import gc\ndel old, c, t, u\ngc.collect()\nx = v.result(); print(x.version, isinstance(x, C), C().version)"
    assert rpc(home, "n1@localhost", gone) == "2 False 3"
