"""A connect over SSH in which somebody is killed: whoever waits for it is told, and nothing half-made stays."""

import fcntl
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest

from tests.proxy import BACK, Proxy
from tests.system.conftest import PYSH, Machines, until

HUB, CARRIER, MASTER, PROBE = "pysh.runtime.hub", "pysh.transports.carrier", "ControlMaster=yes", "zlib"
VICTIMS = {"hub": HUB, "carrier": CARRIER, "master": MASTER}
STAGES = {"hostkey": ["hub", "carrier"], "find": ["hub", "carrier"], "cookie": ["hub", "carrier", "far"],
          "relay": ["hub", "carrier", "far"]}  # fmt: skip
CASES = [
    (transport, stage, victim)
    for stage, victims in STAGES.items()
    for transport, of_it in (("asyncssh", victims), ("openssh", [victims[0], "master"]))
    for victim in of_it
]
CONNECT = """
try:
    connect("w1@db1", transport={!r})
    print("connected", flush=True)
except (ConnectError, NodeDown) as error:
    print("failed", flush=True)
import sys
sys.stdin.read()
"""


def running(word: str, processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those of `processes` that live and have `word` in their command line."""
    found = []
    for process in processes:
        with suppress(psutil.Error):
            found += [process] if word in " ".join(process.cmdline()) else []
    return found


class Going:
    """A connect from here to w1@db1 that cannot get past `stage`."""

    def __init__(self, both: Machines, stage: str) -> None:
        self.both = both
        self.stage = stage
        both.here.environ["TMPDIR"] = str(both.place.sockets)
        self.server = both.sshd(LogLevel="DEBUG1", AllowStreamLocalForwarding="no" if stage == "relay" else "yes")
        both.there.node("w1@db1")
        [self.far] = [psutil.Process(node["pid"]) for node in both.there.nodes()]

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """While this lasts."""
        if self.stage == "hostkey":  # the server's answers are lost on the way
            with Proxy(None, self.server.port) as self.proxy:
                self.proxy.stall(BACK)
                self.both.place.home.host("db1", {"HostName": "127.0.0.1", "Port": self.proxy.port})
                yield
        elif self.stage == "find":  # who looks for nodes there waits for the directory's lock
            with (self.both.there.runtime / ".lock").open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        else:  # the node there answers nothing
            self.far.suspend()
            yield
            with suppress(psutil.NoSuchProcess):
                self.far.resume()

    def is_there(self) -> bool:
        """Whether it got to its stage."""
        if self.stage == "hostkey":
            return self.proxy.connected
        if self.stage == "cookie":
            return "direct_streamlocal" in self.server.log
        begun = self.server.log.count("Starting session: command")
        return begun > (self.stage == "relay") and bool(running(PROBE, self.sessions()))

    def sessions(self) -> list[psutil.Process]:
        """What the sshd runs."""
        found = []
        for pid in self.server.sessions():
            with suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(pid))
        return found

    def victims(self, who: str) -> list[psutil.Process]:
        return [self.far] if who == "far" else running(VICTIMS[who], self.both.here.processes())


@pytest.mark.parametrize(("transport", "stage", "victim"), CASES)
def test_whoever_is_killed_nothing_half_made_stays(both: Machines, transport: str, stage: str, victim: str) -> None:
    going = Going(both, stage)
    command = [*PYSH, "-c", CONNECT.format(transport)]
    options = {"env": both.here.environ, "cwd": both.here.folder, "text": True}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options) as program:
        assert program.stdin
        assert program.stdout
        with going.held_up():
            until(going.is_there, f"the stage {stage}")
            for process in until(lambda: going.victims(victim), f"the {victim}"):
                process.send_signal(signal.SIGKILL)
            assert program.stdout.readline() == "failed\n"
        until(lambda: not running(MASTER, both.here.processes()), "the end of each ssh process", 5)
        until(lambda: not going.sessions(), "the end of what the sshd ran", 5)
        program.stdin.close()
    until(lambda: not both.here.processes(), "the end of all that ran here", 5)
    assert list(both.place.sockets.iterdir()) == []
    assert both.here.nodes() == []  # who looks next removes what a killed hub left
    assert [file.name for file in both.here.runtime.iterdir()] == [".lock"]
