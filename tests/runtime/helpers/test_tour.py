import pytest

from pysh.runtime.helpers import tour as tours
from pysh.runtime.helpers.tour import STEPS, tour


def test_each_call_shows_the_next_step_and_after_the_last_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    tours._at = 0
    for number in (*range(1, len(STEPS) + 1), 1):
        tour()
        out = capsys.readouterr().out
        assert out.startswith(f"{number} of {len(STEPS)}: {STEPS[number - 1].title}. Type:\n\n    ")
        assert max(map(len, out.split("\n"))) <= 80
    tour(3)
    tour()
    assert "3 of 8" in (out := capsys.readouterr().out) and "4 of 8" in out


@pytest.mark.parametrize("step", [0, 99, -1, "x", 1.5, True])
def test_a_step_that_is_none_is_refused(step: object) -> None:
    with pytest.raises(ValueError, match="the tour has the steps 1 to 8, and no"):
        tour(step)  # type: ignore[arg-type]
