"""Over whose host key the cookie is proved."""

import pytest

from pysh.runtime.hub.trust import check_vouched, suite_over
from pysh.runtime.protocol.handshake import HMAC
from pysh.transports.base import TransportError
from pysh.transports.control import Facts, Verified


def facts(verified: Verified) -> Facts:
    return Facts("10.0.0.3", 22, "bob", "10.0.0.3", "asyncssh", verified, "ssh-ed25519", "SHA256:abc", {})


@pytest.mark.parametrize("verified", ["known_hosts", "accepted-new"])
def test_a_host_that_known_hosts_vouches_for_is_private_enough(verified: Verified) -> None:
    assert suite_over(facts(verified), "db1") == HMAC


@pytest.mark.parametrize(
    ("destination", "address", "hint"),
    [
        ("db1", "w1@db1", 'ssh db1, or have it written down: connect("w1@db1", hostkey="accept-new")'),
        ("bob@db1:22", "w1@bob@db1:22", "ssh ssh://bob@db1:22, or"),
        ("db1", "", "ssh db1"),
    ],
)
def test_over_any_other_nothing_is_proved(destination: str, address: str, hint: str) -> None:
    with pytest.raises(TransportError) as caught:
        suite_over(facts("provisional"), destination, address)
    assert caught.value.stage == "hostkey"
    assert "ssh-ed25519 SHA256:abc" in caught.value.evidence
    assert hint in caught.value.hint


def test_code_and_cookies_go_only_where_somebody_vouches_for_the_host() -> None:
    check_vouched(facts("known_hosts"), "db1")
    check_vouched(facts("accepted-new"), "db1")
    with pytest.raises(TransportError, match="SHA256:abc") as caught:
        check_vouched(facts("provisional"), "db1")
    assert caught.value.stage == "hostkey"
    assert 'hostkey="accept-new"' in caught.value.hint
