"""What goes wrong is said: what, the evidence, the next command, and whether anything ran."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.system.conftest import Home, Screens, until


def test_another_cookie_is_refused_with_4(home: Home) -> None:
    home.node("n2@localhost")
    done = home.pysh("rpc", "n2", "--cookie", "wrong", "-c", "1")
    assert done.returncode == 4
    assert "cookie" in done.stderr
    script = home.pysh("--cookie", "wrong", "-c", "connect('n2@localhost')")
    assert script.returncode == 1
    assert "cookie" in script.stderr
    assert home.pysh("--cookie", "wrong", "--connect", "n2", "-c", "1").returncode == 4


def test_a_cookie_file_that_others_can_read_is_refused(home: Home) -> None:
    file = home.folder / "cookie"
    file.write_text("secret_secret_secret")
    file.chmod(0o644)
    done = home.pysh("--cookie-file", str(file), "-c", "print(call(lambda: 1))")
    assert done.returncode == 1
    assert "chmod 600" in done.stderr


def test_no_such_node_names_those_that_run(home: Home) -> None:
    home.node("n2@localhost")
    done = home.pysh("rpc", "n3", "-c", "1")
    assert done.returncode == 3
    assert "n2@localhost" in done.stderr
    script = home.pysh(
        "-c", "try:\n    connect('n3@localhost')\nexcept ConnectError as e:\n    print(e.stage); print(e)"
    )
    assert script.stdout.startswith("find\n")
    assert "n2@localhost" in script.stdout


def test_a_name_in_use_is_refused_with_the_pid_of_its_holder(home: Home) -> None:
    home.node("n2@localhost")
    [node] = home.nodes()
    done = home.pysh("node", "--name", "n2@localhost", "--detach")
    assert done.returncode == 3
    assert str(node["pid"]) in done.stderr
    assert home.pysh("rpc", "n2", "-c", "1").returncode == 0


def test_the_socket_of_a_killed_node_is_no_obstacle(home: Home) -> None:
    home.node("n2@localhost")
    [node] = home.nodes()
    os.kill(node["pid"], signal.SIGKILL)
    until(lambda: not home.processes(), "the node's end")
    assert home.nodes() == []
    home.node("n2@localhost")
    assert home.pysh("rpc", "n2", "-c", "1").returncode == 0


@pytest.mark.parametrize(
    "noise", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", os.urandom(4096), b"PYSH\0\1\r\n" + b"\xff" * 70000, b""]
)
def test_a_peer_that_is_not_pysh_disturbs_nobody(home: Home, noise: bytes) -> None:
    home.node("n2@localhost")
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(15)
        peer.connect(str(home.runtime / "n2@localhost.sock"))
        peer.sendall(noise)
        assert home.pysh("rpc", "n2", "-c", "6 * 7").stdout == "42\n"
        if noise:
            try:
                while peer.recv(65536):
                    pass
            except ConnectionResetError:
                pass


def test_a_peer_that_trickles_is_dropped_at_the_deadline(home: Home) -> None:
    home.node("n2@localhost")
    begun = time.monotonic()
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(0.5)
        peer.connect(str(home.runtime / "n2@localhost.sock"))
        try:
            for byte in b"PYSH\0\1\r\n" + bytes(1000):
                peer.sendall(bytes([byte]))
                try:
                    while peer.recv(4096):
                        pass
                    break
                except TimeoutError:
                    continue
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert time.monotonic() - begun < 13


@pytest.mark.parametrize(
    "address", ["-oProxyCommand=x", "a\\x1b[31mb@localhost", "n2@-x", "", "a\\tb", "n2@localhost\\n"]
)
def test_addresses_that_are_none_are_refused_before_any_use(home: Home, address: str) -> None:
    done = home.pysh(
        "-c", f"try:\n    connect('{address}')\nexcept (ConnectError, ValueError) as e:\n    print(ascii(str(e)))"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "\\x1b" not in done.stdout


def test_a_closure_that_cannot_travel_is_refused_here_with_the_path(home: Home) -> None:
    code = """
import threading
class Config: pass
cfg = Config(); cfg.lock = threading.Lock()
try:
    task(lambda: cfg)
except NotSendable as e:
    print(e.executed, e.path)
"""
    done = home.script(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("no ")
    assert "cfg" in done.stdout
    assert "lock" in done.stdout


def test_a_result_that_cannot_travel_is_refused_there_and_ran(home: Home) -> None:
    code = "try:\n    call(lambda: __import__('threading').Lock())\nexcept NotSendable as e:\n    print(e.executed)"
    assert home.script(code).stdout == "yes\n"


def test_a_value_over_the_limit_is_refused(home: Home) -> None:
    code = "try:\n    call(len, b'x' * 2000000)\nexcept NotSendable as e:\n    print(e.executed, e.limit)"
    file = home.folder / "s.pysh"
    file.write_text(code)
    assert home.pysh(str(file), PYSH_MAX_VALUE="1000000").stdout == "no 1000000\n"


def test_another_python_minor_is_refused_with_both_versions(home: Home) -> None:
    minor = "3.12" if sys.version_info[:2] != (3, 12) else "3.11"
    python = f"python{minor}"
    probe = subprocess.run([python, "-c", "import sys; print(sys.executable)"], capture_output=True, text=True)
    if probe.returncode:
        pytest.skip(f"no {python} here")
    home.node("n2@localhost", "--python", probe.stdout.strip())
    call = "try:\n    call(eval('lambda: 1'), on=n2)\nexcept VersionSkew as e:\n    print(e.executed, e.here, e.there)"
    code = "n2 = connect('n2@localhost')\n" + call
    done = home.script(code)
    assert done.stdout == f"no {sys.version_info[0]}.{sys.version_info[1]} {minor}\n", done.stderr


def test_input_in_a_task_is_an_eoferror_with_a_hint(home: Home) -> None:
    code = "try:\n    call(lambda: input('name? '))\nexcept EOFError as e:\n    print('hint:', e)"
    done = home.script(code)
    assert "hint: " in done.stdout
    assert len(done.stdout.split("hint: ")[1].strip()) > 10


def test_an_old_python_is_refused_with_its_path_and_version(home: Home) -> None:
    fake = home.folder / "python3.9"
    fake.write_text('#!/bin/sh\nexec printf "3.9.1\\n/usr/bin/python3.9\\n"\n')
    fake.chmod(0o755)
    done = home.pysh("--python", str(fake), "-c", "print(1)")
    assert done.returncode == 3
    assert str(fake) in done.stderr


def test_a_file_that_is_not_there_is_a_usage_error(home: Home) -> None:
    done = home.pysh("nothing.pysh")
    assert done.returncode == 2
    assert "nothing was run" in done.stderr


def test_stopping_a_node_that_does_not_run_says_so(home: Home) -> None:
    done = home.pysh("stop", "ghost")
    assert done.returncode == 3
    assert "ghost" in done.stderr


STILLBORN = """
import os, sys
if os.path.exists({flag!r}) and any("runner.boot" in word for word in sys.orig_argv):
    os._exit(3)
"""


def test_a_python_whose_shell_dies_at_its_start_says_so_and_is_tried_again(home: Home, screens: Screens) -> None:
    flag = home.folder / "broken"
    flag.touch()
    (home.folder / "sitecustomize.py").write_text(STILLBORN.format(flag=str(flag)))
    home.environ["PYTHONPATH"] = str(home.folder)
    terminal = screens.open("--name", "n1@localhost", "--rm")
    terminal.wait_for_end("n1@localhost[1]>")
    terminal.type("x = 42\r")
    told = "the shell of n1@localhost died (exit status 3): its names are gone; "
    terminal.wait(lambda: any(line.startswith(told) for line in terminal.lines), told)
    terminal.wait_for_end("n1@localhost[1]>")
    home.node("n2@localhost")
    done = home.pysh("rpc", "n2", "-c", "1")
    assert done.returncode == 1
    assert "the shell of n2@localhost died (exit status 3)" in done.stderr
    flag.unlink()
    terminal.type("x = 42; x\r")
    terminal.wait_for_end("42", "n1@localhost[2]>")
    assert home.pysh("rpc", "n2", "-c", "6 * 7").stdout == "42\n"
    terminal.type("\x04")
    assert terminal.wait_exit() == 0


def test_a_python_whose_workers_die_at_their_start_fails_the_task(home: Home) -> None:
    flag = home.folder / "broken"
    (home.folder / "sitecustomize.py").write_text(STILLBORN.format(flag=str(flag)))
    home.environ["PYTHONPATH"] = str(home.folder)
    code = f"""
import pathlib
flag = pathlib.Path({str(flag)!r})
flag.touch()
try:
    call(lambda: 1)
except WorkerDied as e:
    print(e.executed)
flag.unlink()
print(call(lambda: 6 * 7))
"""
    done = home.script(code)
    assert done.stdout == "no\n42\n", done.stderr


def test_a_python_that_is_gone_is_told_and_disturbs_no_connection(home: Home) -> None:
    python = home.folder / "python"
    python.symlink_to(os.path.realpath(sys.executable))
    home.node("n2@localhost", "--python", str(python))
    python.unlink()
    code = """
n2 = connect('n2@localhost')
for attempt in range(2):
    try:
        call(len, 'abc', on=n2, timeout=5)
    except WorkerDied as e:
        print(e.executed, e)
    try:
        n2.eval('1 + 1')
    except PyshError as e:
        print(e)
print(n2.state)
"""
    done = home.script(code)
    assert done.returncode == 0, done
    *told, state = done.stdout.splitlines()
    assert state == "up", done
    for worker, shell in (told[:2], told[2:]):
        assert worker.startswith("no n2@localhost: no worker could be made: [Errno 2] No such file or directory")
        assert "the shell of n2@localhost died (it cannot be started: [Errno 2]" in shell
