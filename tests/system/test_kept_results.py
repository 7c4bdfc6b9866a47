"""Results outlive who asked for them, the node that has them, and both: found and fetched from another shell."""

import os
import re
import signal
from pathlib import Path

import pytest

from tests.system.conftest import Home, Machines, until

WORK = """
import pathlib, time
def wait(go, size):
    print("waiting for", size)
    while not pathlib.Path(go).exists(): time.sleep(0.01)
    return b"x" * size
def fails(go):
    wait(go, 0)
    raise KeyError("of w1")
w1 = connect({to!r})
"""
ASK = """
ts = [task(wait, {go!r}, 7, on=w1), task(wait, {go!r}, 24 << 20, on=w1), task(fails, {go!r}, on=w1)]
"""
FETCH = """
for row in sorted(tasks(on=connect({to!r})), key=lambda row: row["ref"]):
    try:
        value = row.result(timeout=20)
        print(row["label"], row["owner"], len(value), repr(row.output))
    except KeyError as error:
        print(row["label"], row["owner"], repr(error), repr(row.output))
print(len(tasks(on={to!r})))
"""
FETCHED = """\
wait {owner} 7 'waiting for 7\\n'
wait {owner} 25165824 'waiting for 25165824\\n'
fails {owner} KeyError('of w1') 'waiting for 0\\n'
0
"""


def pid_of(home: Home, name: str) -> int:
    """The hub of a node."""
    [pid] = [node["pid"] for node in home.nodes() if node["node"].startswith(f"{name}@")]
    return int(pid)


def kill(home: Home, name: str) -> None:
    """kill -9 of a node's hub, and wait until nothing of it is left."""
    pid = pid_of(home, name)
    os.kill(pid, signal.SIGKILL)
    until(lambda: name not in {node["node"].partition("@")[0] for node in home.nodes()}, f"the end of {name}")


def asked_by(home: Home, to: str, go: Path) -> None:
    """Have the shell of n1 ask w1 for three tasks, and be killed."""
    home.node("n1@localhost")
    done = home.pysh("rpc", "n1", "-c", WORK.format(to=to) + ASK.format(go=str(go)))
    assert done.returncode == 0, done.stderr


ENDED = ["done", "done", "failed"]


def states(home: Home) -> list[str]:
    """How the tasks of w1 are."""
    return re.findall(r"^w1@\S+ +\d+ +(\w+)", home.pysh("tasks", "w1").stdout, re.MULTILINE)


def have_begun(home: Home) -> bool:
    """Whether all three have come to w1, and as many run as surely have a worker."""
    there = states(home)
    return len(there) == 3 and there.count("running") >= min(3, os.cpu_count() or 1)


def files(home: Home) -> list[Path]:
    return [path for path in (home.folder / ".local/state/pysh/results").rglob("*") if path.is_file()]


def test_what_a_killed_shell_asked_for_is_fetched_after_the_node_that_ran_it_was_killed_too(home: Home) -> None:
    """P7: nothing but time, room and a fetch ends a result."""
    home.node("w1@localhost")
    go = home.folder / "go"
    asked_by(home, "w1@localhost", go)
    until(lambda: have_begun(home), "the start of the tasks")
    kill(home, "n1")
    go.touch()
    until(lambda: len(files(home)) == 3 and not [file for file in files(home) if file.suffix], "the files")
    assert {file.stat().st_mode & 0o777 for file in files(home)} == {0o600}
    kill(home, "w1")
    home.node("w1@localhost")
    listed = home.pysh("tasks").stdout
    over = r"^w1@localhost +\d+ +(?:done|failed) +\w+ +n1@localhost \(lost\) "
    assert len(re.findall(over, listed, re.MULTILINE)) == 3
    done = home.script(FETCH.format(to="w1@localhost"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == FETCHED.format(owner="n1@localhost")
    until(lambda: not files(home), "the files to go")


def test_one_result_is_printed_by_a_command(home: Home) -> None:
    home.node("w1@localhost")
    go = home.folder / "go"
    asked_by(home, "w1@localhost", go)
    until(lambda: have_begun(home), "the start of the tasks")
    kill(home, "n1")
    go.touch()
    until(lambda: sorted(states(home)) == ENDED, "the end of the tasks")
    number = re.findall(r"^w1@localhost +(\d+)", home.pysh("tasks", "w1").stdout, re.MULTILINE)
    done = home.pysh("tasks", "w1", "--result", number[0])
    assert (done.stdout, done.returncode) == ("b'xxxxxxx'\n", 0), done.stderr
    failed = home.pysh("tasks", "w1", "--result", number[2])
    assert failed.returncode == 1 and failed.stderr.endswith("KeyError: 'of w1'\n")
    assert failed.stderr.count("  File ") == 1 and ", on w1@localhost\n" in failed.stderr  # where it was raised
    again = home.pysh("tasks", "w1", "--result", number[0])
    assert again.returncode == 1
    assert f"w1 has no task {number[0]}: see which it has: pysh tasks w1" in again.stderr
    assert home.pysh("tasks", "--result", "1").returncode == 2
    assert states(home) == ["done"]


def test_another_machine_has_what_the_first_one_asked_for_before_it_was_gone(both: Machines) -> None:
    both.sshd()
    for home in (both.here, both.there):
        home.environ["PYSH_GRACE"] = "1"
    both.there.node("w1@db1")
    go = both.there.folder / "go"
    asked_by(both.here, "w1@db1", go)
    until(lambda: have_begun(both.there), "the start of the tasks")
    gone = both.here.processes()
    for process in gone:
        process.suspend()  # as in a power cut: none of them sees the end of another
    for process in gone:
        process.kill()
    go.touch()
    until(lambda: sorted(states(both.there)) == ENDED, "the end of the tasks")
    until(lambda: both.there.pysh("tasks").stdout.count("(lost)") == 3, "the loss of their owner")
    done = both.there.script(FETCH.format(to="w1@db1"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == FETCHED.format(owner="n1@localhost")


def test_to_fetch_the_result_of_a_task_takes_nothing_from_its_owner(home: Home) -> None:
    home.node("w1@localhost")
    go = home.folder / "go"
    home.node("n1@localhost")
    home.pysh("rpc", "n1", "-c", WORK.format(to="w1@localhost") + f"t = task(wait, {str(go)!r}, 2, on=w1)")
    until(lambda: states(home) == ["running"], "the start of the task")
    code = f"""
import asyncio
[row] = tasks(on=connect("w1@localhost"))
print(row["owner"], row["lost"], row.task.status)
try:
    row.result(timeout=0.05)
except TaskTimeout as late:
    print(late.executed)
open({str(go)!r}, "w").close()
print(await row, await asyncio.gather(row, row.task), wait([row]).done[0] is row.task)
while tasks(on="w1"): pass
"""
    done = home.script(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "n1@localhost False running\nmaybe\nb'xx' [b'xx', b'xx'] True\n"
    assert home.pysh("rpc", "n1", "-c", "t.result()").stdout == "b'xx'\n"


def test_a_task_of_another_shell_can_be_looked_at_and_ended(home: Home) -> None:
    home.node("w1@localhost")
    home.node("n1@localhost")
    go = home.folder / "go"
    home.pysh("rpc", "n1", "-c", WORK.format(to="w1@localhost") + f"t = task(wait, {str(go)!r}, 7, on=w1)")
    until(lambda: states(home) == ["running"], "the start of the task")
    code = """
[row] = tasks(on=connect("w1@localhost"))
row.task  # its owner has the result as soon as it ends, and then it is gone
print(row.stack(), row.output, row.cancel(grace=0.5), sep="")
try:
    row.result()
except TaskCancelled as end:
    print(end.executed)
"""
    done = home.script(code)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(
        r'Current thread .*\n(?:  File ".*pathlib.py", .*\n)*'
        r'  File "<n1@localhost:eval 1>", line \d+ in wait\nwaiting for 7\nTrue\nyes\n',
        done.stdout,
    ), done.stdout
    ended = home.pysh("rpc", "n1", "-c", "t.result()")
    assert ended.returncode == 1 and "TaskCancelled" in ended.stderr


STANDS = """
import os, re, time
w1 = connect("w1@localhost")
def hog():
    re.match("(a+)+b", "a" * 40)
busy = os.cpu_count()
first = [task(hog, on=w1) for _ in range(busy)]
while [t.status for t in first] != ["running"] * busy: time.sleep(0.01)
first += [task(hog, on=w1)]
third = task(hog, on=w1)
print(third.status)
print(third.stack(), end="")
print(first[0].stack(), end="")
while "+2" not in repr(nodes()): time.sleep(0.05)
print(nodes())
for t in [third, *first]:
    t.cancel(grace=0.1)
for t in [third, *first]:
    t.exception()
print(first[0].stack(), third.status, third.executed, first[0].executed)
"""


@pytest.mark.skipif(os.cpu_count() == 1, reason="one worker alone is not busy")
def test_it_is_told_why_a_task_waits_and_where_code_is_that_holds_the_gil(home: Home) -> None:
    home.node("w1@localhost")
    done = home.script(STANDS)
    assert done.returncode == 0, done.stderr
    busy, lines = os.cpu_count() or 1, done.stdout.splitlines()
    assert lines[0] == f"queued: 1 before it, {busy} workers busy on w1"
    assert lines[1] == f"it does not run yet; queued: 1 before it, {busy} workers busy on w1"
    text = "\n".join(lines[2:])
    assert re.search(r'^Current thread .*\n(  File ".*re/.*\n)*  File ".*script.pysh", line \d+ in hog$', text, re.M)
    assert re.search(rf"^w1@localhost +up +[\d.]+ ms +{busy}/{busy} \+2 +{busy + 2}$", text, re.MULTILINE)
    assert lines[-2:] == ["it is over: cancelled", " cancelled no yes"]


def test_code_that_took_the_signal_for_stacks_lives_on_and_it_is_said(home: Home) -> None:
    code = """
import signal, time
def deaf():
    for number in range(signal.SIGRTMIN, signal.SIGRTMAX + 1):
        signal.signal(number, signal.SIG_DFL)
    time.sleep(60)
t = task(deaf)
while t.status != "running": time.sleep(0.01)
while "no stack came" not in (told := t.stack()): pass
print(told, t.status)
"""
    done = home.script(code)
    assert re.fullmatch(
        r"no stack came within 2 s: its code took the handler of signal \d+ away \(pid \d+\)\n running\n", done.stdout
    ), (done.stdout, done.stderr)
