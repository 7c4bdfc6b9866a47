"""Erlang and Elixir beside pysh: their names need a daemon, which ends with the benchmark here."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DEADLINE = 5.0
LOOPBACK = ["--erl", "-kernel inet_dist_use_interface {127,0,0,1}"]
ERPC = ["elixir", "--sname", "here@localhost", "--cookie", "bench", *LOOPBACK, str(Path(__file__).with_suffix(".exs"))]
"""A contestant like those of `contestants`."""
IEX = ["iex", "--sname", "bench@localhost", "--cookie", "bench", *LOOPBACK]


def there() -> bool:
    """Whether this machine has them."""
    return all(map(shutil.which, ("iex", "elixir", "epmd")))


@contextmanager
def names() -> Iterator[None]:
    """Run epmd on a port of our own, for all that is started meanwhile; nothing where there is no Erlang."""
    if not there():
        yield
        return
    port = _free_port()
    os.environ |= {"ERL_EPMD_PORT": str(port), "ERL_EPMD_ADDRESS": "127.0.0.1"}
    with subprocess.Popen(["epmd"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as daemon:
        try:
            _answers(port)
            yield
        finally:
            daemon.terminate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _answers(port: int) -> None:
    until = time.monotonic() + DEADLINE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
