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
    first.close()  # before the answer is read
    second = await coming
    assert second is not first
    assert (await second.run("echo here")).stdout == b"here\n"
    second.close()
    await until(lambda: not descendants(server.pid))


async def test_who_was_named_a_connection_and_has_not_run_since_keeps_it(there: Place, carrier: Carrier) -> None:
    server = there.sshd().process
    assert server
    first = await carrier.connect("db1")
    coming = asyncio.create_task(carrier.connect("db1"))
    await asyncio.sleep(0)
    answered(carrier)
    asyncio.get_running_loop().call_later(0, first.close)  # after the answer is read, before who asked runs
    second = await coming
    assert (second is first, second.uses, second.lost.done()) == (True, 1, False)
    assert (await second.run("echo here")).stdout == b"here\n"
    second.close()
    await until(lambda: not descendants(server.pid))


async def test_who_is_cancelled_with_the_answer_at_hand_keeps_nothing(there: Place, carrier: Carrier) -> None:
    server = there.sshd().process
    assert server
    first = await carrier.connect("db1")
    coming = asyncio.create_task(carrier.connect("db1"))
    await asyncio.sleep(0)
    answered(carrier)
    asyncio.get_running_loop().call_later(0, coming.cancel)
    await asyncio.gather(coming, return_exceptions=True)
    assert first.uses == 1
    first.close()
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
    first.close()
    await until(lambda: not descendants(server.pid))
