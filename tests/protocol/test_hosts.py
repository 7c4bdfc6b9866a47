"""Many hosts in few words."""

import pytest

from pysh.runtime.protocol.hosts import MOST, node_host, spread
from pysh.runtime.protocol.terms import BadName

SPREAD = [
    ("db1", ["db1"]),
    ("web[1-3]", ["web1", "web2", "web3"]),
    ("web[08-11]", ["web08", "web09", "web10", "web11"]),
    ("web[1-2,7].site[3-4]", [f"web{w}.site{s}" for w in (1, 2, 7) for s in (3, 4)]),
    ("root@web[1-2]:2222", ["root@web1:2222", "root@web2:2222"]),
    ("[::1]:22", ["[::1]:22"]),
    ("[fe80::1%eth0]", ["[fe80::1%eth0]"]),
]


@pytest.mark.parametrize(("word", "hosts"), SPREAD, ids=[row[0] for row in SPREAD])
def test_a_word_with_brackets_stands_for_every_number_in_them(word: str, hosts: list[str]) -> None:
    assert spread(word) == hosts


@pytest.mark.parametrize("word", ["web[3-1]", f"web[1-{MOST + 1}]", "a[1-99][1-99]"])
def test_a_range_that_runs_backwards_and_too_many_hosts_are_refused(word: str) -> None:
    with pytest.raises(BadName):
        spread(word)


@pytest.mark.parametrize(
    ("destination", "host"),
    [
        ("db1", "db1"), ("alice@db1", "db1"), ("alice@db1:2222", "db1"), ("10.0.0.3:22", "10.0.0.3"),
        ("[2001:db8::1]:22", "2001:db8::1"), ("[::1]", ""),
    ],
)  # fmt: skip
def test_a_node_is_named_after_the_host_it_was_started_on(destination: str, host: str) -> None:
    assert node_host(destination) == host


@pytest.mark.parametrize("destination", ["", "-oProxyCommand=x", "a b", "a;b", "$(id)"])
def test_what_is_no_destination_names_no_node(destination: str) -> None:
    with pytest.raises(BadName):
        node_host(destination)
