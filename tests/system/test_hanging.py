"""Runners that hang before they said who they are: whoever waits for them is told, and none of them stays."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from pysh.runtime.protocol.handshake import SECONDS
from tests.system.conftest import Home

HANGS = """
import os, socket, sys, time
def hang():
    if not os.path.exists({told!r}):
        open({told!r}, "x").close()
        time.sleep(1000)
if "pysh.runtime.runner.boot" in " ".join(sys.orig_argv):
    sock = socket.socket(fileno=int(sys.orig_argv[-1]))
    role = sock.recv(1000, socket.MSG_PEEK).decode()
    sock.detach()
    if {role!r} in role:
        hang()
    if {role!r} == "worker" and "forkserver" in role:
        os.register_at_fork(after_in_child=hang)
"""


ASKED = {
    "evaluator": ("1", "", "SIGKILL"),
    "forkserver": ("import pysh; pysh.call(int)", "0\n", ""),
    "worker": ("import pysh; pysh.call(int)", "0\n", ""),
}
"""What is asked of a node whose first runner of that role hangs; what is printed, and told on stderr."""


def asked(home: Home, role: str) -> tuple[str, str, float]:
    """Start a node whose first `role` gets no farther than the start of its Python; its answer, and after how long."""
    folder = home.folder / role
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HANGS.format(role=role, told=str(folder / "hung")))
    environ = {"PYTHONPATH": os.pathsep.join([str(folder), home.environ.get("PYTHONPATH", "")])}
    name = f"n{list(ASKED).index(role)}"  # not the role's, which a runner is told with its name
    assert home.pysh("node", "--name", name, "--detach", **environ).returncode == 0
    begun = time.monotonic()
    done = home.pysh("rpc", name, "-c", ASKED[role][0], **environ)
    assert (folder / "hung").exists()
    return done.stdout, done.stderr, time.monotonic() - begun


def test_a_runner_that_hangs_at_its_start_is_killed_and_whoever_waits_for_it_is_told(home: Home) -> None:
    """A task that it kept waiting runs in another one; all at once, for each of them takes its time."""
    with ThreadPoolExecutor() as pool:
        answers = dict(zip(ASKED, pool.map(partial(asked, home), ASKED), strict=True))
    for role, (_, printed, told) in ASKED.items():
        stdout, stderr, took = answers[role]
        assert stdout == printed, (role, stderr)
        assert told in stderr and bool(told) == bool(stderr), role
        assert took < SECONDS + 8, role


ASKS = {
    "rpc": ("rpc", "n2", "-c", "1"),
    "stop": ("stop", "n2"),
    "tasks": ("tasks",),
    "script": ("-c", "connect('n2')"),
}
"""Who may want something of a node, and how."""


def test_a_node_that_is_stopped_is_named_with_its_pid_by_whoever_wants_something_of_it(home: Home, n2: str) -> None:
    [pid] = [node["pid"] for node in home.nodes()]
    os.kill(pid, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor() as pool:
            answers = dict(zip(ASKS, pool.map(lambda words: home.pysh(*words), ASKS.values()), strict=True))
    finally:
        os.kill(pid, signal.SIGCONT)
    for who, done in answers.items():
        assert done.returncode == (1 if who == "script" else 3), who
        assert f"{n2} is there and does not answer, so it hangs or is stopped" in done.stderr, who
        assert f"its pid is {pid}); see what it printed of itself: pysh logs {n2}; end it: kill -9 {pid}" in done.stderr
