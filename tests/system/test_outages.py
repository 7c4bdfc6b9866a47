"""Two nodes and a bad connection between them: an outage is a pause, and nothing is lost or doubled."""

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import psutil
import pytest

from pysh.runtime.protocol.member import FAULTS
from tests.proxy import BACK, THERE, Proxy
from tests.sshd import Place, place
from tests.system.conftest import PYSH, Home, Screens, until

START = """
import json, sys
from pysh.runtime import config, launch
asked = json.loads(sys.argv[1])
asked |= {"cookie": config.read_cookie(None, None).hex(), "python": sys.executable, "persistent": True,
          "role": "headless", "python_version": "%d.%d" % sys.version_info[:2]}
told = launch.status(launch.start_hub(asked))
print(json.dumps(told))
"""


def start(home: Home, name: str, **settings: Any) -> dict[str, Any]:
    """Start a headless node with settings that no option has: `grace` (two numbers) and `beat`, in seconds."""
    asked = {"name": f"{name}@localhost", "cwd": str(home.folder), **settings}
    done = home.run([PYSH[0], "-c", START, json.dumps(asked)])
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


class Pair:
    """n1 and n2, connected through a proxy."""

    def __init__(self, home: Home, **settings: Any) -> None:
        self.home = home
        self.n1 = start(home, "n1", **settings)
        self.n2 = start(home, "n2", **settings)
        self.proxy = Proxy(home.folder / "proxy", self.n2["socket"])
        assert self.on_n1(f"connect({self.proxy.address!r}).name") == "'n2@localhost'"

    def on_n1(self, source: str, node: str = "n1") -> str:
        """What `source` gives in the shell of n1."""
        done = self.home.pysh("rpc", node, "-c", source, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def on_n2(self, source: str) -> str:
        """What `source` gives in the shell of n2."""
        return self.on_n1(source, "n2")

    def state(self, node: str = "n1") -> str:
        """What `node` thinks of the other."""
        return self.on_n1("[n.state for n in nodes()][1:]", node)


@pytest.fixture
def pair(home: Home) -> Iterator[Pair]:
    made = Pair(home, beat=0.2)
    with made.proxy:
        yield made


LOAD = """
import os, random, sys, threading

PROXY, STOP = sys.argv[1:]
LANES = range(4)
main = me()
n2 = connect(PROXY)

def made(number):
    "100 B to 1 MiB, 0.9 kB on the average: of all bytes as many travel in messages of 1 to 2 kB as of 100 to 200 kB."
    size = 1 / (random.random() / 100 + 1 / (1 << 20))
    return bytes([number % 251]) * int(size)

def check(expected, number, payload):
    assert number == expected, (number, expected)
    assert payload.count(number % 251) == len(payload), number

def source(main, lane):
    "Sends numbered messages until it is told to stop; then how many there were."
    number = 0
    while True:
        send(main, ("far", lane, number, made(number)))
        number += 1
        try:
            if number % 50 == 0:
                receive("stop", timeout=0)
                break
        except TimeoutError:
            pass
    send(main, ("sent", lane, number, b""))

def sink(main, lane):
    "Checks what comes, until the end; then how much there was."
    expected = 0
    while True:
        number, payload = receive()
        if payload is None:
            send(main, ("sunk", lane, expected, number))
            return
        check(expected, number, payload)
        expected += 1

sources = [spawn(source, main, lane, on=n2) for lane in LANES]
sinks = [spawn(sink, main, lane, on=n2) for lane in LANES]

def sending():
    number = 0
    while number % 50 or not os.path.exists(STOP):
        for sink in sinks:
            send(sink, (number, made(number)))
        number += 1
    for process in sinks:
        send(process, (number, None))
    for process in sources:
        send(process, "stop")

thread = threading.Thread(target=sending)
thread.start()
print("loaded", flush=True)
came, sent, sunk = [0] * len(LANES), {}, {}
while len(sent) < len(LANES) or len(sunk) < len(LANES):
    what, lane, number, payload = receive(timeout=60)
    if what == "far":
        check(came[lane], number, payload)
        came[lane] += 1
    elif what == "sent":
        sent[lane] = number
    else:
        sunk[lane] = number, payload
print(came == [sent[lane] for lane in LANES], all(got == of for got, of in sunk.values()))
print(sum(came), sum(got for got, _ in sunk.values()), flush=True)
"""


RATE = 2000
"""Messages a second, each way, that come at least while there is a connection."""


class Load:
    """A program that sends numbered messages both ways to the node at `address` and back, and checks them."""

    def __init__(self, home: Home, address: str) -> None:
        file, self.stop = home.folder / "load.pysh", home.folder / "stop"
        file.write_text(LOAD)
        self.process = subprocess.Popen(
            [*PYSH, str(file), address, str(self.stop)], env=home.environ, cwd=home.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "loaded\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    @property
    def ended(self) -> bool:
        """Whether it ended, which it does by itself only when something is wrong."""
        return self.process.poll() is not None

    def end(self) -> list[str]:
        """Stop it; what it found: whether all came, each way, and how many."""
        self.stop.touch()
        try:
            out, err = self.process.communicate(timeout=90)
        except subprocess.TimeoutExpired:
            self.process.kill()
            pytest.fail(f"it does not end: {self.process.communicate()}")
        assert self.process.returncode == 0, err
        return out.split()


@pytest.mark.longer(30 * 60)
def test_P1_P2_nothing_is_lost_or_doubled_by_cuts_under_load(
    home: Home, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    soaks = request.config.getoption("soak") > 1
    cuts, longest = (100, 12.0) if soaks else (12, 0.5)
    n2 = start(home, "n2")
    draw = random.Random(request.node.name)
    with Proxy(tmp_path / "proxy", n2["socket"]) as proxy, Load(home, proxy.address) as load:
        began, torn, cut_for = time.monotonic(), 0, 0.0
        for number in range(cuts):
            time.sleep(draw.uniform(0, longest / 3))
            cut_at, seconds = time.monotonic(), draw.uniform(longest / 120, longest)
            if number % 2:
                torn += proxy.tear(draw.choice((THERE, BACK)), seconds)
            else:
                proxy.cut(seconds)
            until(lambda: proxy.connected or load.ended, "another connection")
            assert not load.ended, load.process.communicate()
            cut_for += time.monotonic() - cut_at
        *whole, far, near = load.end()
        seconds = time.monotonic() - began
        print(f"{cuts} cuts, {torn} of them inside a frame, were {cut_for:.0f} of {seconds:.0f} s;")
        print(f"{far} messages came and {near} went, {int(far) / seconds:.0f} and {int(near) / seconds:.0f} a second")
        assert whole == ["True", "True"]
        assert torn == cuts // 2
        assert proxy.connections > cuts
        assert min(int(far), int(near)) > RATE * (seconds - cut_for)


class Tunnel:
    """An ssh that forwards the Unix socket `here` to the one at `there`, started anew whenever it ends."""

    def __init__(self, place: Place, here: Path, there: str) -> None:
        self.starts = 0
        self._command = [
            "ssh", "-F", str(place.home.config), "-N", "-o", "StreamLocalBindUnlink=yes",
            "-o", "ExitOnForwardFailure=yes", "-L", f"{here}:{there}", "db1",
        ]  # fmt: skip
        self._over = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        until(here.exists, "the tunnel")

    def _run(self) -> None:
        while not self._over:
            self.starts += 1
            self._ssh = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
            self._ssh.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._ssh.kill()
        self._thread.join()


def test_P2_a_bit_that_changed_on_the_way_ends_the_connection_and_reaches_nobody(home: Home, tmp_path: Path) -> None:
    n2, near = start(home, "n2"), tmp_path / "tunnel"
    with place(tmp_path / "ssh") as there:
        server = there.sshd()
        with Proxy(None, server.port) as proxy:
            there.home.host("db1", {"Port": proxy.port, "HostKeyAlias": server.name})
            with Tunnel(there, near, n2["socket"]) as tunnel, Load(home, f"unix:{near}") as load:
                for way in (THERE, BACK, THERE, BACK):
                    starts = tunnel.starts
                    proxy.flip(way)
                    until(lambda starts=starts: tunnel.starts > starts, "the end of the connection")
                assert load.end()[:2] == ["True", "True"]


def test_P2_a_task_outlives_the_connection_and_its_output_is_shown_once(pair: Pair) -> None:
    code = "import time\ndef work():\n    for i in range(10): print('line', i); time.sleep(0.1)\n    return 7\n"
    pair.on_n1(code)
    pair.on_n1("t = task(work, on='n2')")
    pair.proxy.cut(0.5)
    assert pair.on_n1("t.result(timeout=20)") == "7"
    assert pair.on_n1("t.output").count("line") == 10


def test_a_black_hole_is_suspect_in_time_given_up_and_dialled_anew(pair: Pair) -> None:
    until(lambda: pair.state() == "['up']", "n2 to be up")
    before = pair.proxy.connections
    for way in (THERE, BACK):
        pair.proxy.stall(way)
        until(lambda: pair.state() == "['suspect']", "n2 to be suspect", 5)
        until(lambda: pair.proxy.connections > before, "another attempt", 10)
        pair.proxy.stall(way, on=False)
        until(lambda: pair.state() == "['up']", "n2 to be back", 25)
    assert pair.on_n1("call(lambda: 6 * 7, on='n2')") == "42"


MONITOR = "monitor_nodes(); t = task(__import__('time').sleep, 60, on='n2')"
EVENT = "(lambda e: (str(e.node), e.state, e.reason))(receive(pysh.NodeEvent, timeout=20))"


def test_P3_P5_a_node_that_is_killed_is_down_at_once_and_once(pair: Pair) -> None:
    pair.on_n1(f"import pysh; {MONITOR}")
    began = time.monotonic()
    os.kill(pair.n2["pid"], signal.SIGKILL)
    assert pair.on_n1(EVENT) == "('n2@localhost', 'down', 'ended')"
    assert time.monotonic() - began < 5
    assert pair.on_n1("type(t.exception(timeout=5)).__name__") == "'NodeDown'"
    assert pair.on_n1("t.executed") in ("'maybe'", "'yes'")
    assert pair.on_n1("len([1 for _ in [0] if not pysh.nodes()[1:]])") == "1"


def test_P2_P3_past_the_grace_a_node_is_down_once_on_both_sides(home: Home) -> None:
    pair = Pair(home, beat=0.2, grace=[1.0, 1.0])
    with pair.proxy as proxy:
        pair.on_n1(f"import pysh; {MONITOR}")
        pair.on_n2("import pysh; monitor_nodes()")
        proxy.cut(3.0)
        assert pair.on_n1(EVENT) == "('n2@localhost', 'down', 'unreachable for 1 s')"
        assert pair.on_n2(EVENT) == "('n1@localhost', 'down', 'unreachable for 1 s')"
        assert pair.state("n2") == "[]"
        assert pair.on_n1("t.exception(timeout=5).executed") in ("'maybe'", "'yes'")
        assert pair.on_n1(f"connect({proxy.address!r}).name") == "'n2@localhost'"
        assert pair.on_n1(EVENT) == "('n2@localhost', 'up', '')"
        assert pair.on_n2(EVENT) == "('n1@localhost', 'up', '')"
        assert pair.on_n1("call(lambda: 6 * 7, on='n2')") == "42"


def test_P3_a_node_that_breaks_the_rules_again_and_again_is_down_once_and_with_the_reason(pair: Pair) -> None:
    pair.on_n1("import pysh; monitor_nodes()")
    pair.on_n2("import pysh; monitor_nodes()")
    for _ in range(FAULTS):
        until(lambda: pair.state() == "['up']", "n2 to be up")
        connections = pair.proxy.connections
        pair.proxy.put(BACK, b"\xff" * 96)
        until(lambda before=connections: pair.proxy.connections > before or pair.state() == "[]", "the end of it")  # type: ignore[misc]
    reason = "5 connections in a row broke the rules: a frame of 4294967295 bytes"
    for node, other in (("n1", "n2"), ("n2", "n1")):
        assert pair.on_n1(EVENT, node).startswith(f"('{other}@localhost', 'down', '{reason}")
        assert pair.state(node) == "[]"
    assert pair.on_n1(f"connect({pair.proxy.address!r}).name") == "'n2@localhost'"
    assert pair.on_n1(EVENT) == "('n2@localhost', 'up', '')"


def test_P2_a_hub_that_is_stopped_is_waited_for(pair: Pair) -> None:
    pair.on_n1("t = task(lambda: 'done', on='n2')")
    os.kill(pair.n2["pid"], signal.SIGSTOP)
    try:
        later = pair.on_n1("u = task(lambda: 'later', on='n2'); u.status")
        until(lambda: pair.state() == "['suspect']", "n2 to be suspect", 5)
        time.sleep(2)  # its connection is given up meanwhile
    finally:
        os.kill(pair.n2["pid"], signal.SIGCONT)
    assert later
    assert pair.on_n1("t.result(timeout=30), u.result(timeout=30)") == "('done', 'later')"


WORK = """
def work(seconds):
    for number in range(10):
        print('line', number)
        time.sleep(seconds / 10)
    return 'done'
"""


@pytest.mark.longer(15 * 60)
def test_P2_a_laptop_that_was_asleep_goes_on_and_shows_once_what_it_missed(
    home: Home, screens: Screens, request: pytest.FixtureRequest
) -> None:
    # Ten minutes, with the grace that there is where somebody sits; else both are scaled.
    soaks = request.config.getoption("soak") > 1
    seconds, settings = (600.0, {}) if soaks else (8.0, {"beat": 0.2, "grace": [4.0, 60.0]})
    pair = Pair(home, **settings)
    with pair.proxy:
        pair.on_n1(f"import time\n{WORK}")
        laptop = screens.open("attach", "n1")
        laptop.wait_for_end("n1@localhost[1]>")
        laptop.type(f"t = task(work, {seconds / 2}, on='n2')\r")
        laptop.wait(lambda: "n2 | line 0" in laptop.lines, "the first line")
        hub = psutil.Process(pair.n1["pid"])
        asleep = [psutil.Process(laptop.process.pid), hub, *hub.children(recursive=True)]
        for process in asleep:
            process.suspend()
        try:
            until(lambda: pair.state("n2") == "['suspect']", "n1 to be suspect", 8)
            time.sleep(seconds)  # what is tested is this long absence
            assert pair.state("n2") == "['suspect']"
        finally:
            for process in reversed(asleep):
                process.resume()
        laptop.type("t.result(30)\r")
        laptop.wait(lambda: "'done'" in laptop.lines, "the result", 40)
        assert [laptop.lines.count(f"n2 | line {number}") for number in range(10)] == [1] * 10


def test_leave_ends_the_connections_and_is_no_outage(pair: Pair) -> None:
    for node in ("n1", "n2"):
        pair.on_n1("import pysh; monitor_nodes()", node)
    pair.on_n1("leave()")
    assert pair.on_n1(EVENT) == "('n2@localhost', 'down', 'disconnected')"
    assert pair.on_n2(EVENT) == "('n1@localhost', 'down', 'disconnected')"
    assert pair.state("n1") == pair.state("n2") == "[]"
    assert pair.on_n1(f"connect({pair.proxy.address!r}).state") == "'up'"
    assert pair.on_n1(EVENT) == "('n2@localhost', 'up', '')"
    assert pair.on_n2(EVENT) == "('n1@localhost', 'up', '')"


def test_the_prompt_marks_a_silent_node_within_six_seconds_and_until_it_is_back(home: Home, screens: Screens) -> None:
    pair = Pair(home)
    with pair.proxy as proxy:
        shell = screens.open("attach", "n1")
        shell.wait_for_end("n1@localhost[1]>")
        shell.type("half_ty")
        shell.wait_for_end("n1@localhost[1]> half_ty")
        for way in (THERE, BACK):
            proxy.stall(way)
        shell.wait(lambda: shell.lines[-1] == "(n2 suspect) n1@localhost[1]> half_ty", "the mark", 6.0)
        shell.type("ped")
        for way in (THERE, BACK):
            proxy.stall(way, on=False)
        shell.wait_for_end("n2@localhost is back", "n1@localhost[1]> half_typed")


WAITS_FOR_ROOM = """
import os, sys, time
from pysh.runtime import messages
messages.ROOM_SECONDS = 0.3
n2 = connect(sys.argv[1])
def sink(go):
    while not os.path.exists(go): time.sleep(0.01)
    while receive() != "last": pass
p = spawn(sink, os.path.abspath("go"), on=n2, monitor=True)
try:
    while True: send(p, "more", full="error")
except MailboxFull:
    print("full", flush=True)
sys.stdin.readline()
open("go", "w").close()
send(p, "last")
print(receive(Down, timeout=30).reason)
"""


def test_P2_an_outage_does_not_count_as_a_mailbox_that_nobody_empties(home: Home, tmp_path: Path) -> None:
    n2, file = start(home, "n2"), home.folder / "room.pysh"
    file.write_text(WAITS_FOR_ROOM)
    with Proxy(tmp_path / "proxy", n2["socket"]) as proxy:
        command = [*PYSH, str(file), proxy.address]
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, env=home.environ, cwd=home.folder, text=True, **streams) as sender:
            assert sender.stdout is not None
            assert sender.stdout.readline() == "full\n"
            proxy.cut(1.5)
            out, err = sender.communicate("go on\n", timeout=40)
        assert (out, err) == ("normal\n", "")
