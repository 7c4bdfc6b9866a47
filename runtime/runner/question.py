"""`x?` is the help of x, and `x??` its source; `?x` and `??x` are the same. Only `!ls` is no Python either.

A question mark means nothing in Python but in strings and remarks. So a text that has one at an end, and is an
expression without it, cannot be a program: `"x?"`, `x = 5  # why?` and a string that is not closed are none of it.
"""

from _ast import Call, Constant, Expression, PyCF_ALLOW_TOP_LEVEL_AWAIT, PyCF_ONLY_AST
from typing import Any, NamedTuple

HELPERS = "pysh.runtime.helpers.asked"
_ANSWER = f"__import__({HELPERS!r}, fromlist=['answer']).answer(0, 0, 0)"
_TO_TREE = PyCF_ONLY_AST | PyCF_ALLOW_TOP_LEVEL_AWAIT


class Question(NamedTuple):
    """What is asked about; empty for the list of all there is. `level` 2 asks for its source."""

    about: str
    level: int


def question(text: str) -> Question | None:
    """The question that `text` is, if it is no Python."""
    stripped = text.strip()
    about = stripped.strip("?")
    before, after = len(stripped) - len(stripped.lstrip("?")), len(stripped) - len(stripped.rstrip("?"))
    if not about:
        return Question("", 1) if 0 < len(stripped) <= 2 else None
    level = before + after
    if level not in (1, 2) or (before and after) or not _parses(about, "eval") or _parses(stripped, "exec"):
        return None
    return Question(about.strip(), level)


def answering(asked: Question, filename: str, text: str) -> Any:
    """The tree of the expression that answers; what is asked about keeps its place in `text`.

    A plain name goes as text: of a property that is what the property is, and a module need not be imported.
    """
    tree: Any = compile(_ANSWER, filename, "eval", _TO_TREE, dont_inherit=True)
    _, value, level = tree.body.args
    tree.body.args[0] = _constant(asked.about, tree.body.args[0])
    if asked.about and not _is_path(asked.about):
        inner: Any = compile(_without_marks(text), filename, "eval", _TO_TREE, dont_inherit=True)
        tree.body.args[1] = inner.body
        tree.body.args[0] = _constant(None, value)
    tree.body.args[2] = _constant(asked.level, level)
    assert isinstance(tree, Expression) and isinstance(tree.body, Call)
    return tree


def _without_marks(text: str) -> str:
    rest = text.lstrip("? \t\n")
    return text[: len(text) - len(rest)].replace("?", " ") + rest.rstrip("? \t\n")


def _is_path(about: str) -> bool:
    return all(name.isidentifier() for name in about.split("."))


def _parses(text: str, mode: str) -> bool:
    import warnings  # few cells get here

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # whoever runs it will warn
            compile(text.strip(), "<question>", mode, _TO_TREE, dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError):
        return False
    return True


def _constant(value: Any, place: Any) -> Any:
    return Constant(
        value=value, lineno=place.lineno, col_offset=place.col_offset,
        end_lineno=place.end_lineno, end_col_offset=place.end_col_offset,
    )  # fmt: skip
