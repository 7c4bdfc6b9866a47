"""How the other nodes are called, and who is told of them."""

import pytest

from pysh.runtime.protocol.frames import LOCAL, MAX_META, Flag, Frame, Kind, pack
from pysh.runtime.protocol.member import Member
from pysh.runtime.protocol.roster import Roster
from tests.protocol.pair import member, pair, part
from tests.protocol.talk import FAR
from tests.sim.cluster import Cluster

KNOWN = ("b@sim", "n1@db1", "n1@db2", "a@db1")


@pytest.fixture
def roster() -> Roster:
    """That of node `a@sim`, which knows some others."""
    made = Roster(Cluster("a")["a"].core)
    for number, name in enumerate(KNOWN, 1):
        hello = FAR._replace(name=name, incarnation=bytes([number]) * 16)
        made.peers[hello.incarnation] = Member(hello, number)
    return made


@pytest.mark.parametrize(
    ("number", "label"), [(1, "b"), (2, "n1@db1"), (3, "n1@db2"), (4, "a@db1"), (5, "?")], ids=[*KNOWN, "unknown"]
)
def test_output_is_tagged_with_a_short_name_while_that_is_unique(roster: Roster, number: int, label: str) -> None:
    assert roster.label(bytes([number]) * 16) == label


@pytest.mark.parametrize(
    ("text", "name"),
    [("n1@db2", "n1@db2"), ("b", "b@sim"), ("n1", None), ("web", "n1@db1"), ("n2", None)],
)
def test_a_node_is_found_by_its_name_an_alias_or_a_short_name_that_is_unique(
    roster: Roster, text: str, name: str | None
) -> None:
    roster.peers[b"\2" * 16].aliases.append("web")
    found = roster.called(text)
    assert (found and found.name) == name


def test_who_sits_at_a_node_is_told_which_others_are_suspect_and_until_when() -> None:
    cluster = pair(one_machine=False)
    a = cluster["a"]
    seat = a.terminal()
    cluster.run(2)
    part(cluster)
    cluster.run(1)
    assert a.core.members.suspects() == []  # too short to be worth a word
    cluster.run(2)
    assert a.core.members.suspects() == ["b"]
    cluster.unreachable.clear()
    cluster.run(10)
    assert a.core.members.suspects() == []
    part(cluster)
    cluster.run(3)
    assert a.core.members.suspects() == ["b"]
    a.core.members.end(member(a, cluster["b"]), "for a reason")
    a.settle()
    assert a.core.members.suspects() == []
    cluster.run(1)
    assert seat.suspects == [["b"], [], ["b"], []]


@pytest.mark.parametrize(
    "meta", [b"\xc1", pack([]), pack({"error": "NoFunction", "function": "f", "why": "x" * (MAX_META - 48)})]
)
def test_a_failure_of_no_sense_or_without_room_goes_on_as_it_came(roster: Roster, meta: bytes) -> None:
    roster.peers[b"\1" * 16].names = frozenset(["f"])
    failure = Frame(Kind.RESULT, LOCAL, LOCAL, 1, Flag.FAILED, meta)
    assert len(meta) <= MAX_META
    assert roster.knowing(failure) == failure
    known = failure._replace(meta=pack({"error": "NoFunction", "function": "f"}))
    assert roster.knowing(known).options()["others"] == ["b@sim"]
