"""A connection that is given back just when the carrier's answer names it to somebody else."""

import asyncio
import select

from pysh.transports.tunnels import Carrier
from tests.sshd import Place, descendants, until


def answered(carrier: Carrier) -> None:
    """Wait, with the loop standing still, until an answer of the carrier is there and nobody has read it."""
    assert select.select([carrier._wire._sock], [], [], 10)[0]


async def test_who_is_about_to_get_a_connection_gets_one_that_lives(there: Place, carrier: Carrier) -> None:
    server = there.sshd().process
    assert server
    first = await carrier.connect("db1")
    coming = asyncio.create_task(carrier.connect("db1"))
    await asyncio.sleep(0)
    answered(carrier)
    closing = asyncio.create_task(first.close())  # runs before the answer is read
    second = await coming
    await closing
    assert second is not first
    assert (await second.run("echo here")).stdout == b"here\n"
    await second.close()
    await until(lambda: not descendants(server.pid))


async def test_an_answer_for_which_nobody_waits_keeps_no_connection(there: Place, carrier: Carrier) -> None:
    server = there.sshd().process
    assert server
    first = await carrier.connect("db1")
    coming = asyncio.create_task(carrier.connect("db1"))
    await asyncio.sleep(0)
    answered(carrier)
    coming.cancel()
    await asyncio.gather(coming, return_exceptions=True)
    assert (await first.run("echo here")).stdout == b"here\n"
    await first.close()
    await until(lambda: not descendants(server.pid))
