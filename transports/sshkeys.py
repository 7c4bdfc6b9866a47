"""Whose key a host shows, and which keys we show it: what asyncssh reads of the files of OpenSSH."""

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import asyncssh
from asyncssh.config import SSHClientConfig

from pysh.transports.base import TransportError
from pysh.transports.control import Verified
from pysh.transports.destination import Destination
from pysh.transports.hostkeys import append
from pysh.transports.sshconfig import FAMILIES, Settings, home

ALGORITHMS = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}
"""The signature algorithms that a host key of each kind is asked for, most wanted first."""


class Known(NamedTuple):
    """What known_hosts files say of one host."""

    keys: tuple[asyncssh.SSHKey, ...] = ()
    authorities: tuple[asyncssh.SSHKey, ...] = ()
    revoked: tuple[asyncssh.SSHKey, ...] = ()
    elsewhere: tuple[asyncssh.SSHKey, ...] = ()  # of the same host at its usual port

    def algorithms(self) -> list[str]:
        """The host key algorithms to offer: of known keys first, certificates where they count."""
        kinds = {key.get_algorithm() for key in (*self.keys, *self.elsewhere)}
        ordered = sorted(ALGORITHMS, key=lambda kind: kind not in kinds)
        plain = [algorithm for kind in ordered for algorithm in ALGORITHMS[kind]]
        return [f"{name}-cert-v01@openssh.com" for name in plain if self.authorities] + plain


def known_of(settings: Settings, files: Iterable[str]) -> Known:
    """What `files` say of the host of `settings`, by its alias or its name and port.

    As with OpenSSH a key of the host's usual port counts at another port too; that it differs there
    is no contradiction.
    """
    read = [_read(path, stamp) for path in files if (stamp := _stamp(path))]
    here = _matched(read, settings.key_name)
    usual = _matched(read, settings.key_alias or settings.host)
    return Known(here.keys, here.authorities + usual.authorities, here.revoked + usual.revoked, usual.keys)


def _matched(read: Sequence[asyncssh.SSHKnownHosts], name: str) -> Known:
    found = [file.match(name, "", None) for file in read]
    keys, authorities, revoked = zip(*(match[:3] for match in found), strict=True) if found else ((), (), ())
    return Known(*(tuple(chain.from_iterable(kind)) for kind in (keys, authorities, revoked)))


def _stamp(path: str) -> tuple[int, int, int] | None:
    """What changes with the contents of the file at `path`; None if there is none to read."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size) if os.access(path, os.R_OK) else None


@lru_cache(maxsize=16)
def _read(path: str, stamp: tuple[int, int, int]) -> asyncssh.SSHKnownHosts:
    """The known hosts in the file at `path`; a line that makes no sense is passed over, as ssh does."""
    known = asyncssh.SSHKnownHosts()
    for line in Path(path).read_text(errors="replace").splitlines():
        try:
            known.load(line)
        except ValueError:
            continue
    return known


def judge(key: asyncssh.SSHKey, known: Known, settings: Settings, pin: str) -> Verified:
    """Whether `key` may be the host's: `known_hosts`, or `provisional` where nothing is known of it.

    With a path as `pin` an unknown key is written down there and is `accepted-new`. Raises
    `TransportError` with the stage `hostkey` for a revoked or another than the known key.
    """
    shown, name = key.get_fingerprint(), settings.key_name
    if key in known.revoked:
        what, hint = "the host key is revoked", f"ask {name}'s administrator; nothing was sent there"
        raise TransportError("hostkey", what, f"{name} shows {shown}, marked @revoked in known_hosts", hint)
    if key in known.keys or key in known.elsewhere:
        return "known_hosts"
    if known.keys:
        expected = " or ".join(sorted({f"{one.get_algorithm()} {one.get_fingerprint()}" for one in known.keys}))
        evidence = f"{name} shows {key.get_algorithm()} {shown}, and known_hosts has {expected}"
        hint = f"if that host was set up anew: ssh-keygen -R '{name}'; else somebody is in between"
        raise TransportError("hostkey", "the host key changed", evidence, hint)
    if pin:
        write_down(pin, name, key)
        return "accepted-new"
    if settings.strict in ("yes", "true"):
        evidence = f"{name} shows {key.get_algorithm()} {shown}, and StrictHostKeyChecking is on"
        raise TransportError("hostkey", "the host key is unknown", evidence, 'accept it: hostkey="accept-new"')
    return "provisional"


def write_down(path: str, name: str, key: asyncssh.SSHKey) -> None:
    """Add `name` and its `key` to the known_hosts file at `path`. Raises as `hostkeys.append` does."""
    append(path, f"{name} ".encode() + key.export_public_key().strip() + b"\n")


def identities(settings: Settings) -> tuple[list[asyncssh.SSHKeyPair], list[str]]:
    """The key pairs of the identity files, and for each that is no use why so."""
    pairs: list[asyncssh.SSHKeyPair] = []
    unusable: list[str] = []
    certificates = [path for path in settings.certificates if _stamp(path)]
    for path in settings.identities:
        if not _stamp(path):
            continue
        try:
            found = asyncssh.load_keypairs(path, certlist=certificates)
        except (ValueError, OSError) as error:
            encrypted = "Passphrase" in str(error)
            unusable.append(f"{path} is encrypted: ssh-add it" if encrypted else f"{path}: {error}")
            continue
        if any(pair.get_algorithm().startswith("sk-") for pair in found):
            unusable.append(f"{path} is a security key's, which is to be touched")
        else:
            pairs += found
    return pairs, unusable


async def agent_keys(settings: Settings) -> tuple[asyncssh.SSHAgentClient | None, list[asyncssh.SSHKeyPair]]:
    """The agent, and the key pairs that it may use here; it has to stay open while they are used.

    With IdentitiesOnly these are the ones whose public half lies beside an identity file.
    """
    if not settings.agent:
        return None, []
    try:
        agent = await asyncssh.connect_agent(settings.agent)
        wanted = _public_halves(settings.identities) if settings.identities_only else None
        return agent, list(await agent.get_keys(wanted)) if wanted != [] else []
    except (OSError, ValueError, asyncssh.Error):
        return None, []  # no agent, or none that answers: as with OpenSSH no reason to fail


def _public_halves(paths: Iterable[str]) -> list[bytes]:
    halves = [f"{path}.pub" for path in paths if _stamp(f"{path}.pub")]
    return [asyncssh.read_public_key(path).public_data for path in halves]


def read_config(files: Sequence[Path], destination: Destination) -> dict[str, list[str]]:
    """What asyncssh's parser finds in ssh configuration `files`, as `ssh -G` would name it.

    Raises `TransportError` with the stage `resolve` for a file that makes no sense.
    """
    local = Path(home()).name
    asked = (destination.user or (), destination.host, destination.port or ())
    try:
        config = SSHClientConfig.load(None, list(files), False, False, False, local, *asked)
    except (ValueError, asyncssh.Error) as error:
        hint = "mend it, or install the ssh binary"
        raise TransportError("resolve", "the ssh configuration cannot be read", str(error), hint) from error
    return {name.lower(): _texts(name, value) for name, value in config.get_options(False).items()}


def _texts(name: str, value: object) -> list[str]:
    """An option's value as `ssh -G` prints it, a text for each line."""
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    if name == "AddressFamily":
        return [family for family, number in FAMILIES.items() if number == value]
    if isinstance(value, list):
        return [" ".join(map(str, value))] if name.endswith("KnownHostsFile") else [str(one) for one in value]
    return [str(value)]
