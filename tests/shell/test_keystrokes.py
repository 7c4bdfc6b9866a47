"""How long a key takes to the screen, in a short cell and in a long one."""

import os
import select
import statistics
import time

import pytest

from tests.budgets import SLACK
from tests.shell.conftest import Shell

BATCHES, KEYS = 3, 20


def to_screen(shell: Shell, key: str) -> float:
    """Milliseconds from `key` to the last byte that is written at once for it."""
    started = time.monotonic()
    shell.type(key)
    written, until = b"", started + 5
    while key.encode() not in written:
        assert select.select([shell.file], [], [], until - time.monotonic())[0], "the key never showed"
        written += os.read(shell.file, 65536)
    return (time.monotonic() - started) * 1000


@pytest.mark.parametrize(("lines", "within"), [(50, 20.0), (1000, 60.0)])
@pytest.mark.parametrize("where", ["at the end", "in the middle"])
def test_a_key_is_on_the_screen_at_once(shell: Shell, lines: int, within: float, where: str) -> None:
    block = "".join(f"    value_{n} = call(compute, {n}, on='n2')  # a remark\n" for n in range(lines - 1))
    shell.paste("def work():\n" + block)
    shell.wait(lambda: any(f"value_{lines - 2}" in line for line in shell.lines))
    if where == "in the middle":
        shell.type("\x1b[A" * (lines // 2))
    row = shell.screen.cursor.y
    shell.settle(0.3)  # until the highlighting is there
    shell.wait(lambda: shell.screen.cursor.y <= row)
    batches = [[to_screen(shell, "qxzj"[n % 4]) for n in range(KEYS)] for _ in range(BATCHES)]
    times = sorted(took for batch in batches for took in batch)
    print(
        f"keystroke to screen {where} of {lines} lines: median {statistics.median(times):.1f} ms, "
        f"95 % within {times[int(len(times) * 0.95)]:.1f} ms"
    )
    assert min(map(statistics.median, batches)) < within * SLACK
