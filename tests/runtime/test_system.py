import mmap
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pysh.runtime import system
from tests.runtime.forking import CORE, alive

BOTH = pytest.mark.parametrize("fallbacks", ["", "1"], ids=["native", "fallback"])
SLEEP = "import time; print(flush=True); time.sleep(60)"
DEADLINE = 10.0


def run(script: str, fallbacks: str = "") -> str:
    """What a process of its own prints that runs `script`."""
    environment = {**os.environ, "PYTHONPATH": CORE, "PYSH_OS_FALLBACKS": fallbacks}
    script = "import os, signal, subprocess, sys, time; from pysh.runtime import system\n" + script
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE, check=True).stdout


def wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < until
        os.sched_yield()


def started(code: str) -> "subprocess.Popen[bytes]":
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    return child


@BOTH
def test_orphans_are_adopted_where_the_system_can(fallbacks: str) -> None:
    script = """
adopted = system.adopt_orphans()
read, write = os.pipe()
if not os.fork():
    middle = os.getpid()
    if not os.fork():
        while os.getppid() == middle:
            time.sleep(0.001)
        os.write(write, str(os.getppid()).encode())
    os._exit(0)
os.wait()
print(adopted, int(os.read(read, 20)) == os.getpid())
"""
    assert run(script, fallbacks).split() == (["False", "False"] if fallbacks else ["True", "True"])


@BOTH
def test_a_child_dies_with_its_parent_where_the_system_can(fallbacks: str) -> None:
    script = """
parent = os.getpid()
read, write = os.pipe()
child = os.fork()
if not child:
    print(os.getpid(), system.die_with_parent(parent), flush=True)
    os.write(write, b"x")
    os.closerange(1, 3)
    time.sleep(60)
os.read(read, 1)
os._exit(0)
"""
    pid, watched = run(script, fallbacks).split()
    try:
        assert watched == str(not fallbacks)
        if not fallbacks:
            wait(lambda: not alive(int(pid)))
    finally:
        system.send_signal(int(pid), signal.SIGKILL)


@BOTH
def test_a_child_that_has_lost_its_parent_already_ends_at_once(fallbacks: str) -> None:
    script = "system.die_with_parent(os.getppid() + 1); print('lives')"
    assert run(script, fallbacks) == ""


@BOTH
def test_the_children_of_a_process_are_found(fallbacks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSH_OS_FALLBACKS", fallbacks)
    nested = f"""import subprocess, sys
with subprocess.Popen([sys.executable, '-c', {SLEEP!r}]) as child:
    print(child.pid, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", nested], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
        assert child.pid in system.children(os.getpid())
        assert system.children(child.pid) == [grandchild]
        assert {child.pid, grandchild} <= set(system.children(os.getpid(), child.pid))
        assert system.children(grandchild) == []
        os.kill(grandchild, signal.SIGKILL)
    assert system.children(child.pid) == []


@BOTH
def test_a_child_is_told_about_before_its_pid_is_free(fallbacks: str) -> None:
    script = """
assert system.reap(print) is None
pid = os.fork()
if not pid:
    os._exit(3)
told = []
while (ended := system.reap(lambda pid: told.append((pid, os.path.exists(f"/proc/{pid}"))))) is None:
    time.sleep(0.001)
assert ended == (pid, 3 << 8) and told[0][0] == pid
print(told[0][1], system.reap(print))
"""
    assert run(script, fallbacks).split() == [str(not fallbacks), "None"]


@BOTH
def test_a_memory_file_is_shared_and_has_no_name(fallbacks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSH_OS_FALLBACKS", fallbacks)
    fd = system.memory_file("shared", 5000)
    with mmap.mmap(fd, 5000) as one, mmap.mmap(fd, 5000) as other:
        assert one[:] == bytes(5000)
        one[4999] = 7
        assert other[4999] == 7
    assert not os.get_inheritable(fd)
    assert not Path(f"/proc/self/fd/{fd}").readlink().exists()
    os.close(fd)


@BOTH
def test_a_whole_tree_is_killed_whatever_its_members_do(fallbacks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSH_OS_FALLBACKS", fallbacks)
    four = """import os, signal, time
for number in (1, 2, 15):
    signal.signal(number, signal.SIG_IGN)
if not os.fork():
    os.setsid()
os.fork()
os.write(1, b"%d\\n" % os.getpid())
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", four], stdout=subprocess.PIPE, start_new_session=True) as root:
        assert root.stdout is not None
        try:
            members = [int(root.stdout.readline()) for _ in range(4)]
        finally:
            system.kill_tree(root.pid)
        wait(lambda: not any(alive(pid) for pid in members))


@BOTH
def test_a_worker_is_the_first_to_go_when_memory_runs_out(fallbacks: str) -> None:
    before = int(Path("/proc/self/oom_score_adj").read_text())
    script = "system.be_expendable(); print(open('/proc/self/oom_score_adj').read())"
    assert int(run(script, fallbacks)) == (before if fallbacks else 500)


@BOTH
def test_the_sleep_of_the_machine_does_not_grow_while_it_is_awake(fallbacks: str) -> None:
    script = "before = system.slept(); time.sleep(0.2); print(abs(system.slept() - before) < 0.1)"
    assert run(script, fallbacks) == "True\n"


def test_a_signal_to_nobody_is_no_error() -> None:
    child = started("print(flush=True)")
    child.communicate()
    system.send_signal(child.pid, signal.SIGTERM, group=True)


def test_a_secret_is_hidden_and_what_only_contains_it_stays(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from pysh.runtime import system; "
        "system.hide_argument('word'); print(*(Path('/proc/self', f).read_bytes() for f in ('cmdline', 'environ')))"
    )
    environ = {**os.environ, "PYSH_COOKIE": "word", "FOLDER": "/tmp/a-word-here"}
    command = [sys.executable, "-c", code, "--cookie", "word", "--cookie=word", "sword"]
    told = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout
    assert "\\x00xxxx\\x00--cookie=xxxx\\x00sword" in told
    assert "PYSH_COOKIE=xxxx" in told
    assert "FOLDER=/tmp/a-word-here" in told


def test_processes_of_one_machine_say_the_same_machine_also_by_the_fall_back(monkeypatch: pytest.MonkeyPatch) -> None:
    told = [subprocess.check_output([sys.executable, "-c", SAYS_MACHINE], text=True).strip() for _ in range(2)]
    assert told == [system.machine()] * 2
    monkeypatch.setenv("PYSH_OS_FALLBACKS", "1")
    assert system.machine() != told[0]
    assert os.uname().nodename.startswith("localhost") or system.machine()


SAYS_MACHINE = "from pysh.runtime import system; print(system.machine())"
