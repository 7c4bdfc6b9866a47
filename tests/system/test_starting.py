"""Nodes started on other machines, of which each has an sshd and a Python and nothing else."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.machines import DIRECT, Machine, Network, network
from tests.pythons import python
from tests.system.conftest import PYSH, until

HERE = "{}.{}".format(*sys.version_info)


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Network]:
    """Machines to start nodes on."""
    with network(tmp_path) as made:
        yield made


@pytest.fixture
def there(net: Network) -> Machine:
    """A machine whose Python is the one that runs here."""
    return net.machine(path=DIRECT)


def said(net: Network, code: str) -> str:
    """What the error of `code` says."""
    return net.script(f"try:\n    {code}\nexcept Exception as error:\n    print(type(error).__name__, error)\n")


# a node there


def test_a_node_starts_where_nothing_is_installed_and_stops_when_told(net: Network, there: Machine) -> None:
    told = net.script(
        "import os, sys\n"
        "n = start_node('w1', host='db1')\n"
        "print(n.name, n.state, [str(node) for node in nodes()][1:])\n"
        "home, modules = call(lambda: (os.environ['HOME'], sys.modules['pysh'].__spec__.origin), on=n)\n"
        "print(home, modules.startswith('/proc/'))\n"
        "p = n.spawn(lambda: print('got', receive()))\n"
        "send(p, 7)\n"
        "wait([n.task('time:sleep', 0.2)])\n"
        "stop_node(n)\n"
        "print(n.state, len(nodes()))\n"
    )
    assert told.splitlines() == ["w1@db1 up ['w1@db1']", f"{there.home} True", "w1 | got 7", "down 1"]
    there.check_clean()
    assert (there.log / "w1@db1.log").exists()


def test_a_node_that_was_started_there_starts_others_beside_it(net: Network, there: Machine) -> None:
    told = net.script(
        "n = start_node('w1', host='db1')\n"
        "n.run('import pysh; m = pysh.start_node(\"w2\", persist=True)')\n"
        "n.run('print(pysh.call(lambda: 6 * 7, on=m))')\n"
        "stop_node(n)\n"
    )
    assert told == "42\n"
    until(lambda: "w1@db1.sock" not in there.sockets(), "the end of the first")
    (hub,) = [process for process in there.processes() if "-E" in process.cmdline()]
    assert net.home.pysh("rpc", "w2@db1", "-c", "1 + 1").stdout == "2\n"
    hub.terminate()


def test_a_node_here_starts_without_ssh_and_ends_with_its_starter(net: Network) -> None:
    (net.home.folder / "sub").mkdir()
    told = net.script(
        "import os\n"
        "n = start_node('w1', cwd='sub', env={'A': '1'}, setup='export B=2')\n"
        "print(n.name.partition('@')[0], call(lambda: (os.getcwd(), os.environ['A'], os.environ['B']), on=n))\n"
    )
    assert told == f"w1 {(str(net.home.folder / 'sub'), '1', '2')}\n"
    until(lambda: not net.home.processes(), "the end of both", 5)


def test_nodes_start_side_by_side_and_those_that_fail_say_why(net: Network) -> None:
    for number in (1, 2, 3):
        net.machine(f"web{number}", path=DIRECT)
    told = net.script(
        "made = start_nodes('web[1-3],nowhere.invalid', name='w')\n"
        "print([str(n) for n in made.ok], [str(n) for n in made.failed])\n"
        "print(made.failed.popitem()[1].stage)\n"
        "print(call_all(lambda: 6 * 7, on=made.ok))\n"
    )
    names = ["w@web1", "w@web2", "w@web3"]
    assert told.splitlines() == [f"{names} ['w@nowhere.invalid']", "resolve", "w@web[1-3]: 42"]


def test_folder_environment_and_setup_are_those_that_were_asked_for(net: Network) -> None:
    there = net.machine(path="/usr/bin:/bin")
    venv = there.home / "proj/venv"
    subprocess.run([f"{sys.base_prefix}/bin/python{HERE}", "-m", "venv", "--without-pip", venv], check=True)
    told = net.script(
        "import os, sys\n"
        "n = start_node('w1', host='db1', cwd='~/proj', env={'A': 'x y'}, setup='source venv/bin/activate')\n"
        "print(call(lambda: (os.getcwd(), os.environ['A'], sys.prefix), on=n))\n"
    )
    assert told == f"{(str(there.home / 'proj'), 'x y', str(venv))}\n"


# which Python


def test_an_old_python_is_passed_over_and_a_machine_that_has_no_other_is_refused(net: Network) -> None:
    old = Path(python("3.8"))
    there = net.machine(path="")
    (there.folder / "bin").mkdir()
    for name in ("python3", "python3.11"):
        (there.folder / "bin" / name).symlink_to(old)
    error = said(net, "start_node('w1', host='db1', python='~/../bin/python3')")
    assert "ConnectError [launch] there is no ~/../bin/python3 on db1 that pysh can use" in error
    assert "is Python 3.8." in error
    assert error.rstrip().endswith("Nothing ran.")


@pytest.mark.parametrize("minor", ["3.12", "3.13", "3.14"])
def test_another_minor_version_takes_text_data_and_code_whose_source_is_known(net: Network, minor: str) -> None:
    other = python(minor if minor != HERE else "3.11")
    net.machine()
    told = net.script(
        f"n = start_node('w1', host='db1', python={other!r})\n"
        """
import sys
print(call("math:sqrt", 16, on=n))
scale = 3
class Pair:
    def __init__(self, x): self.x = x
    def sum(self): return self.x + scale
def adder(n): return lambda x: Pair(x + n)
print(call(adder(1), 4, on=n).sum(), call(lambda: "%d.%d" % sys.version_info[:2], on=n))
print(call(lambda: (lambda x: x * scale), on=n)(5), call(sum, (x for x in [1, 2]) and [1, 2], on=n))
m = actor(Pair, 5, on=n)
print(m.sum().result(20))
def serve():
    f, back = receive()
    send(back, lambda: f(3))
send(spawn(serve, on=n), (lambda x: x + scale, me()))
print(receive(timeout=20)())
async def later(x): return x + scale
print(task(later, 1, on=n).result(20), Executor(on=n).submit(lambda: scale).result(20))
def raises():
    class Mine(Exception): pass
    raise Mine("own")
try: call(raises, on=n)
except Exception as error: print(type(error).__name__, error)
try: call(eval("lambda: 1"), on=n)
except VersionSkew as error: print(error.executed, error.here, error.there)
"""
    )
    assert told.splitlines() == [
        "4.0", f"8 {minor}", "15 3", "8", "6", "4 3", "Mine own", f"no {HERE} {minor}",
    ]  # fmt: skip


# machines as people have them


@pytest.mark.parametrize("shell", ["tcsh", "fish", "dash"])
def test_any_login_shell_will_do(net: Network, shell: str) -> None:
    if not (path := shutil.which(shell)):
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI needs {shell}")
        pytest.skip(f"there is no {shell} here")
    net.machine(shell=path, path=DIRECT)
    assert net.script("n = start_node('w1', host='db1', cwd='/')\nprint(call('os:getcwd', on=n))\n") == "/\n"


def test_noise_of_start_up_files_is_no_answer(net: Network, there: Machine) -> None:
    there.home.joinpath(".bashrc").write_text(
        "echo Welcome; printf 'no newline'; echo 0123 up '[]'; echo oops >&2; head -c 30000 /dev/zero | tr '\\0' x\n"
    )
    assert net.script("print(start_node('w1', host='db1').state)\n") == "up\n"


@pytest.mark.parametrize(
    ("rc", "words"),
    [
        ("yes", "db1 prints and does not answer (y y y"),
        ("echo This account is closed.; exit 3", "exit status 3; This account is closed."),
    ],
)  # fmt: skip
def test_a_login_that_never_gets_to_python_is_told_with_what_it_said(net: Network, rc: str, words: str) -> None:
    there = net.machine()
    there.home.joinpath(".bashrc").write_text(f"{rc}\n")
    error = said(net, "start_node('w1', host='db1')")
    assert "ConnectError [launch]" in error
    assert words in error


@pytest.mark.parametrize("option", ["cwd='/nonexistent'", "setup='exit 4'"])
def test_a_folder_or_setup_that_fails_is_told(net: Network, option: str) -> None:
    net.machine()
    error = said(net, f"start_node('w1', host='db1', {option})")
    assert f"try there what you gave: {option}" in error


@pytest.fixture
def mounts() -> Iterator[Callable[[Path, str], None]]:
    """Mounts an empty file system of memory somewhere, with options."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    mounted: list[Path] = []

    def mount(path: Path, options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", path]
        if (done := subprocess.run(command, capture_output=True, text=True)).returncode:
            pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
        mounted.append(path)

    yield mount
    for path in mounted:
        subprocess.run(["umount", "-l", path], check=True)


@pytest.mark.parametrize("kind", ["read-only", "full", "missing"])
def test_a_home_on_which_nothing_can_be_written_is_enough(
    net: Network, there: Machine, mounts: Callable[[Path, str], None], kind: str
) -> None:
    if kind == "missing":
        there.home.rmdir()
    else:
        mounts(there.home, "ro" if kind == "read-only" else "size=4k")
    if kind == "full":
        with pytest.raises(OSError):
            there.home.joinpath("filler").write_bytes(bytes(8192))
    assert net.script("n = start_node('w1', host='db1')\nprint(call(lambda: 6 * 7, on=n))\n") == "42\n"
    assert not list(there.home.rglob("*.zip*"))
    assert there.home.exists() is (kind != "missing")


def test_a_second_start_sends_no_core_again(net: Network, there: Machine) -> None:
    for name in ("w1", "w2"):
        net.script(f"print(start_node({name!r}, host='db1').state)\n")
    assert len(list((there.home / ".cache/pysh").glob("node-*.zip"))) == 1


def test_a_node_is_reached_also_where_sshd_forwards_nothing(net: Network) -> None:
    net.machine(path=DIRECT, AllowStreamLocalForwarding="no", AllowTcpForwarding="no")
    assert net.script("n = start_node('w1', host='db1')\nprint(call(lambda: 6 * 7, on=n))\n") == "42\n"


def test_a_hub_that_cannot_live_there_says_why_and_where_its_log_is(net: Network, there: Machine) -> None:
    there.runtime.mkdir(mode=0o755)
    there.runtime.chmod(0o777)
    error = said(net, "start_node('w1', host='db1')")
    assert "ConnectError [launch] the node did not start on db1" in error
    assert "its mode is 0777: others may enter it" in error
    assert "see its log: pysh logs w1@db1" in error


# trust


def test_nothing_goes_over_a_host_key_that_nobody_vouches_for_until_the_user_does(net: Network) -> None:
    there = net.machine(known=False, path=DIRECT)
    error = said(net, "start_node('w1', host='db1')")
    assert "ConnectError [hostkey] nobody vouches for the host key of db1" in error
    assert 'hostkey="accept-new"' in error
    assert "SHA256:" in error
    assert "Starting session" not in there.sshd.log
    assert net.script("print(start_node('w1', host='db1', hostkey='accept-new').state)\n") == "up\n"


def test_a_name_that_runs_there_already_is_refused_and_left_alone(net: Network, there: Machine) -> None:
    told = net.script(
        "n = start_node('w1', host='db1')\n"
        "disconnect(n)\n"
        "try:\n    start_node('w1', host='db1')\n"
        "except ConnectError as error:\n    print(error.stage, error)\n"
    )
    assert told.startswith("name [name] w1@db1 runs here already")
    for process in there.processes():
        process.terminate()


# how long it lives


def test_an_attached_node_ends_with_its_starter_and_one_that_persists_does_not(net: Network, there: Machine) -> None:
    net.script("start_node('w1', host='db1')\nstart_node('w2', host='db1', persist=True)\n")
    until(lambda: "w1@db1.sock" not in there.sockets(), "the end of w1", 5)
    assert "w2@db1.sock" in there.sockets()
    (hub,) = [process for process in there.processes() if "w2@db1" in process.cmdline()]
    assert os.getsid(hub.pid) == hub.pid
    hub.terminate()


def test_an_attached_node_outlives_its_connection_and_is_found_again(net: Network, there: Machine) -> None:
    net.home.node("n1@localhost")

    def ask(code: str) -> str:
        return net.home.pysh("rpc", "n1", "-c", code).stdout

    ask("import pysh; n = pysh.start_node('w1', host='db1')")
    ask("n.run('x = 42')")
    there.sshd.stop()  # and every connection with it
    until(lambda: ask("n.state") == "'suspect'\n", "the loss to be noticed")
    assert there.processes()
    there.sshd.start()
    assert ask("n.eval('x')") == "42\n"


def having(word: str) -> Callable[[list[psutil.Process]], list[psutil.Process]]:
    """Those of some processes that have `word` in their command line."""

    def chosen(processes: list[psutil.Process]) -> list[psutil.Process]:
        found = []
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                found += [process] if word in " ".join(process.cmdline()) else []
        return found

    return chosen


@contextmanager
def hanging(there: Machine) -> Iterator[None]:
    """A node there does not get past its name, for it waits up to two seconds for the directory's lock."""
    there.runtime.mkdir(mode=0o700)
    with (there.runtime / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


HUB, CARRIER, STAGES, NODE = map(having, ("pysh.runtime.hub", "pysh.transports.carrier", "zlib", " w1@db1"))


@pytest.mark.parametrize(
    ("who", "when"),
    [("starter", STAGES), ("starter", NODE), ("carrier", NODE), ("stages", STAGES), ("stages", NODE), ("node", NODE)],
    ids=["starter-early", "starter-late", "carrier-late", "stages-early", "stages-late", "node-late"],
)
def test_whoever_is_killed_before_the_start_was_answered_nothing_half_started_stays(
    net: Network, there: Machine, who: str, when: Callable[[list[psutil.Process]], list[psutil.Process]]
) -> None:
    code = "start_node('w1', host='db1')\nprint('answered', flush=True)\nimport time\ntime.sleep(60)\n"
    with subprocess.Popen(
        [*PYSH, "-c", code],
        env=net.home.environ,
        cwd=net.home.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as program:
        with hanging(there):
            until(lambda: when(there.processes()), "that point of the start")
            victims = {
                "starter": lambda: HUB(net.home.processes()), "carrier": lambda: CARRIER(net.home.processes()),
                "stages": lambda: STAGES(there.processes()), "node": lambda: NODE(there.processes()),
            }[who]()  # fmt: skip
            for victim in victims:
                victim.send_signal(signal.SIGKILL)
        assert program.stdout
        answered = program.stdout.readline()
        program.kill()
    assert not answered
    there.check_clean()


# draining


def test_a_drained_node_finishes_what_it_accepted_and_takes_nothing_new(net: Network) -> None:
    net.machine(path=DIRECT)
    told = net.script(
        "import time\n"
        "from pathlib import Path\n"
        "from threading import Thread\n"
        "n = start_node('w1', host='db1')\n"
        f"go = Path({str(net.home.folder / 'go')!r})\n"
        "def outer():\n    return call(lambda: 6 * 7)\n"
        "def slow():\n    while not go.exists(): time.sleep(0.01)\n    return outer()\n"
        "running = task(slow, on=n)\n"
        "while running.status != 'running': time.sleep(0.01)\n"
        "ending = Thread(target=lambda: stop_node(n, drain=30))\n"
        "ending.start()\n"
        "try:\n    while True: call(lambda: 1, on=n)\n"
        "except NodeDown as error:\n    print(error.reason, error.executed)\n"
        "go.touch()\n"
        "print(running.result())\n"
        "ending.join()\n"
        "print(n.state)\n"
    )
    assert told.splitlines() == ["draining no", "42", "down"]


def test_what_has_not_begun_when_the_time_is_up_is_told_so(net: Network) -> None:
    net.machine(path=DIRECT)
    told = net.script(
        "import os, time\n"
        "n = start_node('w1', host='db1')\n"
        "ts = [task(time.sleep, 60, on=n) for _ in range(os.cpu_count() + 3)]\n"
        "while not any(t.status == 'running' for t in ts): time.sleep(0.01)\n"
        "stop_node(n, drain=0.5)\n"
        "print(sorted({(type(t.exception()).__name__, t.exception().executed) for t in ts}))\n"
    )
    assert told == f"{[('TaskCancelled', 'no'), ('TaskCancelled', 'yes')]}\n"
