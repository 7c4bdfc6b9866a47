"""`ls cd pwd`: the files of the machine that this code runs on; `load` runs one of them here."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from typing import Any

import pysh
from pysh.runtime.errors import PyshError
from pysh.runtime.runner import inside
from pysh.runtime.runner.cells import CO_COROUTINE, mentioned

ENTRIES = 1000
"""So many entries of a folder are listed."""
_TO_AWAIT = 0x2000
"""`ast.PyCF_ALLOW_TOP_LEVEL_AWAIT`, without importing that."""

_before: list[str] = []
_loading: list[Path] = []


def pwd() -> None:
    """Print the current folder of the process that runs this code: at a prompt, of the shell of its node."""
    print(_here())


def cd(path: str | os.PathLike[str] = "~") -> None:
    """Make `path` the current folder, without it your home; `"-"` is the one before. Prints it.

    It is that of the shell; tasks begin in the folder of the node. Raises `FileNotFoundError`, `NotADirectoryError`.
    """
    now = _here()
    if path == "-" and not _before:
        raise FileNotFoundError("there was no folder before this one")
    wanted = _before[0] if path == "-" else os.path.expanduser(path)  # noqa: PTH111
    try:
        os.chdir(wanted)
    except OSError as error:
        raise _told(error, wanted, f"; this is still {now}") from None
    _before[:] = [now]
    print(_here())


def ls(path: str | os.PathLike[str] = ".", all: bool = False) -> None:
    """Print what is in a folder, folders with a `/`; `all` is also what begins with a dot."""
    place = os.path.expanduser(path)  # noqa: PTH111
    try:
        if not os.path.isdir(place):  # noqa: PTH112
            found = os.lstat(place)
            print(f"{path}  {found.st_size:,} bytes")
            return
        with os.scandir(place) as entries:
            names = sorted(_entry(each) for each in entries if all or not each.name.startswith("."))
    except OSError as error:
        raise _told(error, place) from None
    shown = columns(names[:ENTRIES], shutil.get_terminal_size().columns)
    more = [f"… {len(names) - ENTRIES:,} more"] if len(names) > ENTRIES else []
    print(*shown, *more, sep="\n") if names else print("(empty)")


def _entry(entry: "os.DirEntry[str]") -> str:
    name = entry.name if entry.name.isprintable() else ascii(entry.name)[1:-1]
    return f"{name}/" if entry.is_dir() else name


def columns(names: list[str], width: int) -> Iterator[str]:
    """The lines of a list in columns, to be read from top to bottom."""
    widest = max(map(len, names), default=0) + 2
    rows = -(-len(names) // max(1, width // widest))
    for row in range(rows):
        yield "".join(name.ljust(widest) for name in names[row::rows]).rstrip()


def _here() -> str:
    try:
        return os.getcwd()  # noqa: PTH109
    except FileNotFoundError:
        return "(a folder that is gone; cd() goes home)"


def _told(error: OSError, path: str | os.PathLike[str], more: str = "") -> OSError:
    """The same error, in words that say where it was looked for."""
    where = "" if Path(path).is_absolute() else f" in {_here()}"
    return type(error)(f"{os.fspath(path)}: {(error.strerror or str(error)).lower()}{where}{more}")


# running one


def load(path: str | os.PathLike[str]) -> None:
    """Run a `.pysh` or Python file in the shell or script that calls it, as if it were typed there.

    The ending `.pysh` may be left out. One that awaits at its top level is for `await aio.load(path)`. Raises
    `FileNotFoundError`, `PyshError` for one that is being loaded already, and what it raises itself.
    """
    with _read(path) as (code, names):
        if code.co_flags & CO_COROUTINE:
            raise PyshError(f"{path} awaits at its top level: await aio.load({os.fspath(path)!r})", executed="no")
        exec(code, names)


async def load_awaiting(path: str | os.PathLike[str]) -> None:
    """Run a `.pysh` or Python file, which may await at its top level, in the shell or script that calls it."""
    with _read(path) as (code, names):
        made = eval(code, names)
        if code.co_flags & CO_COROUTINE:
            await made


@contextmanager
def _read(path: str | os.PathLike[str]) -> Iterator[tuple[CodeType, dict[str, Any]]]:
    """The code of a file, which is being loaded meanwhile, and the names that it is to have."""
    file = _found(path)
    if file in _loading:
        chain = " loads ".join(each.name for each in [*_loading, file])
        raise PyshError(f"{file.name} is being loaded already: {chain}", executed="no")
    code: CodeType = compile(file.read_bytes(), str(file), "exec", _TO_AWAIT, dont_inherit=True)
    names = vars(sys.modules["__main__"])
    _provide(names, [code])
    _loading.append(file)
    try:
        yield code, names
    finally:
        _loading.remove(file)


def _found(path: str | os.PathLike[str]) -> Path:
    given = Path(path).expanduser()
    for file in (given, given.parent / f"{given.name}.pysh"):
        if file.is_file():
            return file.resolve()
    if given.is_dir():
        raise IsADirectoryError(f"{path} is a folder: load() runs one file")
    tried = given.name if given.suffix else f"{given.name} or {given.name}.pysh"
    raise FileNotFoundError(f"there is no {tried} in {given.absolute().parent}; nothing was run")


def _provide(names: dict[str, Any], codes: Iterable[CodeType]) -> None:
    """Add the preloaded names that the code looks up."""
    if inside.here is not None:
        inside.here.namespace.provide(codes)
        return
    wanted = {name for code in codes for name in mentioned(code)} - names.keys()
    names.update((name, getattr(pysh, name)) for name in wanted & set(pysh.__all__))
