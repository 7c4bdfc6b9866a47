"""What may go over an SSH connection, by who vouches for the host at its other end."""

from pysh.runtime.hub.probe import by_hand
from pysh.runtime.protocol.handshake import HMAC
from pysh.transports.base import TransportError
from pysh.transports.control import Facts


def suite_over(facts: Facts, destination: str, address: str = "") -> int:
    """The suite by which the cookie is proved over the connection to `destination`.

    `address` is what was given to `connect`, if that asks. Raises `TransportError` with the stage
    `hostkey` where nobody vouches for the host's key, so that whoever answers may be anybody.
    """
    if facts.verified != "provisional":
        return HMAC
    what = f"no known_hosts file has the host key of {facts.host}"
    evidence = f"it shows {facts.algorithm} {facts.fingerprint}; nothing was sent there"
    accepted = f', or have it written down: connect("{address}", hostkey="accept-new")' if address else ""
    raise TransportError(
        "hostkey", what, evidence, f"compare it and accept it by hand: {by_hand(destination)}{accepted}"
    )


def check_vouched(facts: Facts, destination: str) -> None:
    """Raise `TransportError` (stage `hostkey`) unless known_hosts or the user vouches for the host's key.

    Code and cookies go nowhere else, however well whoever answers there might prove itself.
    """
    if facts.verified == "provisional":
        what = f"nobody vouches for the host key of {destination}, and neither code nor a secret goes there"
        evidence = f"it shows {facts.algorithm} {facts.fingerprint}"
        hint = (
            f'compare it and accept it by hand: {by_hand(destination)}; or have it written down: hostkey="accept-new"'
        )
        raise TransportError("hostkey", what, evidence, hint)
