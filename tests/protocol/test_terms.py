"""The words of the wire."""

import pytest

from pysh.runtime.protocol.terms import BadName, check_host, check_node, printable, split_name


@pytest.mark.parametrize("name", ["a", "n1", "0", "web-1.a_b", "a" * 63])
def test_these_name_a_node(name: str) -> None:
    assert check_node(name) == name


@pytest.mark.parametrize("name", ["", "N1", "-a", ".a", "_a", "a" * 64, "a b", "a/b", "a\n", "ä", "a@b"])
def test_these_name_no_node(name: str) -> None:
    with pytest.raises(BadName, match="no node name"):
        check_node(name)


@pytest.mark.parametrize("host", ["localhost", "DB1", "10.0.0.3", "fe80::1", "a_b", "a" * 253])
def test_these_name_a_host(host: str) -> None:
    assert check_host(host) == host


@pytest.mark.parametrize("host", ["", "-oProxyCommand=x", "a b", "$(x)", "a;b", "a\n", "a" * 254])
def test_these_name_no_host(host: str) -> None:
    with pytest.raises(BadName, match="no host name"):
        check_host(host)


def test_the_first_at_splits_a_full_name() -> None:
    assert split_name("n1@db1") == ("n1", "db1")


@pytest.mark.parametrize("name", ["n1", "n1@", "@db1", "n1@a@b", "N1@db1"])
def test_a_full_name_needs_two_good_parts(name: str) -> None:
    with pytest.raises(BadName):
        split_name(name)


def test_what_is_shown_holds_no_control_character_and_is_cut() -> None:
    assert printable("a\x1b[31mb\n") == "'a?[31mb?'"
    assert len(printable("x" * 1000, limit=10)) == 12
