"""Programs that import pysh: plain ones, and ones that live in a loop."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.system.conftest import Home, until

pytestmark = pytest.mark.usefixtures("n2")

PLAIN = """
import pysh

def square(x):
    return x * x

def echo():
    asker, word = pysh.receive(timeout=10)
    pysh.send(asker, word * 2)

with pysh.start(name="program@localhost") as here:
    n2 = pysh.connect("n2@localhost")
    print(pysh.call(square, 5, on=n2), [t.result() for t in pysh.task_all(square, 6).values()])
    print([node.name for node in pysh.nodes()])
    p = pysh.spawn(echo, on=n2)
    pysh.send(p, (pysh.me(), "hello"))
    print(pysh.receive(timeout=10))
    pysh.call(lambda: print("from afar", end=""), on=n2)
    print("then here")
print("over")
"""

IN_A_LOOP = """
import asyncio
import pysh

async def square(x):
    await asyncio.sleep(0)
    return x * x

async def main():
    async with pysh.start(name="program@localhost") as here:
        n2 = await pysh.aio.connect("n2@localhost")
        tasks = [pysh.task(square, x, on=n2) for x in range(5)]
        print(await asyncio.gather(*tasks), await pysh.aio.call(square, 6, on=here))
        try:
            pysh.call(square, 7, on=n2)
        except pysh.BlockingCall as error:
            print(error)
        try:
            await asyncio.wait_for(pysh.aio.call(asyncio.sleep, 60, on=n2), 0.05)
        except TimeoutError:
            print("late")
        print(await asyncio.to_thread(pysh.call, square, 8, on=n2))
    print("over")

asyncio.run(main())
"""


@contextmanager
def program(home: Home, source: str) -> Iterator["subprocess.Popen[str]"]:
    """A program of its own, beside what pysh installs; killed if it is still there."""
    file = home.folder / "program.py"
    file.write_text(source)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, str(file)], env=home.environ, cwd=home.folder, text=True, stdout=pipe, stderr=pipe
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def ended(home: Home, source: str) -> str:
    """What a program prints; nothing of it is left but n2."""
    with program(home, source) as running:
        stdout, stderr = running.communicate(timeout=30)
    assert running.returncode == 0, stderr
    assert [node["node"] for node in home.nodes()] == ["n2@localhost"]
    return stdout


def test_a_plain_program_has_a_node_of_its_own(home: Home) -> None:
    assert ended(home, PLAIN).splitlines() == [
        "25 [36, 36]",
        "['program@localhost', 'n2@localhost']",
        "hellohello",
        "n2 | from afar",
        "then here",
        "over",
    ]


def test_a_program_in_a_loop_awaits_and_is_told_where_it_would_block(home: Home) -> None:
    values, refused, late, threaded, over = ended(home, IN_A_LOOP).splitlines()
    assert values == "[0, 1, 4, 9, 16] 36"
    assert "await pysh.aio.call(...)" in refused
    assert (late, threaded, over) == ("late", "64", "over")


def test_ctrl_c_of_a_call_says_which_task_it_cancelled_and_where(home: Home) -> None:
    source = """
import pysh, time
pysh.start()
def work(): print("begun"); time.sleep(300)
n2 = pysh.connect("n2@localhost")
pysh.call(work, on=n2)
"""
    with program(home, source) as running:
        assert running.stdout is not None and running.stderr is not None
        assert running.stdout.readline() == "n2 | begun\n"
        running.send_signal(signal.SIGINT)
        assert re.search(r"\nKeyboardInterrupt\ncancelled: <Task (\d+ )?work on n2>\n$", running.stderr.read())


@pytest.mark.parametrize("wait", ["t.result()", "asyncio.run(awaiting(t))"], ids=["blocking", "awaiting"])
def test_ctrl_c_ends_a_program_and_its_node(home: Home, wait: str) -> None:
    source = f"""
import asyncio, pysh, time
n2 = (pysh.start(), pysh.connect("n2@localhost"))[1]
async def awaiting(t):
    await t
t = pysh.task(lambda: print("begun") or time.sleep(300), on=n2)
{wait}
"""
    with program(home, source) as running:
        assert running.stdout is not None and running.stderr is not None
        assert running.stdout.readline() == "n2 | begun\n"
        running.send_signal(signal.SIGINT)
        *_, told, goes_on = running.stderr.read().splitlines()
        if wait == "t.result()":
            assert (told, goes_on[:9]) == ("KeyboardInterrupt", "goes on: ")
        else:
            assert goes_on == "KeyboardInterrupt"  # which asyncio made anew
        assert running.wait(10) == -signal.SIGINT
    until(lambda: len(home.nodes()) == 1, "the end of the program's node", 2)


def test_failures_that_a_script_does_not_look_at_are_told_at_its_end(home: Home) -> None:
    done = home.script("call_all(lambda: 1 / 0)\nprint('went on')\n")
    assert (done.returncode, done.stdout) == (1, "went on\n")
    assert "call_all on 1 of 1 node failed, and nobody looked at it:" in done.stderr
    assert "ZeroDivisionError" in done.stderr
    done = home.script("r = call_all(lambda: 1 / 0)\nprint(len(r.failed))\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
