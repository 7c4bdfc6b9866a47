"""A shell for the helpers: a real evaluator on a pty."""

from collections.abc import Iterator

import pytest

from tests.runtime.scripted_hub import Shell


class Printing(Shell):
    """A shell of which a test reads what is printed."""

    def printed(self, source: str) -> str:
        """Run a cell; what it printed, or the error it came to."""
        self.screen = b""
        done = self.cell(source)
        end = f"end of {done['cell']}"
        self.cell(f"print({end!r})")
        self.wait(lambda: end.encode() in self.screen)
        shown = self.screen.partition(end.encode())[0].decode().replace("\r\n", "\n")
        return shown + (str(done.get("text", "")) if done["kind"] == "error" else "")


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Printing]:
    with Printing(tmp_path_factory.mktemp("home"), cell=7) as shell:
        yield shell
