"""The command line on machines that have nothing of pysh: nodes there, their logs, the cookie."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.machines import DIRECT, Machine, Network, network
from tests.system.conftest import PYSH


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Network]:
    """Machines to start nodes on."""
    with network(tmp_path) as made:
        yield made


@pytest.fixture
def there(net: Network) -> Machine:
    """One machine, with our own Python."""
    return net.machine(path=DIRECT)


def hub_of(machine: Machine, name: str) -> psutil.Process:
    """The hub of the node `name` there."""
    (hub,) = [process for process in machine.processes() if name in process.cmdline()]
    return hub


def test_a_node_in_the_background_there_stays_until_it_is_stopped(net: Network, there: Machine) -> None:
    done = net.home.pysh("node", "--on", "db1", "--name", "w1", "--detach")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("w1@db1 runs in Python ")
    assert os.getsid(pid := hub_of(there, "w1@db1").pid) == pid
    [node] = json.loads(net.home.pysh("ls", "db1", "--json").stdout)
    assert (node["node"], node["pid"]) == ("w1@db1", pid)
    assert net.home.pysh("rpc", "w1@db1", "-c", "6 * 7").stdout == "42\n"
    assert net.home.pysh("stop", "w1@db1").returncode == 0
    there.check_clean()


def test_nothing_secret_is_in_any_command_line_environment_or_log(net: Network, there: Machine) -> None:
    assert net.home.pysh("node", "--on", "db1", "--name", "w1", "--detach").returncode == 0
    assert net.home.pysh("cookie", "copy", "db1").returncode == 0
    assert net.home.pysh("rpc", "w1@db1", "-c", "1").returncode == 0  # so that there are runners
    cookie = net.home.pysh("cookie", "show").stdout.strip()
    processes = there.processes()
    assert len(processes) > 1
    seen = [text for process in processes for text in (*process.cmdline(), *process.environ().values())]
    kept = [file.read_text() for file in there.log.iterdir()] + [there.sshd.log]
    for secret in (cookie, cookie.encode().hex()):
        assert not any(secret in text for text in (*seen, *kept))
    hub_of(there, "w1@db1").terminate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_node_in_the_foreground_there_ends_with_its_command(
    net: Network, there: Machine, number: signal.Signals
) -> None:
    command = [*PYSH, "node", "--on", "db1", "--name", "w1"]
    with subprocess.Popen(
        command, env=net.home.environ, cwd=net.home.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "w1@db1 is up; Ctrl-C ends it\n"
        process.send_signal(number)
        assert process.wait(10) == (-9 if number == signal.SIGKILL else 128 + number)
    there.check_clean()


def test_a_foreground_command_ends_with_its_node(net: Network, there: Machine) -> None:
    command = [*PYSH, "node", "--on", "db1", "--name", "w1"]
    with subprocess.Popen(
        command, env=net.home.environ, cwd=net.home.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        assert net.home.pysh("stop", "w1@db1").returncode == 0
        assert process.wait(10) == 0
        assert process.stderr.read().endswith("w1@db1 has ended\n")


def test_a_start_that_fails_is_3_and_says_the_stage(net: Network, there: Machine) -> None:
    done = net.home.pysh("node", "--on", "db1", "--name", "w1", "--python", "/nonexistent", "--detach")
    assert done.returncode == 3
    assert "there is no /nonexistent on db1 that pysh can use" in done.stderr
    assert "none of these is a program there: /nonexistent/bin/python, /nonexistent)" in done.stderr
    assert "name one that is: --python /path/to/python3.11;" in done.stderr


def test_a_node_is_drained_from_the_command_line(net: Network, there: Machine) -> None:
    net.home.node("n1@localhost")
    running = "import pysh, time; t = pysh.task(time.sleep, 1)"
    assert net.home.pysh("rpc", "n1", "-c", running).returncode == 0
    done = net.home.pysh("stop", "n1", "--drain", "20")
    assert (done.returncode, done.stderr) == (0, "")
    assert net.home.nodes() == []


# logs


def test_the_log_of_a_node_is_shown_wherever_it_is_and_also_when_it_is_gone(net: Network, there: Machine) -> None:
    net.home.node("n1@localhost")
    assert net.home.pysh("node", "--on", "db1", "--name", "w1", "--detach").returncode == 0
    noisy = "echo Welcome\n"
    there.home.joinpath(".bashrc").write_text(noisy)
    for log in (net.home.folder / "state/pysh/logs/n1@localhost.log", there.log / "w1@db1.log"):
        with log.open("a") as file:
            file.write("something went wrong\n")
    assert net.home.pysh("logs", "n1").stdout == "something went wrong\n"
    assert net.home.pysh("logs", "n1@localhost").stdout == "something went wrong\n"
    for _ in ("running", "gone"):
        assert net.home.pysh("logs", "w1@db1").stdout == "something went wrong\n"
        net.home.pysh("stop", "w1@db1")
    for name in ("n7", "w7@db1"):
        done = net.home.pysh("logs", name)
        assert (done.returncode, done.stdout) == (3, "")
        assert "there is no log of a node" in done.stderr


# the cookie


@pytest.mark.parametrize("shell", ["", "/usr/bin/fish", "/usr/bin/tcsh"])
def test_the_cookie_is_copied_once_and_another_one_is_not_replaced_unasked(net: Network, shell: str) -> None:
    if shell and not Path(shell).exists():
        pytest.skip(f"there is no {shell} here")
    there = net.machine(shell=shell)
    file = there.home / ".config/pysh/cookie"
    ours = net.home.pysh("cookie", "show").stdout
    for _ in range(2):
        done = net.home.pysh("cookie", "copy", "db1")
        assert (done.returncode, done.stdout) == (0, "db1 has our cookie\n"), done.stderr
        assert file.read_text() == ours
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    file.write_text("another\n")
    done = net.home.pysh("cookie", "copy", "db1")
    assert done.returncode == 4
    assert "db1 has another cookie (nothing was changed); replace it: pysh cookie copy --force db1" in done.stderr
    assert file.read_text() == "another\n"
    assert net.home.pysh("cookie", "copy", "db1", "--force").returncode == 0
    assert file.read_text() == ours
    assert [path.name for path in file.parent.iterdir()] == ["cookie"]


def test_no_cookie_goes_over_a_host_key_that_nobody_vouches_for(net: Network) -> None:
    there = net.machine(known=False)
    done = net.home.pysh("cookie", "copy", "db1")
    assert done.returncode == 3
    assert "SHA256:" in done.stderr
    assert not (there.home / ".config").exists()


@pytest.mark.parametrize("words", [("copy",), ("show", "db1"), ("new", "db1")])
def test_only_a_copy_has_a_host(net: Network, words: tuple[str, ...]) -> None:
    assert net.home.pysh("cookie", *words).returncode == 2
