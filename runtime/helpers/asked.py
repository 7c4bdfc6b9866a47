"""What `x?` and `x??` call."""

from typing import Any

from pysh.runtime.helpers.docs import h, tell
from pysh.runtime.helpers.origin import tell_source
from pysh.runtime.helpers.paths import meant


def answer(path: str | None, value: Any, level: int) -> None:
    """Print the help, or at `level` 2 the source, of what `path` means; if that is None, of `value`."""
    if path == "":
        h()
        return
    if path is not None:
        value = meant(path)
    if level == 2:
        tell_source(value, path or "")
    else:
        tell(value, path or "")
