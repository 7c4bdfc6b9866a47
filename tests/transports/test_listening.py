"""Where a node listens, as it is written."""

import socket

import pytest

from pysh.transports.base import TransportError
from pysh.transports.listening import bind, parse


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("2022", ("127.0.0.1", 2022)),
        ("0", ("127.0.0.1", 0)),
        ("0.0.0.0:2022", ("0.0.0.0", 2022)),
        ("[::]:2022", ("::", 2022)),
        ("[fe80::1%eth0]:1", ("fe80::1%eth0", 1)),
        ("db1.example:65535", ("db1.example", 65535)),
    ],
)
def test_a_place_is_a_port_on_loopback_or_on_the_host_that_is_given(text: str, place: tuple[str, int]) -> None:
    assert parse(text) == place


@pytest.mark.parametrize(
    "text", ["", "x", ":2022", "db1", "65536", "-1", "::1:22", "a b:22", "-x:22", "[db1]:2", "1:2:3", "22\n"]
)
def test_what_is_no_place_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(TransportError, match="--listen 2022") as caught:
        parse(text)
    assert caught.value.stage == "resolve"


def test_a_host_that_is_not_here_and_a_port_that_is_taken_are_named() -> None:
    with pytest.raises(TransportError, match=r"192\.0\.2\.1:2022") as caught:
        bind("192.0.2.1", 2022)
    assert caught.value.stage == "tcp"
    with pytest.raises(TransportError) as caught:
        bind("nowhere.invalid", 2022)
    assert caught.value.stage == "resolve"
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(TransportError, match=rf"ss -tlnp sport = :{port}"):
            bind("127.0.0.1", port)


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_address_of_version_6_is_listened_at() -> None:
    with bind("::1", 0) as sock:
        assert sock.family == socket.AF_INET6
