"""What strangers may send before they have proved anything: mutated by the hundred thousand, and to no avail.

Nothing raises, nobody is trusted, nothing is unpickled and nothing is kept. `--soak N` sends N times as many.
"""

import asyncio
import ctypes
import gc
import hashlib
import os
import pickle
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from pysh.runtime.protocol.frames import pack
from pysh.runtime.protocol.handshake import PREFACE, SPAKE2, Handshake, HandshakeError, Work
from pysh.runtime.vendor import cloudpickle  # type: ignore[attr-defined]
from pysh.transports import sshd
from pysh.transports.base import TransportError
from pysh.transports.gate import Gate
from pysh.transports.interactive import Server
from pysh.transports.pake import Desk, compute
from tests.protocol.talk import FAR, NEAR, SUITES, Talk, acceptor, dialler, message, toy
from tests.sshd import until

MESSAGES = 100_000
SECONDS = 8.0
"""For those inputs that reach the arithmetic of SPAKE2, 25 ms each, in an ordinary run."""
ARITHMETIC = 1000
"""How many do so for each `--soak`."""
LOGINS = 300
GROWTH = 2 << 20
"""Bytes that the process may have grown by from the first tenth of a run to its end."""

Seeded = random.Random


@pytest.fixture(autouse=True)
def nothing_is_unpickled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever tries fails the test."""

    def loads(*_: object, **__: object) -> None:
        raise AssertionError("somebody unpickles what a stranger sent")

    for module in (pickle, cloudpickle):
        for name in ("loads", "load"):
            monkeypatch.setattr(module, name, loads)
    monkeypatch.setattr(pickle, "Unpickler", loads)


@pytest.fixture
def times(request: pytest.FixtureRequest) -> int:
    """How many times as much as in an ordinary run."""
    number: int = request.config.getoption("soak")
    return number


class Growth:
    """Watches this process's memory over the steps of a run, and says what it came to."""

    def __init__(self, steps: int) -> None:
        self._tenth, self._steps, self._first = max(1, steps // 10), steps, 0

    def __iter__(self) -> Iterator[int]:
        for step in range(self._steps):
            if step == self._tenth:
                self._first = resident()
            yield step
        grown = resident() - self._first
        print(f"{self._steps} steps; grown by {grown / 2**10:.0f} KiB from the first tenth to the last")
        assert grown <= GROWTH, f"{grown / 2**20:.1f} MiB in {self._steps} steps"


def resident() -> int:
    """The bytes of this process that are in memory, but for what the allocator has of no use to anybody."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def mutated(data: bytes, chance: Seeded) -> bytes:
    """`data`, changed in one of the ways in which a stranger may."""
    at, size = chance.randrange(len(data) + 1), chance.choice((1, 2, 3, 8, 64))
    match chance.randrange(7):
        case 0:
            changed = bytearray(data)
            for _ in range(size):
                changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            return bytes(changed)
        case 1:
            return data[:at]
        case 2:
            return data[:at] + data[at + size :]
        case 3:
            return data[:at] + chance.randbytes(size) + data[at:]
        case 4:
            return data[:at] + data[at : at + size] * chance.randrange(2, 20) + data[at + size :]
        case 5:
            return data[:at] + chance.randbytes(size) + data[at + size :]
    return data[:at] + chance.choice((b"\xff", b"\0", b"\xdd\xff\xff\xff\xff", b"\xc1", b"\x80\x04")) + data[at + 1 :]


def remade(piece: bytes, chance: Seeded) -> bytes:
    """`piece` with one of its messages mutated inside, so that its length is true again and it is read."""
    start = PREFACE if piece.startswith(PREFACE) else b""
    rest, messages = piece[len(start) :], []
    while rest:
        size = int.from_bytes(rest[1:3])
        messages.append((rest[0], rest[3 : 3 + size]))
        rest = rest[3 + size :]
    at = chance.randrange(len(messages))
    messages[at] = messages[at][0], mutated(messages[at][1], chance)[:0xFFFF]
    return start + b"".join(message(kind, body) for kind, body in messages)


def conversations() -> list[tuple[bool, list[bytes]]]:
    """What either end says to the other, in its pieces, with each suite."""
    found: list[tuple[bool, list[bytes]]] = []
    for suite in SUITES:
        talk = Talk(dialler(suite=suite), acceptor())
        for dialling in (True, False):
            said = talk.said[dialling]
            found.append((dialling, [said[:-37], said[-37:]]))
    return found


def converse(end: Handshake, pieces: list[bytes], do: Callable[[Work], tuple[bytes, bytes]]) -> None:
    """Say `pieces` to `end`, and compute what it asks for."""
    for piece in pieces:
        answer(end, do)
        end.receive_data(piece, 1.0)
    answer(end, do)
    end.data_to_send()


def answer(end: Handshake, do: Callable[[Work], tuple[bytes, bytes]]) -> None:
    if (work := end.take_work()) is not None:
        try:
            end.work_done(*do(work), 1.0)
        except (ValueError, TransportError) as error:
            end.work_failed("malformed", str(error))


def spoken_to(dialling: bool, suite: int) -> Handshake:
    """The end that hears what a dialler, or an acceptor, said once, in a conversation that is over."""
    if dialling:
        return acceptor(FAR._replace(nonce=b"w" * 32), entropy=b"fuzz" * 8)
    if suite == SPAKE2:
        return dialler(NEAR._replace(nonce=b"w" * 32), suite=suite, entropy=b"fuzz" * 8)
    return dialler(NEAR._replace(nonce=b"w" * 32))


def is_nothing(end: Handshake) -> None:
    """It trusts nobody, and what it says of an error can be shown on any terminal."""
    assert not end.done
    assert (end.peer, end.rest) == (None, b"")
    if end.error is not None:
        assert isinstance(end.error, HandshakeError)
        assert str(end.error).isprintable()


def no_work(work: Work) -> tuple[bytes, bytes]:
    """A share and a key of the right shape, at once: the arithmetic has a test of its own."""
    return work.side.encode() + bytes(32), hashlib.sha256(work.theirs).digest() if work.theirs else b""


def changed(pieces: list[bytes], chance: Seeded) -> list[bytes]:
    """`pieces` with a change in one of them at least."""
    while True:
        made = [chance.choice((mutated, remade, lambda same, _: same))(piece, chance) for piece in pieces]
        if made != pieces:
            return made


def test_a_hundred_thousand_mutated_messages_open_nothing(times: int) -> None:
    chance = Seeded(2)
    said = conversations()
    for step in Growth(MESSAGES * times):
        dialling, pieces = said[step % len(said)]
        pieces = changed(pieces, chance)
        if chance.random() < 0.1:  # what belongs to another conversation, or in another place
            pieces.insert(chance.randrange(3), chance.choice(chance.choice(said)[1]))
        end = spoken_to(dialling, SUITES[step % len(said) // 2])
        converse(end, pieces, no_work)
        is_nothing(end)


def test_mutated_shares_get_nowhere_in_the_arithmetic(times: int) -> None:
    """In this process, so that its memory tells: an ordinary run has a few seconds for it, a soak counts them all."""
    chance, until, count, keys = Seeded(3), time.monotonic() + SECONDS, 0, 0

    def computed(work: Work) -> tuple[bytes, bytes]:
        nonlocal count, keys
        assert work.theirs == bytes(other)
        count += 1
        made = compute(*work)
        keys += 1
        return made

    share = compute("A", b"a cookie", b"near" * 8)[0]
    hello = next(pieces[0] for dialling, pieces in conversations()[2:] if dialling)[:-38]
    for step in Growth(ARITHMETIC * times):
        if times == 1 and time.monotonic() > until:
            break
        other = bytearray(share if step % 2 else b"A" + chance.randbytes(32))
        for _ in range(step % 3):
            other[chance.randrange(33)] ^= 1 << chance.randrange(8)
        end = acceptor(entropy=chance.randbytes(32))
        end.receive_data(hello + message(4, pack(bytes(other))), 1.0)
        answer(end, computed)
        end.receive_data(message(2, pack(chance.randbytes(32))), 1.0)
        is_nothing(end)
        assert end.error is not None
    print(f"{count} shares reached the arithmetic, and {keys} of them made a key")
    assert count > 50 if times == 1 else count == ARITHMETIC * times
    assert 0 < keys < count


async def test_mutated_answers_to_a_challenge_prove_nothing(times: int) -> None:
    async def computed(side: str, entropy: bytes, theirs: bytes) -> tuple[bytes, bytes]:
        return toy(side, b"a cookie", entropy, theirs)

    chance = Seeded(4)
    alphabet = "AQgw" * 11 + "=\n\0é%"
    for _ in Growth(10_000 * times):
        server = Server(computed, "me", b"k" * 32)
        with suppress(TransportError, ValueError):
            for _ in range(4):
                texts = ["".join(chance.choices(alphabet, k=chance.choice((0, 4, 44, 45, 300))))]
                await server.challenge(texts * chance.choice((0, 1, 1, 1, 2)))
        assert not server.proved


class Recorder(asyncio.Protocol):
    """Between a client and the server: passes on what the client says, and keeps it."""

    def __init__(self, place: tuple[str, int], change: Callable[[bytes, int], bytes]) -> None:
        self._place, self._change, self._number = place, change, 0

    def connection_made(self, transport: Any) -> None:
        self.client = transport
        self.client.pause_reading()
        self.task = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        self.server, _ = await loop.create_connection(lambda: Back(self.client), *self._place)
        self.client.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._number += 1
        self.server.write(self._change(data, self._number))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.task.done() and not self.task.cancelled() and not self.task.exception():
            self.server.close()


class Back(asyncio.Protocol):
    """The way back, unchanged."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._client.close()


async def test_mutated_ssh_packets_let_nobody_in_and_the_server_lives_on(tmp_path: Path, times: int) -> None:
    """Up to the key exchange a change is in the clear; behind it no packet fits any more."""
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    place = sock.getsockname()
    came: list[object] = []
    server = sshd.Port(
        sock, sshd.host_key(str(tmp_path / "host_key")), authorized="", secret=b"a cookie", desk=Desk(),
        came=lambda *who: came.append(who), gate=Gate(most=10**9, each=10**9, remembered=0),
    )  # fmt: skip
    chance = Seeded(5)

    def change(data: bytes, number: int) -> bytes:
        return mutated(data, chance) if chance.random() < 0.5 else data

    relay = await asyncio.get_running_loop().create_server(lambda: Recorder(place, change), "127.0.0.1", 0)
    through = relay.sockets[0].getsockname()
    for _ in Growth(LOGINS * times):
        with suppress(asyncssh.Error, OSError, TimeoutError, ValueError):
            async with asyncio.timeout(0.25):
                connection = await asyncssh.connect(
                    *through, known_hosts=None, config=None, client_keys=None, agent_path=None, username="me",
                    password="a cookie", kex_algs=["curve25519-sha256"],
                )  # fmt: skip
                connection.abort()
                pytest.fail("somebody got in")
    assert came == []
    reader, writer = await asyncio.open_connection(*place)
    assert (await reader.readline()).startswith(b"SSH-2.0-pysh")
    writer.close()
    relay.close()
    server.close()
    await until(lambda: len(asyncio.all_tasks()) == 1)
