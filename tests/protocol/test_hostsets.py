"""Sets of hosts: what they name, and which of the known nodes they mean."""

import pytest

from pysh.runtime.protocol.hosts import MOST
from pysh.runtime.protocol.hostsets import Group, called, expand, is_set, match
from pysh.runtime.protocol.terms import BadName

GROUPS = {
    "gpu": ["web[1-4]", "db1"],
    "old": ["web[3-9] & !web5"],
    "both": ["@gpu", "@old"],
    "ssh": ["root@web1:2222", "admin@db1"],
    "self": ["web1, @other"],
    "other": ["@self"],
    "bad": ["web[3-1]"],
    "outer": ["@bad"],
    "none": [],
}


def group(name: str) -> Group:
    if name not in GROUPS:
        raise BadName(f"no group {name}")
    return Group(tuple(GROUPS[name]), f"config.toml:{list(GROUPS).index(name) + 1}")


EXPANDED = [
    ("web[1-2], db1 db2", ["web1", "web2", "db1", "db2"]),
    ("web[1-9,12]", [f"web{number}" for number in (*range(1, 10), 12)]),
    ("db1,db1", ["db1"]),
    (["a", "b[1-2]", "a"], ["a", "b1", "b2"]),
    (["a, b", "c & c"], ["a", "b", "c"]),
    (("a",), ["a"]),
    ("[::1]:22 [fe80::1%eth0]", ["[::1]:22", "[fe80::1%eth0]"]),
    ("web[1, 3]", ["web1", "web3"]),
    ("web[1-4] & web[3-6]", ["web3", "web4"]),
    ("web[1-4]&web[3-6]&web4", ["web4"]),
    ("a, web[1-4] & web3", ["a", "web3"]),
    ("web[1-4] & !web[2-3]", ["web1", "web4"]),
    ("web[1-4]!web2", ["web1", "web3", "web4"]),
    ("web[1-4] !web2", ["web1", "web3", "web4"]),
    ("web[1-3], a, !web2, !a", ["web1", "web3"]),
    ("!web2, web[1-3]", ["web1", "web3"]),
    ("web[1-3] & !web1 & !web2", ["web3"]),
    ("@gpu", ["web1", "web2", "web3", "web4", "db1"]),
    ("@gpu & !web3", ["web1", "web2", "web4", "db1"]),
    ("@gpu & @old", ["web3", "web4"]),
    ("@both & !@gpu", ["web6", "web7", "web8", "web9"]),
    ("w@web[1-2], db@@ssh", ["w@web1", "w@web2", "db@root@web1:2222", "db@admin@db1"]),
    ("w@@gpu & !w@web[1-4]", ["w@db1"]),
    ("db9, @ssh", ["db9", "root@web1:2222", "admin@db1"]),
]


@pytest.mark.parametrize(("hosts", "expanded"), EXPANDED, ids=[str(row[0]) for row in EXPANDED])
def test_hosts_are_written_in_few_words(hosts: str | list[str], expanded: list[str]) -> None:
    assert expand(hosts, group) == expanded


REFUSED = [
    ("", "names no host"),
    (" , ", "names no host"),
    ([], "names no host"),
    ([""], "names no host"),
    ("a & b", "names no host"),
    ("@none", "names no host"),
    ("!a", "only what to leave out"),
    ("a &", "nothing behind a &"),
    ("a & , b", "nothing behind a &"),
    ("& a", "nothing before a &"),
    ("a, !", "nothing behind a !"),
    ("!!a", "nothing behind a !"),
    ("web[1-4", "bracket"),
    ("web1-4]", "bracket"),
    ("web[3-1]", "no range"),
    (f"web[1-{MOST}], db[1-2]", "more than 1000"),
    ("@nobody", "no group nobody"),
    ("@self", "config.toml:6: @other: the group @self is in itself"),
    ("@outer", "config.toml:7: @bad: 'web.3-1.'|config.toml:7: @bad: '3-1' is no range"),
]


@pytest.mark.parametrize(("hosts", "why"), REFUSED, ids=[str(row[0]) for row in REFUSED])
def test_what_is_no_set_of_hosts_is_refused_with_the_reason(hosts: str | list[str], why: str) -> None:
    with pytest.raises(BadName, match=why):
        expand(hosts, group)


def test_a_group_needs_somebody_who_knows_them() -> None:
    with pytest.raises(BadName, match="no group 'gpu'"):
        expand("@gpu")


@pytest.mark.parametrize("text", ["web[1-2]", "a,b", "a b", "a & b", "!a", "@gpu", "w1@@gpu", "web[3-1]"])
def test_a_set_is_told_from_a_name(text: str) -> None:
    assert is_set(text)


@pytest.mark.parametrize("text", ["w1", "w1@db1", "w1@root@db1:2222", "w1@[::1]:22", "unix:/run/w1.sock"])
def test_a_name_is_no_set(text: str) -> None:
    assert not is_set(text)


KNOWN = {
    "n1@here": [],
    "w@web1": ["w@web1.lan", "w@root@web1:22"],
    "w@web2": [],
    "w@ip-10-0-0-3": ["w@web3"],
    "x@web3": [],
    "db@db1": ["db"],
}
MATCHED: list[tuple[str, list[str], list[str]]] = [
    ("w@web2", ["w@web2"], []),
    ("web1", ["w@web1"], []),
    ("web1.lan", ["w@web1"], []),
    ("web[1-2]", ["w@web1", "w@web2"], []),
    ("web3", ["w@ip-10-0-0-3", "x@web3"], []),
    ("w@web[1-4]", ["w@web1", "w@web2", "w@ip-10-0-0-3"], ["w@web4"]),
    ("web[1-2,8-9]", ["w@web1", "w@web2"], ["web8", "web9"]),
    ("web[1-9] & !web[4-9]", ["w@web1", "w@web2", "w@ip-10-0-0-3", "x@web3"], []),
    ("w", ["w@web1", "w@web2", "w@ip-10-0-0-3"], []),
    ("w & !web3", ["w@web1", "w@web2"], []),
    ("db1, n1", ["db@db1", "n1@here"], []),
    ("!web[1-3]", ["n1@here", "db@db1"], []),
    ("@gpu", ["w@web1", "w@web2", "w@ip-10-0-0-3", "x@web3", "db@db1"], ["web4"]),
    ("@gpu & !web3", ["w@web1", "w@web2", "db@db1"], ["web4"]),
    ("@gpu & w", ["w@web1", "w@web2", "w@ip-10-0-0-3"], []),
    ("@ssh", ["w@web1", "db@db1"], []),
    ("admin@db1", [], ["admin@db1"]),
    ("y@web[1-2]", [], ["y@web1", "y@web2"]),
    ("", [], []),
]


@pytest.mark.parametrize(("text", "nodes", "absent"), MATCHED, ids=[row[0] for row in MATCHED])
def test_a_set_means_nodes_by_name_alias_and_host(text: str, nodes: list[str], absent: list[str]) -> None:
    known = {name: called(name, aliases) for name, aliases in KNOWN.items()}
    assert match([text], known, group) == (nodes, absent)
