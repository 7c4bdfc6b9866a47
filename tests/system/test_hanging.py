"""Runners that hang before they said who they are: whoever waits for them is told, and none of them stays."""

import os
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
