"""Two nodes of which `a` dialled `b`, and what parts them."""

from pysh.runtime.protocol.member import Member
from tests.sim.cluster import Cluster, Machine


def pair(**options: object) -> Cluster:
    """Two nodes, of which `a` dialled `b`."""
    cluster = Cluster("a", "b", **options)  # type: ignore[arg-type]
    cluster.join("a", "b")
    return cluster


def member(of: Machine, other: Machine) -> Member:
    return of.core.peers[other.incarnation]


def part(cluster: Cluster) -> None:
    """There is no way between the two any more."""
    cluster.unreachable.add(frozenset("ab"))
    cluster.lines[-1].cut()
