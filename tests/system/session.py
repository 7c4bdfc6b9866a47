"""The session that the design and the README open with, as two terminals show it."""

import re

from tests.shell.terminal import Terminal


def shows(terminal: Terminal, *patterns: str) -> None:
    """Wait until lines that match `patterns` stand below each other."""

    def there() -> bool:
        lines = terminal.lines
        return any(
            all(re.fullmatch(p, line) for p, line in zip(patterns, lines[at:], strict=False))
            and len(lines) - at >= len(patterns)
            for at in range(len(lines))
        )

    terminal.wait(there, f"lines like {patterns}")


def run_session(one: Terminal, two: Terminal, host: str) -> None:
    """Type it into `one` and `two`, which are shells of node1 and node2 `@host`, and see what it shows."""
    name1, name2 = f"node1@{host}", f"node2@{host}"
    two.wait_for_end(f"{name2}[1]>")
    two.type("import time\r")
    two.wait_for_end(f"{name2}[1]> import time", f"{name2}[2]>")
    two.type("def compute(value):\rtime.sleep(2)\rreturn value * value\r\r")
    two.wait_for_end(f"{name2}[3]>")

    one.wait_for_end(f"{name1}[1]>")
    one.type(f'connect("{name2}")\r')
    shows(one, rf'{name1}\[1\]> connect\("{name2}"\)', rf"<Node {name2} up .* ms>")
    one.wait_for_end(f"{name1}[2]>")
    one.type("nodes()\r")
    shows(
        one,
        rf"{name1}\[2\]> nodes\(\)",
        rf" {'node':{len(name1)}}  state  rtt +load  tasks",
        rf" {name1}  self +\d +0",
        rf" {name2}  up +[\d.]+ ms +\d +0",
        rf"{name1}\[3\]>",
    )
    one.type(f't = task("compute", 5, on="{name2}")\r')
    one.wait_for_end(f"{name1}[4]>")
    one.type("await t\r")
    one.wait_for(f"{name1}[4]> await t", "25", f"{name1}[5]>")
    one.type(f'p = spawn(lambda: print("Received", receive()), on="{name2}")\r')
    one.wait_for_end(f"{name1}[6]>")
    one.type('send(p, "Hello, node2!")\r')
    one.wait(lambda: "node2 | Received Hello, node2!" in one.lines, "the output of node2")
