"""The hub's carrier, over a real sshd: shared, given back, ended when idle, and started anew."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pysh.runtime.hub import kept
from pysh.runtime.hub.carriers import Carriers
from pysh.runtime.protocol.addresses import Way
from pysh.transports.base import TransportError
from tests.sshd import Sshd, alive, descendants, free_port, place, until

WAY = Way()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    with place(tmp_path) as made:
        yield made.sshd("db1")


@pytest.fixture
async def ssh(server: Sshd) -> AsyncIterator[Carriers]:
    made = Carriers(2, b"cookie")
    yield made
    await made.close()
    await until(lambda: not carriers_of_this_process())


def carriers_of_this_process() -> list[int]:
    """The pids of our carriers."""
    found = []
    for pid in descendants(os.getpid()):
        if alive(pid) and b"pysh.transports.carrier" in Path(f"/proc/{pid}/cmdline").read_bytes():
            found.append(pid)
    return found


async def test_a_connection_ends_with_the_last_who_needs_it(ssh: Carriers, server: Sshd) -> None:
    one, shared = await ssh.connect("db1", WAY)
    assert not shared
    two, shared = await ssh.connect("db1", WAY)
    assert two is one
    assert shared
    ssh.release(one)
    assert (await two.run("echo here")).stdout == b"here\n"
    ssh.release(two)
    await until(lambda: not server.sessions())
    assert len(carriers_of_this_process()) == 1


async def test_what_is_given_back_is_never_handed_out_again(ssh: Carriers, server: Sshd) -> None:
    for _ in range(10):
        connection, shared = await ssh.connect("db1", WAY)
        assert not shared
        running = asyncio.create_task(ssh.connect("db1", WAY))
        await asyncio.sleep(0)
        ssh.release(connection)
        again, _ = await running
        assert (await again.run("echo here")).stdout == b"here\n"
        ssh.release(again)


async def test_an_idle_carrier_ends_and_the_next_connection_starts_another(
    ssh: Carriers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "IDLE", 0.05)
    with pytest.raises(TransportError):
        await ssh.connect(f"127.0.0.1:{free_port()}", WAY)
    await until(lambda: not carriers_of_this_process())
    connection, _ = await ssh.connect("db1", WAY)
    assert (await connection.run("sleep 0.2; echo here")).stdout == b"here\n"
    ssh.release(connection)
    await until(lambda: not carriers_of_this_process())


async def test_a_carrier_that_was_killed_is_replaced(ssh: Carriers) -> None:
    connection, _ = await ssh.connect("db1", WAY)
    [pid] = carriers_of_this_process()
    os.kill(pid, signal.SIGKILL)
    assert "the carrier is gone" in await connection.lost
    ssh.release(connection)
    connection, shared = await ssh.connect("db1", WAY)
    assert not shared
    assert (await connection.run("echo here")).stdout == b"here\n"
    ssh.release(connection)


async def test_one_that_is_given_up_ends_for_all_and_is_shared_no_more(ssh: Carriers, server: Sshd) -> None:
    one, _ = await ssh.connect("db1", WAY)
    two, _ = await ssh.connect("db1", WAY)
    ssh.give_up(one)
    assert two.lost.done()
    ssh.release(two)
    connection, shared = await ssh.connect("db1", WAY)
    assert not shared
    ssh.release(connection)
