"""What the Enter key does, and what a paste becomes: decided from the text alone.

Python itself says whether a text is complete and, where it is not, what is missing; nothing here knows
its grammar.
"""

import re
import warnings
from _ast import PyCF_ALLOW_TOP_LEVEL_AWAIT, PyCF_ONLY_AST
from os.path import commonprefix
from typing import Any, NamedTuple

from pysh.runtime.runner.escape import command
from pysh.runtime.runner.question import question

INDENT = "    "
_TO_TREE = PyCF_ONLY_AST | PyCF_ALLOW_TOP_LEVEL_AWAIT
_INCOMPLETE = 0x4000
"""`ast.PyCF_ALLOW_INCOMPLETE_INPUT`: a text that only lacks its end raises `incomplete input`."""

_LEAVES = re.compile(r"\s*(return|pass|raise|break|continue)\b")
_MARGIN = re.compile(r"[ \t]*")
_PROMPT = re.compile(
    r"""\s*(?: >>> | \.\.\.                                                        # Python's, and what goes on of ours
          | (?: \([^()]*\bsuspect\)[ ] )? [a-z0-9][\w.-]* @ [\w.:-]+ (?:\#\d+)? \[\d+\]>  # ours
          | In[ ]\[\d+\]: | \.\.\.:                                              # of IPython
          | iex (?: \([^()\s]*\) )? \d* > | \.\.\. \([^()\s]*\) \d* >             # of iex
        ) (?: [ ] | $ )""",
    re.VERBOSE,
)
"""What stands before the lines of a transcript that were typed."""


class Run(NamedTuple):
    """The text is complete; `source` is what to run."""

    source: str


class Newline(NamedTuple):
    """The text goes on: in a new line, which begins with `indent`."""

    indent: str


class Wrong(NamedTuple):
    """The text can never become a program: `message` says why, `position` where (an index into it)."""

    position: int
    message: str


def enter(text: str, cursor: int) -> Run | Newline | Wrong:
    """What Enter does to `text` with the cursor at index `cursor`.

    A block ends with an empty line. In the middle of several lines Enter only splits one; in a single
    line it counts as pressed at the end.
    """
    if "\n" in text:
        if text[cursor:].strip():
            return Newline(_margin(_last_line(text[:cursor])))
        text = text[:cursor]
    source = unindented(text)
    if question(source) is not None or command(source) is not None:
        return Run(source.strip())
    try:
        tree = _parse(source, _INCOMPLETE)
    except SyntaxError as error:
        if error.msg == "incomplete input":
            return Newline(_indent(text, source))
        return Wrong(_position(text, source, error), error.msg)
    except (ValueError, OverflowError, MemoryError, RecursionError):
        return Run(source)  # the compiler gives up rather than judges; so will the one that runs it
    if _in_block(tree) and _last_line(text).strip():
        return Newline(_indent(text, source))
    return Run(source.rstrip())


def whole_line(typed: bytes) -> str | None:
    """The first line of what was typed, if it is plain text, ended with Enter, and complete by itself."""
    line, end, _ = typed.partition(b"\r")
    text = line.decode("ascii", "replace")
    if not end or not text.isascii() or not text.isprintable():
        return None
    return text if isinstance(enter(text, len(text)), Run) else None


def unindented(text: str) -> str:
    """`text` moved to the left by the margin that all its lines share, as far as the first has one."""
    first = next((line for line in text.split("\n") if line.strip()), "")
    margin = _margin(first)
    if not margin:
        return text
    lines = text.split("\n")
    if any(line.strip() and not line.startswith(margin) for line in lines):
        return text.lstrip() if "\n" not in text.strip() else text
    return "\n".join(line.removeprefix(margin) for line in lines)


def own_prompt(template: str) -> re.Pattern[str]:
    """What stands before typed lines where prompts are of that template: such a one, or what goes on of it.

    Of a template that has nothing but fields and what stands behind a name in Python, too, none is told from code.
    """
    if not re.sub(r"\{\w+\}|[\w\s:,.=()\[\]]", "", template):
        return _PROMPT
    fields = re.escape(template.rstrip()).replace(r"\{cell\}", r"\d+")
    for field in ("name", "node", "host"):
        fields = fields.replace(rf"\{{{field}\}}", r"[\w.:@#-]+")
    return re.compile(rf"\s*(?:(?:\([^()]*\bsuspect\)[ ])?{fields}|\.\.\.)(?:[ ]|$)")


def pasted(text: str, before: str = "", prompt: re.Pattern[str] = _PROMPT) -> str:
    """What of a pasted text is inserted behind `before`: its code, without the prompts and results of a transcript.

    Its margin goes; where `before` is one, the other lines get that. Also those of `prompt` are prompts, in what is
    no Python as it stands.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    first = next((line for line in lines if line.strip()), "")
    prompt = _PROMPT if _PROMPT.match(first) else prompt
    found = prompt.match(first)
    # The number of a shell is no remark.
    if found and (prompt is _PROMPT or not _is_code(text.replace(found[0], found[0].replace("#", "$"), 1))):
        lines = [prompt.sub("", line, count=1) for line in lines if prompt.match(line)]
    code = "\n".join(lines).strip("\n")
    # A block keeps the line end that ends it, so that one Enter runs it.
    code = code + "\n" if "\n" in code and text.endswith(("\n", "\r")) else code
    return code if before.strip() else _moved(code, before)


def _moved(code: str, margin: str) -> str:
    """`code` without the margin that all its lines share, and with `margin` before all but the first."""
    first, *others = lines = code.split("\n")
    shared = commonprefix([_margin(line) for line in lines if line.strip()])  # noqa: RUF071 - no paths
    block = first.rstrip().endswith(":")
    if margin and not shared and all(len(_margin(line)) >= len(margin) + block for line in others if line.strip()):
        return code  # it was copied from the middle of its first line on
    return ("\n" + margin).join(line.removeprefix(shared) for line in lines)


def _parse(source: str, flags: int = 0) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whoever runs it will warn
        return compile(source, "<input>", "exec", _TO_TREE | flags, dont_inherit=True)


def _is_code(text: str) -> bool:
    try:
        _parse(unindented(text.replace("\r", "\n")))
    except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError):
        return False
    return True


def _in_block(tree: Any) -> bool:
    """Whether more lines could belong to the last statement."""
    return bool(tree.body) and (hasattr(tree.body[-1], "body") or hasattr(tree.body[-1], "cases"))


def _indent(text: str, source: str) -> str:
    """How the line after `text`, which is not complete, begins."""
    line = _last_line(text)
    try:
        _parse(source + "\n")
    except IndentationError:  # a block must follow
        return _margin(_last_line(text.rstrip())) + INDENT
    except SyntaxError as error:
        if "triple-quoted" in error.msg:
            return ""  # what we added would become part of the string
        here = error.lineno == source.count("\n") + 1
        return _margin(line) + INDENT if "was never closed" in error.msg and here else _margin(line)
    return _margin(line).removesuffix(INDENT) if _LEAVES.match(line) else _margin(line)


def _position(text: str, source: str, error: SyntaxError) -> int:
    """Where `error`, which is about `source`, lies in `text`."""
    lines = text.split("\n")
    row = min(max(error.lineno or 1, 1), len(lines)) - 1
    moved = len(lines[row]) - len(source.split("\n")[row])
    column = min(max(error.offset or 1, 1) - 1 + moved, len(lines[row]))
    return sum(len(line) + 1 for line in lines[:row]) + column


def _last_line(text: str) -> str:
    return text.rpartition("\n")[2]


def _margin(line: str) -> str:
    found = _MARGIN.match(line)
    return found.group() if found else ""
