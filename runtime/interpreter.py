"""Which Python the user's code runs in, and whether it can."""

# ruff: noqa: PTH100, PTH103, PTH109, PTH111, PTH112, PTH113, PTH116, PTH118, PTH120

import os
import stat
import sys
from collections.abc import Iterator, Mapping

from pysh.runtime.places import ConfigError, cache_dir, write_private

OLDEST = (3, 11)
TIMEOUT = 10.0
"""Seconds for a Python to say what it is."""

# Also for a Python 2, which should be told so; without site, whose hooks may take long.
_ASK = "import sys; sys.stdout.write('%d.%d\\n%s' % (sys.version_info[0], sys.version_info[1], sys.executable))"
_CACHED = 50


class PythonError(ConfigError):
    """The Python that user code should run in cannot be used."""


def user_python(explicit: str | None = None, cwd: str | None = None, environ: Mapping[str, str] | None = None) -> str:
    """The path of the Python for user code: `explicit` (a path, a name on the PATH, or a virtual
    environment), else that of `$VIRTUAL_ENV` or of an active conda environment, else of the nearest `.venv` above
    `cwd`, else of conda's base if that is active, else ours.

    Raises `PythonError` if the one that was asked for is not there.
    """
    cwd = os.path.abspath(cwd or os.getcwd())
    environ = os.environ if environ is None else environ
    if explicit:
        return _named(explicit, cwd, environ)
    if active := environ.get("VIRTUAL_ENV"):
        python = os.path.join(active, "bin/python")
        if not _is_executable(python):
            hint = "leave it (deactivate), or choose a Python: python=PATH"
            raise PythonError("the active virtual environment has no Python", f"VIRTUAL_ENV={active}", hint)
        return python
    conda, base = _active_conda(environ), environ.get("CONDA_DEFAULT_ENV") == "base"
    return (not base and conda) or _nearest_venv(cwd) or conda or sys.executable


def _active_conda(environ: Mapping[str, str]) -> str:
    """The Python of the active conda environment, which may have none. `base` is active in many shells unasked."""
    python = os.path.join(environ.get("CONDA_PREFIX") or "", "bin/python")
    return python if environ.get("CONDA_PREFIX") and _is_executable(python) else ""


def _named(name: str, cwd: str, environ: Mapping[str, str]) -> str:
    paths = list(_meanings(os.path.expanduser(name), cwd, environ))
    for path in paths:
        if _is_executable(path):
            return path
    tried = "; ".join(f"{path}: {_why_not(path)}" for path in paths) if "/" in name else "no such program on the PATH"
    evidence = f'python="{name}": {tried}'
    raise PythonError("there is no such Python", evidence, "see what there is: type -a python3")


def _why_not(path: str) -> str:
    """Why the program at `path` cannot be started."""
    if not os.path.lexists(path):
        return "not there"
    return "a folder" if os.path.isdir(path) else "not executable"


def _meanings(name: str, cwd: str, environ: Mapping[str, str]) -> Iterator[str]:
    if "/" not in name:
        yield from (os.path.join(cwd, folder, name) for folder in os.get_exec_path(environ))
    path = os.path.normpath(os.path.join(cwd, name))
    yield os.path.join(path, "bin/python")
    yield path


def _is_executable(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _nearest_venv(folder: str) -> str:
    """The Python of the first `.venv` in `folder` or above it; empty if there is none.

    One that somebody else put there, say in /tmp, is refused: we would run it as ourselves.
    """
    while True:
        venv = os.path.join(folder, ".venv")
        python = os.path.join(venv, "bin/python")
        if _is_executable(python):
            _check_owner(venv, python)
            return python
        above = os.path.dirname(folder)
        if above == folder:
            return ""
        folder = above


def _check_owner(venv: str, python: str) -> None:
    found = os.stat(venv)
    if found.st_uid not in (os.geteuid(), 0):
        reason = f"it belongs to uid {found.st_uid}, and we are {os.geteuid()}"
    elif found.st_mode & 0o002:
        reason = f"its mode is {stat.S_IMODE(found.st_mode):04o}: anybody may change it"
    else:
        return
    hint = f'if you trust it: python="{python}"; if not: python="{sys.executable}"'
    raise PythonError("the nearest virtual environment is not safe to run", f"{venv}: {reason}", hint)


def check_python(path: str) -> tuple[str, str]:
    """The version of the Python at `path` (as in `3.11`) and the executable to start for it.

    It is run once to find out; the answer is kept until the file changes. Raises `PythonError` if
    it is none, or too old.
    """
    if path == sys.executable:
        return f"{sys.version_info[0]}.{sys.version_info[1]}", path
    key = _key(path)
    version, executable = _recall(key) or _ask_and_note(path, key)
    if tuple(map(int, version.split("."))) < OLDEST:
        what = f"user code needs Python {OLDEST[0]}.{OLDEST[1]} or newer"
        hint = "choose another: python=PATH"
        raise PythonError(what, f"{path} is Python {version}", hint)
    return version, executable


def _ask_and_note(path: str, key: str) -> tuple[str, str]:
    answer = _ask(path)
    if key:
        _note(key, *answer)
    return answer


def _ask(path: str) -> tuple[str, str]:
    import subprocess

    command = [path, "-E", "-S", "-c", _ASK]
    hint = "choose another: python=PATH"
    try:
        told = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT)
    except OSError as error:
        raise PythonError("the Python cannot be started", f"{path}: {error.strerror}", hint) from error
    except subprocess.TimeoutExpired as error:
        evidence = f"{path}: no answer within {TIMEOUT:g} s"
        raise PythonError("the Python cannot be started", evidence, hint) from error
    version, _, executable = told.stdout.decode(errors="replace").partition("\n")
    if told.returncode or not version.replace(".", "", 1).isdecimal():
        said = (told.stderr or told.stdout).decode(errors="replace").strip().rpartition("\n")[2][:200]
        raise PythonError("this is no Python", f"{path}: exit code {told.returncode}: {said or 'no word'}", hint)
    return version, executable or path


def _key(path: str) -> str:
    """What the answer of the program at `path` depends on; empty if that cannot be said.

    A script, such as those of pyenv, may answer differently in the next folder.
    """
    try:
        with open(path, "rb") as file:
            found = os.fstat(file.fileno())
            if file.read(2) == b"#!" or "\n" in path:
                return ""
    except OSError:
        return ""
    return f"{path}\0{found.st_ino}\0{found.st_size}\0{found.st_mtime_ns}\0"


def _recall(key: str) -> tuple[str, str] | None:
    for line in _notes() if key else ():
        if line.startswith(key):
            version, _, executable = line.removeprefix(key).partition("\0")
            return (version, executable) if _is_executable(executable) else None
    return None


def _notes() -> list[str]:
    try:
        with open(_notes_file(), encoding="utf-8", errors="surrogateescape") as file:
            return file.read().splitlines()
    except OSError:
        return []


def _note(key: str, version: str, executable: str) -> None:
    path = key.partition("\0")[0]
    others = [line for line in _notes() if not line.startswith(f"{path}\0")]
    lines = [*others, f"{key}{version}\0{executable}"][-_CACHED:]
    try:
        os.makedirs(cache_dir(), 0o700, exist_ok=True)
        write_private(_notes_file(), os.fsencode("\n".join(lines) + "\n"))
    except OSError:
        pass  # asked again next time


def _notes_file() -> str:
    return os.path.join(cache_dir(), "pythons")
