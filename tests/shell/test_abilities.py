"""What is known of a terminal by its environment."""

import pytest

from pysh.shell.abilities import BOTH, LINKS, NONE, SIGNS, Abilities, abilities
from pysh.transports.sshterminal import ANOTHERS

XTERM = {"TERM": "xterm-256color"}


@pytest.mark.parametrize(
    ("environ", "known"),
    [
        ({}, NONE),
        (XTERM, NONE),
        ({"TERM": "linux"}, NONE),
        ({"TERM": "xterm-kitty"}, BOTH),
        ({"TERM": "xterm-ghostty"}, BOTH),
        ({"TERM": "foot"}, BOTH),
        ({"TERM": "alacritty"}, LINKS),
        (XTERM | {"TERM_PROGRAM": "WezTerm"}, BOTH),
        (XTERM | {"TERM_PROGRAM": "iTerm.app"}, BOTH),
        (XTERM | {"TERM_PROGRAM": "vscode"}, BOTH),
        (XTERM | {"TERM_PROGRAM": "ghostty"}, BOTH),
        (XTERM | {"TERM_PROGRAM": "Apple_Terminal"}, NONE),
        (XTERM | {"TERM_PROGRAM": "somebody"}, NONE),
        (XTERM | {"WT_SESSION": "1-2"}, BOTH),
        (XTERM | {"KITTY_WINDOW_ID": "1"}, BOTH),
        (XTERM | {"KONSOLE_VERSION": "230800"}, LINKS),
        (XTERM | {"VTE_VERSION": "6003"}, LINKS),
        (XTERM | {"VTE_VERSION": "4600"}, NONE),
        (XTERM | {"VTE_VERSION": "x"}, NONE),
        # What was started from another terminal has its variables too.
        (XTERM | {"KITTY_WINDOW_ID": "1", "XTERM_VERSION": "XTerm(390)"}, NONE),
        ({"TERM": "alacritty", "KITTY_WINDOW_ID": "1"}, LINKS),
        ({"TERM": "linux", "KITTY_WINDOW_ID": "1"}, NONE),
        # Inside of another program it is that one which has to know.
        (XTERM | {"TERM_PROGRAM": "WezTerm", "STY": "1.tty"}, NONE),
        ({"TERM": "screen-256color", "KITTY_WINDOW_ID": "1"}, NONE),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux,1,0"}, NONE),
        ({"TERM": "tmux-256color", "TMUX": "x", "TERM_PROGRAM": "tmux", "TERM_PROGRAM_VERSION": "3.3a"}, NONE),
        ({"TERM": "tmux-256color", "TMUX": "x", "TERM_PROGRAM": "tmux", "TERM_PROGRAM_VERSION": "3.4"}, BOTH),
        ({"TERM": "screen", "TMUX": "x", "TERM_PROGRAM": "tmux", "TERM_PROGRAM_VERSION": "next-3.6"}, BOTH),
        ({"TERM": "tmux-256color", "TMUX": "x", "TERM_PROGRAM": "tmux", "TERM_PROGRAM_VERSION": "master"}, NONE),
        # A dumb one is one, whoever it says it is.
        ({"TERM": "dumb", "TERM_PROGRAM": "vscode"}, NONE),
        (XTERM | {"TERM_PROGRAM": "vscode", "INSIDE_EMACS": "29.1,comint"}, NONE),
    ],
)
def test_a_terminal_is_known_by_its_environment(environ: dict[str, str], known: Abilities) -> None:
    assert abilities(environ) == known


def test_who_comes_by_ssh_is_not_taken_for_the_terminal_that_the_node_was_started_in() -> None:
    assert {*SIGNS, "TERM_PROGRAM", "VTE_VERSION", "TMUX", "STY", "ZELLIJ"} <= ANOTHERS
