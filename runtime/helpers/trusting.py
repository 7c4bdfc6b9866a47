"""`trust`: to have the settings and the start-up code of a folder used."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from pysh.runtime import project
from pysh.runtime.errors import PyshError
from pysh.runtime.project import Project
from pysh.runtime.protocol.cleaning import shown
from pysh.runtime.runner.inside import somebody_sits_here

_LINE_END = re.compile("\r\n?|\n")
"""As Python has it: what else `str.splitlines` takes for one begins no statement."""


def trust(path: str | os.PathLike[str] | None = None, force: bool = False) -> None:
    """Show what the `.pysh.toml` of a folder would set and run in shells that start there, and ask whether it may.

    `path` is the file (default: that of the current folder, or of the nearest above it). Trusted is what stands in
    it now: once it changes it is asked about anew. With `force` nobody is asked. Raises `ConfigError` for a file that
    cannot be read, `PyshError` where there is none, or nobody who could be asked.
    """
    where = project.find(str(Path.cwd())) if path is None else os.path.realpath(Path(path).expanduser())
    if not where:
        raise PyshError(f"there is no {project.NAME} in {Path.cwd()}, nor above it: nothing to trust", executed="no")
    found = project.read(where)
    print("\n".join(told(found)))
    if not project.why_not_trusted(found):
        print("It is trusted already; nothing was changed.")
    elif force or _agreed():
        project.trust(found)
        print(f"It is trusted as it is, for shells that start from now on (noted in {project.trusted_file()}).")
    else:
        print("It is not trusted; nothing was changed.")


def _agreed() -> bool:
    if not somebody_sits_here():
        raise PyshError("nobody sits here who could be asked: trust(force=True) trusts it all the same", executed="no")
    return input("Trust it? [y/N] ").strip().lower() in ("y", "yes")


def told(found: Project) -> Iterator[str]:
    """The lines that tell what it would do."""
    says = project.said(found)
    yield f"{shown(found.path)} (SHA-256 {found.digest[:16]}…)"
    for name, table in says.tables.items():
        if name != "start":
            yield f"sets [{shown(name)}]"
            rows = table.items() if isinstance(table, dict) else [("", table)]
            yield from (f"  {shown(str(key))} = {shown(repr(value))}" for key, value in rows)
    if code := says.code.strip():
        lines = _LINE_END.split(code)
        yield f"runs at the start, {len(lines)} line{'s' * (len(lines) > 1)}"
        yield from (f"  {shown(line)}" for line in lines)
