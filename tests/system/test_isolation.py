"""What user code cannot do to a node, and what a node's end leaves: nothing."""

import os
import signal
import sys
import time

import psutil
import pytest

from pysh.runtime import launch
from tests.system.conftest import Home, Machines, until

FORBIDDEN = {"pickle", "_pickle", "cloudpickle", "multiprocessing", "asyncssh", "cryptography", "spake2"}
BY_SSH = "pysh.transports.tunnels"
"""What a hub imports with the first node of another machine."""


@pytest.fixture(params=["system", "fallbacks"])
def home(home: Home, request: pytest.FixtureRequest) -> Home:
    """A home with node n2, once more where the operating system helps with nothing."""
    if request.param == "fallbacks":
        home.environ["PYSH_OS_FALLBACKS"] = "1"
    home.node("n2@localhost")
    return home


def hub_of(home: Home) -> int:
    [node] = home.nodes()
    return int(node["pid"])


def test_a_hub_imports_nothing_that_could_run_what_it_carries(home: Home) -> None:
    code = """
import os
n2 = connect('n2@localhost')
for i in range(100):
    assert call(lambda: i, on=n2) == i
try:
    call(lambda: os._exit(3), on=n2)
except WorkerDied as e:
    print(e.status)
from pysh.runtime.runner.client import Client
client = Client.current
from pysh.runtime.node import hub_of
for hub in (client.hub, hub_of(client, n2)):
    print(' '.join(client.ask('info', dest=hub)['modules']))
"""
    done = home.script(code)
    assert done.returncode == 0, done.stderr
    status, *listed = done.stdout.splitlines()
    assert status == "3"
    assert len(listed) == 2
    for modules in listed:
        parts = {part for module in modules.split() for part in module.split(".")}
        assert not parts & FORBIDDEN
        assert BY_SSH not in modules.split()


def test_a_hub_that_goes_by_ssh_leaves_the_ssh_to_its_carrier(both: Machines) -> None:
    both.sshd(AllowStreamLocalForwarding="no")
    both.there.node("w1@db1")
    done = both.here.script("""
from pysh.runtime.node import hub_of
from pysh.runtime.runner.client import Client
n = connect("w1@db1")
assert call(lambda: 42, on=n) == 42
for hub in (Client.current.hub, hub_of(Client.current, n)):
    print(*Client.current.ask("info", dest=hub)["modules"])
""")
    here, there = (line.split() for line in done.stdout.splitlines())
    assert BY_SSH in here
    assert BY_SSH not in there
    assert not {part for module in here for part in module.split(".")} & FORBIDDEN


def test_a_hub_imports_nothing_from_the_folder_it_is_started_in(home: Home) -> None:
    names = ("secrets", "uvloop", "msgpack", "asyncio", "logging")
    for name in names:
        (home.folder / f"{name}.py").write_text(f"open({str(home.folder / 'imported')!r}, 'a').write('{name} ')")
    alone = [sys.executable, "-P", "-m", "pysh"]  # as the installed script runs: not in the current folder
    done = home.run([*alone, "node", "--name", "n1@localhost", "--detach"])
    for name in names:
        (home.folder / f"{name}.py").unlink()
    assert done.returncode == 0, done.stderr
    assert not (home.folder / "imported").exists()


def test_kill_9_of_a_hub_takes_every_process_of_its_node_within_a_second(home: Home) -> None:
    flag = home.folder / "running"
    code = f"""
import pathlib, subprocess, time
n2 = connect('n2@localhost')
def busy():
    subprocess.Popen(['sleep', '300'])
    pathlib.Path({str(flag)!r}).touch()
    while True: pass
t = task(busy, on=n2)
while not pathlib.Path({str(flag)!r}).exists(): time.sleep(0.01)
import os, signal
os.kill({hub_of(home)}, signal.SIGKILL)
begun = time.monotonic()
try:
    t.result()
except NodeDown as e:
    print(e.executed, time.monotonic() - begun < 1)
"""
    home.pysh("rpc", "n2", "-c", "x = 1")
    before = [p for p in home.processes() if p.pid != hub_of(home)]
    assert before
    done = home.script(code)
    killed = time.monotonic()
    assert done.stdout in ("yes True\n", "maybe True\n"), done.stderr
    until(lambda: not home.processes(), "the end of every process", 1.5)
    assert time.monotonic() - killed < 1.5
    assert home.nodes() == []


def test_a_program_outlives_its_hub_and_is_told(home: Home) -> None:
    code = """
import os, signal, psutil
h = node()
from pysh.runtime.runner.client import Client
os.kill(Client.current.ask('info')['pid'], signal.SIGKILL)
try:
    call(lambda: 1)
except NodeDown as e:
    print('NodeDown', e.executed)
print('alive')
"""
    done = home.script(code.replace(", psutil", ""))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "alive"
    assert done.stdout.startswith("NodeDown")


def test_what_a_dead_worker_left_is_killed(home: Home) -> None:
    if home.environ.get("PYSH_OS_FALLBACKS"):
        pytest.skip("lost without the system's help: what left its worker's group and parent")
    code = """
import os, subprocess, time
def leave():
    child = subprocess.Popen(['sleep', '300'], start_new_session=True)
    print(child.pid, flush=True)
    os._exit(1)
t = task(leave, on=connect('n2@localhost'))
try:
    t.result()
except WorkerDied as e:
    print('died', e.tail.split()[0])
"""
    done = home.script(code)
    pid = int(done.stdout.split("died ")[1])
    until(lambda: not psutil.pid_exists(pid), "the end of the child")


@pytest.mark.parametrize(
    "poison",
    [
        "ctypes.string_at(0)",
        "os._exit(0)",
        "os.kill(os.getpid(), 9)",
        "sys.exit(3)",
        "os.kill(0, 15)",
        "[os.close(fd) for fd in range(3, 100) if fd_open(fd)]",
    ],
)
def test_hostile_code_costs_a_worker_at_most(home: Home, poison: str) -> None:
    code = f"""
import ctypes, os, sys
def fd_open(fd):
    try: os.fstat(fd); return True
    except OSError: return False
n2 = connect('n2@localhost')
try:
    call(lambda: {poison}, on=n2)
except PyshError as e:
    print(type(e).__name__)
print(call(lambda: 'well', on=n2))
"""
    done = home.script(code)
    assert done.stdout.splitlines()[-1] == "well", done.stderr


def test_an_idle_node_is_small(home: Home) -> None:
    process = psutil.Process(hub_of(home))
    assert process.memory_full_info().uss < 30 << 20


def test_sigterm_ends_a_node_and_all_it_runs(home: Home) -> None:
    home.pysh("rpc", "n2", "-c", "import subprocess; p = subprocess.Popen(['sleep', '300'])")
    os.kill(hub_of(home), signal.SIGTERM)
    until(lambda: not home.processes(), "the end of every process", 2)
    assert home.nodes() == []
    assert launch.HUB_PYTHON not in home.environ


def test_whoever_waits_for_a_shell_that_dies_is_told(home: Home) -> None:
    done = home.pysh("rpc", "n2", "-c", "import os; os._exit(3)")
    assert done.returncode == 1
    assert "the shell of n2@localhost died (exit status 3)" in done.stderr
    code = """
n2 = connect('n2@localhost')
try:
    n2.eval('__import__("os")._exit(4)')
except PyshError as e:
    print(e.executed, e)
print(n2.eval('6 * 7'))
"""
    told, value = home.script(code).stdout.splitlines()
    assert told.startswith("maybe the shell of n2@localhost died (exit status 4)")
    assert value == "42"


def test_an_evaluator_that_lost_its_hub_and_hangs_is_killed(home: Home) -> None:
    code = """
import ctypes, sys
from pysh.runtime.runner.client import Client
sys.setswitchinterval(60)  # nor between the two calls
fd, c = Client.current._reading._sock.fileno(), ctypes.PyDLL(None)
c.shutdown(fd, 2), c.sleep(60)  # with the GIL held, so that no other thread can notice
"""
    done = home.pysh("rpc", "n2", "-c", code)
    assert "the shell of n2@localhost died (SIGKILL)" in done.stderr
    until(lambda: home.pysh("rpc", "n2", "-c", "1 + 1").stdout == "2\n", "another evaluator")
