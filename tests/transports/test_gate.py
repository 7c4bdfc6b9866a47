"""The gate before a listening port, on a clock of its own."""

import pytest

from pysh.transports.gate import EACH, FORGOTTEN, FREE, LONGEST, MOST, REMEMBERED, Gate, penalty, source_of


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("@", "@"),
    ],
)
def test_a_source_is_an_address_or_a_network_of_one_owner(address: str, source: str) -> None:
    assert source_of(address) == source


def test_each_source_has_a_few_places_and_all_have_some_more() -> None:
    gate = Gate()
    assert [gate.enter("x", 0) for _ in range(EACH)] == [""] * EACH
    assert "x have proved nothing" in gate.enter("x", 0)
    for number in range(MOST - EACH):
        assert gate.enter(str(number), 0) == ""
    assert "32 connections" in gate.enter("y", 0)
    gate.leave("x", 0, proved=True)
    assert gate.enter("y", 0) == ""


def test_the_proven_take_no_place() -> None:
    gate = Gate()
    for _ in range(10 * MOST):
        assert gate.enter("x", 0) == ""
        gate.leave("x", 0, proved=True)


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(0, 0), (FREE, 0), (FREE + 1, 2), (FREE + 2, 4), (FREE + 9, 512), (FREE + 10, LONGEST), (10**9, LONGEST)],
)
def test_failures_cost_twice_as_much_each_time(failures: int, seconds: float) -> None:
    assert penalty(failures) == seconds


def fail(gate: Gate, source: str, now: float) -> str:
    why = gate.enter(source, now)
    if not why:
        gate.leave(source, now, proved=False)
    return why


def test_a_source_that_failed_too_often_waits_and_others_do_not() -> None:
    gate = Gate()
    assert [fail(gate, "x", 0) for _ in range(FREE + 1)] == [""] * (FREE + 1)
    assert fail(gate, "x", 1.0) == "too many failures came from x: try again in 1 s"
    assert fail(gate, "y", 1.0) == ""
    assert fail(gate, "x", 2.0) == ""
    assert gate.waits("x", 2.0) == 4.0


def test_a_proof_or_a_long_time_makes_failures_forgotten() -> None:
    gate = Gate()
    for _ in range(FREE):
        fail(gate, "x", 0)
    assert gate.enter("x", 0) == ""
    gate.leave("x", 0, proved=True)
    assert [fail(gate, "x", 0) for _ in range(FREE + 1)] == [""] * (FREE + 1)
    assert gate.waits("x", 0) == 2.0
    assert gate.waits("x", FORGOTTEN) == 0.0
    assert [fail(gate, "x", FORGOTTEN) for _ in range(FREE)] == [""] * FREE


def test_fifty_wrong_guesses_take_hours() -> None:
    gate, now = Gate(), 0.0
    for _ in range(50):
        now += gate.waits("x", now)
        assert fail(gate, "x", now) == ""
    assert now > 5 * 3600


def test_the_memory_of_failures_is_bounded_and_the_oldest_is_forgotten_first() -> None:
    gate = Gate()
    for _ in range(FREE + 3):
        fail(gate, "x", 0)
        gate._failures["x"] = gate._failures["x"][0], -100.0
    for number in range(REMEMBERED):
        fail(gate, str(number), 0)
    assert len(gate._failures) == REMEMBERED
    assert gate.waits("x", 0) == 0.0
