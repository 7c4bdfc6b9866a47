from typing import Any

import pytest

from pysh.runtime.live.tree import BELOW, DEEPEST, LAST, Tree, drawn, listed
from pysh.runtime.results import Nodes
from pysh.runtime.runner.display import ITEMS, TEXT, show

FAMILY = Tree("n1", [Tree("w1", ["a", Tree("b", ["c"])]), "w2", Tree("w3", ["d"])])
DRAWN = [
    "n1",
    "├─ w1",
    "│  ├─ a",
    "│  └─ b",
    "│     └─ c",
    "├─ w2",
    "└─ w3",
    "   └─ d",
]


class Duck:
    def __pysh_tree__(self) -> tuple[str, list[Any]]:
        return "n1", [("w1", ["a", ("b", ["c"])]), "w2", ("w3", ["d"])]


@pytest.mark.parametrize("tree", [FAMILY, Duck()])
def test_a_tree_is_drawn_with_lines(tree: Any) -> None:
    assert drawn(listed(tree)) == DRAWN


def test_its_repr_is_its_picture() -> None:
    assert repr(FAMILY) == "\n".join(DRAWN)


def test_a_part_alone_has_no_lines() -> None:
    assert drawn([(0, "alone")]) == ["alone"]
    assert drawn([]) == []


def test_nothing_is_drawn_deeper_than_there_is_room_for() -> None:
    assert drawn([(0, "top"), (10**12, "deep"), (-1, "odd")])[1:] == [
        BELOW * (DEEPEST - 1) + LAST + "deep",
        LAST + "odd",
    ]


def test_a_shell_tells_a_tree_by_depths_and_texts() -> None:
    told = show(Duck())
    assert told["kind"] == "tree"
    assert told["tree"]["rows"][:3] == [(0, "n1"), (1, "w1"), (2, "a")]
    assert told["tree"]["more"] is False


@pytest.mark.parametrize("tree", [Tree("many", map(str, range(5000))), Tree("long", ["x" * 5000] * 900)])
def test_what_is_told_of_a_tree_is_bounded(tree: Tree) -> None:
    told = show(tree)["tree"]
    assert told["more"]
    assert len(told["rows"]) <= ITEMS
    assert sum(len(text) for _, text in told["rows"]) <= TEXT // 2


def test_a_tree_in_itself_has_an_end() -> None:
    tree = Tree("again")
    tree.below += [tree, tree]
    assert show(tree)["tree"]["more"]
    assert repr(tree).endswith("…")


def test_one_that_fails_is_shown_as_any_other_value() -> None:
    class Broken:
        def __pysh_tree__(self) -> Any:
            raise ValueError

        def __repr__(self) -> str:
            return "<broken>"

    assert show(Broken()) == {"kind": "text", "text": "<broken>"}


def test_nodes_have_a_tree_of_their_connections() -> None:
    rows = [
        {"name": "n1@here", "state": "self"},
        {"name": "w1@ip-10", "state": "up", "rtt": 0.003, "aliases": ["w1@db1"]},
        {"name": "w2@here", "state": "suspect"},
    ]
    assert drawn(listed(Nodes(rows).tree())) == [
        "n1@here  self",
        "├─ w1@ip-10 via db1  up  3.00 ms",
        "└─ w2@here  suspect",
    ]
