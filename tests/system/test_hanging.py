"""Runners that hang before they said who they are: whoever waits for them is told, and none of them stays."""

import os
import time

import pytest

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


def hang(home: Home, role: str) -> None:
    """The first runner that is a `role` gets no farther than the start of its Python."""
    told = str(home.folder / "hung")
    (home.folder / "sitecustomize.py").write_text(HANGS.format(role=role, told=told))
    home.environ["PYTHONPATH"] = os.pathsep.join([str(home.folder), home.environ.get("PYTHONPATH", "")])


def test_an_evaluator_that_hangs_at_its_start_is_killed_and_whoever_waits_for_it_is_told(home: Home) -> None:
    hang(home, "evaluator")
    home.node("n1")
    begun = time.monotonic()
    done = home.pysh("rpc", "n1", "-c", "1")
    assert done.returncode == 1
    assert "SIGKILL" in done.stderr
    assert SECONDS < time.monotonic() - begun < SECONDS + 5


@pytest.mark.parametrize("role", ["forkserver", "worker"])
def test_who_hangs_before_a_task_ran_is_killed_and_the_task_runs_in_another_worker(home: Home, role: str) -> None:
    hang(home, role)
    home.node("n1")
    begun = time.monotonic()
    done = home.pysh("rpc", "n1", "-c", "import pysh; pysh.call(int)")
    assert (done.stdout, done.stderr) == ("0\n", "")
    assert time.monotonic() - begun < SECONDS + 5
    assert (home.folder / "hung").exists()
