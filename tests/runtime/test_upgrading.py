"""What `upgrade` refuses before anything is asked of a node, and what its check runs with."""

from typing import Any

import pytest

from pysh.runtime.needs import Needs
from pysh.runtime.upgrading import Rolling, checking

NEEDED = Needs((("shop", "2" * 64),), (("shop", "/new"),))


@pytest.mark.parametrize(
    ("drain", "kind"),
    [(-1, ValueError), (float("nan"), ValueError), (float("inf"), ValueError), ("5", TypeError), (None, TypeError)],
)
def test_a_drain_that_is_no_time_is_refused(drain: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="drain= takes a number of seconds") as told:
        Rolling("shop", None, drain, None)
    assert "nothing was sent" in str(told.value)


def test_a_check_is_a_function_or_the_name_of_one() -> None:
    with pytest.raises(TypeError, match="not 'int'"):
        checking(5, NEEDED)  # type: ignore[arg-type]  # as somebody might


def test_a_check_runs_with_what_was_pushed_whatever_it_would_bring_itself() -> None:
    for check in ("shop.checks:ok", lambda: None):
        call = checking(check, NEEDED)
        assert call.needs == NEEDED
        assert call.apart.isolate
        assert call.label.startswith("check ")
