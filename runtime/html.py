"""Tables and bars for notebooks, which show HTML: the same data as at the prompt, bounded, with every text escaped."""

import re
from collections.abc import Sequence
from html import escape
from typing import Any

ITEMS = 1000
"""How many rows are shown."""
TEXT = 2000
"""Characters of one field."""
_BAR = re.compile(r"(.*?)(\d{1,3})% ?\|[^|]*\|(.*)", re.DOTALL)


def table(columns: Sequence[object], rows: Sequence[Sequence[object]], failed: Sequence[int] = ()) -> str:
    """A table; the rows of these numbers tell of what failed."""
    head = "".join(f"<th>{_text(column)}</th>" for column in columns)
    body = "".join(_row(row, number in failed) for number, row in enumerate(rows[:ITEMS]))
    more = f"<tr><td>… {len(rows) - ITEMS:,} more</td></tr>" if len(rows) > ITEMS else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}{more}</tbody></table>"


def _row(row: Sequence[object], failed: bool) -> str:
    style = ' style="color: firebrick"' if failed else ""
    return f"<tr{style}>{''.join(_field(field) for field in row)}</tr>"


def _field(field: object) -> str:
    text = _text(field)
    return f'<td style="text-align: left"><pre>{text}</pre></td>' if "\n" in text else f"<td>{text}</td>"


def _text(value: Any) -> str:
    text = str(value)
    return escape(text if len(text) <= TEXT else f"{text[:TEXT]} … {len(text) - TEXT:,} more characters")


def bar(text: str) -> str:
    """A line of progress, `rows  50% |███   | 2/4`, whoever made it; what is drawn in it the browser draws."""
    if (parts := _BAR.fullmatch(text)) is None:
        return f"<pre>{_text(text)}</pre>"
    label, share, rest = parts.groups()
    made = f'<progress max="100" value="{min(int(share), 100)}"></progress>'
    line = f"{_text(label.rstrip())} {made} {share}% {_text(rest.strip())}".strip()
    return f'<div style="font-family: monospace">{line}</div>'
