"""What the ssh binary says, by version and by mood, and the stage that it means."""

import pytest

from pysh.transports.means import NeedsPerson
from pysh.transports.sshlog import NO_PIN, NO_TOUCH, Log

BEGAN = "debug1: Connecting to db1 [10.0.0.7] port 22."
CONNECTED = "debug1: Connection established."
SHOWN = "debug1: Server host key: ssh-ed25519 SHA256:shown"

FAILED = [
    (["ssh: Could not resolve hostname db1: Name or service not known"], "resolve", "not known"),
    ([BEGAN, "ssh: connect to host db1 port 22: Connection refused"], "tcp", "refused"),
    ([BEGAN, "ssh: connect to host db1 port 22: Connection timed out"], "tcp", "timed out"),
    ([BEGAN, "ssh: connect to host db1 port 22: No route to host"], "tcp", "No route"),
    ([BEGAN, CONNECTED, "Connection timed out during banner exchange"], "hostkey", "banner"),
    ([BEGAN, CONNECTED, "kex_exchange_identification: Connection closed by remote host"], "hostkey", "closed"),
    ([BEGAN, CONNECTED, "Unable to negotiate with 10.0.0.7 port 22: no matching key type."], "hostkey", "type"),
    ([BEGAN, CONNECTED, SHOWN, "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
      "Host key verification failed."], "hostkey", "SHA256:shown"),
    ([BEGAN, CONNECTED, SHOWN, "No ED25519 host key is known for db1 and you have requested strict checking."],
     "hostkey", "SHA256:known"),
    ([BEGAN, CONNECTED, SHOWN, "deploy@db1: Permission denied (publickey)."], "sshauth", "publickey"),
    ([BEGAN, CONNECTED, SHOWN, "Received disconnect from 10.0.0.7 port 22:2: Too many authentication failures"],
     "sshauth", "Too many"),
    ([BEGAN, CONNECTED, SHOWN, "PKCS#11 login failed: PIN incorrect", "login failed",
      "deploy@db1: Permission denied (publickey,password)."], "sshauth", "PIN incorrect"),
    ([BEGAN, CONNECTED, SHOWN, "debug1: Server accepts key: id_sk ED25519-SK SHA256:x explicit",
      'sign_and_send_pubkey: signing failed for ED25519-SK "id_sk": device not found',
      "deploy@db1: Permission denied (publickey)."], "sshauth", "device not found"),
    ([BEGAN, CONNECTED, SHOWN, "Connection closed by 10.0.0.7 port 22"], "sshauth", "closed"),
    ([BEGAN, CONNECTED], "hostkey", "nothing"),
    ([], "resolve", "nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "stage", "evidence"), FAILED)
def test_a_failure_has_the_stage_that_was_not_reached_and_its_line(lines: list[str], stage: str, evidence: str) -> None:
    log = Log("db1", ["SHA256:known"])
    for line in lines:
        log.read(line)
    error = log.failure("it ended")
    assert error.stage == stage
    assert evidence in error.evidence


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (["deploy@db1: Permission denied (publickey,password)."], "the server wants a person's answer (password)"),
        (["debug1: Server accepts key: id_sk ED25519-SK SHA256:x explicit"], NO_TOUCH),
        (["pin required", "deploy@db1: Permission denied (publickey)."], NO_PIN),
    ],
)
def test_what_a_person_would_be_asked_for_is_told_with_what_to_do(lines: list[str], what: str) -> None:
    log = Log("[10.0.0.7]:23", host="db1")
    for line in (BEGAN, CONNECTED, SHOWN, *lines):
        log.read(line)
    error = log.failure("it ended")
    assert isinstance(error, NeedsPerson)
    assert (error.stage, error.what, "ssh-copy-id db1" in error.hint) == ("sshauth", what, True)


def test_a_login_tells_address_key_and_times() -> None:
    log = Log("db1")
    for line in (BEGAN, CONNECTED, SHOWN, 'Authenticated to db1 ([10.0.0.7]:22) using "publickey".'):
        log.read(line)
    assert list(log.watch.milliseconds) == ["resolve", "tcp", "hostkey", "sshauth"]
    assert (log.found["address"], log.found["fingerprint"]) == ("10.0.0.7", "SHA256:shown")


def test_what_a_server_says_reaches_no_terminal_as_it_came() -> None:
    log = Log("db1")
    log.read("\x1b[2Jdeploy@db1: Permission denied\x07 (publickey).")
    assert str(log.failure("it ended")).isprintable()


def test_a_server_that_talks_for_ever_is_not_kept() -> None:
    log = Log("db1")
    for number in range(10_000):
        log.read(f"banner {number}")
    assert len(log.failure("it ended").evidence) < 1000
