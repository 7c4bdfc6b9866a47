"""Child specs: what they say, and what is refused before anything starts."""

import pytest

from pysh.runtime.protocol.restarts import Rule
from pysh.runtime.supervisor import Child


class Model:
    def __init__(self, weight: int) -> None:
        self.weight = weight


def work(restart: str) -> None:
    pass


def test_a_child_says_what_runs_and_how_it_is_treated() -> None:
    child = Child("m", Model, 3, restart="transient", shutdown=None, weight=4)
    assert child.rule == Rule("m", "transient", None)
    assert (child.args, child.kwargs, child.is_actor) == ((3,), {"weight": 4}, True)
    assert repr(child) == "<Child m transient>"
    assert not Child("p", print).is_actor and Child("p", print).rule == Rule("p")
    assert child.call().label == "Model" and Child("p", print).call().label == "print"


@pytest.mark.parametrize(("name", "error"), [("", ValueError), ("a\nb", ValueError), (7, TypeError)])
def test_a_name_is_text_that_can_be_printed(name: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="nothing was done"):
        Child(name, print)


def test_a_parameter_called_like_an_option_is_refused() -> None:
    with pytest.raises(TypeError, match="'restart', which is an option here"):
        Child("w", work, "x").call()
