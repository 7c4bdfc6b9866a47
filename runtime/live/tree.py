"""What hangs below what, drawn with lines."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

MIDDLE, LAST, BESIDE, BELOW = "├─ ", "└─ ", "│  ", "   "
MOST = 1000
"""Parts that a repr shows."""
DEEPEST = 100
"""Below so many parts all is drawn at the same place, whatever a node says."""


class Tree:
    """A text and the trees below it: drawn at the prompt, as anything is whose class has a `__pysh_tree__`.

    That returns a text and what is below it: such objects, texts, or pairs of a text and what is below that.
    """

    def __init__(self, text: str, below: "Iterable[Tree | str]" = ()) -> None:
        self.text = text
        self.below = list(below)

    def __pysh_tree__(self) -> tuple[str, Sequence[Any]]:
        return self.text, self.below

    def __repr__(self) -> str:
        rows = list(islice(listed(self), MOST + 1))
        return "\n".join(drawn(rows[:MOST]) + ["…"] * (len(rows) > MOST))


def listed(tree: Any, depth: int = 0, most: int = DEEPEST) -> Iterator[tuple[int, str]]:
    """The depth and the text of each part, from the top; below `most` nothing more. May run code of the user's."""
    text, below = parts(tree)
    yield depth, text
    if depth < most:
        for each in below:
            yield from listed(each, depth + 1, most)


def parts(tree: Any) -> tuple[str, Sequence[Any]]:
    """The text of a tree, and what is below it."""
    make = getattr(type(tree), "__pysh_tree__", None)
    if make is not None:
        tree = make(tree)
    if isinstance(tree, tuple) and len(tree) == 2:
        return str(tree[0]), list(tree[1])
    return str(tree), ()


def drawn(rows: Iterable[tuple[int, str]]) -> list[str]:
    """The lines of a tree from the depth and the text of each part."""
    lines: list[str] = []
    open_below: set[int] = set()  # depths at which something still follows
    for depth, text in [(min(depth, DEEPEST), text) for depth, text in rows][::-1]:
        open_below = {each for each in open_below if each <= depth}
        stem = "".join(BESIDE if each in open_below else BELOW for each in range(1, depth))
        branch = "" if not depth else MIDDLE if depth in open_below else LAST
        lines.append(stem + branch + text)
        open_below.add(depth)
    return lines[::-1]
