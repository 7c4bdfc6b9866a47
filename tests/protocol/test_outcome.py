"""How a task ended, in one word."""

import pytest

from pysh.runtime.protocol.frames import Flag, pack
from pysh.runtime.protocol.jobs import DONE, SENT, Job
from pysh.runtime.protocol.outcome import outcome
from pysh.runtime.protocol.terms import Pid, Ref


@pytest.mark.parametrize(
    ("flags", "error", "word"),
    [
        (0, None, "done"),
        (Flag.ERROR, None, "failed"),
        (Flag.FAILED, "TaskCancelled", "cancelled"),
        (Flag.FAILED, "NodeDown", "lost"),
        (Flag.FAILED, "WorkerDied", "failed"),
        (Flag.FAILED, None, "failed"),
        (Flag.FAILED, ["odd"], "failed"),
    ],
)
def test_a_result_tells_how_its_task_ended(flags: int, error: object, word: str) -> None:
    assert outcome(flags, error) == word


@pytest.mark.parametrize(
    ("flags", "meta", "status"),
    [
        (0, b"", "done"),
        (Flag.ERROR, b"", "failed"),
        (Flag.FAILED, pack({"error": "TaskCancelled"}), "cancelled"),
        (Flag.FAILED, pack({"error": "WorkerDied"}), "failed"),
    ],
)
def test_the_row_of_a_task_that_is_over_says_how_it_ended(flags: int, meta: bytes, status: str) -> None:
    pid = Pid(b"a" * 16, 3)
    job = Job(1, Ref(pid, 1), pid, {}, b"", 0.0)
    job.state = SENT
    assert job.described(1.0)["status"] == "running"
    job.state, job.flags, job.result_meta = DONE, flags, meta
    assert job.described(1.0)["status"] == status
