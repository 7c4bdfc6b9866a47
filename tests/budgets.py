"""Which part of the tests a test belongs to, and how many seconds each part may take on two cores."""

from collections import Counter

UNIT, SIMULATOR, SYSTEM, SHELL, FUZZ = "unit and property", "simulator", "system", "shell", "fuzz"
HOSTILE = "hostile"
BUDGETS = {UNIT: 90, SIMULATOR: 120, SYSTEM: 240, SHELL: 120, FUZZ: 60, HOSTILE: 60}
FOLDERS = {"sim": SIMULATOR, "system": SYSTEM, "security": SYSTEM, "hostile": HOSTILE, "shell": SHELL, "fuzz": FUZZ}
"""Every other folder holds unit and property tests."""


def part_of(test: str) -> str:
    """The part that the test `tests/FOLDER/FILE.py::NAME` belongs to."""
    return FOLDERS.get(test.split("/")[1], UNIT)


SLACK = 2.0
"""How much longer a part may take before the run fails: the same machine is so much slower in a bad hour."""


def over(seconds: Counter[str], slack: float = 1.0) -> list[str]:
    """The parts that took longer than they may, by more than `slack` times."""
    return [part for part, budget in BUDGETS.items() if seconds[part] > budget * slack]


def table(seconds: Counter[str], tests: Counter[str]) -> list[str]:
    """What each part took, a line a part."""
    late = over(seconds)
    return [
        f"{part:<18}{tests[part]:>5} tests{seconds[part]:>8.1f} of {budget} s{' OVER' if part in late else ''}"
        for part, budget in BUDGETS.items()
        if tests[part]
    ]
