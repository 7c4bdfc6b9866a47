"""How a task ended, in words for whoever sits here; runs no code of the user's."""

from typing import Any

from pysh.runtime.errors import NodeDown, rebuild
from pysh.runtime.protocol.frames import Flag, FrameError, unpack
from pysh.runtime.protocol.notices import TEXT, Ended
from pysh.runtime.protocol.outcome import DONE, LOST, outcome
from pysh.runtime.protocol.terms import Buffer


def ending(called: str, flags: int | None, facts: Any, payload: Buffer, error: BaseException | None) -> Ended:
    """What the RESULT with these `flags`, `facts` and `payload` tells of the task that is `called` so.

    Without flags there was none, for that `error`.
    """
    seconds = facts[0] if isinstance(facts, list) and facts else facts  # the first is all, the others are parts of it
    took = float(seconds) if isinstance(seconds, float | int) else None
    if flags == 0:
        return Ended(called, DONE, took)
    if flags is None:
        return Ended(called, LOST, why=_said(error))
    if flags & Flag.FAILED:
        return Ended(called, outcome(flags, facts.get("error")), took, _said(rebuild(facts)))
    return Ended(called, outcome(flags), took, _raised(payload))


def _raised(payload: Buffer) -> str:
    """The type and the first line of the text of what code raised."""
    try:
        told = unpack(payload)
        return f"{told['type']}: {_first_line(told['text'])}".removesuffix(": ")
    except (FrameError, KeyError, TypeError):
        return ""


def _said(error: BaseException | None) -> str:
    if isinstance(error, NodeDown):
        return f"{error.node} is down{f' ({error.reason})' if error.reason else ''}; executed: {error.executed}"
    return f"{type(error).__name__}: {_first_line(error)}".removesuffix(": ")


def _first_line(text: object) -> str:
    return str(text).strip().partition("\n")[0][:TEXT]
