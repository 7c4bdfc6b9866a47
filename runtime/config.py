"""What was configured: the cookie, the names, the Python for user code, and where things are.

One module to ask; read before the first prompt stands, so it imports little and no pathlib.
"""

# ruff: noqa: PTH100, PTH103, PTH115, PTH118, PTH120

import errno
import os
import stat

from pysh.runtime.drawn import default_node_host, generated_name
from pysh.runtime.interpreter import PythonError, check_python, user_python
from pysh.runtime.places import (
    ConfigError,
    cache_dir,
    config_dir,
    runtime_dir,
    runtime_dirs,
    state_dir,
    write_private,
)
from pysh.runtime.protocol.terms import Cookie

__all__ = [
    "ConfigError",
    "CookieError",
    "PythonError",
    "cache_dir",
    "check_python",
    "config_dir",
    "cookie_file",
    "default_node_host",
    "generated_name",
    "grace",
    "machine_names",
    "new_cookie",
    "rc_file",
    "read_cookie",
    "runtime_dir",
    "runtime_dirs",
    "state_dir",
    "user_python",
]

MAX_COOKIE = 4096


class CookieError(ConfigError):
    """There is no cookie that can be used, or its file is not ours alone."""


# The cookie


def cookie_file() -> str:
    """Where the cookie lies unless another file is named."""
    return os.path.join(config_dir(), "cookie")


def rc_file() -> str:
    """The path of the code that shells run before their first cell (it may not exist)."""
    return os.path.join(config_dir(), "rc.pysh")


def read_cookie(text: str | None = None, file: str | None = None, option: str = "--cookie") -> Cookie:
    """The secret that nodes share: `text`, else what `file` holds, else `$PYSH_COOKIE`, else the file
    `$PYSH_COOKIE_FILE`, else our own cookie file, which the first start makes.

    `option` is how `text` was given. `$PYSH_COOKIE` leaves the environment, so that no child inherits it and
    nobody sees it there. Raises `CookieError`.
    """
    variable = os.environ.pop("PYSH_COOKIE", None)
    if variable:
        from pysh.runtime import system

        system.hide_argument(variable)
    if text is not None:
        return _checked(os.fsencode(text), option)
    if file is not None:
        return _cookie_in(file, f"--cookie-file {file}")
    if variable is not None:
        return _checked(os.fsencode(variable), "$PYSH_COOKIE")
    if named := os.environ.get("PYSH_COOKIE_FILE"):
        return _cookie_in(named, f"$PYSH_COOKIE_FILE, {named}")
    if not os.path.lexists(cookie_file()):
        try:
            new_cookie(replace=False)
        except FileExistsError:
            pass  # another start was faster
    return _cookie_in(cookie_file(), f"the cookie file {cookie_file()}")


def new_cookie(file: str | None = None, *, replace: bool = True) -> str:
    """Write a fresh cookie of 256 random bits to `file` (default: our cookie file); the file's path.

    Raises `CookieError` if it cannot be written, `FileExistsError` if it is not to be replaced.
    """
    from base64 import b32encode

    path = file or cookie_file()
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), 0o700, exist_ok=True)
        write_private(path, b32encode(os.urandom(32)).rstrip(b"=").lower() + b"\n", replace=replace)
    except FileExistsError:
        raise
    except OSError as error:
        hint = "give one: --cookie TEXT, or --cookie-file FILE"
        raise CookieError("no cookie could be written", f"{path}: {error.strerror}", hint) from error
    return path


def _checked(cookie: bytes, source: str) -> Cookie:
    cookie = cookie.strip()
    hint = "make a good one: pysh cookie new"
    if not cookie:
        raise CookieError("the cookie is empty", source, hint)
    if len(cookie) > MAX_COOKIE or len(cookie.splitlines()) > 1:
        raise CookieError(f"a cookie is one line of at most {MAX_COOKIE} bytes", source, hint)
    return Cookie(cookie, source)


def _cookie_in(path: str, source: str) -> Cookie:
    """The cookie in the file `path`, if nobody else can read or change it."""
    try:
        with open(_open_cookie(path), "rb") as file:
            if not (_inherited(path) and stat.S_ISFIFO(os.fstat(file.fileno()).st_mode)):
                _check_cookie_file(path, os.fstat(file.fileno()))
            return Cookie(_checked(file.read(MAX_COOKIE + 2), path), source)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            evidence, hint = (
                f"{path} -> {os.readlink(path)}",
                f"name the file itself: {os.path.realpath(path)}",
            )
            raise CookieError("the cookie file is a symbolic link", evidence, hint) from error
        hint = f"write ours there: (umask 077; pysh cookie show > {path})"
        raise CookieError("the cookie file cannot be read", f"{path}: {error.strerror}", hint) from error


def _inherited(path: str) -> str:
    """The number of the descriptor that `path` stands for, as in `--cookie-file <(pass show pysh)`."""
    before, _, number = path.rpartition("/")
    return number if before in ("/dev/fd", "/proc/self/fd") and number.isdecimal() else ""


def _open_cookie(path: str) -> int:
    if number := _inherited(path):
        return os.dup(int(number))
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)


def _check_cookie_file(path: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise CookieError("the cookie file is no file", path, "give one: --cookie-file FILE")
    if found.st_uid != os.geteuid():
        evidence = f"{path}: uid {found.st_uid}, and we are {os.geteuid()}"
        raise CookieError("the cookie file is not ours", evidence, f"make it so: sudo chown {os.geteuid()} {path}")
    if found.st_mode & 0o077:
        evidence = f"{path}: mode {stat.S_IMODE(found.st_mode):04o}"
        raise CookieError("others may read or change the cookie file", evidence, f"chmod 600 {path}")


# Time


def grace() -> dict[str, list[float]]:
    """What a hub is told of how long it waits for a node without a connection: `$PYSH_GRACE` seconds, whoever
    sits at either; nothing where that is not set. Raises `ConfigError`.
    """
    text = os.environ.get("PYSH_GRACE", "")
    if not text:
        return {}
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ConfigError("the grace is no number of seconds", f"$PYSH_GRACE: {text}", "export PYSH_GRACE=3600")
    return {"grace": [seconds, seconds]}


# Names


def machine_names() -> list[str]:
    """What this machine answers to in a node's name, in lower case."""
    full = os.uname().nodename.lower()
    return list(dict.fromkeys(["localhost", full, full.partition(".")[0], default_node_host().lower()]))
