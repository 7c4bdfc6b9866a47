"""One contestant a process: `python -m benchmarks.contestants NAME` reads the name of a piece of work
a line from stdin, does one sample of it and answers with one number a line.

call: microseconds of one call, the median of a few hundred.  tasks: tasks a second.  bulk: MB a second.
"""

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from statistics import median

CALLS = 300
TASKS = 5000
BIG = os.urandom(64 << 20)
MB = len(BIG) / 1e6
Work = dict[str, Callable[[], float]]


def timed(do: Callable[[], object]) -> float:
    """Seconds that `do` takes."""
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def calls(one: Callable[[int], object]) -> float:
    """The median of `CALLS` calls, in microseconds."""
    return median(timed(lambda i=i: one(i)) for i in range(CALLS)) * 1e6  # type: ignore[misc]


def inc(x: int) -> int:
    return x + 1


@contextlib.contextmanager
def pysh_() -> Iterator[Work]:
    """Two nodes on this machine, connected through their Unix sockets."""
    import pysh

    with tempfile.TemporaryDirectory(prefix="pysh-bench-") as folder:
        os.environ["PYSH_RUNTIME_DIR"] = folder
        command = [
            sys.executable,
            "-m",
            "pysh",
            "node",
            "--name",
            "there@localhost",
            "--cookie",
            "bench",
            "--detach",
        ]
        subprocess.run(command, check=True)
        try:
            with pysh.start(name="here@localhost", cookie="bench"):
                there = pysh.connect("there@localhost")

                def tasks() -> None:
                    asked = [pysh.task(inc, i, on=there) for i in range(TASKS)]
                    assert [t.result() for t in asked] == list(range(1, TASKS + 1))

                def bulk() -> None:
                    assert pysh.call(lambda data: len(data), BIG, on=there) == len(BIG)

                digest = pysh.call(lambda data: hashlib.sha256(data).hexdigest(), BIG, on=there)
                assert digest == hashlib.sha256(BIG).hexdigest()
                yield {
                    "call": lambda: calls(lambda i: pysh.call(lambda: i, on=there)),
                    "tasks": lambda: TASKS / timed(tasks),
                    "bulk": lambda: MB / timed(bulk),
                }
        finally:
            subprocess.run([sys.executable, "-m", "pysh", "stop", "there@localhost", "--cookie", "bench"], check=True)


@contextlib.contextmanager
def rpyc_() -> Iterator[Work]:
    """A threaded server in another process: no isolation, no authentication."""
    import rpyc

    code = (
        "from rpyc.utils.server import ThreadedServer; from rpyc import SlaveService\n"
        "s = ThreadedServer(SlaveService, hostname='127.0.0.1', port=0); print(s.port, flush=True); s.start()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        connection = rpyc.classic.connect("127.0.0.1", int(server.stdout.readline()))
        connection.execute("def inc(x): return x + 1")
        remote = connection.namespace["inc"]
        later = rpyc.async_(remote)

        def tasks() -> None:
            asked = [later(i) for i in range(TASKS)]
            assert [a.value for a in asked] == list(range(1, TASKS + 1))

        try:
            yield {
                "call": lambda: calls(remote),
                "tasks": lambda: TASKS / timed(tasks),
            }
        finally:
            connection.close()
            server.kill()


@contextlib.contextmanager
def execnet_() -> Iterator[Work]:
    """One gateway over pipes: no ids, no status, no cancel."""
    import execnet

    gateway = execnet.makegateway("popen")
    loop = "while 1:\n    x = channel.receive()\n    channel.send(len(x) if isinstance(x, bytes) else x + 1)\n"
    channel = gateway.remote_exec(loop)

    def one(value: object) -> object:
        channel.send(value)
        return channel.receive()

    def tasks() -> None:
        for i in range(TASKS):
            channel.send(i)
        assert [channel.receive() for _ in range(TASKS)] == list(range(1, TASKS + 1))

    try:
        yield {
            "call": lambda: calls(one),
            "tasks": lambda: TASKS / timed(tasks),
            "bulk": lambda: MB / timed(lambda: one(BIG)),
        }
    finally:
        gateway.exit()
        execnet.default_group.terminate(1.0)


@contextlib.contextmanager
def dask_() -> Iterator[Work]:
    """A local cluster of one worker process with one thread."""
    import dask
    from distributed import Client, LocalCluster

    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"})
    cluster = LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50)
    client = Client(cluster)

    def tasks() -> None:
        assert client.gather(client.map(inc, range(TASKS), pure=False)) == list(range(1, TASKS + 1))

    try:
        yield {
            "call": lambda: calls(lambda i: client.submit(lambda: i, pure=False).result()),
            "tasks": lambda: TASKS / timed(tasks),
            "bulk": lambda: MB / timed(lambda: client.submit(len, BIG, pure=False).result()),
        }
    finally:
        client.close()
        cluster.close()


CONTESTANTS = {"pysh": pysh_, "rpyc": rpyc_, "execnet": execnet_, "dask": dask_}


def main() -> None:
    """Answer until stdin ends."""
    with CONTESTANTS[sys.argv[1]]() as work:
        answers = os.fdopen(os.dup(1), "w", buffering=1)
        print("ready", file=answers)
        for line in sys.stdin:
            print(work[line.strip()](), file=answers)


if __name__ == "__main__":
    main()
