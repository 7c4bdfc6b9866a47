"""A person at the prompt of a node, with other nodes connected."""

from tests.shell.terminal import Terminal

HERE = "n1@localhost"


def held(word: str) -> str:
    """Code that says `word` once it is C code which never ends, and never looks for a signal."""
    said = f"b{word[:1]!r} b{word[1:] + chr(10)!r}"  # so that its echo is not taken for it
    return f"import itertools, os; all(itertools.chain(map(os.write, [1], [{said}]), itertools.repeat(1)))"


class Prompt:
    """A shell that connects to `nodes`."""

    def __init__(self, terminal: Terminal, *nodes: str) -> None:
        self.terminal = terminal
        self._cell = 1
        self.waits()
        self(f"connect{nodes}" if len(nodes) > 1 else f"connect({nodes[0]!r})")

    def waits(self) -> None:
        """Wait until the next cell may be typed."""
        self.terminal.wait_for_end(f"{HERE}[{self._cell}]>")

    def __call__(self, source: str) -> list[str]:
        """What is shown of a cell."""
        self.type(source)
        self.waits()
        lines = self.terminal.lines
        begun = max(at for at, line in enumerate(lines) if line.startswith(f"{HERE}[{self._cell - 1}]>"))
        return [line for line in lines[begun + 1 : -1] if not line.lstrip().startswith("...")]

    def type(self, source: str) -> None:
        """Type a cell, and do not wait for its end."""
        self.terminal.type("\x0c")
        if "\n" in source:
            self.terminal.paste(source + "\n")
        self.terminal.type("\r" if "\n" in source else source + "\r")
        self._cell += 1

    def shows(self, *lines: str) -> None:
        """Wait until these are lines of the screen, in this order, perhaps with others in between."""

        def there() -> bool:
            left = iter(self.terminal.lines)
            return all(any(expected in line for line in left) for expected in lines)

        self.terminal.wait(there, f"lines {lines}")

    def pdb(self, line: str, *shown: str) -> None:
        """Type a line at a debugger's prompt, and wait for what it shows."""
        self.terminal.wait(lambda: self.terminal.lines[-1:] == ["(Pdb)"], "prompt of pdb")
        self.terminal.type("\x0c" if not line else f"{line}\r")
        self.shows(f"(Pdb) {line}".rstrip(), *shown)
