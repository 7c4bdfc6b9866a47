"""The control socket: whole messages, descriptors with the right ones, an end that is told once."""

import asyncio
import os
import socket
from collections.abc import Iterator

import pytest

from pysh.transports.control import MAX_LINE, Facts, Message, Wire
from tests.sshd import until


class End:
    """One wire, and what came over it."""

    def __init__(self, sock: socket.socket) -> None:
        self.received: list[tuple[Message, list[int]]] = []
        self.ended: list[str] = []
        self.wire = Wire(sock, lambda message, fds: self.received.append((message, fds)), self.ended.append)


@pytest.fixture
async def ends() -> Iterator[tuple[End, End]]:
    one, other = (End(sock) for sock in socket.socketpair())
    yield one, other
    for end in (one, other):
        end.wire.close()
        for _, fds in end.received:
            for fd in fds:
                os.close(fd)


async def test_messages_arrive_whole_and_in_order_whatever_their_size(ends: tuple[End, End]) -> None:
    one, other = ends
    sent: list[Message] = [{"text": "x" * (300_000 * (number % 3))} for number in range(9)]
    for message in sent:
        one.wire.send(message)
    await until(lambda: len(other.received) == 9)
    assert [message for message, _ in other.received] == sent


async def test_descriptors_come_with_their_message_and_work(ends: tuple[End, End]) -> None:
    one, other = ends
    for number in range(20):
        one.wire.send({"number": number, "padding": "x" * 50_000})
        with socket.socket() as _:
            source, sink = os.pipe()
            os.write(sink, b"%d" % number)
            one.wire.send({"number": number}, source)
            os.close(source)
            os.close(sink)
    await until(lambda: len(other.received) == 40)
    for message, fds in other.received:
        assert len(fds) == (0 if "padding" in message else 1)
        for fd in fds:
            assert os.read(fd, 10) == b"%d" % message["number"]


async def test_the_end_is_told_once_and_sending_then_is_no_error(ends: tuple[End, End]) -> None:
    one, other = ends
    one.wire.close()
    await until(lambda: other.ended)
    other.wire.send({"anybody": "there"})
    await asyncio.sleep(0)
    assert other.ended == ["the other end is gone"]
    assert one.ended == []


@pytest.mark.parametrize("nonsense", [b"no json\n", b"[]\n", b"{}\n", b'{"fds": 1}\n', b'{"fds": "x"}\n', b"\xff\n"])
async def test_nonsense_ends_the_conversation(nonsense: bytes) -> None:
    ours, theirs = socket.socketpair()
    end = End(theirs)
    with ours:
        ours.sendall(nonsense)
        await until(lambda: end.ended)
    assert end.received == []


async def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    ours, theirs = socket.socketpair()
    end = End(theirs)
    with ours:
        ours.setblocking(False)
        with pytest.raises(OSError, match="pipe"):
            for _ in range(MAX_LINE // 1000):
                await asyncio.get_running_loop().sock_sendall(ours, b"x" * 10_000)
    assert "longer than" in end.ended[0]


def test_a_fingerprint_gives_the_hash_of_the_key() -> None:
    facts = Facts("h", 22, "u", "", "asyncssh", "known_hosts", "ssh-ed25519", "SHA256:" + "A" * 43, {})
    assert facts.key_hash == bytes(32)
