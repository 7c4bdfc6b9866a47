"""The helpers at a real terminal, with a real node behind them."""

from pysh.runtime.helpers.tour import STEPS
from tests.shell.terminal import Terminal
from tests.system.conftest import Home, Screens


def cell(shell: Terminal, number: int, source: str) -> int:
    """Type a cell at its prompt, and wait for the next one; the number of that."""
    shell.wait_for_end(f"n1@localhost[{number}]>")
    shell.type(f"{source}\r")
    shell.wait_for_end(f"n1@localhost[{number + 1}]>")
    return number + 1


def test_every_step_of_the_tour_runs_as_it_stands_and_the_transcript_has_it(screens: Screens, home: Home) -> None:
    shell = screens.open("--name", "n1@localhost")
    number = cell(shell, 1, "tour()")
    for _, cells, _ in STEPS:
        for source in cells:
            number = cell(shell, number, source)
    number = cell(shell, number, "print('printed'); 7")
    cell(shell, number, "transcript('told.txt')")
    told = (home.folder / "told.txt").read_text()
    assert f"n1@localhost[{number - 1}]> print('printed'); 7\nprinted\n7\n" in told
    assert told.startswith("n1@localhost[1]> tour()\n1 of 8: Results come back. Type:\n\n    6 * 7\n")
    assert "n1@localhost[3]> _ + 1\n43\nn1@localhost[4]> v(-2)\n42\n" in told
    failed = [each.partition("\n")[0] for each in told.split("n1@localhost[") if "Traceback" in each]
    assert [each.partition("> ")[2] for each in failed] == ["await task(lambda: 1 / 0, on=w)"]
    assert "'hello from afar'" in told


def test_a_command_asks_too(home: Home) -> None:
    home.node("n1@localhost")
    assert "Start `fn(*args, **kwargs)` on a node" in home.pysh("rpc", "n1", "-c", "task?").stdout
    assert "this       the shell, pid " in home.pysh("rpc", "n1", "-c", "info()").stdout


def test_what_a_node_without_a_terminal_is_made_of_is_told_elsewhere(home: Home, n2: str) -> None:
    told = home.script("info(connect('n2'))")
    assert (told.returncode, told.stderr) == (0, "")
    assert "n2@localhost" in told.stdout and " MiB" in told.stdout
