"""A private OpenSSH server for a test, and the private home of its client."""

import asyncio
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pysh.transports import system

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
USER = (
    os.environ.get("USER") or subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
)
DEFAULTS = {
    "UsePAM": "no",
    "StrictModes": "no",
    "PasswordAuthentication": "no",
    "KbdInteractiveAuthentication": "no",
    "PermitRootLogin": "yes",
    "PrintMotd": "no",
    "LogLevel": "VERBOSE",
    "MaxStartups": "100",
    "MaxSessions": "100",
}


def missing() -> str:
    """Why no sshd can be started here; in CI that is a failure and no reason to skip."""
    absent = [name for name in (SSHD, "ssh", "ssh-keygen") if not shutil.which(name)]
    if absent and os.environ.get("CI") == "true":
        pytest.fail(f"CI needs {' and '.join(absent)}")
    return f"there is no {' and no '.join(absent)} here" if absent else ""


def keygen(path: Path, *words: str) -> Path:
    """Make a key pair at `path`, ed25519 unless `words` say otherwise."""
    kind = [] if "-t" in words else ["-t", "ed25519"]
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", path, "-C", path.name, *kind, *words], check=True)
    return path


def public(path: Path) -> str:
    """The public half of the key pair at `path`: kind and base64."""
    return " ".join(Path(f"{path}.pub").read_text().split()[:2])


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


class Sshd:
    """A server on 127.0.0.1 with host keys and authorized keys of its own.

    Its sessions have `folder/home` as $HOME, so no rc file of the real one is read, and `env` beside it. It is
    started by the command `prefix`, if there is one; `program` is by what name, which for PAM is that of the service.
    """

    def __init__(
        self,
        folder: Path,
        key: Path,
        options: Mapping[str, str],
        host_key: Path | None = None,
        env: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        program: str = SSHD,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._prefix, self._program = prefix, program
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(exist_ok=True)
        self.port = free_port()
        set_env = {"HOME": str(self.home)} | dict(env or {})
        self.host_key = host_key or keygen(folder / "host_key")
        self.authorized = folder / "authorized_keys"
        self.authorized.write_text(f"{public(key)}\n")
        self._options = DEFAULTS | {
            "Port": str(self.port),
            "ListenAddress": "127.0.0.1",
            "HostKey": str(self.host_key),
            "AuthorizedKeysFile": str(self.authorized),
            "PidFile": "none",
            "SetEnv": " ".join(f'"{name}={value}"' for name, value in set_env.items()),
        } | options  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """How known_hosts files call it."""
        return f"[127.0.0.1]:{self.port}"

    @property
    def pid(self) -> int:
        """The process that listens."""
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        """What it printed."""
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start it and wait until it listens."""
        Path("/run/sshd").mkdir(exist_ok=True)
        config = self.folder / "sshd_config"
        config.write_text("".join(f"{name} {value}\n" for name, value in self._options.items()))
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self._prefix, self._program, "-D", "-e", "-f", config],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
                preexec_fn=system.dies_with_us(),  # a test that is killed leaves no server
            )
        deadline = time.monotonic() + 10
        while "Server listening" not in self.log:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.005)

    def sessions(self) -> list[int]:
        """The processes that it runs for those who are connected."""
        return [pid for pid in descendants(self.pid) if alive(pid)]

    def stop(self) -> None:
        """End it and the connections it has."""
        if self.process is None:
            return
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None


def descendants(pid: int) -> list[int]:
    """The processes below `pid`."""
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, children.read_text().split()):
                found += [child, *descendants(child)]
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


async def until(condition: Callable[[], object], seconds: float = 5) -> None:
    """Wait until `condition()`, `seconds` at most."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


class Home:
    """A client's home: its keys, `~/.ssh/config` and `known_hosts`, and a PATH whose ssh reads them.

    OpenSSH takes the home directory from the password file and not from $HOME, so a wrapper names
    the configuration.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ssh = path / ".ssh"
        self.ssh.mkdir(parents=True, mode=0o700)
        self.key = keygen(self.ssh / "id_test")
        self.known_hosts = self.ssh / "known_hosts"
        self.known_hosts.touch(mode=0o600)
        self.own_known_hosts = path / "state" / "known_hosts"
        self.config = self.ssh / "config"
        self._blocks: list[str] = []
        self.host("*", {
            "User": USER, "IdentityFile": str(self.key), "UserKnownHostsFile": str(self.known_hosts),
            "GlobalKnownHostsFile": str(self.ssh / "global_known_hosts"), "HashKnownHosts": "no",
        })  # fmt: skip
        wrapper = path / "bin" / "ssh"
        wrapper.parent.mkdir()
        real, config = shlex.quote(shutil.which("ssh") or "ssh"), shlex.quote(str(self.config))
        wrapper.write_text(
            f'#!/bin/sh\ncase " $* " in *" -F none "*) exec {real} "$@";; esac\nexec {real} -F {config} "$@"\n'
        )
        wrapper.chmod(0o755)
        self.environ = {
            "HOME": str(path),
            "PATH": f"{wrapper.parent}:{os.environ['PATH']}",
            "XDG_STATE_HOME": str(path / "state"),
        }

    def host(self, alias: str, options: Mapping[str, str | int]) -> None:
        """Add a Host block before the ones that are there."""
        self._blocks.insert(0, f"Host {alias}\n" + "".join(f"  {name} {value}\n" for name, value in options.items()))
        self.config.write_text("".join(self._blocks))

    def know(self, server: Sshd, key: Path | None = None, marker: str = "") -> None:
        """Write a host key of `server`, its own unless told otherwise, into known_hosts."""
        with self.known_hosts.open("a") as file:
            file.write(f"{marker} {server.name} {public(key or server.host_key)}\n".lstrip())


class Place:
    """A client's home with servers it may go to, all stopped at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = Home(folder / "home")
        self.sockets = Path(tempfile.mkdtemp(prefix="pysh-"))  # a socket's path is to be short
        self.servers: list[Sshd] = []

    def sshd(
        self,
        alias: str = "db1",
        *,
        known: bool = True,
        host_key: Path | None = None,
        env: Mapping[str, str] | None = None,
        program: str = SSHD,
        **options: str,
    ) -> Sshd:
        """A running server that the configuration calls `alias`; `options` are sshd's, `env` its sessions'."""
        server = Sshd(self.folder / f"sshd-{alias}", self.home.key, options, host_key, env, program=program)
        self.servers.append(server)
        self.home.host(alias, {"HostName": "127.0.0.1", "Port": server.port})
        if known:
            self.home.know(server)
        server.start()
        return server


@contextmanager
def place(folder: Path) -> Iterator[Place]:
    """A place whose home is ours, and whose servers are stopped at the end."""
    if reason := missing():
        pytest.skip(reason)
    made = Place(folder)
    before, tempfile.tempdir = os.environ.copy(), str(made.sockets)
    os.environ.pop("SSH_AUTH_SOCK", None)
    os.environ.update(made.home.environ, TMPDIR=str(made.sockets))
    try:
        yield made
        assert list(made.sockets.iterdir()) == []
    finally:
        tempfile.tempdir = None
        shutil.rmtree(made.sockets)
        os.environ.clear()
        os.environ.update(before)
        for server in made.servers:
            server.stop()
