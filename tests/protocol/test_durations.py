import math

import pytest

from pysh.runtime.protocol.durations import lasting


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 ms"), (0.0123, "12 ms"), (0.9996, "1.0 s"), (2.31, "2.3 s"), (9.94, "9.9 s"), (9.96, "10 s"),
     (59.4, "59 s"), (59.6, "1 min 0 s"), (185, "3 min 5 s"), (3600, "1 h 0 min"), (90_000, "25 h 0 min"),
     (172_800, "2 d 0 h"), (math.inf, "11,574,074 d 1 h")],
)  # fmt: skip
def test_times_are_read_as_people_say_them(seconds: float, text: str) -> None:
    assert lasting(seconds) == text
