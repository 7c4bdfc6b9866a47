"""Whether a node outlives the logout of whoever started it, and how it is made to.

systemd-logind may end every process of a session with the session (`KillUserProcesses=yes`). A process
in a scope of the user's own manager is not the session's; that manager stays after the last logout
where the user lingers (`loginctl enable-linger`).
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from glob import glob
from typing import NamedTuple

PATIENCE = 2.0
"""Seconds that systemd has for an answer."""
SCOPE = ["systemd-run", "--user", "--scope", "--quiet", "--collect", "--"]


class Survival(NamedTuple):
    """`prefix` goes before the command of what is to survive; `warning` says why it will not, or is empty."""

    prefix: list[str]
    warning: str = ""


def survival(cgroup: str = "/proc/self/cgroup", etc: str = "/etc/systemd") -> Survival:
    """What it takes that a process started now survives the logout."""
    if not _in_session(cgroup) or not kills_user_processes(etc):
        return Survival([])
    if shutil.which(SCOPE[0]) and _ends_well([*SCOPE, "true"]):
        if _lingers():
            return Survival(SCOPE)
        hint = "keep the user's manager: loginctl enable-linger"
        return Survival(SCOPE, f"it will end with this user's last logout (linger is off); {hint}")
    hint = "ask for KillUserProcesses=no in /etc/systemd/logind.conf"
    return Survival([], f"it will end with the logout (systemd's KillUserProcesses is on); {hint}")


def _in_session(cgroup: str) -> bool:
    """Whether logind counts this process to a login session."""
    try:
        with open(cgroup, encoding="ascii", errors="replace") as file:
            return any("/session-" in line and ".scope" in line for line in file)
    except OSError:
        return False


def kills_user_processes(etc: str = "/etc/systemd") -> bool:
    """Whether logind is configured to end a session's processes with it: the last word in its files."""
    said = "no"
    for path in (f"{etc}/logind.conf", *sorted(glob(f"{etc}/logind.conf.d/*.conf"))):  # noqa: PTH207
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                lines = [line.partition("=") for line in file]
        except OSError:
            continue
        said = next((value.strip() for name, _, value in reversed(lines) if name.strip() == "KillUserProcesses"), said)
    return said.lower() in ("yes", "true", "on", "1")


def _lingers() -> bool:
    command = ["loginctl", "show-user", str(os.geteuid()), "--property=Linger", "--value"]
    return _says(command, lambda said: said.strip() == b"yes")


def _ends_well(command: list[str]) -> bool:
    return _says(command, lambda _: True)


def _says(command: list[str], what: Callable[[bytes], bool]) -> bool:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and what(done.stdout)
