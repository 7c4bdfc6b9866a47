"""A connection that is given back just when the carrier's answer names it to somebody else."""

import asyncio
import select

from pysh.transports.tunnels import Carrier, Connection
from tests.sshd import Place, descendants, until


async def about_to_share(there: Place, carrier: Carrier) -> tuple[int, Connection, asyncio.Task[Connection]]:
    """A server, a connection to it, and who is about to get that as well: its answer is there, and nobody read it."""
    server = there.sshd().pid
    first = await carrier.connect("db1")
    coming = asyncio.create_task(carrier.connect("db1"))
    await asyncio.sleep(0)
    # The loop stands still from here until the caller waits for something.
    assert select.select([carrier._wire._sock], [], [], 10)[0]
    return server, first, coming


async def test_who_is_about_to_get_a_connection_gets_one_that_lives(there: Place, carrier: Carrier) -> None:
    server, first, coming = await about_to_share(there, carrier)
    first.close()  # before the answer is read
    second = await coming
    assert second is not first
    assert (await second.run("echo here")).stdout == b"here\n"
    second.close()
    await until(lambda: not descendants(server))


async def test_who_was_named_a_connection_and_has_not_run_since_keeps_it(there: Place, carrier: Carrier) -> None:
    server, first, coming = await about_to_share(there, carrier)
    asyncio.get_running_loop().call_later(0, first.close)  # after the answer is read, before who asked runs
    second = await coming
    assert (second is first, second.uses, second.lost.done()) == (True, 1, False)
    assert (await second.run("echo here")).stdout == b"here\n"
    second.close()
    await until(lambda: not descendants(server))


async def test_who_is_cancelled_with_the_answer_at_hand_keeps_nothing(there: Place, carrier: Carrier) -> None:
    server, first, coming = await about_to_share(there, carrier)
    asyncio.get_running_loop().call_later(0, coming.cancel)
    await asyncio.gather(coming, return_exceptions=True)
    assert first.uses == 1
    first.close()
    await until(lambda: not descendants(server))


async def test_an_answer_for_which_nobody_waits_keeps_no_connection(there: Place, carrier: Carrier) -> None:
    server, first, coming = await about_to_share(there, carrier)
    coming.cancel()
    await asyncio.gather(coming, return_exceptions=True)
    assert (await first.run("echo here")).stdout == b"here\n"
    first.close()
    await until(lambda: not descendants(server))
