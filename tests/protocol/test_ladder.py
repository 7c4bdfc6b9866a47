import pytest

from pysh.runtime.protocol.ladder import Rung, ladder


@pytest.mark.parametrize(
    ("grace", "rungs"),
    [
        (0.0, [(0.0, "SIGKILL", True)]),
        (-1.0, [(0.0, "SIGKILL", True)]),
        (0.3, [(0.0, "SIGINT", False), (0.3, "SIGTERM", True), (0.8, "SIGKILL", True)]),
        (2.0, [(0.0, "SIGINT", False), (2.0, "SIGTERM", True), (2.5, "SIGKILL", True)]),
    ],
)
def test_a_job_is_asked_then_told_then_killed_within_a_second_of_its_grace(grace: float, rungs: list[Rung]) -> None:
    assert ladder(grace) == rungs
    assert ladder(grace)[-1][0] < max(grace, 0.0) + 1
