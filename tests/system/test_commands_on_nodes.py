"""`sh`: a command on many nodes, what it shows, and that it ends there with all that it started."""

from pathlib import Path

import psutil
import pytest

from tests.shell.terminal import Terminal
from tests.system.conftest import Home, Screens, ok, until

TWO = "n1, n2 = connect('n1@localhost', 'n2@localhost')\n"


@pytest.fixture
def two(home: Home) -> Home:
    """A home with two nodes."""
    home.node("n1@localhost")
    home.node("n2@localhost")
    return home


def sleepers(home: Home) -> list[psutil.Process]:
    """What runs `sleep` there."""
    found = []
    for process in home.processes():
        try:
            found += [process] if process.name() == "sleep" else []
        except psutil.Error:
            pass
    return found


def test_output_is_tagged_as_it_comes_and_statuses_are_folded(two: Home) -> None:
    done = two.script(
        TWO + "print(sh('echo from $NAME; exit 3', on=[n1, n2], env={'NAME': 'afar'}))\n"
        "print(sh('echo same', on='n[1-3]', stream=False))\n"
        "print(sh(['no-such-program'], on=n2))\n"
        "try: sh('exit 4', on=n2, check=True)\n"
        "except Exception as error: print(error.returncode)\n"
        "r = n2.sh('echo one; echo two >&2', stream=False)\n"
        "print(r.status, r.stdout.split(), r.stderr.split(), 0 < r.took < 10)\n"
        "print(n2.sh('pwd', cwd='/').stdout)\n"
        "async def both():\n"
        "    return await aio.sh('echo async', on=n2, stream=False)\n"
        "print(await both())\n"
        "print(sh('echo here', stream=False).popitem()[1])\n"
    )
    lines = ok(done).splitlines()
    assert sorted(lines[:2]) == ["n1 | from afar", "n2 | from afar"]
    assert lines[2:4] == ["n[1-2]: exit 3", "n[1-2]: same"]
    assert lines[4].startswith("n3: ConnectError: [find] n3 is not connected; known here: ")
    assert lines[5] == "n2: FileNotFoundError: [Errno 2] No such file or directory: 'no-such-program'"
    assert lines[6:8] == ["4", "0 ['one'] ['two'] True"]
    assert sorted(lines[8:10]) == ["/", "n2 | /"]
    assert lines[10:] == ["", "n2: async", "here"]


ENDINGS = {
    "its time is up": "print(sh(CMD, on=n2, limit=0.2)[n2].reason)",
    "its task is cancelled": "t = aio.sh(CMD, on=n2)\n"
    "import asyncio\n"
    "job = asyncio.ensure_future(t)\n"
    "while not tasks(on=n2): await asyncio.sleep(0.01)\n"
    "job.cancel()\n"
    "try: await job\n"
    "except asyncio.CancelledError: print('limit')",
    "it is killed": "import asyncio\n"
    "job = asyncio.ensure_future(aio.sh(CMD, on=n2))\n"
    "while not (rows := [r for r in tasks(on=n2) if r['status'] == 'running']): await asyncio.sleep(0.01)\n"
    "rows[0].cancel(grace=0)\n"
    "print('limit' if (await job)[n2].reason == 'cancel' else 'other')",
}


@pytest.mark.parametrize("code", ENDINGS.values(), ids=ENDINGS)
def test_nothing_of_it_is_left_when(home: Home, n2: str, code: str) -> None:
    cmd = "trap '' INT TERM; sleep 100 & setsid sleep 100 & sleep 100; sleep 100"
    done = home.script(f"n2 = connect({n2!r})\nCMD = {cmd!r}\n" + code)
    assert ok(done).splitlines()[-1] == "limit"
    until(lambda: not sleepers(home), "the end of what it started")


def test_ctrl_c_at_the_prompt_ends_it_everywhere(two: Home, screens: Screens) -> None:
    shell: Terminal = screens.open("--name", "n0@localhost", "--connect", "n1@localhost,n2@localhost")
    shell.wait_for_end("n0@localhost[1]>")
    shell.type("sh('echo begun; sleep 100', on='n[1-2]')\r")
    shell.wait(lambda: {"n1 | begun", "n2 | begun"} <= set(shell.lines), "the output of both")
    assert len(sleepers(two)) == 2
    shell.type("\x03")
    shell.wait(lambda: any("KeyboardInterrupt" in line for line in shell.lines), "the interrupt")
    until(lambda: not sleepers(two), "the end of both")
    shell.type("n2 = Node('n2@localhost'); n2.sh('echo again')\r")
    shell.wait(lambda: "n2 | again" in shell.lines and "exit 0" in shell.lines, "another one")


def test_it_does_not_wait_behind_tasks_nor_do_tasks_behind_it(home: Home, n2: str) -> None:
    done = home.script(
        f"n2 = connect({n2!r})\nimport asyncio\n"
        "busy = [task('time:sleep', 30, on=n2) for _ in range(20)]\n"
        "print(n2.sh('echo quick', stream=False))\n"
        "for t in busy: t.cancel(0)\n"
        "print({t.status for t in wait(busy).done})\n"
        "slow = [asyncio.ensure_future(aio.sh('sleep 100', on=n2)) for _ in range(20)]\n"
        "while len([row for row in tasks(on=n2) if row['status'] == 'running']) < 20: await asyncio.sleep(0.01)\n"
        "print(call(lambda: 'quick too', on=n2))\n"
        "for t in slow: t.cancel()\n"
        "await asyncio.wait(slow)\n"
        "[t.exception() for t in busy]\n"
    )
    assert done.stdout.splitlines() == ["quick", "{'cancelled'}", "quick too"], done.stderr
    until(lambda: not sleepers(home), "the end of all")


def test_what_a_program_prints_may_be_anything(home: Home, n2: str, tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(bytes(range(256)) * 10_000)
    done = home.script(
        f"n2 = connect({n2!r})\nr = n2.sh(['cat', '{tmp_path}/bytes'], stream=False)\nprint(len(r.stdout), r.status)\n"
    )
    size, status = ok(done).split()
    assert int(size) > 1 << 19 and status == "0"
