"""Whether a node outlives the logout under a real systemd, and what is said of that before."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.booted import UID, USER, Booted, booted
from tests.system.conftest import Machines, ok, until

LAST_LOGOUT = "it will end with this user's last logout (linger is off)"
LOGOUT = "it will end with the logout (systemd's KillUserProcesses is on)"
OUTLIVES = "it outlives the logout"
KILLS = {"KillUserProcesses": "yes"}

pytestmark = pytest.mark.longer(120)


@pytest.fixture(autouse=True)
def soaking(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("soak") == 1:
        pytest.skip("boots a machine, which is for --soak")


@contextmanager
def machine(both: Machines, login: dict[str, str]) -> Iterator[Booted]:
    """A machine `box` whose logind is configured by `login`, once its sshd lets in."""
    with booted(both.here.folder / "box", both.place, login) as box:
        until(lambda: both.here.run(["ssh", "box", "true"]).returncode == 0, "its sshd", 30)
        until(lambda: not sessions(box), "the end of that session")
        yield box


def sessions(box: Booted) -> str:
    """The sessions that logind knows."""
    return box.run("loginctl", "list-sessions", "--no-legend")


def state(box: Booted, user: str) -> str:
    """What logind says of `user`: active, lingering, closing; nothing where it has forgotten him."""
    return box.run("loginctl", "show-user", user, "--property=State", "--value")


def start(both: Machines, destination: str = "box") -> str:
    """Start `w1` there, to persist, by a script, which ends; what that was told."""
    done = both.here.script(f"n = start_node('w1', host='{destination}', persist=True)\nprint(n.call(lambda: 42))")
    assert ok(done) == "42\n"
    return done.stderr


def lives(both: Machines, node: str = "w1@box") -> bool:
    """Whether `node` can be reached."""
    return both.here.pysh("rpc", node, "-c", "6 * 7").stdout == "42\n"


def hubs(box: Booted) -> str:
    """The processes of the nodes there."""
    return box.run("pgrep", "-f", "pysh.runtime.hub")


def doctor(both: Machines, destination: str = "box") -> str:
    """What the doctor says of a logout there."""
    [line] = [line for line in ok(both.here.pysh("doctor", destination)).splitlines() if line.startswith("logout")]
    return line


def test_a_node_of_a_user_who_lingers_outlives_the_last_logout(both: Machines) -> None:
    with machine(both, KILLS) as box:
        box.run("loginctl", "enable-linger", USER)
        assert OUTLIVES in doctor(both)
        assert start(both) == ""
        until(lambda: state(box, USER) == "lingering", "the last logout")
        assert lives(both)
        ok(both.here.pysh("stop", "w1@box"))


def test_a_node_of_another_user_ends_with_his_last_logout_which_is_said_before(both: Machines) -> None:
    with machine(both, KILLS) as box:
        assert LAST_LOGOUT in doctor(both)
        staying = subprocess.Popen(["ssh", "box", "cat"], env=both.here.environ, stdin=subprocess.PIPE)
        until(lambda: sessions(box), "a session that stays")
        assert LAST_LOGOUT in start(both)
        until(lambda: sessions(box).count("\n") == 0, "the end of all others")
        assert lives(both)
        staying.communicate()
        until(lambda: not hubs(box), "the end of the node")


def test_where_the_user_has_no_manager_the_node_ends_with_its_session_which_is_said_before(both: Machines) -> None:
    with machine(both, KILLS) as box:
        box.run("systemctl", "mask", "--runtime", f"user@{UID}.service")
        assert LOGOUT in doctor(both)
        assert LOGOUT in start(both)
        until(lambda: not hubs(box), "the end of the node")


@pytest.mark.parametrize(
    ("login", "user"), [({}, USER), (KILLS, "root"), (KILLS | {"KillExcludeUsers": f"root {USER}"}, USER)]
)
def test_where_logind_kills_nothing_of_the_user_his_node_stays(
    both: Machines, login: dict[str, str], user: str
) -> None:
    with machine(both, login) as box:
        assert OUTLIVES in doctor(both, f"{user}@box")
        assert start(both, f"{user}@box") == ""
        until(lambda: state(box, user) == "closing", "the last logout")
        assert lives(both, f"w1@{user}@box")
        ok(both.here.pysh("stop", f"w1@{user}@box"))
