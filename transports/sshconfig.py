"""What the user's ssh configuration says of a destination, as OpenSSH itself reads it.

`ssh -G` is asked (6 ms). Without an ssh binary asyncssh's own parser stands in; it lacks what the
table below calls a need for the binary, which then cannot be met anyway.
"""

import asyncio
import getpass
import os
import pwd
import re
import shutil
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pysh.transports.base import TransportError, cleaned
from pysh.transports.destination import Destination

DEFAULT_IDENTITIES = tuple(f"~/.ssh/id_{kind}" for kind in ("rsa", "ecdsa", "ed25519"))
FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
NEEDS_BINARY = ("proxycommand", "pkcs11provider", "securitykeyprovider", "knownhostscommand")
"""Options that only the ssh binary honours; with one of them it is the means."""
DEFAULTS = {"securitykeyprovider": "internal"}
"""What `ssh -G` prints of an option that nobody set."""
TIMEOUT = 10.0
"""Seconds for a TCP connection to be there, unless ConnectTimeout says otherwise."""


class Settings(NamedTuple):
    """A destination, resolved."""

    host: str
    port: int
    user: str
    key_alias: str = ""  # HostKeyAlias
    identities: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    identities_only: bool = False
    agent: str = ""  # the path of its socket; empty for none
    known_hosts: tuple[str, ...] = ()
    jump: tuple[str, ...] = ()
    family: int = socket.AF_UNSPEC
    strict: str = "ask"  # StrictHostKeyChecking
    control_path: str = ""
    timeout: float = TIMEOUT
    needs_binary: str = ""  # the option that asyncssh does not know

    @property
    def key_name(self) -> str:
        """Under which name known_hosts files hold the host's key."""
        if self.key_alias:
            return self.key_alias
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"


class Stop(NamedTuple):
    """One host on the way: how it was written, and what the configuration says of it."""

    destination: Destination
    settings: Settings


def ssh_binary() -> str | None:
    """The path of the ssh binary, or None."""
    return shutil.which("ssh")


def arguments(destination: Destination) -> list[str]:
    """The destination as the ssh binary takes it; `--` keeps a host from being an option."""
    user = ["-l", destination.user] if destination.user else []
    port = ["-p", str(destination.port)] if destination.port else []
    return [*user, *port, "--", destination.host]


async def resolve(destination: Destination) -> Settings:
    """What the configuration says of `destination`. Raises `TransportError` with the stage `resolve`."""
    binary = ssh_binary()
    if binary is None:
        return _parsed_by_asyncssh(destination)
    asked = await asyncio.create_subprocess_exec(
        binary, "-G", *arguments(destination), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, complaint = await output_of(asked)
    if asked.returncode:
        what, hint = "ssh cannot read its configuration", f"see for yourself: ssh -G {destination.host}"
        raise TransportError("resolve", what, cleaned(complaint.decode(errors="replace")), hint)
    return parse(printed.decode(errors="replace"), destination)


async def output_of(process: asyncio.subprocess.Process) -> tuple[bytes, bytes]:
    """What a command prints until it ends, which it does also where nobody waits for it any more."""
    try:
        return await process.communicate()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def parse(printed: str, destination: Destination) -> Settings:
    """The settings that `ssh -G` printed for `destination`."""
    options: dict[str, list[str]] = {}
    for line in printed.splitlines():
        name, _, value = line.partition(" ")
        if value and value not in ("none", DEFAULTS.get(name.lower())):
            options.setdefault(name.lower(), []).append(value)
    return _settings(options, destination)


def _settings(options: Mapping[str, list[str]], destination: Destination) -> Settings:
    def first(name: str, default: str = "") -> str:
        return options.get(name, [default])[0]

    host, port = first("hostname", destination.host), int(first("port", "22"))
    user = first("user") or destination.user or getpass.getuser()
    tokens = {
        "%": "%", "d": home(), "h": host, "i": str(os.getuid()), "l": socket.gethostname(), "n": destination.host,
        "p": str(port), "r": user, "u": pwd.getpwuid(os.getuid()).pw_name,
    }  # fmt: skip

    def paths(name: str) -> tuple[str, ...]:
        return tuple(_expanded(path, tokens) for path in options.get(name, []))

    known = f"{first('userknownhostsfile')} {first('globalknownhostsfile')}".split()
    timeout = first("connecttimeout")
    return Settings(
        host=host, port=port, user=user,
        key_alias=first("hostkeyalias"),
        identities=paths("identityfile"),
        certificates=paths("certificatefile"),
        identities_only=first("identitiesonly") == "yes",
        agent=_agent(options, tokens),
        known_hosts=tuple(_expanded(path, tokens) for path in known),
        jump=tuple(hop.removeprefix("ssh://") for hop in first("proxyjump").split(",") if hop),
        family=FAMILIES.get(first("addressfamily"), socket.AF_UNSPEC),
        strict=first("stricthostkeychecking", "ask"),
        control_path=first("controlpath"),
        timeout=float(timeout) if timeout.isdigit() and int(timeout) else TIMEOUT,
        needs_binary=next((option for option in NEEDS_BINARY if option in options), ""),
    )  # fmt: skip


def home() -> str:
    """The home directory as OpenSSH sees it: the password file's, whatever $HOME says."""
    return pwd.getpwuid(os.getuid()).pw_dir


def _expanded(path: str, tokens: Mapping[str, str]) -> str:
    """`path` with `~`, `${VARIABLE}` and `%` tokens replaced, as ssh does for the files it names."""
    if path.startswith("~/"):
        path = home() + path[1:]
    path = re.sub(r"\$\{(\w+)\}", lambda found: os.environ.get(found[1], ""), path)
    return re.sub(r"%(.)", lambda found: tokens.get(found[1], found[0]), path)


def _agent(options: Mapping[str, list[str]], tokens: Mapping[str, str]) -> str:
    """The socket of the agent to ask: IdentityAgent's, else the environment's."""
    path = options.get("identityagent", ["SSH_AUTH_SOCK"])[0]
    if path == "SSH_AUTH_SOCK" or path.startswith("$"):
        return os.environ.get(path.strip("${}"), "")
    return _expanded(path, tokens)


def _parsed_by_asyncssh(destination: Destination) -> Settings:
    """The settings as asyncssh's parser reads `~/.ssh/config` and `/etc/ssh/ssh_config`."""
    from pysh.transports.sshkeys import read_config

    files = [path for path in (Path(home(), ".ssh/config"), Path("/etc/ssh/ssh_config")) if path.is_file()]
    options = read_config(files, destination)
    options.setdefault("identityfile", list(DEFAULT_IDENTITIES))
    options.setdefault("userknownhostsfile", [f"{home()}/.ssh/known_hosts"])
    options.setdefault("globalknownhostsfile", ["/etc/ssh/ssh_known_hosts"])
    return _settings(options, destination)


class Stopwatch:
    """How long each stage took, in milliseconds."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}
        self._since = time.monotonic()

    def lap(self, stage: str) -> None:
        """`stage` is over now."""
        now = time.monotonic()
        self.milliseconds[stage] = round((now - self._since) * 1000, 2)
        self._since = now
