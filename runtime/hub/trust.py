"""What may go over an SSH connection, by who vouches for the host at its other end."""

from pysh.runtime.hub.probe import by_hand
from pysh.transports.base import TransportError
from pysh.transports.control import Facts
from pysh.transports.means import EMBEDDED


def host_key_to_bind(facts: Facts) -> bytes:
    """The SHA-256 of the host key that the proof of the cookie is bound to; empty where somebody vouches for it.

    A stranger's host, and a node that listens by itself, is met with SPAKE2, which tells it nothing.
    """
    return facts.key_hash if facts.verified == "provisional" or facts.server == EMBEDDED else b""


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
