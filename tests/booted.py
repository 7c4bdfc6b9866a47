"""A machine that systemd has booted, with an sshd, in namespaces and on a root of its own.

Of the real machine it sees the network, /usr (read only) and a few devices. Its root is in memory, and with its
first process everything of it is gone.
"""

import os
import signal
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from pysh.transports import system
from tests.sshd import SSHD, Place, descendants, free_port, keygen, public

USER, UID = "w", 1777
SYSTEMD = Path("/usr/lib/systemd/systemd")
PAM = Path("/etc/pam.d/common-session")
NEEDS = {"systemd": SYSTEMD, "busctl": Path("/usr/bin/busctl"), "sshd": Path(SSHD), "unshare": Path("/usr/bin/unshare")}
CGROUPS = [Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")]
ETC = ["alternatives", "ld.so.cache", "login.defs", "nsswitch.conf", "pam.d", "passwd", "group", "security", "shells"]
"""What of the real /etc is copied; the rest is written here."""

ROOT = """
set -euo pipefail
cd "$1"
mount -t tmpfs -o mode=755,size=64m tmpfs .
cd "$1"
mkdir usr var root run tmp proc sys dev old home
for name in bin sbin lib lib64; do [ ! -L /$name ] || ln -s usr/$name; done
mount --bind /usr usr
mount -o remount,bind,ro usr
cp -a "$2" etc
install -d -o "$3" -g "$3" "home/$4"
mount -t tmpfs -o mode=755 tmpfs run
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do touch dev/$name; mount --bind /dev/$name dev/$name; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=1777 tmpfs dev/shm
pivot_root . old
cd /
umount -l old
hostname box
exec env -i container=other PATH=/usr/sbin:/usr/bin /usr/lib/systemd/systemd --log-target=null
"""
"""Lays the root in the folder $1, with $2 as its /etc and a home for the user $3 (a number) called $4, and boots it."""

SSHD_OPTIONS: dict[str, object] = {
    "ListenAddress": "127.0.0.1", "AuthorizedKeysFile": "/etc/ssh/keys", "StrictModes": "no", "UsePAM": "yes",
    "PasswordAuthentication": "no", "KbdInteractiveAuthentication": "no", "PermitRootLogin": "yes",
}  # fmt: skip
SSHD_UNIT = f"""[Unit]
After=dbus.socket systemd-logind.service systemd-user-sessions.service
Wants=dbus.socket systemd-logind.service
[Service]
RuntimeDirectory=sshd
ExecStart={SSHD} -D
KillMode=process
"""


def missing() -> str:
    """Why nothing can be booted here."""
    if os.geteuid() != 0:
        return "only root may boot a machine"
    if absent := [name for name, path in NEEDS.items() if not path.exists()]:
        return f"there is no {' and no '.join(absent)} here"
    if "pam_systemd" not in (PAM.read_text() if PAM.exists() else ""):
        return "PAM does not open sessions of logind here"
    return "" if _cgroups() else "there are no cgroups of version 2 here"


def _cgroups() -> Path | None:
    return next((folder for folder in CGROUPS if (folder / "cgroup.procs").exists()), None)


class Booted:
    """The machine while it runs. From the home of `place` ssh goes to its users as `box` and `root@box`."""

    def __init__(self, folder: Path, place: Place, login: Mapping[str, str]) -> None:
        self._root, self._etc = folder / "root", folder / "etc"
        self._root.mkdir()
        cgroups = _cgroups()
        assert cgroups is not None
        self._cgroup = cgroups / f"pysh-test-{uuid.uuid4().hex[:8]}"
        self._write(place, free_port(), {"UserStopDelaySec": "0", **login})

    def _write(self, place: Place, port: int, login: Mapping[str, str]) -> None:
        """Its /etc, and what the client knows of it."""
        units, ssh = self._etc / "systemd" / "system", self._etc / "ssh"
        for folder in (units / "multi-user.target.wants", ssh):
            folder.mkdir(parents=True)
        for name in ETC:
            subprocess.run(["cp", "-a", f"/etc/{name}", self._etc], check=True)
        for name, line in [("passwd", f"{USER}:x:{UID}:{UID}::/home/{USER}:/bin/sh"), ("group", f"{USER}:x:{UID}:")]:
            with (self._etc / name).open("a") as file:
                file.write(f"{line}\n")
        (self._etc / "shadow").write_text(f"root:*:19000::::::\n{USER}:*:19000::::::\n")
        (self._etc / "machine-id").write_text(f"{uuid.uuid4().hex}\n")
        lines = [f"{name}={value}\n" for name, value in login.items()]
        (self._etc / "systemd" / "logind.conf").write_text("".join(["[Login]\n", *lines]))
        (units / "ssh.service").write_text(SSHD_UNIT)
        (units / "multi-user.target.wants" / "ssh.service").symlink_to("../ssh.service")
        (units / "default.target").symlink_to("/usr/lib/systemd/system/multi-user.target")
        host_key = keygen(ssh / "ssh_host_ed25519_key")
        (ssh / "keys").write_text(f"{public(place.home.key)}\n")
        options = SSHD_OPTIONS | {"Port": port, "HostKey": f"/etc/ssh/{host_key.name}"}
        (ssh / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
        place.home.host("box", {"HostName": "127.0.0.1", "Port": port, "User": USER})
        with place.home.known_hosts.open("a") as file:
            file.write(f"[127.0.0.1]:{port} {public(host_key)}\n")

    def start(self) -> None:
        """Boot; it takes a second or two until its sshd answers."""
        self._cgroup.mkdir()
        die = system.dies_with_us()

        def enter() -> None:
            (self._cgroup / "cgroup.procs").write_text(str(os.getpid()))
            die()

        spaces = ["--mount", "--pid", "--cgroup", "--uts", "--ipc", "--fork", "--kill-child"]
        words = ["bash", "-c", ROOT, "boot", str(self._root), str(self._etc), str(UID), USER]
        self.process = subprocess.Popen(
            ["unshare", *spaces, "--propagation", "private", *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=enter,
        )  # fmt: skip

    def run(self, *command: str) -> str:
        """What `command` prints, run there by root outside of any session."""
        first = descendants(self.process.pid)[0]
        inside = ["nsenter", "--target", str(first), "--all", "--", *command]
        return subprocess.run(inside, capture_output=True, text=True, timeout=20, check=False).stdout.strip()

    def stop(self) -> None:
        """End its first process, and so all of it."""
        for pid in descendants(self.process.pid)[:1]:
            os.kill(pid, signal.SIGKILL)
        self.process.communicate()
        for folder, _, _ in os.walk(self._cgroup, topdown=False):
            Path(folder).rmdir()


@contextmanager
def booted(folder: Path, place: Place, login: Mapping[str, str]) -> Iterator[Booted]:
    """A machine whose logind is configured by `login`. Skips the test where none can be booted."""
    if reason := missing():
        pytest.skip(reason)
    folder.mkdir()
    made = Booted(folder, place, login)
    made.start()
    try:
        yield made
    finally:
        made.stop()
