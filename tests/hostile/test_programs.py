"""What hostile code costs a node: nothing but the worker it runs in."""

import os
from collections.abc import Callable

import pytest

from tests.hostile.conftest import Attack
from tests.hostile.programs import PROGRAMS

KILL = 1.0
"""Seconds from the end of its grace within which a program is gone."""


@pytest.mark.parametrize("name", PROGRAMS)
def test_p8_p9_it_costs_its_worker_and_no_more(
    attack: Attack, name: str, record_property: Callable[[str, object], None]
) -> None:
    report = attack.run(PROGRAMS[name])
    record_property("hostile", [*attack.measured[-1]])
    assert any(end.matches(report) for end in PROGRAMS[name].ends), report
    assert report["same"] and not report["events"], report
    assert report["echo"] and report["bystander"]["kind"] == "result", report
    assert report["fresh"] == [{"value": f"well {os.getuid()}"}] * 2, report
    assert not report["left"], report
    assert report["kill"] is None or report["kill"] <= KILL, report
