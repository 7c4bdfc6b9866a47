"""Colours: whether there are any, and which; and whether there may be more than plain lines at all."""

TYPE_CHECKING = False
if TYPE_CHECKING:  # this is imported before the first paint
    from collections.abc import Mapping

RESET = "\x1b[0m"
BOLD = "1"
SHELL_MODES = ("comint", "eshell")
"""What Emacs calls the buffers that show lines and no terminal; in the others (`term`, `vterm`, `eat`) there is one."""

# The sixteen colours of the terminal's own palette.
ANSI = {
    "dim": "ansibrightblack",
    "accent": "ansicyan",
    "error": "ansired",
    "warn": "ansiyellow",
    "keyword": "ansiblue",
    "constant": "ansimagenta",
    "string": "ansigreen",
    "builtin": "ansicyan",
}
# Of the 256 that do not depend on it.
DARK = {
    "dim": "#878787",
    "accent": "#5fd7d7",
    "error": "#ff5f5f",
    "warn": "#ffd75f",
    "keyword": "#5fafff",
    "constant": "#d787ff",
    "string": "#87d787",
    "builtin": "#5fd7d7",
}
LIGHT = {
    "dim": "#878787",
    "accent": "#008787",
    "error": "#d70000",
    "warn": "#af5f00",
    "keyword": "#0000af",
    "constant": "#8700af",
    "string": "#005f00",
    "builtin": "#005f87",
}
THEMES = {"mono": ANSI, "ansi": ANSI, "dark": DARK, "light": LIGHT}
"""The colour of each role; `mono` shows none of them, and tells apart by bold and underlined letters."""

ROLES = {"prompt": "", "tag": "accent", "error": "error", "warn": "warn", "dim": "dim"}
"""What `Theme` marks up, in the colour of which role; nothing for bold."""
SGR = {
    "ansired": "31", "ansigreen": "32", "ansiyellow": "33", "ansiblue": "34", "ansimagenta": "35", "ansicyan": "36",
    "ansibrightblack": "90",
}  # fmt: skip


def has_colours(environ: "Mapping[str, str]", terminal: bool) -> bool:
    """Whether to colour, by the conventions NO_COLOR, FORCE_COLOR, CLICOLOR, CLICOLOR_FORCE and TERM=dumb."""
    if environ.get("NO_COLOR"):
        return False
    if any(environ.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return terminal and environ.get("CLICOLOR") != "0" and environ.get("TERM", "dumb") != "dumb"


def is_plain(environ: "Mapping[str, str]") -> bool:
    """Whether the terminal shows lines and nothing else: a dumb one, or a shell buffer of Emacs."""
    inside = environ.get("INSIDE_EMACS", "")
    return environ.get("TERM", "dumb") in ("dumb", "unknown") or any(mode in inside for mode in SHELL_MODES)


class Theme:
    """Marks up a text, or leaves it as it is where there are no colours; `name` is one of `THEMES`."""

    def __init__(self, colours: bool, name: str = "ansi") -> None:
        self.name = name if name in THEMES else "ansi"
        self.colours = colours and self.name != "mono"

    def __call__(self, name: str, text: str) -> str:
        """`text` in the colour of `name`."""
        if not self.colours or not text:
            return text
        role = ROLES[name]
        return f"\x1b[{sgr(THEMES[self.name][role]) if role else BOLD}m{text}{RESET}"


def sgr(colour: str) -> str:
    """The parameters of the escape sequence for a colour: one of the sixteen, or one of the cube of 256."""
    if not colour.startswith("#"):
        return SGR[colour]
    red, green, blue = (max(0, (int(colour[at : at + 2], 16) - 55) // 40) for at in (1, 3, 5))
    return f"38;5;{16 + 36 * red + 6 * green + blue}"


def style(name: str) -> "dict[str, str]":
    """What the editor looks like in theme `name`, in the words of prompt_toolkit."""
    colour = THEMES.get(name, ANSI)
    return {
        "prompt": "bold",
        "prompt.away": f"bold {colour['accent']}",
        "suspect": colour["warn"],
        "took": colour["dim"],
        "mistake": f"bold underline {colour['error']}",
        "prompt-continuation": colour["dim"],
        "auto-suggestion": colour["dim"],
        "live": colour["accent"],
        "validation-toolbar": f"noreverse bg:default {colour['error']}",
        "search-toolbar": "noreverse",
        "matching-bracket.cursor": "bold",
        "matching-bracket.other": "bold underline",
        "signature": colour["dim"],
        "signature.current": "fg:default bold",
        "search": colour["accent"],
        "search.chosen": "bold",
        "search.place": colour["dim"],
        "pygments.keyword": colour["keyword"],
        "pygments.keyword.constant": colour["constant"],
        "pygments.operator.word": colour["keyword"],
        "pygments.literal.string": colour["string"],
        "pygments.literal.number": colour["constant"],
        "pygments.name.builtin": colour["builtin"],
        "pygments.name.decorator": colour["warn"],
        "pygments.name.exception": colour["error"],
        "pygments.comment": colour["dim"],
    }
