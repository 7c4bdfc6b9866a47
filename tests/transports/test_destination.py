"""The text of a destination: what it means, and what never gets through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysh.transports.base import TransportError
from pysh.transports.destination import Destination, parse

READ = {
    "db1": Destination("db1"),
    "deploy@db1": Destination("db1", "deploy"),
    "db1:2222": Destination("db1", None, 2222),
    "me@corp.example@db1.example:22": Destination("db1.example", "me@corp.example", 22),
    "192.0.2.7:22": Destination("192.0.2.7", None, 22),
    "[::1]": Destination("::1"),
    "root@[fe80::1%eth0]:2222": Destination("fe80::1%eth0", "root", 2222),
}
REFUSED = [
    "", "@db1", "db1:", "db1:0", "db1:65536", "db1:x", "::1", "fe80::1", "[::1", "[]", "[db1]", "a b", "db1\n", "db1\0",
    "-oProxyCommand=touch x", "-l@db1", "root@-oProxyCommand=x", "a;b@h", "$(x)@h", "h$(x)", "h`x`", "h|x", "h&x", "ä",
    "x" * 300, "u" * 80 + "@h", "u@h/p", "../h",
]  # fmt: skip


@pytest.mark.parametrize("text", READ)
def test_a_destination_is_read_and_written_back(text: str) -> None:
    assert parse(text) == READ[text]
    assert str(parse(text)) == text


@pytest.mark.parametrize("text", REFUSED)
def test_what_could_be_something_else_than_a_destination_is_refused(text: str) -> None:
    with pytest.raises(TransportError) as caught:
        parse(text)
    assert caught.value.stage == "resolve"
    assert str(caught.value).isprintable()


@given(st.text())
def test_whatever_gets_through_holds_neither_options_nor_a_shells_words(text: str) -> None:
    try:
        found = parse(text)
    except TransportError:
        return
    for part in (found.host, found.user or "u"):
        assert not part.startswith("-")
        assert not set(part) & set(" \t\n;|&$`'\"\\<>(){}*?!#~/")
