"""Whether a node survives the logout: what logind is configured to do, and what the user may ask of systemd."""

from pathlib import Path

import pytest

from pysh.runtime.hub.persistence import SCOPE, Survival, kills_user_processes, survival

SESSION = "0::/user.slice/user-1000.slice/session-7.scope\n"
MANAGER = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope\n"


class System:
    """The files of a machine and its programs, each a script."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cgroup, self.etc, self.bin = folder / "cgroup", folder / "etc", folder / "bin"
        self.etc.mkdir()
        self.bin.mkdir()
        self.cgroup.write_text(SESSION)

    def program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def survival(self) -> Survival:
        return survival(str(self.cgroup), str(self.etc))


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    made = System(tmp_path)
    monkeypatch.setenv("PATH", str(made.bin))
    return made


CONFIGURATIONS = [
    ({}, False),
    ({"logind.conf": "[Login]\n#KillUserProcesses=yes\n"}, False),
    ({"logind.conf": "[Login]\nKillUserProcesses=yes\n"}, True),
    ({"logind.conf": "KillUserProcesses = yes\n", "logind.conf.d/50-ours.conf": "KillUserProcesses=no\n"}, False),
    ({"logind.conf.d/1.conf": "KillUserProcesses=no\n", "logind.conf.d/2.conf": "KillUserProcesses=true\n"}, True),
    ({"logind.conf": "KillUserProcesses=no\nKillUserProcesses=yes\n"}, True),
]


@pytest.mark.parametrize(("files", "kills"), CONFIGURATIONS)
def test_the_last_word_in_loginds_configuration_counts(tmp_path: Path, files: dict[str, str], kills: bool) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert kills_user_processes(str(tmp_path)) is kills


def test_a_process_outside_of_any_login_session_survives_by_itself(system: System) -> None:
    (system.etc / "logind.conf").write_text("KillUserProcesses=yes\n")
    system.cgroup.write_text(MANAGER)
    assert system.survival() == Survival([])
    system.cgroup.unlink()
    assert system.survival() == Survival([])


def test_where_logind_kills_nothing_nothing_is_done(system: System) -> None:
    assert system.survival() == Survival([])


def test_without_systemd_run_it_is_said_that_the_node_ends_with_the_logout(system: System) -> None:
    (system.etc / "logind.conf").write_text("KillUserProcesses=yes\n")
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
    (system.etc / "logind.conf").write_text("KillUserProcesses=yes\n")
    system.program("systemd-run", 'while [ "$1" != -- ]; do shift; done; shift; [ "$1" = true ]')
    system.program("loginctl", f"echo {linger}")
    prefix, warning = system.survival()
    assert prefix == SCOPE
    assert ("loginctl enable-linger" in warning) is warned


def test_a_manager_that_does_not_answer_is_no_help(system: System) -> None:
    (system.etc / "logind.conf").write_text("KillUserProcesses=yes\n")
    system.program("systemd-run", "echo Failed to connect to bus >&2; exit 1")
    assert system.survival().prefix == []
