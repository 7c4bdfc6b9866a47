"""The directories where pysh keeps its things, and how it writes there.

They are needed before the first prompt stands, so nothing here imports more than it must; pathlib
alone would cost 16 ms. They follow the XDG rules on every system, so that terminal, hub and runners
agree whatever is installed in their environments.
"""

# ruff: noqa: PTH100, PTH102, PTH104, PTH108, PTH111, PTH112, PTH117, PTH118

import os

from pysh.transports import system
from pysh.transports.base import explained

_CHOOSE = "choose another: export PYSH_RUNTIME_DIR=~/.pysh-run"
_TMP = "/tmp"  # not $TMPDIR, which differs between sessions that should find each other


class ConfigError(ValueError):
    """Something that was configured cannot be used: what, how we know, what to type next."""

    def __init__(self, what: str, evidence: str = "", hint: str = "") -> None:
        super().__init__(what, evidence, hint)
        self.what = what
        self.evidence = evidence
        self.hint = hint

    def __str__(self) -> str:
        return explained(self.what, self.evidence, self.hint)


def config_dir() -> str:
    """The directory of what the user configures (it may not exist)."""
    return _xdg("XDG_CONFIG_HOME", ".config")


def cache_dir() -> str:
    """The directory of what can be made again (it may not exist)."""
    return _xdg("XDG_CACHE_HOME", ".cache")


def state_dir() -> str:
    """The directory of what outlives a session: logs, history, kept results (it may not exist)."""
    return _xdg("XDG_STATE_HOME", ".local/state")


def _xdg(variable: str, default: str) -> str:
    base = os.environ.get(variable, "")
    if not os.path.isabs(base):  # as the XDG specification says
        base = os.path.join(os.path.expanduser("~"), default)
    return os.path.join(base, "pysh")


def results_dir(node: str) -> str:
    """The directory of the results that node `node` of this machine keeps (it may not exist).

    A home may be shared by several machines, each with a node of that name.
    """
    from binascii import crc32

    whose = crc32(b" ".join([_machine(), node.encode()]))
    return os.path.join(state_dir(), "results", f"{node[:200]}-{whose:08x}")


def has_home() -> bool:
    """Whether the user's home directory is there. Where it is not, as on some clusters, nobody should make it."""
    return os.path.isdir(os.path.expanduser("~"))


def runtime_dir() -> str:
    """The directory of the sockets of the nodes here, made if it is missing and checked each time.

    `$PYSH_RUNTIME_DIR`, else `/run/user/UID/pysh` where the system keeps such a directory for us, else
    `/tmp/pysh-UID`. Of one that was named, and that another machine used first, a folder in it that is ours.
    Raises `ConfigError` if anybody else could enter it.
    """
    path = _runtime_places()[0]
    try:
        _make(path)
        if os.environ.get("PYSH_RUNTIME_DIR") and (own := _own_part(path)) != path:
            path = own
            _make(path)
    except OSError as error:
        raise ConfigError("the runtime directory cannot be made", f"{path}: {error.strerror}", _CHOOSE) from error
    return path


def _make(path: str) -> None:
    """Have the directory `path`, for us alone. Raises `OSError`, or `ConfigError` where others may enter it."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    if reason := system.why_not_private(path):
        hint = f"close it: chmod 700 {path}" if "mode" in reason else _CHOOSE
        raise ConfigError("the runtime directory is not ours alone", f"{path}: {reason}", hint)


def _own_part(path: str) -> str:
    """What of the runtime directory `path` is for this machine: all of it, if no other one was there before.

    A home may be shared by several machines. There a lock, a socket or a pid of another one means nothing, so
    the first of them writes into the lock of the directory which one it is.
    """
    ours, mark = _machine(), f"{path}/.lock"
    first = b""
    while not first:
        try:
            with open(mark, "r+b") as file:
                first = file.read(1024)
                if not first:
                    file.write(ours)
        except FileNotFoundError:
            try:
                write_private(mark, ours, replace=False)
            except FileExistsError:
                pass  # another was faster
    if first == ours:
        return path
    from binascii import crc32

    return f"{path}/{crc32(ours):08x}"


def _machine() -> bytes:
    """Which machine this is: its name, and its number where the system gives it one."""
    try:
        with open("/etc/machine-id", "rb") as file:
            number = file.read(64).strip()
    except OSError:
        number = b""
    return b" ".join([os.fsencode(os.uname().nodename), number])


def runtime_dirs() -> list[str]:
    """The runtime directory, and any other where nodes of ours may be.

    There may be two: a node that was started where the system had no `/run/user/UID` stays in /tmp.
    Raises as `runtime_dir` does; another directory that is not ours alone is passed over.
    """
    return [runtime_dir(), *(path for path in _runtime_places()[1:] if _is_private(path))]


def _runtime_places() -> list[str]:
    named = os.environ.get("PYSH_RUNTIME_DIR")
    if named:
        return [os.path.abspath(named)]
    # By its path, not by $XDG_RUNTIME_DIR: a command run through ssh often lacks the variable.
    user = f"/run/user/{os.geteuid()}"
    places = [f"{_TMP}/pysh-{os.geteuid()}"]
    return [f"{user}/pysh", *places] if _is_private(user) else places


def _is_private(path: str) -> bool:
    try:
        return not system.why_not_private(path)
    except OSError:
        return False


def write_private(path: str, data: bytes, *, replace: bool = True) -> None:
    """Write a file that only we can read, whole or not at all.

    Raises `FileExistsError` if there is one and it is not to be replaced.
    """
    made = f"{path}.{os.urandom(4).hex()}"
    fd = os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "wb") as file:
            file.write(data)
        if replace:
            os.rename(made, path)
        else:
            os.link(made, path)
    finally:
        try:
            os.unlink(made)
        except FileNotFoundError:
            pass
