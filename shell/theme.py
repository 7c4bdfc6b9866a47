"""Colours: whether there are any, and which. Sixteen only, so that the terminal's own palette rules."""

TYPE_CHECKING = False
if TYPE_CHECKING:  # this is imported before the first paint
    from collections.abc import Mapping

RESET = "\x1b[0m"
SGR = {"prompt": "1", "tag": "36", "error": "31", "warn": "33", "dim": "90"}

STYLE = {
    "prompt": "bold",
    "suspect": "ansiyellow",
    "prompt-continuation": "ansibrightblack",
    "took": "ansibrightblack",
    "auto-suggestion": "ansibrightblack",
    "live": "ansicyan",
    "validation-toolbar": "noreverse bg:default ansired",
    "search-toolbar": "noreverse",
    "pygments.keyword": "ansiblue",
    "pygments.keyword.constant": "ansimagenta",
    "pygments.operator.word": "ansiblue",
    "pygments.literal.string": "ansigreen",
    "pygments.literal.number": "ansimagenta",
    "pygments.name.builtin": "ansicyan",
    "pygments.name.decorator": "ansiyellow",
    "pygments.name.exception": "ansired",
    "pygments.comment": "ansibrightblack",
}
"""The editor's, in the words of prompt_toolkit."""


def has_colours(environ: "Mapping[str, str]", terminal: bool) -> bool:
    """Whether to colour, by the conventions NO_COLOR, FORCE_COLOR and TERM=dumb."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return terminal and environ.get("TERM", "dumb") != "dumb"


class Theme:
    """Marks up a text, or leaves it as it is where there are no colours."""

    def __init__(self, colours: bool) -> None:
        self.colours = colours

    def __call__(self, name: str, text: str) -> str:
        """`text` in the colour of `name`."""
        return f"\x1b[{SGR[name]}m{text}{RESET}" if self.colours and text else text
