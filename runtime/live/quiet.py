"""`quiet`: fewer notices on the terminal of this node."""

from pysh.runtime.node import Shown
from pysh.runtime.protocol.notices import LEVELS
from pysh.runtime.runner.waiting import Steps, block, refuse_to_block
from pysh.runtime.started import current


def quiet(level: str | bool = "warn") -> Shown:
    """Show no notices of `level` and less on the terminal of this node, until `quiet(False)`; says what was held back.

    The levels are `info` (a task is done, a node is up or back), `warn` (a node is suspect or down) and `error` (a task
    failed). Notices that were held back are counted. What code prints, here and elsewhere, is no notice, and a node
    that is suspect stays marked before the prompt. Raises `ValueError` for another level.
    """
    refuse_to_block("quiet")
    return block(steps(level))


def steps(level: str | bool) -> Steps[Shown]:
    """The same, for whatever waits."""
    wanted = "" if level is False else LEVELS[1] if level is True else level
    if wanted and wanted not in LEVELS:
        raise ValueError(f"quiet() takes False or one of {', '.join(LEVELS)}, not {level!r}; nothing was changed")
    held = yield current().ask_later("quiet", level=wanted)
    return Shown(f"{_now(wanted)}; {_were(dict(held))}")


def _now(level: str) -> str:
    if not level:
        return "notices are shown"
    shown = LEVELS[LEVELS.index(level) + 1 :]
    return f"no notices but {' and '.join(shown)} until quiet(False)" if shown else "no notices until quiet(False)"


def _were(held: dict[str, int]) -> str:
    total = sum(held.values())
    if not total:
        return "none was held back"
    levels = ", ".join(f"{count:,} {level}" for level, count in held.items())
    return f"{total:,} {'was' if total == 1 else 'were'} held back ({levels})"
