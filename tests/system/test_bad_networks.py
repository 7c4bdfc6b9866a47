"""Two nodes, an sshd between them, and a network that is slow, mute, rude or bends bytes: by either means of SSH."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.proxy import BACK, THERE, Proxy
from tests.system.conftest import Machines, until
from tests.system.test_outages import start

BEAT = 0.2
"""Seconds; a node is suspect after 2.5 and its connection given up after 7.5 times as many."""


class Way:
    """From n1 here to n2 there, by `transport`, through a proxy before the sshd."""

    def __init__(self, both: Machines, transport: str) -> None:
        self.here = both.here
        server = both.sshd()
        self.proxy = Proxy(None, server.port)
        both.place.home.host("db1", {"HostName": "127.0.0.1", "Port": self.proxy.port, "HostKeyAlias": server.name})
        start(both.there, "n2", beat=BEAT)
        start(both.here, "n1", beat=BEAT)
        self.ask(f"import pysh; n2 = pysh.connect('n2@db1', transport={transport!r})")

    def ask(self, source: str) -> str:
        """What `source` gives in the shell of n1."""
        done = self.here.pysh("rpc", "n1", "-c", source, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def state(self) -> str:
        return self.ask("n2.state").strip("'")


@pytest.fixture(params=["asyncssh", "openssh"])
def way(both: Machines, request: pytest.FixtureRequest) -> Iterator[Way]:
    made = Way(both, request.param)
    with made.proxy:
        yield made


ONE_WAY = pytest.mark.parametrize("way", ["asyncssh"], indirect=True)
"""For what the hubs see to, whatever carries their bytes."""

COUNTED = """
import os, threading, time
def echo(main):
    while (what := pysh.receive()) != "stop":
        pysh.send(main, what)
def count(size):
    "Sends 1,500 numbered messages there, and checks what comes back; how many that were."
    p = pysh.spawn(echo, pysh.me(), on=n2)
    def sending():
        for number in range(1500):
            pysh.send(p, (number, os.urandom(size)))
            time.sleep(0.002)
    threading.Thread(target=sending).start()
    for number in range(1500):
        assert pysh.receive(timeout=30)[0] == number
    pysh.send(p, "stop")
    return number + 1
"""


@ONE_WAY
def test_one_way_is_mute(way: Way) -> None:
    """A black hole on one way, then on the other: suspect in time, a pause and no loss."""
    for direction in (THERE, BACK):
        before = way.proxy.connections
        way.ask("import time; t = pysh.task(lambda: time.sleep(1) or 42, on=n2)")
        way.proxy.stall(direction)
        until(lambda: way.state() == "suspect", "n2 to be suspect", 6)
        until(lambda before=before: way.proxy.connections > before, "another attempt", 15)  # type: ignore[misc]
        way.proxy.stall(direction, on=False)
        until(lambda: way.state() == "up", "n2 to be back", 25)
        assert way.ask("t.result(20)") == "42"


def counted(way: Way, trouble: Callable[[int], object]) -> None:
    """Numbered messages there and back all come, once and in order, though `trouble` ends each connection of theirs."""
    way.ask(f"{COUNTED}\nt = pysh.task(count, 1000)")
    for direction in (THERE, BACK):
        before = way.proxy.connections
        trouble(direction)
        until(lambda before=before: way.proxy.connections > before, "another connection", 10)  # type: ignore[misc]
        until(lambda: way.state() == "up", "n2 to be back", 20)
    assert way.ask("t.result(30)") == "1500"


def test_connections_are_reset(way: Way) -> None:
    counted(way, lambda _: way.proxy.reset())


@ONE_WAY
def test_bits_change_on_the_way(way: Way) -> None:
    counted(way, way.proxy.flip)


@ONE_WAY
def test_a_line_is_narrow_and_long(way: Way) -> None:
    """What is large takes its time and comes whole; that is no outage, and what is small comes in between."""
    way.proxy.rate, way.proxy.latency = 1_000_000, 0.02
    way.ask("import hashlib, os, time; data = os.urandom(3 << 20)")
    way.ask("t = pysh.task(lambda d: hashlib.sha256(d).hexdigest(), data, on=n2)")
    begun, states, calls = time.monotonic(), set(), 0
    while way.ask("t.done()") == "False":
        states.add(way.state())
        assert way.ask("pysh.call(lambda: 6 * 7, on=n2)") == "42"
        calls += 1
    assert time.monotonic() - begun > 2
    assert way.ask("t.result() == hashlib.sha256(data).hexdigest()") == "True"
    assert (states, calls > 1) == ({"up"}, True)
