"""Large values go to a node once, and are there under a name where somebody pushed them: real nodes."""

from pathlib import Path

import pytest

from tests.system.conftest import CONNECT, Home, ok, until

LARGE = "import os, time\ndf = os.urandom(3 << 20)\nsame = df\ndef f(): return len(df)\nasync def g(): return df[:4]\n"


@pytest.fixture
def there(home: Home) -> Path:
    """Where a node `n2` keeps values that shares no folder with the others here."""
    cache = home.folder / "cache_of_n2"
    ok(home.pysh("node", "--name", "n2@localhost", "--detach", XDG_CACHE_HOME=str(cache)))
    return cache / "pysh/values"


def test_a_large_value_comes_to_a_node_once_however_many_calls_refer_to_it(home: Home, there: Path) -> None:
    code = (
        CONNECT
        + LARGE
        + f"""
made = lambda: [file.stat().st_ctime_ns for file in os.scandir({str(there)!r}) if file.name.isalnum()]
ts = [task(f, on=n2) for _ in range(8)] + [task(g, on=n2) for _ in range(4)]
print({{t.result() for t in ts}} == {{len(df), df[:4]}})
before = made()
print(call(f, on=n2), before == made(), len(before))
df = df + b'x'
print(call(f, on=n2), len(made()))
"""
    )
    done = home.script(code)
    assert ok(done) == "True\n3145728 True 1\n3145729 2\n"
    assert done.stderr.count("LargeCapture: f drags 'df' along, 3.0 MiB, once to each node") == 2


def test_what_was_pushed_under_a_name_is_there_for_code_that_looks_it_up(home: Home, there: Path) -> None:
    code = (
        CONNECT
        + LARGE
        + """
class Model:
    def size(self): return len(df), small
async def h(): return len(df), small
told = push(df=df, small='hi', on=[n2, node()])
print({text.split()[0] for text in told.values()}, len(told.ok), [*map(str, push(x=1, on='n[2-3]@localhost').failed)])
del df
print(call(f, on=n2), call(h, on=n2), call(Model.size, Model(), on=n2), actor(Model, on=n2).size().result())
print(n2.eval('len(df), small'), n2.call(lambda: same == df))
small = 'mine'
print(call(h, on=n2))
push(small='again', on=n2)
del small
print(call(h, on=n2), call(lambda: 5, on=n2))
try:
    call(lambda: nowhere, on=n2)
except NameError as error:
    print(error)
"""
    )
    assert ok(home.script(code)).splitlines() == [
        "{'df'} 2 ['n3@localhost']",
        "3145728 (3145728, 'hi') (3145728, 'hi') (3145728, 'hi')",
        "(3145728, 'hi') True",
        "(3145728, 'mine')",
        "(3145728, 'again') 5",
        "name 'nowhere' is not defined",
    ]
    later = "n2 = connect('n2@localhost')\nprint(call(lambda: len(df), on=n2))\n"  # whoever pushed it is gone
    assert ok(home.script(later)) == "3145728\n"
    assert {file.stat().st_mode & 0o777 for file in there.iterdir()} == {0o600}


def test_a_value_that_is_gone_there_is_brought_once_more(home: Home, there: Path) -> None:
    code = (
        CONNECT
        + LARGE
        + f"""
import shutil
big = bytearray(2 << 20)
ends = (lambda x: lambda: len(x))(big)
print(call(f, on=n2))
shutil.rmtree({str(there)!r})
print(call(f, on=n2), task(ends, on=n2, where='shell').result(), task(ends, on=n2, detach=True).result())
ps = [spawn(g, on=n2, monitor=True) for _ in range(50)]
print({{receive(Down, timeout=20).reason for _ in ps}})
"""
    )
    assert ok(home.script(code)) == "3145728\n3145728 2097152 2097152\n{'normal'}\n"


def test_where_a_value_cannot_be_had_nothing_runs_and_that_is_said(home: Home, there: Path) -> None:
    code = (
        CONNECT
        + LARGE
        + f"""
import shutil
push(df=df, on=n2)
t = task(f, on=n2, detach=True)
shutil.rmtree({str(there)!r})
print(t.result())  # it has all of it in itself
def looks_it_up(): return len(other)
try:
    call(lambda: print('ran', other), on=n2)
except NameError:
    pass
push(other=[1], on=n2)
shutil.rmtree({str(there)!r})
for what in (lambda: call(looks_it_up, on=n2), lambda: push(), lambda: push(os, x=1), lambda: push(**{{'a b': 1}}),
             lambda: push(x=(i for i in [])), lambda: push(x=1, on='nix')):
    try:
        print(what())
    except Exception as error:
        print(type(error).__name__, str(error).split(';')[0].split('. ')[0][:70])
"""
    )
    assert ok(home.script(code)).splitlines() == [
        "3145728",
        "NotSendable 'other', which was pushed to n2@localhost, has gone from there: push(o",
        "TypeError push() takes a module, or the path of one, or values by name: push(df=",
        "TypeError push() takes a module, or the path of one, or values by name: push(df=",
        "ValueError 'a b' is no name that code could look up",
        "NotSendable cannot send x (generator)",
        "ConnectError [find] nix is not connected",
    ]


def test_a_process_of_a_script_that_ends_at_once_has_what_it_captured(home: Home, there: Path) -> None:
    done = home.script(
        CONNECT
        + LARGE
        + f"def leave():\n    open({str(home.folder / 'size')!r}, 'w').write(str(len(df)))\nspawn(leave, on=n2)"
    )
    assert done.returncode == 0
    file = home.folder / "size"
    assert until(lambda: file.exists() and file.read_text(), "what it does") == str(3 << 20)
    assert len(list(there.glob("*"))) >= 1


def test_a_task_that_waits_for_a_value_of_its_own_does_not_count_as_started(home: Home, there: Path) -> None:
    code = (
        CONNECT
        + LARGE
        + f"""
import fcntl
from pysh.runtime.values import _LOCKS
os.makedirs({str(there)!r}, 0o700)
lock = os.open({str(there)!r} + '/' + _LOCKS, os.O_RDWR | os.O_CREAT, 0o600)
fcntl.lockf(lock, fcntl.LOCK_EX)  # nothing is brought there meanwhile
def waits():
    while not os.path.exists({str(home.folder / "flag")!r}):
        time.sleep(0.01)
    return len(df)
t = task(waits, on=n2)
try:
    t.result(timeout=0.5)
except TaskTimeout as late:
    print(late.executed, t.started)
while 'values that it needs are being brought' not in why(t):
    time.sleep(0.05)
os.close(lock)
while not t.started:
    time.sleep(0.01)
print(t.done())
open({str(home.folder / "flag")!r}, 'w').close()
print(t.result(), t.executed)
"""
    )
    assert ok(home.script(code)).splitlines() == ["maybe False", "False", "3145728 yes"]
