"""Nodes of hosts that have a network between them, and are reached by SSH alone."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import until
from tests.system.lab import Host, Lab, lab_in


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with lab_in(tmp_path) as lab:
        yield lab


@pytest.fixture
def pair(lab: Lab) -> tuple[Host, Host]:
    """A laptop without an sshd, and a server that it knows as db1, where node w1 runs."""
    laptop, server = lab.host("laptop", "office"), lab.host("server", "office")
    server.serve(laptop)
    laptop.knows("db1", server, "office")
    server.home.node("w1@db1")
    return laptop, server


def ok(host: Host, code: str) -> str:
    done = host.home.script(code)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_node_that_cannot_dial_back_is_reached_all_the_same(pair: tuple[Host, Host]) -> None:
    laptop, server = pair
    assert laptop.server is None
    code = """
import os
n = connect("w1@db1")
here = node().name
def there():
    return os.environ["HOME"], call(lambda: os.environ["HOME"], on=here)  # and from there to here
print(*call(there, on=n))
"""
    assert ok(laptop, code).split() == [str(server.home.folder), str(laptop.home.folder)]


def test_a_host_behind_a_bastion_is_reached_through_it_and_not_otherwise(lab: Lab) -> None:
    laptop, bastion = lab.host("laptop", "outside"), lab.host("bastion", "outside", "inside")
    server = lab.host("server", "inside")
    bastion.serve(laptop)
    server.serve(laptop)
    laptop.knows("gate", bastion, "outside")
    laptop.knows("db1", server, "inside")
    laptop.knows("db2", server, "inside", ProxyJump="gate")
    server.home.node("w1@db1")
    code = """
import time
begun = time.monotonic()
try:
    connect("w1@db1")
except ConnectError as error:
    print(error.stage, time.monotonic() - begun < 3)
print(call(lambda: 1, on=connect("w1@db1", via="gate")))
disconnect("w1@db1")
print(call(lambda: 2, on=connect("w1@db2")))
"""
    assert ok(laptop, code).split() == ["tcp", "True", "1", "2"]
    assert bastion.server is not None
    assert "Accepted publickey" in bastion.server.log  # once or twice: the connection to a hop is shared


@pytest.mark.parametrize("transport", ["asyncssh", "openssh"])
def test_a_host_that_is_silent_is_given_up_and_said_so(pair: tuple[Host, Host], transport: str) -> None:
    laptop, server = pair
    server.unplug("office")
    begun = time.monotonic()
    done = laptop.home.script(f'connect("w1@db1", transport="{transport}")', timeout=40)
    assert done.returncode == 1
    assert "[tcp]" in done.stderr
    assert "Nothing ran." in done.stderr
    assert time.monotonic() - begun < 20
    server.plug("office")


def test_a_cable_that_is_out_for_a_while_is_a_pause(pair: tuple[Host, Host]) -> None:
    laptop, server = pair
    laptop.home.node("n1@laptop")

    def ask(code: str) -> str:
        return laptop.home.pysh("rpc", "n1", "-c", code).stdout.strip()

    ask("import pysh, time; n = pysh.connect('w1@db1'); t = pysh.task(lambda: time.sleep(4) or 42, on=n)")
    server.unplug("office")
    until(lambda: ask("n.state") == "'suspect'", "the silence to be noticed", 8)
    server.plug("office")
    assert ask("t.result(20)") == "42"
    until(lambda: ask("n.state") == "'up'", "its return")


MOVING = """
import pysh, threading, time
n = pysh.connect('w1@db1')
monitor_nodes()

def echo(main):
    while (number := receive()) is not None:
        send(main, number)

def pour():
    global sent
    for sent in range(100_000):
        send(process, sent)
        if over:
            return
        time.sleep(0.005)

over = False
process = spawn(echo, me(), on=n)
threading.Thread(target=pour).start()
t = task(lambda: time.sleep(10) or 42, on=n)
"""


def test_P2_a_laptop_that_gets_another_address_goes_on_where_it_was(lab: Lab) -> None:
    laptop, server = lab.host("laptop", "office"), lab.host("server", "office")
    server.serve(laptop, ClientAliveInterval="1", ClientAliveCountMax="2")  # else it keeps the old connection for hours
    laptop.knows("db1", server, "office")
    server.home.node("w1@db1")
    laptop.home.node("n1@laptop")

    def ask(code: str) -> str:
        done = laptop.home.pysh("rpc", "n1", "-c", code, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    ask(MOVING)
    began = time.monotonic()
    laptop.move("office")
    until(lambda: ask("n.state") == "'suspect'", "the silence to be noticed", 8)
    print(f"suspect after {time.monotonic() - began:.1f} s")
    until(lambda: ask("n.state") == "'up'", "its return", 50)  # the grace is 60 s
    print(f"back after {time.monotonic() - began:.1f} s")
    assert ask("t.result(20)") == "42"
    ask("over = True")
    assert ask("[receive(int, timeout=30) for _ in range(sent + 1)] == list(range(sent + 1))") == "True"
    assert int(ask("sent")) > 1000
    with pytest.raises(AssertionError, match="TimeoutError"):
        ask("receive(timeout=0)")  # no number twice, and no node was down
