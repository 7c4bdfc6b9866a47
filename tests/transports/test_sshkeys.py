"""Whose key a host shows: each case of known_hosts, by a table."""

from pathlib import Path

import asyncssh
import pytest

from pysh.transports import sshkeys
from pysh.transports.base import TransportError
from pysh.transports.sshconfig import Settings

SHOWN, OTHER, RSA = (
    asyncssh.generate_private_key(kind).convert_to_public() for kind in ("ssh-ed25519", "ssh-ed25519", "ssh-rsa")
)
AT_22, AT_23 = Settings("db1", 22, "u"), Settings("db1", 23, "u")


def line(name: str, key: asyncssh.SSHKey, marker: str = "") -> str:
    return f"{marker} {name} {key.export_public_key().decode()}".strip()


JUDGED = [
    (AT_22, [], "provisional"),
    (AT_22, [line("db1", SHOWN)], "known_hosts"),
    (AT_22, [line("db1,10.0.0.7", SHOWN)], "known_hosts"),
    (AT_22, [line("db*", SHOWN)], "known_hosts"),
    (AT_22, [line("db2", SHOWN)], "provisional"),
    (AT_22, [line("db1", OTHER)], "the host key changed"),
    (AT_22, [line("db1", RSA)], "the host key changed"),
    (AT_22, [line("db1", OTHER), line("db1", SHOWN)], "known_hosts"),
    (AT_22, [line("db1", SHOWN), line("db1", SHOWN, "@revoked")], "the host key is revoked"),
    (AT_22, [line("*", SHOWN, "@revoked")], "the host key is revoked"),
    (AT_22, [line("[db1]:23", OTHER)], "provisional"),
    (AT_22, ["what is this", "@odd db1 x", line("db1", SHOWN)], "known_hosts"),
    (AT_22, ["# a comment", "", "db1 ssh-unheard AAAA"], "provisional"),
    (AT_23, [line("[db1]:23", SHOWN)], "known_hosts"),
    (AT_23, [line("[db1]:23", OTHER)], "the host key changed"),
    (AT_23, [line("db1", SHOWN)], "known_hosts"),
    (AT_23, [line("db1", OTHER)], "provisional"),
    (AT_23, [line("db1", SHOWN, "@revoked")], "the host key is revoked"),
    (AT_23._replace(key_alias="cluster"), [line("cluster", SHOWN)], "known_hosts"),
    (AT_22._replace(key_alias="cluster"), [line("db1", SHOWN)], "provisional"),
    (AT_22._replace(strict="yes"), [], "the host key is unknown"),
    (AT_22._replace(strict="no"), [line("db1", OTHER)], "the host key changed"),
]


@pytest.mark.parametrize(("settings", "lines", "verdict"), JUDGED)
def test_a_host_key_is_judged_by_what_is_known_of_its_host(
    tmp_path: Path, settings: Settings, lines: list[str], verdict: str
) -> None:
    (tmp_path / "known_hosts").write_text("\n".join(lines))
    known = sshkeys.known_of(settings, [str(tmp_path / "known_hosts"), str(tmp_path / "none")])
    try:
        assert sshkeys.judge(SHOWN, known, settings, pin="") == verdict
    except TransportError as error:
        assert (error.stage, error.what) == ("hostkey", verdict)
        assert SHOWN.get_fingerprint() in error.evidence


def test_only_an_unknown_key_is_written_down(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "known_hosts"
    assert sshkeys.judge(SHOWN, sshkeys.Known(), AT_23, pin=str(path)) == "accepted-new"
    assert path.read_text().startswith("[db1]:23 ssh-ed25519 AAAA")
    known = sshkeys.known_of(AT_23, [str(path)])
    assert sshkeys.judge(SHOWN, known, AT_23, pin=str(path)) == "known_hosts"
    with pytest.raises(TransportError):
        sshkeys.judge(OTHER, known, AT_23, pin=str(path))
    assert path.read_text().count("\n") == 1


def test_a_known_hosts_file_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "known_hosts").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TransportError, match="cannot be written down"):
        sshkeys.judge(SHOWN, sshkeys.Known(), AT_22, pin=str(tmp_path / "known_hosts"))
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_changed_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(line("db1", OTHER))
    assert sshkeys.known_of(AT_22, [str(path)]).keys == (OTHER,)
    path.write_text(line("db1", SHOWN) + "\n")
    assert sshkeys.known_of(AT_22, [str(path)]).keys == (SHOWN,)


def test_algorithms_of_known_keys_are_asked_for_first_and_certificates_where_they_count() -> None:
    assert sshkeys.Known().algorithms()[0] == "ssh-ed25519"
    assert sshkeys.Known(keys=(RSA,)).algorithms()[:2] == ["rsa-sha2-512", "rsa-sha2-256"]
    assert sshkeys.Known(authorities=(OTHER,)).algorithms()[0] == "ssh-ed25519-cert-v01@openssh.com"
    assert not any("cert" in name for name in sshkeys.Known(keys=(SHOWN,)).algorithms())
