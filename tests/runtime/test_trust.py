"""Over whose host key the cookie is proved, and how."""

import pytest

from pysh.runtime.hub.trust import check_vouched, host_key_to_bind
from pysh.transports.base import TransportError
from pysh.transports.control import Facts, Verified


def facts(verified: Verified, server: str = "OpenSSH_9.2") -> Facts:
    return Facts("10.0.0.3", 22, "bob", "10.0.0.3", "asyncssh", verified, "ssh-ed25519", "SHA256:abcd", {}, server)


@pytest.mark.parametrize("verified", ["known_hosts", "accepted-new"])
def test_a_host_that_known_hosts_vouches_for_is_private_enough(verified: Verified) -> None:
    check_vouched(facts(verified), "db1")
    assert host_key_to_bind(facts(verified)) == b""


@pytest.mark.parametrize(
    ("verified", "server"), [("provisional", "OpenSSH_9.2"), ("provisional", "pysh"), ("known_hosts", "pysh")]
)
def test_a_proof_is_bound_to_an_unknown_key_and_to_that_of_a_node_that_listens(verified: Verified, server: str) -> None:
    assert host_key_to_bind(facts(verified, server)) == facts(verified).key_hash != b""


@pytest.mark.parametrize(("destination", "hint"), [("db1", "ssh db1;"), ("bob@db1:22", "ssh ssh://bob@db1:22;")])
def test_over_an_unknown_key_neither_code_nor_a_secret_goes(destination: str, hint: str) -> None:
    with pytest.raises(TransportError) as caught:
        check_vouched(facts("provisional"), destination)
    assert caught.value.stage == "hostkey"
    assert "ssh-ed25519 SHA256:abcd" in caught.value.evidence
    assert hint in caught.value.hint
    assert 'hostkey="accept-new"' in caught.value.hint
