"""What goes over SSH: nodes that a stock sshd on loopback stands between, beside the ssh binary."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psutil

from benchmarks.work import BIG, busy_calls, calls, megabytes, timed
from tests.sshd import Place, Sshd, missing, place

HOSTS = 12
Sample = Callable[[], float]
SCP: list[str] = []
PYSH = [sys.executable, "-m", "pysh"]


def there() -> bool:
    """Whether there is an sshd to measure with."""
    return not missing()


@contextlib.contextmanager
def takes() -> Iterator[dict[str, dict[str, Sample]]]:
    """For each row the contestants, as long as the server and the two nodes live."""
    folder = Path(tempfile.mkdtemp(prefix="pysh-bench-"))
    try:
        with place(folder / "here") as made:
            yield from _joined(folder, made)
    finally:
        shutil.rmtree(folder)


def _joined(folder: Path, made: Place) -> Iterator[dict[str, dict[str, Sample]]]:
    import pysh

    cookie = folder / "cookie"
    cookie.touch(0o600)
    cookie.write_text("bench\n")
    env = {"PYSH_COOKIE_FILE": str(cookie), "PYSH_RUNTIME_DIR": str(folder / "there")}
    server = made.sshd(SetEnv="PYSH_RUNTIME_DIR=" + env["PYSH_RUNTIME_DIR"], Subsystem="sftp internal-sftp")
    for number in range(HOSTS):
        made.home.host(f"h{number}", {"HostName": "127.0.0.1", "Port": server.port})
    os.environ |= {**env, "PYSH_RUNTIME_DIR": str(folder / "run")}
    away = {**os.environ, **env}
    node = [*PYSH, "node", "--name", "w1@db1", "--detach"]
    subprocess.run(node, check=True, env=away, stdout=sys.stderr)
    try:
        with pysh.start(name="here@localhost"):
            SCP.extend(["scp", "-q", "-S", shutil.which("ssh") or "ssh"])  # the one that knows the hosts of this home
            yield _rows(Bench(server, pysh.connect("w1@db1")))
    finally:
        subprocess.run([*PYSH, "stop", "w1"], check=True, env=away, stdout=sys.stderr)


def _rows(bench: "Bench") -> dict[str, dict[str, Sample]]:
    return {
        "ssh connect": {"pysh": bench.connect},
        "ssh start": {"pysh": bench.start},
        "ssh twelve": {"pysh": bench.twelve},
        "ssh hub": {"pysh": bench.hub},
        "ssh carrier": {"pysh": bench.carrier},
        "ssh call": {"pysh": lambda: calls(bench.one)},
        "ssh bulk": {"pysh": lambda: megabytes(bench.move), "ssh": ssh_bulk},
        "ssh put": {"pysh": bench.put, "scp": bench.scp_there},
        "ssh get": {"pysh": bench.get, "scp": bench.scp_here},
        "ssh sh": {"pysh": bench.sh},
        "ssh busy call": {"pysh": lambda: busy_calls(bench.one, bench.move)},
    }


def ssh_true() -> float:
    """Milliseconds of `ssh db1 true`."""
    return timed(lambda: subprocess.run(["ssh", "db1", "true"], check=True, stdin=subprocess.DEVNULL)) * 1e3


def ssh_bulk() -> float:
    """MB/s of the same bytes through the ssh binary alone."""
    command = ["ssh", "-c", "aes128-gcm@openssh.com", "db1", "cat >/dev/null"]
    return len(BIG) / 1e6 / timed(lambda: subprocess.run(command, input=BIG, check=True))


class Bench:
    """Takes the samples; `node` is the one behind the server, connected."""

    def __init__(self, server: Sshd, node: "pysh.Node") -> None:  # noqa: F821
        self._server = server
        self._node = node
        self._file, self._there = server.home / "copied", server.home / "copy"
        self._names = (f"s{number}" for number in count())

    def connect(self) -> float:
        """Milliseconds of `connect`, beyond those of `ssh db1 true`."""
        import pysh

        pysh.disconnect("w1@db1")
        taken = timed(lambda: pysh.connect("w1@db1")) * 1e3
        return taken - ssh_true()

    def start(self) -> float:
        """Milliseconds of starting a node where nothing is installed, beyond those of `ssh db1 true`."""
        import pysh

        shutil.rmtree(self._server.home / ".cache", ignore_errors=True)
        pysh.disconnect("w1@db1")  # so that no SSH connection is there yet
        name = next(self._names)
        taken = timed(lambda: pysh.start_node(name, host="db1")) * 1e3
        pysh.stop_node(name)
        pysh.connect("w1@db1")
        return taken - ssh_true()

    def twelve(self) -> float:
        """Seconds of starting a node on each of twelve hosts, side by side."""
        import pysh

        taken, results = self._twelve()
        for node in results.ok:
            pysh.stop_node(node)
        return taken

    def hub(self) -> float:
        """Megabytes that only the hub has, with twelve nodes behind as many SSH connections."""
        return self._with_twelve("pysh.runtime.hub")

    def carrier(self) -> float:
        """Megabytes that only its carrier has then."""
        return self._with_twelve("pysh.transports.carrier")

    def one(self, i: int) -> object:
        """One call of a fresh lambda."""
        import pysh

        return pysh.call(lambda: i, on="w1@db1")

    def move(self) -> object:
        """64 MiB there."""
        import pysh

        return pysh.call(lambda data: len(data), BIG, on="w1@db1")

    def put(self) -> float:
        """Seconds of a file of 256 MiB to there."""
        return self._copied(lambda: self._node.put(self._file, self._there))

    def get(self) -> float:
        """Seconds of the same from there."""
        return self._copied(lambda: self._node.get(self._file, self._there))

    def scp_there(self) -> float:
        """Seconds of `scp FILE db1:`."""
        return self._copied(lambda: subprocess.run([*SCP, self._file, f"db1:{self._there}"], check=True))

    def scp_here(self) -> float:
        """Seconds of `scp db1:FILE .`."""
        return self._copied(lambda: subprocess.run([*SCP, f"db1:{self._file}", self._there], check=True))

    def _copied(self, copy: Callable[[], object]) -> float:
        if not self._file.exists():
            self._file.write_bytes(BIG * 4)
        self._there.unlink(missing_ok=True)
        return timed(copy)

    def sh(self) -> float:
        """Milliseconds of `true` on twelve nodes."""
        import pysh

        _, results = self._twelve()
        nodes = list(results.ok)
        pysh.sh("true", on=nodes)
        taken = timed(lambda: pysh.sh("true", on=nodes)) * 1e3
        for node in nodes:
            pysh.stop_node(node)
        return taken

    def _twelve(self) -> tuple[float, "pysh.Results"]:  # noqa: F821
        import pysh

        name, made = next(self._names), []
        taken = timed(lambda: made.append(pysh.start_nodes([f"h{n}" for n in range(HOSTS)], name=name)))
        made[0].raise_first()
        return taken, made[0]

    def _with_twelve(self, module: str) -> float:
        import pysh

        _, results = self._twelve()
        time.sleep(0.5)
        family = psutil.Process().children(recursive=True)
        [found] = [process for process in family if module in process.cmdline()]
        private = found.memory_full_info().uss / 1e6
        for node in results.ok:
            pysh.stop_node(node)
        return float(private)
