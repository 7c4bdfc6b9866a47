"""SPAKE2: the library's and the toy of the handshake's tests do the same, and strangers wait in line."""

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pysh.transports import pake
from pysh.transports.base import TransportError
from pysh.transports.pake import Desk, compute, confirmation
from pysh.transports.tunnels import Carrier
from tests.protocol.talk import toy

Compute = Callable[..., tuple[bytes, bytes]]
both = pytest.mark.parametrize("compute", [compute, toy], ids=["spake2", "toy"])


@both
def test_two_sides_with_one_password_make_one_key(compute: Compute) -> None:
    near, far = (compute(side, b"password", side.encode() * 32)[0] for side in "AB")
    assert compute("A", b"password", b"A" * 32, far) == (near, compute("B", b"password", b"B" * 32, near)[1])


@both
def test_another_password_or_other_entropy_makes_another_key(compute: Compute) -> None:
    near = compute("A", b"password", b"A" * 32)[0]
    keys = {compute("B", secret, chance, near)[1] for secret in (b"password", b"other") for chance in (b"x", b"y")}
    assert len(keys) == 4
    assert compute("A", b"password", b"A" * 32, compute("B", b"other", b"x")[0])[1] not in keys


@both
def test_a_share_has_33_bytes_and_hides_the_password(compute: Compute) -> None:
    shares = {compute("A", b"password", os.urandom(32))[0] for _ in range(3)}
    assert len(shares) == 3
    assert {(share[:1], len(share)) for share in shares} == {(b"A", pake.SHARE_BYTES)}


@both
@pytest.mark.parametrize(
    "theirs", [b"x", b"A" + bytes(32), b"S" + bytes(32), b"B" + bytes(31), b"B" + bytes(32), b"B" + b"\xff" * 32]
)
def test_what_the_other_side_cannot_have_sent_is_refused(compute: Compute, theirs: bytes) -> None:
    with pytest.raises((TransportError, ValueError)) as caught:
        compute("A", b"password", b"A" * 32, theirs)
    if isinstance(caught.value, TransportError):
        assert caught.value.stage == "malformed"


ORDERS = [1, 2**255 - 20, 0, 2707385501144840649318225287225658788936804267575313519463743609750303021]


@pytest.mark.parametrize("y", ORDERS)
@pytest.mark.parametrize("sign", [0, 1 << 255])
def test_a_point_of_small_order_makes_no_key(y: int, sign: int) -> None:
    """Else the key would be one of eight, whatever the password."""
    with pytest.raises(TransportError):
        compute("A", b"password", b"A" * 32, b"B" + (y | sign).to_bytes(32, "little"))


def test_our_own_share_handed_back_makes_no_key() -> None:
    near = compute("A", b"password", b"A" * 32)[0]
    for theirs in (near, b"B" + near[1:]):
        with pytest.raises(TransportError):
            compute("A", b"password", b"A" * 32, theirs)


def test_without_the_library_it_is_said_that_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "spake2", None)
    with pytest.raises(TransportError, match="SPAKE2 is missing") as caught:
        compute("A", b"password", b"A" * 32)
    assert caught.value.stage == "hostkey"


def test_a_confirmation_is_of_one_side_one_key_and_just_these_parts() -> None:
    shown = {
        confirmation(key, side, *parts)
        for key in (b"k" * 32, b"l" * 32)
        for side in "AB"
        for parts in ((b"ab", b"c"), (b"a", b"bc"), (b"abc",))
    }
    assert len(shown) == 12


class Slow:
    """Stands in for the arithmetic: each computation waits until it is told to end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began: list[bytes] = []
        self.may = threading.Semaphore(0)
        monkeypatch.setattr(pake, "compute", self)

    def __call__(self, side: str, secret: bytes, entropy: bytes, theirs: bytes) -> tuple[bytes, bytes]:
        self.began.append(entropy)
        assert self.may.acquire(timeout=10)
        return entropy, b""


async def test_each_source_has_one_under_way_and_a_short_line(monkeypatch: pytest.MonkeyPatch) -> None:
    slow, desk = Slow(monkeypatch), Desk(most=6, each=3)

    def ask(source: str, number: int) -> "asyncio.Task[tuple[bytes, bytes]]":
        return asyncio.create_task(desk.compute(source, "B", b"", f"{source}{number}".encode()))

    tasks = [ask("x", number) for number in range(3)] + [ask("y", 0)]
    await asyncio.sleep(0)
    with pytest.raises(TransportError, match="too many") as caught:
        await desk.compute("x", "B", b"", b"one too many")
    assert caught.value.stage == "busy"
    tasks += [ask("z", 0), ask("v", 0)]
    await asyncio.sleep(0)
    with pytest.raises(TransportError, match="too many"):
        await desk.compute("w", "B", b"", b"too many in all")
    tasks += [ask("", number) for number in range(2)]
    await asyncio.sleep(0)
    for _ in tasks:
        slow.may.release()
    await asyncio.gather(*tasks)
    # The first of each source go before the second of any.
    assert slow.began[:5] == [b"x0", b"y0", b"z0", b"v0", b"0"]
    assert sorted(slow.began[5:]) == [b"1", b"x1", b"x2"]
    slow.may.release()
    assert await desk.compute("x", "B", b"", b"again") == (b"again", b"")


async def test_a_carrier_computes_it_and_says_why_not(carrier: Carrier) -> None:
    near, _ = await carrier.spake2("A", b"cookie", b"A" * 32)
    far, key = await carrier.spake2("B", b"cookie", b"B" * 32, near, source="somebody")
    assert (await carrier.spake2("A", b"cookie", b"A" * 32, far)) == (near, key)
    with pytest.raises(TransportError) as caught:
        await carrier.spake2("A", b"cookie", b"A" * 32, near)
    assert caught.value.stage == "malformed"
    secret = os.urandom(8).hex().encode()
    await carrier.spake2("A", secret, b"A" * 32)
    shown = b"".join(Path(f"/proc/{carrier.pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
    assert secret not in shown
