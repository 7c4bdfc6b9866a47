"""What a person may choose about the prompt."""

from typing import NamedTuple

from pysh.shell.boot import TEMPLATE


class Settings(NamedTuple):
    """How a terminal's prompt behaves, as long as nothing else is said."""

    editing: str = "emacs"
    """The keys: `emacs` or `vi`."""
    theme: str = "ansi"
    """The colours: `ansi` (the terminal's own palette), `dark`, `light` or `mono`."""
    suggestions: bool = True
    """Whether what was typed before is suggested, in grey, behind the cursor."""
    history: bool = True
    """Whether what is typed is kept for other shells and later ones."""
    signature: bool = True
    """Whether the signature of the call under the cursor is shown below the prompt."""
    autopair: bool = False
    """Whether brackets and quotes close by themselves."""
    links: bool = True
    """Whether paths and addresses are links, in a terminal that is known to take them."""
    prompt: str = TEMPLATE
    """The text of the prompt; `{name}`, `{node}`, `{host}` and `{cell}` in it stand for what they say."""
    marks: bool = True
    """Whether a terminal that is known to take it is told where prompts and outputs begin."""


DEFAULTS = Settings()
