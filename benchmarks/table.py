"""What was measured, as a table in Markdown."""

from collections.abc import Sequence
from statistics import median

from benchmarks.rows import Measured


def table(measured: Sequence[Measured]) -> str:
    """A line a row: pysh, its peers with ratios, and the verdict on each goal."""
    lines = ["| work | pysh | beside it | goal |", "|---|---|---|---|"]
    lines += [f"| {each.row.title} | {_figure(each, 'pysh')} | {_peers(each)} | {_goals(each)} |" for each in measured]
    return "\n".join(lines)


def _figure(measured: Measured, name: str) -> str:
    """Median, with min and max."""
    values, unit = measured.samples[name], measured.row.unit
    low, middle, high = (f"{value:,.0f}" for value in (min(values), median(values), max(values)))
    return f"{middle}{'' if unit.startswith('/') else ' '}{unit} ({low}-{high})"


def _peers(measured: Measured) -> str:
    shown = []
    for name, ratio in measured.ratios().items():
        note = f", {measured.notes[name]}" if name in measured.notes else ""
        shown.append(f"{name} {_figure(measured, name)}{note}: pysh is {ratio:.2f}x")
    return "; ".join(shown) or "-"


def _goals(measured: Measured) -> str:
    return "; ".join(
        f"{'later ' if judged['when'] == 'later' else ''}{judged['goal']}: {judged['verdict']}"
        for judged in measured.judged()
    )
