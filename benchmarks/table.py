"""What was measured, as a table in Markdown."""

from collections.abc import Sequence
from statistics import median

from benchmarks.rows import Measured, percentile


def table(measured: Sequence[Measured]) -> str:
    """A line a row: pysh, its peers with ratios, and the verdict on each goal."""
    lines = ["| work | pysh | beside it | goal |", "|---|---|---|---|"]
    lines += [f"| {each.row.title} | {_figure(each, 'pysh')} | {_peers(each)} | {_goals(each)} |" for each in measured]
    return "\n".join(lines)


def _figure(measured: Measured, name: str) -> str:
    """Median, with min and max, and the other percentiles that are judged."""
    values, unit, digits = measured.samples[name], measured.row.unit, measured.row.digits
    low, middle, high = (f"{value:,.{digits}f}" for value in (min(values), median(values), max(values)))
    others = sorted({goal.percent for goal in measured.row.goals} - {50})
    judged = "".join(f", p{percent} {percentile(values, percent):,.{digits}f}" for percent in others)
    return f"{middle}{'' if unit.startswith('/') else ' '}{unit} ({low}-{high}{judged})"


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
