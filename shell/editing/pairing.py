"""The keys of brackets and quotes where these close by themselves."""

from functools import partial

from prompt_toolkit.application.current import get_app
from prompt_toolkit.filters import Condition, Filter, emacs_mode, vi_insert_mode
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.key_binding.key_processor import KeyPressEvent

from pysh.shell.pairs import KEYS, is_empty_pair, typed

LONGEST = 10_000
"""Characters of a cell above which nothing closes by itself."""


def bind(keys: KeyBindings, where: Filter) -> None:
    """Have the keys close what they open, `where` text is typed."""
    judged = Condition(_alone) & where & (emacs_mode | vi_insert_mode)
    for key in KEYS:
        keys.add(key, filter=judged)(partial(_type, key))
    keys.add("backspace", filter=judged & Condition(_empty))(_delete)


def _alone() -> bool:
    """Whether the key came by itself: not in a paste that is not marked as one, nor before anybody could look."""
    app = get_app()
    return not app.key_processor.input_queue and len(app.current_buffer.text) <= LONGEST


def _empty() -> bool:
    document = get_app().current_buffer.document
    return is_empty_pair(document.text_before_cursor, document.text_after_cursor)


def _type(key: str, event: KeyPressEvent) -> None:
    buffer = event.current_buffer
    done = typed(key, buffer.document.text_before_cursor, buffer.document.text_after_cursor)
    buffer.insert_text(done.text)
    buffer.cursor_position += done.right


def _delete(event: KeyPressEvent) -> None:
    event.current_buffer.delete()
    event.current_buffer.delete_before_cursor()
