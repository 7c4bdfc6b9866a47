"""What several tests of the runtime begin with."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

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
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's home, empty, and an environment that says nothing of pysh."""
    for variable in [name for name in os.environ if name.startswith(("PYSH_", "XDG_"))]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path
