"""Whether a node that ran on this machine still does, told by who holds its lock."""

from pathlib import Path

import pytest

from pysh.runtime.hub.discovery import Claim, claim
from pysh.runtime.hub.neighbours import Neighbours

NAME, FIRST, SECOND = "n1@here", bytes(15) + b"1", bytes(15) + b"2"


@pytest.fixture(autouse=True)
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSH_RUNTIME_DIR", str(tmp_path / "run"))


def started(incarnation: bytes) -> Claim:
    held = claim(NAME)
    held.publish({"incarnation": incarnation.hex()})
    return held


def test_a_node_is_gone_when_its_lock_is_free() -> None:
    here, held = Neighbours(), started(FIRST)
    here.met(FIRST)
    assert not here.gone(FIRST, NAME)
    held.release()
    assert here.gone(FIRST, NAME)


def test_a_node_is_gone_when_another_incarnation_has_its_name() -> None:
    here, held = Neighbours(), started(FIRST)
    here.met(FIRST)
    held.release()
    other = claim(NAME)
    assert not here.gone(FIRST, NAME)  # it has not said yet which one it is
    other.publish({"incarnation": SECOND.hex()})
    assert here.gone(FIRST, NAME)
    other.release()


def test_nothing_is_known_of_a_node_that_was_never_seen_here() -> None:
    here = Neighbours()
    here.met(FIRST)
    assert not here.gone(FIRST, NAME)
