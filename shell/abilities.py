"""What a terminal knows beyond colours, as far as its environment tells: marks (OSC 133) and links (OSC 8).

Most terminals leave out what they do not know, some show it. So it is only for those that are known, and
inside another program (tmux, screen) only where that one is.
"""

from collections.abc import Mapping
from typing import NamedTuple

from pysh.shell.theme import is_plain


class Abilities(NamedTuple):
    """Whether the terminal takes marks of prompts and outputs, and links."""

    marks: bool = False
    links: bool = False


NONE, LINKS, BOTH = Abilities(), Abilities(links=True), Abilities(marks=True, links=True)
TERMS = {
    "alacritty": LINKS, "contour": BOTH, "foot": BOTH, "foot-direct": BOTH, "foot-extra": BOTH, "ghostty": BOTH,
    "wezterm": BOTH, "xterm-ghostty": BOTH, "xterm-kitty": BOTH,
}  # fmt: skip
"""By `TERM`, which also comes along over SSH."""
PROGRAMS = {
    "Apple_Terminal": NONE, "Hyper": LINKS, "WarpTerminal": NONE, "WezTerm": BOTH, "ghostty": BOTH, "iTerm.app": BOTH,
    "mintty": LINKS, "vscode": BOTH,
}  # fmt: skip
"""By `TERM_PROGRAM`."""
SIGNS = {
    "XTERM_VERSION": NONE, "KITTY_WINDOW_ID": BOTH, "WEZTERM_PANE": BOTH, "GHOSTTY_RESOURCES_DIR": BOTH,
    "WT_SESSION": BOTH, "KONSOLE_VERSION": LINKS,
}  # fmt: skip
"""By a variable that only that terminal sets; the first counts that is there."""
WITHIN = ("TMUX", "STY", "ZELLIJ")
TMUX_KNOWS = 3, 4
"""The version of tmux from which on it takes both, and hands on what its own terminal can do."""
VTE_KNOWS = 5000
"""The version of VTE (GNOME's terminals) from which on it takes links."""


def abilities(environ: Mapping[str, str]) -> Abilities:
    """What the terminal can do that `environ` speaks of."""
    term, program = environ.get("TERM", ""), environ.get("TERM_PROGRAM", "")
    if is_plain(environ):
        return NONE
    if any(environ.get(name) for name in WITHIN) or term.startswith(("tmux", "screen")):
        knows = program == "tmux" and _version(environ.get("TERM_PROGRAM_VERSION", "")) >= TMUX_KNOWS
        return BOTH if knows else NONE
    if term in TERMS:
        return TERMS[term]
    if not term.startswith("xterm"):
        return NONE  # the variables are those of the terminal that this one was started from
    if program in PROGRAMS:
        return PROGRAMS[program]
    for name, known in SIGNS.items():
        if environ.get(name):
            return known
    vte = environ.get("VTE_VERSION", "")
    return LINKS if vte.isdecimal() and int(vte) >= VTE_KNOWS else NONE


def _version(text: str) -> tuple[int, ...]:
    """`3.4a` is (3, 4), and what has no number is ()."""
    numbers = []
    for part in text.removeprefix("next-").split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)
