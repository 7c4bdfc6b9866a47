"""`where="shell"`: what runs in the shell of a node, with the names that are there."""

import select
import subprocess

import pytest

from tests.shell.terminal import Terminal
from tests.system.conftest import CONNECT, PYSH, Home, Screens, ok
from tests.system.test_relations import own

IN_SHELL = (
    CONNECT
    + """
import os, threading, time
from functools import partial
here = partial(task, on=n2, where="shell")
n2.run("import os, time; df = [1, 2, 3]; count = 0")
def ended(t):
    try: return t.result(20)
    except (TaskCancelled, WorkerDied) as error: return f"{type(error).__name__} {error.executed}"
def is_(status):
    until = time.monotonic() + 20
    while not (told := status()):
        assert time.monotonic() < until, "it does not happen"
        time.sleep(0.005)
    return told
def busy(flag):
    cell = f"open({flag!r}, 'w').close()\\nwhile os.path.exists({flag!r}): time.sleep(0.01)"
    held = threading.Thread(target=n2.run, args=(cell,), daemon=True)
    held.start()
    is_(lambda: os.path.exists(flag))
    return held
def spins():
    while True: pass
"""
)
spaced = pytest.mark.usefixtures("n2")


@spaced
def test_a_function_has_the_names_of_the_shell_and_changes_them(home: Home) -> None:
    code = """
from math import pi
import math
def add(n, *, twice=False):
    global count
    count += 2 * n if twice else n
    return count
print(here(lambda: len(df)).result(20), here(add, 5, twice=True).result(20), n2.eval("count"))
print(here(partial(add, 1)).result(20), here("df.index", 3).result(20), here("math:sqrt", 4).result(20))
print(here(lambda: math.floor(2.5)).result(20), n2.eval("math.ceil(2.5)"))
n2.run("def double(x): return 2 * x * count")
before = here("double", 1).result(20); n2.run("count = 1")
print(before, here("double", 1).result(20), call("double", 1, on=n2))
def define():
    global triple
    def triple(x): return 3 * x
here(define).result(20)
print(is_(lambda: "triple" in n2.eval("sorted(globals())")) and call("triple", 2, on=n2))
class Kept: pass
print(here(Kept).result(20).__class__ is Kept)
"""
    assert own(home.script(IN_SHELL + code)) == ["3 10 10", "11 2 2.0", "2 3", "22 2 2", "6", "True"]


@spaced
def test_what_it_misses_there_is_named_and_said_to_be_looked_for_there(home: Home) -> None:
    code = """
mine = 5
def why(t):
    try: t.result(20)
    except (NameError, TypeError) as error:
        notes = getattr(error, "__notes__", None) or [""]
        return f"{type(error).__name__}: {error} | {notes[0][:61]} | {t.executed}"
print(why(here(lambda: mine)))
print(why(here("nothing")))
print(why(here("df")))
"""
    assert own(home.script(IN_SHELL + code)) == [
        "NameError: name 'mine' is not defined | where=\"shell\" looks global names up in the shell of n2@localh | yes",
        "NoFunction: no name 'nothing' in the shell of n2@localhost; see what is there: .eval('dir()'). Nothing ran."
        " |  | no",
        "TypeError: 'list' object is not callable |  | yes",
    ]


@spaced
def test_it_waits_for_a_cell_that_holds_the_shell_and_says_so(home: Home) -> None:
    code = """
busy("held")
t = here(lambda: len(df))
print(t.status, "|", t.stack().strip())
never = here(lambda: 1)
print(never.cancel(), ended(never))
os.remove("held")
print(t.result(20))
t = here(spins)
print(is_(lambda: t.status == "running"), t.stack().splitlines()[0].rpartition(" in ")[2])
def refused():
    try: return n2.eval("1")
    except PyshError as error: return str(error)
is_(lambda: t.took > 0.6)
print(refused().partition("s with ")[2].replace(node().name, "us"))
print(t.cancel(), ended(t), n2.eval("df"))
"""
    assert own(home.script(IN_SHELL + code)) == [
        "queued: the shell of n2 is busy | it does not run yet; queued: the shell of n2 is busy",
        "True TaskCancelled no", "3", "True spins", "spins, asked by us. Nothing ran.",
        "True TaskCancelled yes [1, 2, 3]",
    ]  # fmt: skip


@spaced
def test_async_ones_run_side_by_side_and_with_the_cells(home: Home) -> None:
    code = """
import asyncio
async def waits(flag):
    while not os.path.exists(flag): await asyncio.sleep(0.01)
    return len(df), me()
two = [here(waits, os.path.abspath("go")) for _ in range(2)]
print(all(is_(lambda: t.status == "running") for t in two), n2.eval("1 + 1"))
print(two[0].stack().count("in waits"), ended(here(lambda: 5)))
open("go", "w").close()
told = [t.result(20) for t in two]
print([n for n, _ in told], len({p for _, p in told}))
t = here(waits, "never")
is_(lambda: t.status == "running")
print(t.cancel(), ended(t))
"""
    assert own(home.script(IN_SHELL + code)) == ["True 2", "1 5", "[3, 3] 2", "True TaskCancelled yes"]


@spaced
def test_what_an_async_one_does_to_its_streams_and_what_it_gathers_is_its_own(home: Home) -> None:
    code = """
import asyncio, contextlib, io
async def quiet(flag):
    with contextlib.redirect_stdout(io.StringIO()) as kept:
        print("kept")
        while not os.path.exists(flag): await asyncio.sleep(0.01)
    return kept.getvalue()
async def says(n):
    await asyncio.sleep(0.01)
    print("says", n)
    return n
async def gathers(): return await asyncio.gather(says(1), says(2))
t = here(quiet, os.path.abspath("go"))
is_(lambda: t.status == "running")
before = n2.eval("type(__import__('sys').stdout).__name__")
print(here(gathers).result(20))
open("go", "w").close()
print(repr(t.result(20)), n2.eval("type(__import__('sys').stdout).__name__") == before)
async def spins(): return await asyncio.gather(spin())
async def spin():
    while True: time.sleep(0.01)
t = here(spins)
is_(lambda: t.status == "running")
print(t.cancel(grace=0.2), ended(t), n2.eval("len(df)"))
"""
    told = home.script(IN_SHELL + code)
    assert own(told) == ["[1, 2]", "'kept\\n' True", "True TaskCancelled yes 3"]
    assert "n2 | says 1\nn2 | says 2\n" in ok(told)


@spaced
def test_an_eval_does_not_wait_for_what_may_last_there_nor_for_itself(home: Home) -> None:
    code = """
import asyncio
def asks():
    try: return node().eval("1")
    except PyshError as error: return str(error).partition(" with ")[2].partition(",")[0]
print(here(asks).result(20))
async def holds(flag):
    await asyncio.sleep(0)
    while not os.path.exists(flag): time.sleep(0.01)
t = here(holds, os.path.abspath("go"))
is_(lambda: t.status == "running")
def refused():
    try: n2.eval("1")
    except PyshError as error: return "with holds" in str(error)
print(is_(refused))
open("go", "w").close()
print(t.result(20), is_(lambda: not refused()))
"""
    assert own(home.script(IN_SHELL + code)) == ["asks", "True", "None True"]


@spaced
def test_one_that_is_cancelled_before_its_function_runs_has_not_run(home: Home) -> None:
    code = """
class Slow:
    def __reduce__(self): return slowly, (os.path.abspath("in"),)
def slowly(flag):
    open(flag, "w").close()
    while True: time.sleep(0.01)
t = here(lambda slow: 1, Slow())
is_(lambda: os.path.exists("in"))
print(t.cancel(), ended(t), n2.eval("len(df)"))
"""
    assert own(home.script(IN_SHELL + code)) == ["True TaskCancelled no 3"]


@spaced
def test_whatever_function_goes_along_has_the_names_of_the_shell_too(home: Home) -> None:
    code = """
import functools
def twice(fn):
    @functools.wraps(fn)
    def inner(*args): return 2 * fn(*args)
    return inner
@twice
def counted(): return len(df)
def even(n): return True
def both():
    def odd(n): return n and even(n - 1)
    def even(n): return not n or odd(n - 1)
    return lambda n: (even(n), len(df))
print(here(counted).result(20), here(both(), 4).result(20))
df = [0]
class Size:
    def get(self): return len(df)
@functools.cache
def cached(): return Size().get(), len(df)
n2.run("def calls(f): return f()")
print(here(Size().get).result(20), here(cached).result(20), here("calls", lambda: len(df)).result(20))
"""
    assert own(home.script(IN_SHELL + code)) == ["6 (True, 3)", "3 (3, 3) 3"]


@spaced
def test_functions_and_classes_that_it_uses_go_along_and_are_defined_nowhere(home: Home) -> None:
    code = """
df = [0]
class Pair:
    def __init__(self, x): self.x = x
def fact(n): return 1 if n < 2 else n * fact(n - 1)
def total():
    global count, made
    count, made = count + 1, lambda: fact(3)
    return [fact(each) for each in df], Pair(2).x, count, "count" in globals(), globals().get("nothing")
print(here(total).result(20), n2.eval("count, made()"))
print(n2.eval("[name in globals() for name in ('fact', 'Pair', 'total')]"))
n2.run("def fact(n): return -n")
print(here(lambda: fact(3)).result(20))
"""
    assert own(home.script(IN_SHELL + code)) == [
        "([1, 2, 6], 2, 1, True, None) (1, 6)", "[False, False, False]", "-3",
    ]  # fmt: skip


@spaced
def test_a_cancel_ends_what_is_in_finalizers_nearly_all_the_time(home: Home) -> None:
    code = """
class Slow:
    def __del__(self): time.sleep(0.01)
def drops(flag):
    open(flag, "w").close()
    while True: Slow()
t = here(drops, os.path.abspath("flag"))
is_(lambda: os.path.exists("flag"))
print(t.cancel(grace=60), ended(t), n2.eval("len(df)"))
"""
    assert own(home.script(IN_SHELL + code)) == ["True TaskCancelled yes 3"]


@spaced
def test_a_shell_does_not_wait_for_itself(home: Home) -> None:
    code = """
def waits(): return task(len, "abc", where="shell").result()
async def awaits(): return await task(len, "abc", where="shell")
try: here(waits).result(20)
except BlockingCall as error: print(str(error).partition(";")[0])
print(here(awaits).result(20), here("df.index", 2).result(20))
try: n2.eval("task(len, 'abc', where='shell').result()")
except RemoteError as error: print(error.type)
print(n2.eval("await task(len, 'abc', where='shell')"))
"""
    assert own(home.script(IN_SHELL + code)) == [
        "result() would wait for this shell, which is to run len itself", "3 1", "BlockingCall", "3",
    ]  # fmt: skip


@spaced
def test_what_it_leaves_waiting_is_answered_to_the_shell(home: Home) -> None:
    code = """
import asyncio
def waits(flag, value):
    while not os.path.exists(flag): time.sleep(0.01)
    return value
def starts(flag):
    global kept
    kept = task(waits, flag, 42)
async def leaves(flag):
    global asked, later
    async def asks():
        await asyncio.to_thread(waits, flag, 0)
        return await aio.call(waits, flag, me())
    asked = asyncio.create_task(aio.call(waits, flag, b"x" * 10**6))
    later = asyncio.create_task(asks())
    await asyncio.sleep(0)
flag = os.path.abspath("go")
here(starts, flag).result(20); here(leaves, flag).result(20)
open("go", "w").close()
print(n2.eval("kept.result(20)"), n2.eval("len(await asked)"), n2.eval("await later == me()"))
"""
    assert own(home.script(IN_SHELL + code)) == ["42 1000000 True"]


@spaced
def test_a_process_of_a_shell_is_one_as_any_other(home: Home) -> None:
    code = """
import asyncio
async def serve():
    await aio.trap_exits()
    while True:
        match await aio.receive():
            case Exit() as told: raise SystemExit(told.reason)
            case (p, n): send(p, n + len(df))
p = spawn(serve, on=n2, where="shell", name="server", monitor=True)
send(p, (me(), 1)); send(("server", n2), (me(), 2))
print(sorted([receive(timeout=20), receive(timeout=20)]), p.info()["kind"], p.info()["name"])
print([row["kind"] for row in processes(on=n2) if row["label"] == "serve"], whereis("server", on=n2) == p)
print(is_(lambda: p.info()["state"] == "waiting"))
stop(p, "enough")
print(receive(Down, timeout=20).reason)
q = spawn(lambda: print("got", receive()), on=n2, where="shell", monitor=True)
send(q, "it")
print(receive(Down, timeout=20).reason)
r = spawn(serve, on=n2, where="shell", monitor=True)
kill(r)
print(receive(Down, timeout=20).reason, n2.eval("len(df)"))
"""
    told = home.script(IN_SHELL + code)
    assert own(told) == ["[4, 5] shell server", "['shell'] True", "True", "enough", "normal", "killed 3"]
    assert "n2 | got it\n" in ok(told)


@spaced
def test_code_that_will_not_end_there_costs_the_shell_nothing_but_time(home: Home) -> None:
    code = """
def stubborn(flag):
    while True:
        try:
            open(flag + ".in", "w").close()
            while os.path.exists(flag): time.sleep(0.01)
            break
        except BaseException: pass
    global seen
    seen = "to the end"
open("flag", "w").close()
t = here(stubborn, os.path.abspath("flag"))
is_(lambda: os.path.exists("flag.in"))
print(t.cancel(grace=0.2), ended(t), n2.state)
late = here(lambda: seen)
print(late.done())
os.remove("flag")
print(late.result(20))
t = here(spins, limit=0.1)
try: t.result(20)
except TaskCancelled as error: print(error.reason, n2.eval("df"))
"""
    assert own(home.script(IN_SHELL + code)) == ["True TaskCancelled yes up", "False", "to the end", "limit [1, 2, 3]"]


@spaced
def test_the_death_of_the_shell_is_told_to_what_ran_and_to_what_waited(home: Home) -> None:
    code = """
def dies(flag):
    open(flag, "w").close()
    while os.path.exists(flag): time.sleep(0.01)
    os.kill(os.getpid(), 9)
t = here(dies, os.path.abspath("flag"))
is_(lambda: os.path.exists("flag"))
waits = here(lambda: 1)
is_(lambda: waits.status.startswith("queued"))
os.remove("flag")
print(ended(t), ended(waits))
print(t.exception())
print(ended(here(lambda: "df" in globals())))
"""
    assert own(home.script(IN_SHELL + code)) == [
        "WorkerDied yes WorkerDied no", "the shell of n2@localhost died (SIGKILL). The code ran.", "False",
    ]  # fmt: skip


@spaced
def test_what_it_prints_goes_to_its_owner_and_nobody_at_the_shell_is_asked(home: Home, screens: Screens) -> None:
    two = screens.open("attach", "n2")
    two.wait_for_end("n2@localhost[1]>")
    code = """
import sys
def chatty():
    print("out"); print("err", file=sys.stderr)
    try: input("who? ")
    except EOFError as error: return str(error)
print(here(chatty).result(20))
"""
    told = home.script(IN_SHELL + code)
    assert own(told) == ["a task has no terminal, in a shell neither: ask before you start it and pass the answer"]
    assert "n2 | out\n" in ok(told)
    two.type("'still here'\r")
    two.wait_for_end("n2@localhost[1]> 'still here'", "'still here'", "n2@localhost[2]>")


def test_the_second_ctrl_c_at_that_shell_ends_what_keeps_its_cell_waiting(home: Home, screens: Screens) -> None:
    two = screens.open("--name", "n2@localhost")
    two.type("'up'\r")
    two.wait_for_end("'up'", "n2@localhost[2]>")
    code = """
def one(): spins()
n2.run('''def spins():
    while True: pass''')
for name in ("first", "second"):
    t = here(one)
    is_(lambda: t.status == "running")
    print(name, flush=True)
    try: t.result(30)
    except RemoteError as error: print(error.type, flush=True)
"""
    (home.folder / "spins.pysh").write_text(IN_SHELL + code)
    with subprocess.Popen(
        [*PYSH, "spins.pysh"], env=home.environ, cwd=home.folder, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as program:
        try:
            assert program.stdout is not None
            # What was pressed for one is not held against the next.
            for count, name in enumerate(("first", "second"), 1):
                assert program.stdout.readline() == f"{name}\n"
                two.type("kept = 1\r")
                two.wait(lambda n=count: _shown(two, "kept = 1") == n, "the cell")
                two.type("\x03")
                two.wait(lambda n=count: _shown(two, "Ctrl-C again interrupts that") == n, "whom it waits for")
                assert not select.select([program.stdout], [], [], 0.3)[0]
                two.type("\x03")
                assert program.stdout.readline() == "KeyboardInterrupt\n"
                two.wait(lambda: two.lines[-1].startswith("n2@localhost["), "the prompt")
            assert program.wait(20) == 0
        finally:
            program.kill()
    two.type("len(df)\r")
    two.wait(lambda: "3" in two.lines, "the answer")


def _shown(terminal: Terminal, text: str) -> int:
    return " ".join(terminal.lines).count(text)


@spaced
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("where='there'", ("ValueError", "where= takes", "for the shell of the node, not 'there'; nothing was sent")),
        ("where=5", ("ValueError", "where= takes", "for the shell of the node, not 5; nothing was sent")),
        ("where='shell', isolate=True", ("TypeError", "runs in the shell itself, without isolate=")),
        ("where='shell', memory=2**24", ("TypeError", "runs in the shell itself", "nothing was sent")),
    ],
)
def test_another_place_is_refused_here(home: Home, options: str, told: tuple[str, ...]) -> None:
    code = f"""
for verb in (task, spawn, task_all, spawn_all):
    try: verb(int, on=n2, {options})
    except (TypeError, ValueError) as error: print(type(error).__name__, error)
"""
    said = own(home.script(CONNECT + code))
    assert len(said) == 4
    assert all(part in line for line in said for part in told)
