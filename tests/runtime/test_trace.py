"""What a `connect` passed, and how long each part took."""

from pysh.runtime.hub.trace import Trace
from pysh.transports.control import Facts

TOOK = {"resolve": 1.0, "tcp": 2.0, "hostkey": 3.0, "sshauth": 4.0}
FACTS = Facts("10.0.0.3", 22, "bob", "", "openssh", "known_hosts", "ssh-ed25519", "SHA256:abc", TOOK)


def test_a_new_connection_shows_its_stages() -> None:
    trace = Trace()
    trace.connected(FACTS, shared=False)
    trace.lap("find", "w1@a")
    told = {stage: evidence for stage, _, evidence in trace.rows}
    assert told == {
        "carrier": "the process that speaks SSH",
        "resolve": "bob@10.0.0.3 port 22",
        "tcp": "through another host",
        "hostkey": "ssh-ed25519 SHA256:abc, known_hosts",
        "sshauth": "by openssh",
        "find": "w1@a",
    }
    assert [took for _, took, _ in trace.rows[1:5]] == [1.0, 2.0, 3.0, 4.0]
    assert all(took >= 0 for _, took, _ in trace.rows)


def test_a_shared_connection_took_nothing_of_what_it_took_once() -> None:
    trace = Trace()
    trace.connected(FACTS, shared=True)
    [(stage, took, evidence)] = trace.rows
    assert (stage, evidence) == ("sshauth", "bob@10.0.0.3 port 22, over the SSH connection that is there")
    assert took < 1000
