"""What a SPAWN may ask for."""

from typing import Any

import pytest

from pysh.runtime.protocol.frames import FrameError, pack
from pysh.runtime.protocol.jobs import Job, asked_for
from pysh.runtime.protocol.pool import OF_HERE
from pysh.runtime.protocol.terms import Pid, Ref


@pytest.mark.parametrize(
    "meta",
    [
        {},
        {"kind": "process", "name": "store", "link": True, "later": object is None},
        {"limit": 5, "owner": [b"a" * 16, 3], "fn": "math:sqrt", "label": "sqrt"},
        {"limit": None, "fn": None, "name": None},
    ],
)
def test_what_runners_ask_for_is_taken(meta: dict[str, Any]) -> None:
    assert asked_for(pack(meta)) == meta


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, {}),
        ({"code": {"shop": "1"}}, {"shop": "1"}),
        ({"fn": "shop:price"}, OF_HERE),
        ({"fn": "shop:price", "code": {"shop": "1"}}, {"shop": "1"}),
        ({"fn": "pysh.runtime.push:arrived"}, {}),
        ({"fn": "compute"}, {}),
    ],
)
def test_what_is_named_by_text_is_of_this_node(options: dict[str, Any], code: dict[str, str]) -> None:
    pid = Pid(b"a" * 16, 3)
    assert Job(1, Ref(pid, 1), pid, options, b"", 0.0).code == code


@pytest.mark.parametrize("meta", [[], 5, "text", {"limit": "x"}, {"fn": 5}, {"name": []}, {"owner": 5}, {"kind": {}}])
def test_what_cannot_be_asked_for_is_a_fault_of_who_asks(meta: Any) -> None:
    with pytest.raises(FrameError):
        asked_for(pack(meta))
