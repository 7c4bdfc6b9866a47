"""The grammar of addresses, as a table."""

import pytest

from pysh.runtime.protocol.addresses import Address, Here, Socket, There, check_destination, parse
from pysh.runtime.protocol.terms import BadName

MACHINE = ("localhost", "laptop", "laptop.example.org")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("w1", Here("w1", "w1")),
        ("w1@localhost", Here("w1", "w1@localhost")),
        ("w1@Laptop.Example.org", Here("w1", "w1@Laptop.Example.org")),
        ("w1@db1", There("w1", "db1", "db1")),
        ("w1@DB1.example.org", There("w1", "DB1.example.org", "DB1.example.org")),
        ("w1@bob@db1", There("w1", "bob@db1", "db1")),
        ("w1@bob@example.org@db1", There("w1", "bob@example.org@db1", "db1")),
        ("w1@db1:2222", There("w1", "db1:2222", "db1")),
        ("w1@[::1]", There("w1", "[::1]", "::1")),
        ("w1@bob@[fe80::1%eth0]:22", There("w1", "bob@[fe80::1%eth0]:22", "fe80::1%eth0")),
        ("w1@localhost:22", There("w1", "localhost:22", "localhost")),
        ("w1@bob@localhost", There("w1", "bob@localhost", "localhost")),
        ("w.1-a_b@127.0.0.1", There("w.1-a_b", "127.0.0.1", "127.0.0.1")),
        ("unix:/run/x.sock", Socket("/run/x.sock")),
        ("unix:/a b@c", Socket("/a b@c")),
    ],
)
def test_an_address_means_one_thing(text: str, meant: Address) -> None:
    assert parse(text, MACHINE) == meant


@pytest.mark.parametrize(
    "text",
    [
        "", "@", "@db1", "w1@", "W1@db1", "-w1@db1", "w1 @db1", "w1\n", "w1@db1\n", "w1@-oProxyCommand=x", "w1@-db1",
        "w1@$(x)", "w1@a;b", "w1@a b", "w1@a\x1b[2J", "w1@bob@", "w1@@db1", "w1@-bob@db1", "w1@b$b@db1", "w1@db1:",
        "w1@db1:0", "w1@db1:65536", "w1@db1:123456", "w1@db1:2٣", "w1@::1", "w1@[::1", "w1@[]", "w1@[db1]",
        "w1@db1/x", "w1@" + "h" * 254, "w" * 64 + "@db1", "ssh://db1", "unix:", "unix:x.sock", "unix:/a\nb",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_before_it_is_used(text: str) -> None:
    with pytest.raises(BadName) as caught:
        parse(text, MACHINE)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("text", ["", "w1@-x", "-x", "a b", "db1:x"])
def test_what_is_no_machine_is_refused(text: str) -> None:
    with pytest.raises(BadName):
        check_destination(text)
