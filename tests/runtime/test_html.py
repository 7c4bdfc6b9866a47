"""Tables and bars for notebooks."""

import pytest

from pysh.runtime import html
from pysh.runtime.live import bars
from pysh.runtime.node import Node
from pysh.runtime.results import Nodes, Results, Rows


def test_a_table_is_of_the_data_that_the_prompt_shows() -> None:
    rows = Rows(["kind", "age"], [{"kind": "shell", "age": 1.25, "process": None}, {"kind": "sync", "age": None}])
    assert rows._repr_html_() == (
        "<table><thead><tr><th>kind</th><th>age</th></tr></thead><tbody>"
        "<tr><td>shell</td><td>1.2 s</td></tr><tr><td>sync</td><td></td></tr></tbody></table>"
    )
    assert Rows(["kind"], empty="no tasks")._repr_html_() is None  # it is text, then


def test_nodes_are_a_table() -> None:
    shown = Nodes([{"name": "n1@here", "state": "up", "rtt": 0.0012, "load": 0, "tasks": 3}])._repr_html_()
    assert "<td>n1@here</td><td>up</td><td>1.20 ms</td><td>0</td><td>3</td>" in shown


def test_results_are_folded_and_failures_stand_out() -> None:
    values = {Node("web1@a"): 5, Node("web2@b"): 5, Node("web3@c"): ValueError("bad\nworse")}
    shown = Results(values)._repr_html_()
    assert "<tr><td>web[1-2]</td><td>5</td></tr>" in shown
    assert '<tr style="color: firebrick"><td>web3</td>' in shown
    assert "<pre>ValueError: bad\nworse</pre>" in shown
    assert Results()._repr_html_() is None


def test_what_comes_from_elsewhere_is_text_and_never_markup() -> None:
    evil = "<script>alert(1)</script>&\"'"
    shown = Rows([evil], [{evil: evil}])._repr_html_() + Results({Node("n1@a"): evil})._repr_html_()
    assert "<script" not in shown
    assert shown.count("&lt;script&gt;alert(1)&lt;/script&gt;&amp;") == 3


def test_a_table_is_bounded() -> None:
    shown = html.table(["n"], [[n] for n in range(5000)])
    assert shown.count("<tr>") == html.ITEMS + 2
    assert "… 4,000 more" in shown
    assert len(html.table(["n"], [["x" * 10**6]])) < 3000


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (bars.running("rows", 5, 10, 2.0, 2.5, 64), 'rows <progress max="100" value="50"></progress> 50% 5/10  2.5/s'),
        ("n2 | 40%|####  | 4/10 [00:01<00:02]", 'n2 | <progress max="100" value="40"></progress> 40% 4/10 [00:01&lt;'),
        ("<i> 999% |x| y", '&lt;i&gt; <progress max="100" value="100"></progress> 999% y'),
        ("rows:  10 in 2.0 s", "<pre>rows:  10 in 2.0 s</pre>"),
        ("1,200  3.0 s", "<pre>1,200  3.0 s</pre>"),
        ("<script>", "<pre>&lt;script&gt;</pre>"),
    ],
)
def test_a_line_of_progress_is_a_bar_of_the_browser(line: str, shown: str) -> None:
    assert shown in html.bar(line)
