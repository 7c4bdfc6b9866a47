"""Cells: what is typed at a prompt, compiled and run in one namespace that lives as long as its shell.

A cell is a body and, where it ends in an expression, a tail whose value is shown. Both may `await`.
"""

import __future__

import builtins
import linecache
import sys
from _ast import Expr, Expression, PyCF_ALLOW_TOP_LEVEL_AWAIT, PyCF_ONLY_AST
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, ModuleType
from typing import Any, NamedTuple

from pysh.runtime.runner.escape import command, escaping
from pysh.runtime.runner.question import answering, question

CO_COROUTINE = 0x80  # inspect.CO_COROUTINE; importing inspect takes longer than running most cells
_FUTURES = 0
for _feature in __future__.all_feature_names:
    _FUTURES |= getattr(__future__, _feature).compiler_flag


class Outcome(NamedTuple):
    """How a cell ended: with a value, perhaps None, or with an error."""

    value: object = None
    error: BaseException | None = None


Provide = Callable[[dict[str, Any], Iterable[CodeType]], None]
"""Adds to a namespace the preloaded names that the code is going to look up."""


def new_main() -> dict[str, Any]:
    """The globals of a new, empty module `__main__`; that name makes pickles carry its functions by value."""
    module = sys.modules["__main__"] = ModuleType("__main__")
    module.__dict__["__builtins__"] = builtins
    return module.__dict__


class Namespace:
    """The names of a shell, and what its cells leave to those that follow.

    One dict is globals and locals both. The module that it belongs to has no `__file__`: with one,
    `inspect` would show lines of that file as the source of what was typed here.
    """

    def __init__(self, provide: Provide | None = None) -> None:
        self.names = new_main()
        self._provide = provide
        self._futures = 0

    def compile(self, source: str, filename: str, *, escapes: bool = False) -> list[CodeType]:
        """The body and the tail of a cell, either of which may be missing; with `escapes` it may be `!ls`.

        Raises `SyntaxError`, or what else the compiler raises for text that is no program.
        """
        register(source, filename)
        try:
            escaped = command(source) if escapes else None
            codes = self._compile(source, filename) if escaped is None else [escaping(escaped, filename)]
        except SyntaxError as error:
            raise located(error, source) from None
        # A warning is shown once for each place; the place must be this cell's line, not that of another.
        self.names.pop("__warningregistry__", None)
        self.provide(codes)
        return codes

    def provide(self, codes: Iterable[CodeType]) -> None:
        """Add the preloaded names that `codes` are going to look up."""
        if self._provide is not None:
            self._provide(self.names, codes)

    def _compile(self, source: str, filename: str) -> list[CodeType]:
        flags = PyCF_ALLOW_TOP_LEVEL_AWAIT | self._futures
        if (asked := question(source)) is not None:
            return [compile(answering(asked, filename, source), filename, "eval", flags, dont_inherit=True)]
        tree = compile(source, filename, "exec", flags | PyCF_ONLY_AST, dont_inherit=True)
        tail = tree.body.pop() if tree.body and isinstance(tree.body[-1], Expr) else None
        codes = []
        if tree.body:
            codes.append(compile(tree, filename, "exec", flags, dont_inherit=True))
            self._futures |= codes[0].co_flags & _FUTURES
        if tail is not None:
            flags |= self._futures
            codes.append(compile(Expression(tail.value), filename, "eval", flags, dont_inherit=True))
        return codes


async def run(compiled: Callable[[], Iterable[CodeType]], names: dict[str, Any]) -> Outcome:
    """Compile and run code in `names`; the value is that of its last part.

    Whatever it raises is returned, `SystemExit` and `KeyboardInterrupt` too: they would end the loop
    that this runs in. Everything happens inside this one function, so that finding it on the stack
    means that the cell has the main thread.
    """
    value = None
    try:
        for code in compiled():
            value = eval(code, names)
            if code.co_flags & CO_COROUTINE:
                value = await value
    except BaseException as error:
        return Outcome(error=error)
    return Outcome(value)


def mentioned(code: CodeType) -> Iterator[str]:
    """The names that `code` and the code inside it look up or bind; those of attributes too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from mentioned(constant)


def register(source: str, filename: str) -> None:
    """Let tracebacks, `pdb` and `inspect` find the lines of `source` under `filename`."""
    lines = [line + "\n" for line in source.split("\n")]
    # No modification time: `linecache.checkcache` leaves such an entry alone.
    linecache.cache[filename] = (len(source), None, lines, filename)


def located(error: SyntaxError, source: str) -> SyntaxError:
    """`error` with its line of source, which the compiler looks for in a file only."""
    lines = source.split("\n")
    if error.text is None and error.lineno is not None and 0 < error.lineno <= len(lines):
        error.text = lines[error.lineno - 1] + "\n"
    return error


def exit_code(error: SystemExit) -> int:
    """The exit code that Python would end with; a text instead of a number is printed, as there."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code
    print(error.code, file=sys.stderr)
    return 1
