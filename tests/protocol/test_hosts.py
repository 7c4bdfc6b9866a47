"""Many hosts in few words."""

import pytest

from pysh.runtime.protocol.hosts import MOST, expand, node_host
from pysh.runtime.protocol.terms import BadName

EXPANDED = [
    ("db1", ["db1"]),
    ("web[1-3]", ["web1", "web2", "web3"]),
    ("web[08-11]", ["web08", "web09", "web10", "web11"]),
    ("web[1-2,7].site[3-4]", [f"web{w}.site{s}" for w in (1, 2, 7) for s in (3, 4)]),
    ("web[1-2], db1 db2", ["web1", "web2", "db1", "db2"]),
    ("db1,db1", ["db1"]),
    ("root@web[1-2]:2222", ["root@web1:2222", "root@web2:2222"]),
    ("[::1]:22", ["[::1]:22"]),
    ("[fe80::1%eth0]", ["[fe80::1%eth0]"]),
    (["a", "b[1-2]", "a"], ["a", "b1", "b2"]),
    (("a",), ["a"]),
]


@pytest.mark.parametrize(("hosts", "expanded"), EXPANDED, ids=[str(row[0]) for row in EXPANDED])
def test_hosts_are_written_in_few_words(hosts: str | list[str], expanded: list[str]) -> None:
    assert expand(hosts) == expanded


@pytest.mark.parametrize("hosts", ["", " ", [], [""], "web[3-1]", f"web[1-{MOST + 1}]", "a[1-99][1-99]"])
def test_what_names_no_host_or_too_many_is_refused(hosts: str | list[str]) -> None:
    with pytest.raises(BadName):
        expand(hosts)


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
