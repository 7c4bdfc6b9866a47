import pickle
from collections.abc import Callable
from typing import Any

import pytest

from pysh.runtime.errors import NodeDown
from pysh.runtime.node import Node
from pysh.runtime.results import Nodes, Results, Rows, fold


def results(**values: object) -> Results:
    return Results({Node(f"{name}@host"): value for name, value in values.items()})


def test_equal_values_are_printed_on_one_line() -> None:
    many = results(**{f"web{number}": "3.11.7" for number in range(1, 12)}, db="3.12.1")
    assert repr(many) == "web[1-11]: 3.11.7\ndb: 3.12.1"


def test_names_that_are_the_same_before_the_at_are_told_apart_behind_it() -> None:
    many = Results({Node(f"w@web{number}"): number % 2 for number in (1, 2, 3)})
    assert repr(many) == "w@web[1,3]: 1\nw@web2: 0"


def test_exceptions_and_long_values_are_printed_too() -> None:
    assert repr(results(a=ValueError("bad"), b="two\nlines")) == "a: ValueError: bad\nb:\ntwo\nlines"
    assert repr(Results()) == "no results"


def test_errors_that_differ_in_the_name_of_their_node_alone_are_one() -> None:
    many = results(**{f"web{n}": NodeDown(f"web{n}@host", "shutdown") for n in (1, 2)}, db=NodeDown("web1@host", "x"))
    assert repr(many) == (
        "web[1-2]: NodeDown: web[1-2]@host is down (shutdown); nodes() shows who is up. The code may have run.\n"
        "db: NodeDown: web1@host is down (x); nodes() shows who is up. The code may have run."
    )


@pytest.mark.parametrize(
    "look",
    [
        lambda r: r["a"], lambda r: r.get("a"), list, repr, lambda r: r.failed, lambda r: r.raise_first(),
        lambda r: r.ok, lambda r: [*r.items()], lambda r: [*r.values()],
    ],
)  # fmt: skip
def test_who_looks_at_results_is_noticed_once(look: Callable[[Results], object]) -> None:
    seen: list[int] = []
    many = results(a=1, b=2)
    many.watch(lambda: seen.append(1))
    assert len(many) == 2
    assert many
    assert not seen
    look(many)
    assert seen == [1]
    look(many)
    assert seen == [1]
    assert pickle.loads(pickle.dumps(many)) == many


OF = "w@web[1-2], db@web1"


def test_a_name_is_as_good_as_its_node() -> None:
    many = Results({Node("w@web1"): 1, Node("w@web2"): 2, Node("db@web1"): 3})
    assert many["w@web1"] == 1  # type: ignore[index]
    assert many["db"] == 3  # type: ignore[index]
    for name in ("w", "nix", ""):
        with pytest.raises(KeyError) as caught:
            many[name]  # type: ignore[index]
        [note] = caught.value.__notes__
        assert note == f"{'several are' if name == 'w' else 'none is'} called so; there are results of {OF}"


def test_what_went_well_and_what_failed_are_told_apart() -> None:
    error = ValueError("bad")
    both = results(a=1, b=error)
    assert both.ok == results(a=1) and both.failed == results(b=error)
    with pytest.raises(ValueError, match="bad"):
        both.raise_first()
    assert both.ok.raise_first() == results(a=1)


@pytest.mark.parametrize(
    ("names", "folded"),
    [
        (["a"], ["a"]),
        (["web1", "web2", "web3", "db"], ["web[1-3]", "db"]),
        (["web3", "web1", "web9"], ["web[1,3,9]"]),
        (["web08", "web09", "web10"], ["web[08-10]"]),
        (["web9", "web10", "web010"], ["web[9-10,010]"]),
        (["r1-n1", "r1-n2", "r2-n1"], ["r[1-2]-n1", "r1-n2"]),
        (["1", "2"], ["[1-2]"]),
    ],
)
def test_names_that_differ_in_one_number_are_folded(names: list[str], folded: list[str]) -> None:
    assert fold(names) == folded


def test_rows_are_a_table_for_people_and_plain_data_for_programs() -> None:
    rows = Rows(["node", "age"], [{"node": "n1", "age": 1.25}, {"node": "long-name", "age": None}])
    assert rows[0] == {"node": "n1", "age": 1.25}
    assert repr(rows) == "node       age\nn1         1.2 s\nlong-name"
    assert rows.__pysh_table__()[0] == ["node", "age"]


def test_no_rows_say_what_that_means() -> None:
    assert repr(Rows(["node", "age"], empty="no tasks on n1")) == "no tasks on n1"
    assert repr(Rows(["node", "age"], [{"node": "n1", "age": 1}], empty="none")) == "node  age\nn1    1.0 s"


def test_nodes_are_a_list_and_a_table() -> None:
    rows: list[dict[str, Any]] = [
        {"name": "n1@here", "state": "self", "rtt": None, "load": 0, "tasks": 2},
        {"name": "n2@there", "state": "up", "rtt": 0.0004, "load": 3, "tasks": 0},
    ]
    nodes = Nodes(rows)
    assert nodes == [Node("n1@here"), Node("n2@there")]
    assert repr(nodes).splitlines()[0].split() == ["node", "state", "rtt", "load", "tasks"]
    assert repr(nodes).splitlines()[2].split() == ["n2@there", "up", "0.40", "ms", "3", "0"]
