"""What a hub still does for a shell that has ended meanwhile is done to no other one."""

import os
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pysh.runtime.hub.evaluator import Evaluator
from pysh.runtime.hub.runners import Runners
from pysh.runtime.hub.server import Server
from pysh.runtime.protocol import actions


class Touched(Exception):
    """The shared shell was."""


class Shared:
    def __getattr__(self, name: str) -> Any:
        raise Touched(name)


@pytest.mark.parametrize(
    "action",
    [
        actions.Type(b"x", 1), actions.Resize(1, 1, 1), actions.Interrupt(1), actions.Kill(1),
        actions.Prepare("evaluator", 1),
    ],
)  # fmt: skip
def test_an_action_for_it_does_nothing(action: actions.Action) -> None:
    server = object.__new__(Server)
    server.runners = runners = object.__new__(Runners)
    runners.evaluator = cast(Any, Shared())
    runners._shells = {0: runners.evaluator}
    server.core = cast(Any, SimpleNamespace(shells=SimpleNamespace(get={0: Shared()}.get)))
    server._DO[type(action)](server, action)
    assert list(runners._shells) == [0]


def test_what_its_pty_takes_late_is_credit_for_nobody() -> None:
    read, write = os.pipe()
    try:
        evaluator = Evaluator({}, "", {}, 1)
        loop = SimpleNamespace(remove_writer=lambda fd: None, add_writer=lambda *_: None)
        core = SimpleNamespace(shells=SimpleNamespace(get={0: Shared()}.get), console=Shared())
        evaluator._server = cast(Any, SimpleNamespace(loop=loop, core=core, carry_out=lambda: None))
        evaluator._master = write
        evaluator.type(b"late")
        assert os.read(read, 9) == b"late"
    finally:
        os.close(read)
        os.close(write)
