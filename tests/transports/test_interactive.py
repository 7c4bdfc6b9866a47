"""The cookie proved inside keyboard-interactive, as a dialogue without SSH around it."""

import base64

import pytest

from pysh.transports.base import TransportError
from pysh.transports.interactive import Client, Compute, Server
from tests.protocol.talk import toy


def compute(secret: bytes) -> Compute:
    async def computed(side: str, entropy: bytes, theirs: bytes) -> tuple[bytes, bytes]:
        try:
            return toy(side, secret, entropy, theirs)
        except ValueError as error:
            raise TransportError("malformed", "no share") from error

    return computed


def ends(theirs: bytes = b"cookie", user: str = "me", key: bytes = b"k" * 32) -> tuple[Client, Server]:
    return Client(compute(b"cookie"), "me", b"k" * 32), Server(compute(theirs), user, key)


async def talk(client: Client, server: Server, flip: int = -1, back: int = -1) -> list[str]:
    """What was said, until both are proved or one gives up; a bit of one answer or challenge may be flipped."""
    said: list[str] = []
    challenge = ""
    for step in range(3):
        answer = await client.answer([challenge])
        said.append(answer)
        challenge = await server.challenge([flipped(answer) if step == flip else answer])
        said.append(challenge)
        challenge = flipped(challenge) if step == back else challenge
    return said


def flipped(text: str) -> str:
    data = bytearray(base64.b64decode(text))
    data[-1] ^= 1
    return base64.b64encode(data).decode()


async def test_both_ends_prove_the_cookie_to_each_other() -> None:
    client, server = ends()
    said = await talk(client, server)
    assert (client.proved, server.proved) == (True, True)
    assert len(set(said)) == 5  # the last two are empty


@pytest.mark.parametrize("other", [{"theirs": b"another"}, {"user": "you"}, {"key": b"l" * 32}])
async def test_another_cookie_user_or_host_key_proves_nothing_to_either(other: dict[str, bytes]) -> None:
    client, server = ends(**other)  # type: ignore[arg-type]
    with pytest.raises(TransportError, match="the cookies differ") as caught:
        await talk(client, server)
    assert caught.value.stage == "cookie"
    assert (client.proved, server.proved) == (False, False)


@pytest.mark.parametrize(("flip", "back"), [(0, -1), (1, -1), (-1, 0), (-1, 1)])
async def test_any_changed_word_breaks_it(flip: int, back: int) -> None:
    client, server = ends()
    with pytest.raises(TransportError):
        await talk(client, server, flip, back)
    assert not client.proved
    assert not server.proved


async def test_the_client_proves_first_and_a_false_server_cannot_confirm() -> None:
    client, server = ends()
    share = await server.challenge([await client.answer([""])])
    shown = await client.answer([share])
    for false in (shown, "", "AAAA"):
        with pytest.raises(TransportError, match="somebody is in between"):
            await client._check(base64.b64decode(false))
    assert not client.proved


async def test_a_recorded_client_opens_nothing_again() -> None:
    client, server = ends()
    said = await talk(client, server)
    _, other = ends()
    await other.challenge([said[0]])
    with pytest.raises(TransportError):
        await other.challenge([said[2]])
    assert not other.proved


@pytest.mark.parametrize("answers", [[], ["a", "b"], ["not base64!"], ["x" * 1000], ["\0"], ["=" * 8], [""]])
async def test_nonsense_is_refused_at_every_step(answers: list[str]) -> None:
    for steps in range(2):
        client, server = ends()
        challenge = ""
        for _ in range(steps):
            challenge = await server.challenge([await client.answer([challenge])])
        with pytest.raises(TransportError):
            await server.challenge(answers)
        assert not server.proved


async def test_nothing_is_said_after_the_end() -> None:
    client, server = ends()
    await talk(client, server)
    for more in (client.answer([""]), server.challenge([""])):
        with pytest.raises(TransportError):
            await more
