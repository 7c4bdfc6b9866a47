"""How code that was cancelled is taken down: asked, told, killed."""

LAST_CALL = 0.5
"""Seconds from SIGTERM to SIGKILL; with the kill itself it stays below the second that is promised."""

Rung = tuple[float, str, bool]
"""Seconds after the cancel, the signal's name, and whether it goes to the whole group and tree."""


def ladder(grace: float) -> list[Rung]:
    """The signals that end a worker's job which was cancelled with `grace` seconds to tidy up.

    SIGINT is for the job alone, and raises in it or cancels its coroutine. It is ignored by a worker
    that has gone on to another job; the other two end the worker whatever it does, so whoever sends
    them makes sure first that it still runs that job.
    """
    if grace <= 0:
        return [(0.0, "SIGKILL", True)]
    return [(0.0, "SIGINT", False), (grace, "SIGTERM", True), (grace + LAST_CALL, "SIGKILL", True)]
