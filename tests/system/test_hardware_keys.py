"""Keys that only a token holds: the ssh binary signs with them, and asks a person on the way."""

import pytest

from tests import securitykey, smartcard
from tests.securitykey import SecurityKey
from tests.smartcard import PIN, PROVIDER, Smartcard
from tests.sshd import Sshd
from tests.system.conftest import Machines, Screens
from tests.system.test_asking import SHELL, leave, shows, text, unseen

ASKED = "Enter PIN for 'pysh'"


@pytest.fixture
def server(both: Machines) -> Sshd:
    """A server that only the key of a smartcard opens, with a node behind it."""
    if reason := smartcard.missing():
        pytest.skip(reason)
    made = both.sshd()
    made.authorized.write_text(Smartcard(both.place.home).public)
    both.place.home.host("db1", {"PKCS11Provider": str(PROVIDER)})
    both.there.node("w1@db1")
    return made


@pytest.mark.parametrize("transport", ["auto", "openssh"])
def test_the_pin_of_a_smartcard_is_asked_for_at_the_prompt_and_shown_nowhere(
    both: Machines, server: Sshd, transport: str
) -> None:
    with Screens(both.here) as screens:
        terminal = screens.open(*SHELL)
        terminal.type(f'n = connect("w1@db1", transport="{transport}")\r')
        shows(terminal, "w1@db1: ", ASKED)
        terminal.type(f"{PIN}\r")
        shows(terminal, "me@here[2]>")
        assert unseen(both.here, PIN)
        terminal.type("call(lambda: 6 * 7, on=n)\r")
        shows(terminal, "42")
        assert PIN not in text(terminal)
        leave(terminal)
    assert server.log.count("Accepted publickey") == 1


def test_a_wrong_pin_ends_the_login_at_its_stage_and_may_be_typed_again(both: Machines, server: Sshd) -> None:
    with Screens(both.here) as screens:
        terminal = screens.open(*SHELL)
        terminal.type('connect("w1@db1")\r')
        shows(terminal, ASKED)
        terminal.type("wrong1\r")
        shows(terminal, "[sshauth] the token refuses the PIN (PKCS#11 login failed: PIN incorrect)", "Nothing ran.")
        terminal.type('connect("w1@db1")\r')
        shows(terminal, ASKED, times=2)
        terminal.type(f"{PIN}\r")
        shows(terminal, "<Node w1@db1 up")
        leave(terminal)


@pytest.mark.parametrize("transport", ["auto", "openssh"])
def test_where_nobody_can_be_asked_for_the_pin_the_error_says_what_to_do(
    both: Machines, server: Sshd, transport: str
) -> None:
    done = both.here.script(f'connect("w1@db1", transport="{transport}")')
    [line] = [line for line in done.stderr.splitlines() if "ConnectError: " in line]
    for word in ("[sshauth]", "wants its PIN", "connect at a terminal", "Nothing ran."):
        assert word in line
    assert "Accepted" not in server.log


@pytest.fixture
def key(both: Machines) -> SecurityKey:
    """A security key, which alone opens a server with a node behind it."""
    if reason := securitykey.missing():
        pytest.skip(reason)
    made = SecurityKey(both.place.folder / "token")
    both.sshd().authorized.write_text(made.public)
    both.place.home.host("db1", {"SecurityKeyProvider": str(made.provider), "IdentityFile": str(made.identity)})
    both.there.node("w1@db1")
    return made


@pytest.mark.parametrize("transport", ["auto", "openssh"])
def test_who_sits_at_the_prompt_is_asked_to_touch_the_security_key(
    both: Machines, key: SecurityKey, transport: str
) -> None:
    with Screens(both.here) as screens:
        terminal = screens.open(*SHELL)
        terminal.type(f'n = connect("w1@db1", transport="{transport}")\r')
        shows(terminal, "w1@db1: Confirm user presence for key ED25519-SK")
        key.touch()
        shows(terminal, "me@here[2]>")
        terminal.type("call(lambda: 6 * 7, on=n)\r")
        shows(terminal, "42")
        leave(terminal)


def test_a_security_key_that_is_pulled_out_ends_the_login_at_its_stage(both: Machines, key: SecurityKey) -> None:
    with Screens(both.here) as screens:
        terminal = screens.open(*SHELL)
        terminal.type('connect("w1@db1")\r')
        shows(terminal, "Confirm user presence")
        key.pull()
        shows(terminal, "[sshauth] the security key did not sign", "touch it in time", "Nothing ran.")
        leave(terminal)


def test_a_security_key_may_be_touched_where_nobody_is_told_to(both: Machines, key: SecurityKey) -> None:
    key.touch()
    assert both.here.script('print(connect("w1@db1").call(lambda: 42))').stdout == "42\n"


def test_where_nobody_can_be_told_to_touch_the_key_the_error_says_what_to_do(both: Machines, key: SecurityKey) -> None:
    both.place.home.host("db1", {"SecurityKeyProvider": "internal"})  # as where nobody configured one
    done = both.here.script('connect("w1@db1")')
    [line] = [line for line in done.stderr.splitlines() if "ConnectError: " in line]
    for word in ("[sshauth]", f"{key.identity} is a security key's", "connect at a terminal", "Nothing ran."):
        assert word in line
