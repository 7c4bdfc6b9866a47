"""The peers that are Python: the same work, done by others. Each yields what it can do of it."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.work import BIG, TASKS, Work, calls, inc, megabytes, tasks_a_second


@contextlib.contextmanager
def rpyc_() -> Iterator[Work]:
    """A threaded server in another process: no isolation, no authentication."""
    import rpyc

    code = (
        "from rpyc.utils.server import ThreadedServer; from rpyc import SlaveService\n"
        "s = ThreadedServer(SlaveService, hostname='127.0.0.1', port=0); print(s.port, flush=True); s.start()"
    )
    words = [sys.executable, "-c", code]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server, contextlib.ExitStack() as stack:
        stack.callback(server.kill)
        assert server.stdout is not None
        port = int(server.stdout.readline())
        connection = stack.enter_context(
            contextlib.closing(_once_it_listens(lambda: rpyc.classic.connect("127.0.0.1", port)))
        )
        connection.execute("def inc(x): return x + 1")
        remote = connection.namespace["inc"]
        later = rpyc.async_(remote)

        def tasks(count: int) -> list[int]:
            return [asked.value for asked in [later(i) for i in range(count)]]

        yield {"call": lambda: calls(remote), "tasks": lambda: tasks_a_second(tasks)}


def _once_it_listens(connect: Callable[[], Any]) -> Any:
    """What `connect` returns: a server has its port before it listens there."""
    until = time.monotonic() + 5
    while True:
        try:
            return connect()
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)


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

    def tasks(count: int) -> list[int]:
        for i in range(count):
            channel.send(i)
        return [channel.receive() for _ in range(count)]

    try:
        yield {
            "call": lambda: calls(one),
            "tasks": lambda: tasks_a_second(tasks),
            "bulk": lambda: megabytes(lambda: one(BIG)),
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

    def one(i: int) -> object:
        return client.submit(lambda: i, pure=False).result()

    def tasks(count: int) -> list[int]:
        return client.gather(client.map(inc, range(count), pure=False))

    try:
        yield {
            "call": lambda: calls(one, 30),
            "tasks": lambda: tasks_a_second(tasks, TASKS // 20),
            "bulk": lambda: megabytes(lambda: client.submit(len, BIG, pure=False).result()),
        }
    finally:
        client.close()
        cluster.close()


@contextlib.contextmanager
def ray_() -> Iterator[Work]:
    """A local cluster of one worker."""
    import ray

    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    remote, size = ray.remote(inc), ray.remote(lambda data: len(data))

    def tasks(count: int) -> list[int]:
        return ray.get([remote.remote(i) for i in range(count)])

    try:
        yield {
            "call": lambda: calls(lambda i: ray.get(remote.remote(i))),
            "tasks": lambda: tasks_a_second(tasks),
            "bulk": lambda: megabytes(lambda: ray.get(size.remote(BIG))),
        }
    finally:
        ray.shutdown()


PEERS: dict[str, Callable[[], contextlib.AbstractContextManager[Work]]] = {
    "rpyc": rpyc_,
    "execnet": execnet_,
    "dask": dask_,
    "ray": ray_,
}
