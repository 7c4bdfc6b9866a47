"""What several tests of the runtime begin with."""

import _thread
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pysh.runtime.runner import interrupts
from tests.runtime.elsewhere import Elsewhere, Prompt


@pytest.fixture(scope="module")
def there() -> Iterator[Elsewhere]:
    """A process that runs what is sent."""
    with Elsewhere() as elsewhere:
        yield elsewhere


@pytest.fixture
def shell() -> Prompt:
    """A prompt that nothing was typed at."""
    return Prompt()


@pytest.fixture
def sigint(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whoever takes SIGINT loses it at the end, once nobody is about to press again."""
    before = signal.getsignal(signal.SIGINT)
    begun: list[object] = []
    over: list[object] = []

    def start(function: Callable[..., object], args: tuple[Any, ...]) -> None:
        begun.append(args)
        _thread.start_new_thread(run, (function, args))

    def run(function: Callable[..., object], args: tuple[Any, ...]) -> None:
        function(*args)
        over.append(args)

    monkeypatch.setattr(interrupts, "start_new_thread", start)
    yield
    while len(over) < len(begun):
        time.sleep(0)
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's home, empty, and an environment that says nothing of pysh."""
    for variable in [name for name in os.environ if name.startswith(("PYSH_", "XDG_"))]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path
