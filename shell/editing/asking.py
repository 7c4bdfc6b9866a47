"""A question at the place of the prompt, answered in one line."""

from collections.abc import Sequence

from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.input import Input
from prompt_toolkit.output import ColorDepth, Output
from prompt_toolkit.shortcuts.prompt import PromptSession
from prompt_toolkit.styles import BaseStyle


def asking(
    question: str, words: Sequence[str], *, input: Input, output: Output, style: BaseStyle, depth: ColorDepth
) -> PromptSession[str]:  # fmt: skip
    """What asks it: Tab completes `words`, Enter answers, Ctrl-C and Ctrl-D leave."""
    session: PromptSession[str] = PromptSession(
        message=[("class:search", f"{question}: ")],
        completer=WordCompleter(list(words), sentence=True),
        complete_while_typing=False,
        reserve_space_for_menu=4,
        style=style,
        color_depth=depth,
        include_default_pygments_style=False,
        input=input,
        output=output,
    )
    session.app.terminal_size_polling_interval = None
    return session
