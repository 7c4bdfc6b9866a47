"""Which value a name means that was pushed to a node."""

from typing import Any

import pytest

from pysh.runtime.protocol.placed import HASH, NAMES, Placed

ONE, OTHER = "1" * HASH, "2" * HASH


def test_a_name_means_what_was_pushed_under_it_last() -> None:
    placed = Placed()
    placed.place({"df": ONE, "rows": ONE})
    placed.place({"df": OTHER})
    assert placed.find(["df", "rows", "other"]) == {"df": OTHER, "rows": ONE}


@pytest.mark.parametrize(
    "values",
    [{"a b": ONE}, {"": ONE}, {5: ONE}, {"a": ONE[1:]}, {"a": 5}, {"x" * 256: ONE}],
    ids=["a space", "empty", "a number", "too short", "no text", "too long"],
)
def test_what_is_no_name_or_no_hash_is_refused_and_nothing_of_it_is_kept(values: Any) -> None:
    placed = Placed()
    with pytest.raises(ValueError, match="is no"):
        placed.place({**values, "also": ONE} if values != {"a": 5} else values)
    assert placed.find(["also", *map(str, values)]) == {}


def test_there_is_a_bound_to_how_many_have_a_name() -> None:
    placed = Placed()
    placed.place({f"x{number}": ONE for number in range(NAMES)})
    placed.place({"x0": OTHER})
    with pytest.raises(ValueError, match=f"at most {NAMES}"):
        placed.place({"one_more": ONE})
