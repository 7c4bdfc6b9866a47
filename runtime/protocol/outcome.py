"""How a task ended, in one word, wherever that is told: its status, its row in a table, a notice."""

from pysh.runtime.protocol.frames import Flag

DONE, FAILED, CANCELLED, LOST = "done", "failed", "cancelled", "lost"
_TOLD = {"TaskCancelled": CANCELLED, "NodeDown": LOST}


def outcome(flags: int, error: object = None) -> str:
    """The word for a result with these `flags`; `error` names what the infrastructure answered in its place."""
    if flags & Flag.FAILED:
        return _TOLD.get(str(error), FAILED)
    return FAILED if flags & Flag.ERROR else DONE
