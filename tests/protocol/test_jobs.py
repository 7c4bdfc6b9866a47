"""What a SPAWN may ask for."""

from typing import Any

import pytest

from pysh.runtime.protocol.frames import FrameError, pack
from pysh.runtime.protocol.jobs import asked_for


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


@pytest.mark.parametrize("meta", [[], 5, "text", {"limit": "x"}, {"fn": 5}, {"name": []}, {"owner": 5}, {"kind": {}}])
def test_what_cannot_be_asked_for_is_a_fault_of_who_asks(meta: Any) -> None:
    with pytest.raises(FrameError):
        asked_for(pack(meta))
