"""Whether a node outlives the logout of whoever started it, and how it is made to.

systemd-logind may end every process of a session with the session (`KillUserProcesses=yes`). A process
in a scope of the user's own manager is not the session's; that manager stays after the last logout
where the user lingers (`loginctl enable-linger`). The text of this file also goes to other machines, where
any Python from 3.7 on is to understand it.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

PATIENCE = 2.0
"""Seconds that systemd has for an answer."""
SCOPE = ["systemd-run", "--user", "--scope", "--quiet", "--collect", "--"]
ASK_LOGIND = [
    "busctl", "--json=short", "get-property", "org.freedesktop.login1", "/org/freedesktop/login1",
    "org.freedesktop.login1.Manager", "KillUserProcesses", "KillOnlyUsers", "KillExcludeUsers",
]  # fmt: skip


class Survival(NamedTuple):
    """`prefix` goes before the command of what is to survive; `warning` says why it will not, or is empty."""

    prefix: list[str]
    warning: str = ""


def survival(cgroup: str = "/proc/self/cgroup") -> Survival:
    """What it takes that a process started now survives the logout."""
    if not _in_session(cgroup) or not _logind_kills():
        return Survival([])
    if shutil.which(SCOPE[0]) and _said([*SCOPE, "true"]) is not None:
        if _said(["loginctl", "show-user", str(os.geteuid()), "--property=Linger", "--value"]) == "yes":
            return Survival(SCOPE)
        hint = "keep the user's manager: loginctl enable-linger"
        return Survival(SCOPE, f"it will end with this user's last logout (linger is off); {hint}")
    hint = "ask for KillUserProcesses=no in /etc/systemd/logind.conf"
    return Survival([], f"it will end with the logout (systemd's KillUserProcesses is on); {hint}")


def main(marker: str) -> None:
    """Print the warning of a process that would be started now, behind `marker`."""
    print(marker + survival().warning)


def kills(everybody: bool, only: Sequence[str], exempt: Sequence[str], user: str) -> bool:
    """Whether logind ends what a session of `user` leaves, by KillUserProcesses, KillOnlyUsers, KillExcludeUsers."""
    if user in (exempt or ["root"]):
        return False
    return user in only if only else everybody


def _in_session(cgroup: str) -> bool:
    """Whether logind counts this process to a login session."""
    try:
        with open(cgroup, encoding="ascii", errors="replace") as file:
            return any("/session-" in line and ".scope" in line for line in file)
    except OSError:
        return False


def _logind_kills() -> bool:
    """Whether logind would end us with our session: what it says itself, for a file may be newer than its start."""
    try:
        everybody, only, exempt = (json.loads(line)["data"] for line in (_said(ASK_LOGIND) or "").splitlines())
        return kills(everybody, only, exempt, pwd.getpwuid(os.geteuid()).pw_name)
    except (ValueError, LookupError, TypeError):
        return False


def _said(command: list[str]) -> str | None:
    """What `command` printed, or None if it failed."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout.decode(errors="replace").strip()
