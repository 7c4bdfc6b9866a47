"""What every transport promises, tested on each of them: the fake is as good as the real ones."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal

import pytest

from pysh.transports import memory, stdio, unix
from pysh.transports.base import Stream, TransportError
from pysh.transports.tunnels import Carrier
from tests.sshd import place

Pair = tuple[Stream, Stream]
BIG = os.urandom(1 << 20) * 4
KERNEL = 4 << 20
"""More than the buffers of kernels, of both ends and of an sshd between them."""


async def memory_pair(folder: Path, stack: AsyncExitStack) -> Pair:
    return memory.pair()


async def delayed_memory_pair(folder: Path, stack: AsyncExitStack) -> Pair:
    return memory.pair(memory.Link(0.002), memory.Link(0.001))


async def unix_pair(folder: Path, stack: AsyncExitStack) -> Pair:
    listener = await unix.listen(str(folder / "s"))
    near, far = await asyncio.gather(unix.connect(str(folder / "s")), listener.accept())
    await listener.close()
    return near, far


async def pipe_pair(folder: Path, stack: AsyncExitStack) -> Pair:
    (there, to_there), (here, to_here) = os.pipe(), os.pipe()
    return await stdio.connect(here, to_there), await stdio.connect(there, to_here)


async def one_socket_pair(folder: Path, stack: AsyncExitStack) -> Pair:
    """As sshd connects its command: standard input and output are one socket."""
    one, other = socket.socketpair()
    ends = [(sock.fileno(), os.dup(sock.detach())) for sock in (one, other)]
    return await stdio.connect(*ends[0]), await stdio.connect(*ends[1])


async def two_sockets_pair(folder: Path, stack: AsyncExitStack) -> Pair:
    (there, to_there), (here, to_here) = socket.socketpair(), socket.socketpair()
    near = await stdio.connect(here.detach(), to_there.detach())
    return near, await stdio.connect(there.detach(), to_here.detach())


async def asyncssh_socket_pair(folder: Path, stack: AsyncExitStack) -> Pair:
    """Through a stock sshd, which connects to the far end's socket itself."""
    return await ssh_pair(folder, stack, "asyncssh", relayed=False)


async def asyncssh_relay_pair(folder: Path, stack: AsyncExitStack) -> Pair:
    """Through a stock sshd that starts a command which does so."""
    return await ssh_pair(folder, stack, "asyncssh", relayed=True)


async def openssh_socket_pair(folder: Path, stack: AsyncExitStack) -> Pair:
    return await ssh_pair(folder, stack, "openssh", relayed=False)


async def openssh_relay_pair(folder: Path, stack: AsyncExitStack) -> Pair:
    return await ssh_pair(folder, stack, "openssh", relayed=True)


async def ssh_pair(
    folder: Path, stack: AsyncExitStack, transport: Literal["asyncssh", "openssh"], *, relayed: bool
) -> Pair:
    there = stack.enter_context(place(folder))
    there.sshd()
    carrier = await Carrier.start(str(there.home.own_known_hosts), log=2)
    stack.push_async_callback(carrier.close)
    path = str(folder / "s")
    listener = await unix.listen(path)
    stack.push_async_callback(listener.close)
    connection = await carrier.connect("db1", transport=transport)
    way = {"command": f"exec {sys.executable} -IS {RELAY} {path}"} if relayed else {"path": path}
    passage, far = await asyncio.gather(connection.stream(**way), listener.accept())
    return await unix.stream_over(passage.sock, "db1"), far


RELAY = Path(__file__).with_name("relay.py")
MAKERS: list[Callable[[Path, AsyncExitStack], Awaitable[Pair]]] = [
    memory_pair, delayed_memory_pair, unix_pair, pipe_pair, one_socket_pair, two_sockets_pair,
    asyncssh_socket_pair, asyncssh_relay_pair, openssh_socket_pair, openssh_relay_pair,
]  # fmt: skip


@pytest.fixture(params=MAKERS, ids=lambda maker: maker.__name__)
async def streams(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    async with asyncio.timeout(20), AsyncExitStack() as stack:
        pair = await request.param(tmp_path, stack)
        yield pair
        for stream in pair:
            await stream.close()


async def read_exactly(stream: Stream, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := await stream.read()):
        data += more
    return data


async def read_to_the_end(stream: Stream) -> bytes:
    data = b""
    while more := await stream.read():
        data += more
    return data


async def raised(awaitable: Awaitable[object]) -> str:
    """The stage of the error that `awaitable` ends with."""
    with pytest.raises(TransportError) as caught:
        await awaitable
    return caught.value.stage


async def test_what_one_end_writes_the_other_reads(streams: Pair) -> None:
    near, far = streams
    await near.write(b"hello ", bytearray(b"far "), memoryview(b"end"))
    assert await read_exactly(far, 13) == b"hello far end"
    await far.write(b"and back")
    assert await read_exactly(near, 8) == b"and back"


async def test_end_of_stream_reads_as_empty_bytes_again_and_again(streams: Pair) -> None:
    near, far = streams
    await near.write(b"last words")
    await near.close()
    assert await read_to_the_end(far) == b"last words"
    assert await far.read() == b""


async def test_many_small_writes_keep_their_order(streams: Pair) -> None:
    near, far = streams
    words = [b"%d " % number for number in range(3000)]

    async def write() -> None:
        for word in words:
            await near.write(word)
        await near.close()

    _, read = await asyncio.gather(write(), read_to_the_end(far))
    assert read == b"".join(words)


async def test_a_big_write_arrives_whole_while_the_other_end_writes_as_much(streams: Pair) -> None:
    near, far = streams
    half = len(BIG) // 2
    _, _, there, back = await asyncio.gather(
        near.write(BIG[:half], memoryview(BIG)[half:]),
        far.write(BIG),
        read_exactly(far, len(BIG)),
        read_exactly(near, len(BIG)),
    )
    assert there == BIG
    assert back == BIG


async def test_writes_of_several_tasks_are_not_mixed(streams: Pair) -> None:
    near, far = streams
    pieces = [bytes([65 + number]) * 50_000 for number in range(8)]
    writes = [asyncio.create_task(near.write(piece[:9], piece[9:])) for piece in pieces]
    read = await read_exactly(far, 400_000)
    await asyncio.gather(*writes)
    assert sorted(read[at : at + 50_000] for at in range(0, 400_000, 50_000)) == pieces


async def test_a_writer_whose_reader_sleeps_is_held_back_and_nothing_is_lost(streams: Pair) -> None:
    near, far = streams
    piece = BIG[: 64 * 1024]
    written = 0

    async def write() -> None:
        nonlocal written
        for _ in range(2 * KERNEL // len(piece)):
            await near.write(piece)
            written += len(piece)

    writer = asyncio.create_task(write())
    await settled(lambda: written)
    assert not writer.done()
    assert written < KERNEL
    assert await read_exactly(far, 2 * KERNEL) == piece * (2 * KERNEL // len(piece))
    await writer


async def settled(progress: Callable[[], int]) -> None:
    """Wait until `progress()` stays the same over many turns of the loop, timers included."""
    before, still = -1, 0
    while still < 50:
        still = still + 1 if progress() == before else 0
        before = progress()
        await asyncio.get_running_loop().run_in_executor(None, os.sched_yield)


async def test_a_cancelled_write_was_sent_whole_all_the_same(streams: Pair) -> None:
    near, far = streams
    writer = asyncio.create_task(near.write(BIG))
    await asyncio.sleep(0)
    writer.cancel()
    await asyncio.wait([writer])
    assert await read_exactly(far, len(BIG)) == BIG


async def test_a_cancelled_read_takes_nothing(streams: Pair) -> None:
    near, far = streams
    reader = asyncio.create_task(far.read())
    await asyncio.sleep(0)
    reader.cancel()
    await asyncio.wait([reader])
    await near.write(b"still here")
    assert await read_exactly(far, 10) == b"still here"


async def test_closing_wakes_a_read_that_waits_and_says_who_closed(streams: Pair) -> None:
    near, _ = streams
    reader = asyncio.create_task(near.read())
    await asyncio.sleep(0)
    await near.close()
    assert await raised(reader) == "closed"


async def test_closing_wakes_a_write_that_waits(streams: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pysh.transports.streams.CLOSE_GRACE", 0.05)
    near, _ = streams
    writer = asyncio.create_task(near.write(BIG))
    await asyncio.sleep(0)
    await near.close()
    assert await raised(writer) == "closed"


async def test_a_closed_end_neither_reads_nor_writes_and_closes_twice(streams: Pair) -> None:
    near, far = streams
    await far.write(b"unread")
    await near.close()
    await near.close()
    assert await raised(near.read()) == "closed"
    assert await raised(near.write(b"x")) == "closed"


async def test_writing_to_an_end_that_is_gone_is_told_at_last(streams: Pair) -> None:
    near, far = streams
    await far.close()

    async def write_for_ever() -> None:
        while True:
            await near.write(b"anybody there?")
            await asyncio.sleep(0)

    assert await raised(write_for_ever()) == "cut"


async def test_a_writer_that_waits_is_told_when_its_reader_goes(streams: Pair) -> None:
    near, far = streams
    writer = asyncio.create_task(near.write(BIG))
    await far.read()
    await far.close()
    assert await raised(writer) == "cut"


async def test_an_end_that_went_reads_as_the_end_or_as_cut_never_hangs(streams: Pair) -> None:
    near, far = streams
    await near.write(b"never read")
    await far.close()
    try:
        assert await near.read() == b""
    except TransportError as error:
        assert error.stage == "cut"


async def test_its_looks_name_the_peer(streams: Pair) -> None:
    near, _ = streams
    assert str(near.peer.address) in repr(near)
