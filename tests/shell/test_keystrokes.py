"""How long a key takes to the screen, in a short cell and in a long one."""

import os
import select
import statistics
import time
from pathlib import Path

import pytest

from tests.budgets import SLACK
from tests.shell.conftest import Shell

KEYS = 60


def to_screen(shell: Shell, key: str) -> float:
    """Milliseconds from `key` to the last byte that is written at once for it."""
    started = time.monotonic()
    shell.type(key)
    written, until = b"", started + 5
    while key.encode() not in written:
        assert select.select([shell.file], [], [], until - time.monotonic())[0], "the key never showed"
        written += os.read(shell.file, 65536)
    return (time.monotonic() - started) * 1000


def worked(shell: Shell) -> float:
    """Milliseconds that the terminal's process has had a core."""
    return int(Path(f"/proc/{shell.process.pid}/schedstat").read_text().split()[0]) / 1e6


@pytest.mark.parametrize(("lines", "within"), [(50, 20.0), (1000, 60.0)])
@pytest.mark.parametrize("where", ["at the end", "in the middle"])
def test_a_key_is_on_the_screen_at_once(shell: Shell, lines: int, within: float, where: str) -> None:
    block = "".join(f"    value_{n} = call(compute, {n}, on='n2')  # a remark\n" for n in range(lines - 1))
    shell.paste("def work():\n" + block)
    shell.wait(lambda: any(f"value_{lines - 2}" in line for line in shell.lines))
    if where == "in the middle":
        shell.type("\x1b[A" * (lines // 2))
    shell.wait(lambda: any(cell.fg == "green" for row in shell.screen.buffer.values() for cell in row.values()))
    shell.settle(0.2)
    before = worked(shell)
    times = sorted(to_screen(shell, "qxzj"[n % 4]) for n in range(KEYS))
    work = (worked(shell) - before) / KEYS
    print(
        f"keystroke to screen {where} of {lines} lines: median {statistics.median(times):.1f} ms, 95 % within "
        f"{times[int(KEYS * 0.95)]:.1f} ms, {work:.1f} ms of work"
    )
    assert work < within  # which other programs on this machine do not change
    assert times[KEYS // 4] < within * SLACK or work < within / 2
