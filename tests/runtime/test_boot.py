import json
import os
import socket
import subprocess
import sys

from tests.runtime.forking import CORE, DEADLINE, STAGE0


def boot(sent: bytes) -> "subprocess.CompletedProcess[str]":
    """What becomes of a runner whose hub says `sent` and closes the connection."""
    hub, runner = socket.socketpair()
    with hub, runner:
        hub.sendall(sent)
        hub.shutdown(socket.SHUT_WR)
        command = [sys.executable, "-c", STAGE0, CORE, str(runner.fileno())]
        environment = {**os.environ, "PYTHONPATH": ""}
        return subprocess.run(
            command, pass_fds=[runner.fileno()], env=environment, capture_output=True, text=True, timeout=DEADLINE
        )


def test_a_runner_whose_hub_is_gone_ends_without_a_word() -> None:
    for sent in (b"", b'{"role": "fork'):
        ended = boot(sent)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_a_role_that_is_none_is_refused() -> None:
    ended = boot(json.dumps({"role": "os"}).encode() + b"\n")
    assert ended.returncode == 1
    assert "a runner cannot be a 'os'" in ended.stderr


def test_a_fork_server_ends_with_its_hub() -> None:
    ended = boot(json.dumps({"role": "forkserver"}).encode() + b"\n")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
