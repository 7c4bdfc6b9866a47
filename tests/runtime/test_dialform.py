"""`connect()` alone at a prompt is a form; elsewhere it is a mistake."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pysh.runtime.protocol.frames import Kind
from tests.runtime.scripted_hub import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host db1 db*\n")
    with Shell(tmp_path) as shell:
        shell.cell("from pysh import connect")
        yield shell


def test_a_terminal_that_can_ask_is_given_a_form_with_what_is_known(shell: Shell) -> None:
    done = shell.done(shell.send(Kind.CELL, payload=b"connect()"))
    assert (done["kind"], done["form"]["verb"], done["form"]["hosts"]) == ("none", "connect", ["db1"])
    assert isinstance(done["form"]["nodes"], list)
    assert "form" not in shell.done(shell.send(Kind.CELL, payload=b"1"))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (b"connect()", {"plain": True}), (b"connect()", {"person": False}),
        (b"connect(via='x')", {}), (b"connect(3)", {}),
    ],
)  # fmt: skip
def test_elsewhere_and_with_something_given_it_is_a_call(shell: Shell, source: bytes, said: dict[str, bool]) -> None:
    done = shell.done(shell.send(Kind.CELL, meta=said, payload=source))
    assert done["kind"] == "error" and "form" not in done
    assert "TypeError: connect() takes" in done["text"]
