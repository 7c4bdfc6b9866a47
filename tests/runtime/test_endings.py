from typing import Any

import pytest

from pysh.runtime.endings import ending
from pysh.runtime.errors import NodeDown, describe
from pysh.runtime.protocol.frames import Flag, pack
from pysh.runtime.protocol.notices import Ended
from pysh.runtime.protocol.outcome import CANCELLED, DONE, FAILED, LOST

CALLED = "task 7 compute on w1"
RAISED = pack({"type": "ValueError", "text": "bad\nat the second line", "executed": "yes"})


def infrastructure(error: str, **facts: Any) -> dict[str, Any]:
    return {"error": error, "executed": "yes", **facts}


@pytest.mark.parametrize(
    ("flags", "facts", "payload", "how"),
    [
        (0, 0.3, b"", (DONE, 0.3, "")),
        (0, 5.5, b"", (DONE, 5.5, "")),
        (0, [5.5, 0.2, 0.1], b"", (DONE, 5.5, "")),
        (Flag.ERROR, [2.1, 0.2], RAISED, (FAILED, 2.1, "ValueError: bad")),
        (Flag.ERROR, 2.1, RAISED, (FAILED, 2.1, "ValueError: bad")),
        (Flag.ERROR, 2.1, pack({"type": "E", "text": ""}), (FAILED, 2.1, "E")),
        (Flag.ERROR, 2.1, b"no msgpack", (FAILED, 2.1, "")),
        (
            Flag.FAILED,
            infrastructure("TaskCancelled", reason="limit", text="limit=5 s are over"),
            b"",
            (CANCELLED, None, "TaskCancelled: limit=5 s are over. The code ran."),
        ),
    ],
)
def test_an_ending_is_told_from_what_came_without_rebuilding_it(
    flags: int, facts: Any, payload: bytes, how: tuple[str, float | None, str]
) -> None:
    assert ending(CALLED, flags, facts, payload, None) == Ended(CALLED, *how)


def test_of_a_node_that_is_gone_the_reason_is_told() -> None:
    down = NodeDown("w1@here", "killed", executed="yes")
    lost = Ended(CALLED, LOST, None, "w1@here is down (killed); executed: yes")
    assert ending(CALLED, Flag.FAILED, describe(down), b"", None) == lost
    assert ending(CALLED, None, {}, b"", down) == lost
