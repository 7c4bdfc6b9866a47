"""Whether a node survives the logout: what logind would do, and what the user may ask of systemd."""

import ast
import os
import pwd
from pathlib import Path

import pytest

from pysh.runtime.hub import persistence
from pysh.runtime.hub.persistence import SCOPE, Survival, kills, survival

SESSION = "0::/user.slice/user-1000.slice/session-7.scope\n"
MANAGER = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope\n"
KILLS = '{"type":"b","data":true}\n{"type":"as","data":[]}\n{"type":"as","data":["nobody"]}'


class System:
    """What a machine says of a process, and its programs, each a script."""

    def __init__(self, folder: Path) -> None:
        self.cgroup, self.bin = folder / "cgroup", folder / "bin"
        self.bin.mkdir()
        self.cgroup.write_text(SESSION)

    def program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def logind(self, values: str) -> None:
        self.program("busctl", f"echo '{values}'")

    def survival(self) -> Survival:
        return survival(str(self.cgroup))


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    made = System(tmp_path)
    monkeypatch.setenv("PATH", str(made.bin))
    return made


@pytest.mark.parametrize(
    ("everybody", "only", "exempt", "user", "killed"),
    [
        (False, [], [], "w", False),
        (True, [], [], "w", True),
        (True, [], [], "root", False),
        (True, [], ["w"], "w", False),
        (True, [], ["w"], "root", True),
        (True, ["v"], [], "w", False),
        (False, ["w"], [], "w", True),
        (False, ["w"], ["w"], "w", False),
    ],
)
def test_logind_kills_what_its_three_settings_say(
    everybody: bool, only: list[str], exempt: list[str], user: str, killed: bool
) -> None:
    assert kills(everybody, only, exempt, user) is killed


def test_a_process_outside_of_any_login_session_survives_by_itself(system: System) -> None:
    system.logind(KILLS)
    system.cgroup.write_text(MANAGER)
    assert system.survival() == Survival([])
    system.cgroup.unlink()
    assert system.survival() == Survival([])


@pytest.mark.parametrize(
    "said",
    ["", "nonsense", "{}", KILLS.replace("true", "false"), KILLS.replace("nobody", pwd.getpwuid(os.geteuid())[0])],
)
def test_where_logind_kills_nothing_of_ours_or_does_not_say_so_nothing_is_done(system: System, said: str) -> None:
    assert system.survival() == Survival([])
    system.logind(said)
    assert system.survival() == Survival([])


def test_without_systemd_run_it_is_said_that_the_node_ends_with_the_logout(system: System) -> None:
    system.logind(KILLS)
    prefix, warning = system.survival()
    assert prefix == []
    assert warning == (
        "it will end with the logout (systemd's KillUserProcesses is on); "
        "ask for KillUserProcesses=no in /etc/systemd/logind.conf"
    )


@pytest.mark.parametrize(("linger", "warned"), [("yes", False), ("no", True)])
def test_a_scope_of_the_users_own_manager_survives_and_lasts_if_that_lingers(
    system: System, linger: str, warned: bool
) -> None:
    system.logind(KILLS)
    system.program("systemd-run", 'while [ "$1" != -- ]; do shift; done; shift; [ "$1" = true ]')
    system.program("loginctl", f"echo {linger}")
    prefix, warning = system.survival()
    assert prefix == SCOPE
    assert ("loginctl enable-linger" in warning) is warned


def test_a_manager_that_does_not_answer_is_no_help(system: System) -> None:
    system.logind(KILLS)
    system.program("systemd-run", "echo Failed to connect to bus >&2; exit 1")
    assert system.survival().prefix == []


def test_its_text_is_one_that_old_pythons_understand() -> None:
    ast.parse(Path(persistence.__file__).read_text(), feature_version=(3, 7))
