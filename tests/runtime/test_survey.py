"""What the nodes have installed, side by side."""

from pysh.runtime.node import Node
from pysh.runtime.results import Results
from pysh.runtime.survey import installed, matrix

SAME = {"python": "3.11.7", "numpy": "1.26.4", "rich": "14.0"}


def test_nodes_that_are_alike_share_a_column_and_differences_come_first() -> None:
    told = Results({Node(f"web{n}@h{n}"): dict(SAME) for n in range(1, 12)})
    told[Node("db@h12")] = {**SAME, "numpy": "2.0.1", "torch": "2.9"}
    rows = matrix(told)
    assert rows.columns == ["", "package", "web[1-11]", "db"]
    assert [list(row.values()) for row in rows] == [
        ["!=", "numpy", "1.26.4", "2.0.1"],
        ["!=", "torch", "-", "2.9"],
        ["", "python", "3.11.7", "3.11.7"],
        ["", "rich", "14.0", "14.0"],
    ]


def test_a_node_that_cannot_say_says_why() -> None:
    rows = matrix(Results({Node("a@h1"): dict(SAME), Node("a@h2"): ConnectionError("gone")}))
    assert rows.columns[2:] == ["a@h1", "a@h2"]
    assert [row["package"] for row in rows if row[""]] == ["error"]
    assert rows[0]["a@h2"] == "ConnectionError: gone"


def test_this_python_knows_what_it_has() -> None:
    told = installed()
    assert told["python"].startswith("3.")
    assert told["pytest"]
