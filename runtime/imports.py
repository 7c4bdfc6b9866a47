"""Which modules code imports when it runs, found without running it.

An import is demanded unless the code can do without: in a `try` that handles `ImportError` (or under
`suppress(ImportError)`) it is optional, and under `TYPE_CHECKING` it is none. What stands under another `if` is
demanded where it is found here: it may be meant for another system.
"""

import ast
from textwrap import dedent
from types import FunctionType
from typing import Any, NamedTuple

from pysh.runtime import sources

_HANDLES = frozenset(("ImportError", "ModuleNotFoundError", "Exception", "BaseException"))
KEPT = 1024
"""Sources whose imports are remembered."""


class Imports(NamedTuple):
    """Modules by their full names: those that are demanded, that are if they are found here, and that may be used.

    `members` are names behind a `from` that are demanded if they are modules.
    """

    demanded: frozenset[str]
    conditional: frozenset[str]
    mentioned: frozenset[str]
    members: frozenset[str] = frozenset()


_of_source: dict[str, Imports] = {}


def of_function(function: FunctionType, named: list[str]) -> Imports:
    """What `function`, and the functions in it, import when they run: those `named` in its bytecode."""
    try:
        source = sources.of(function)
        tree = ast.parse(dedent(source.text)) if source is not None else None
    except SyntaxError:
        tree = None  # the lines of a lambda may be no statement
    if tree is None:
        # Nobody can say which of them stand in a `try`.
        return Imports(frozenset(), frozenset(), frozenset(named))
    finder = _Finder(str(function.__globals__.get("__package__") or ""), whole=True)
    finder.visit(tree)
    return finder.found()


def of_module(sha: str, source: bytes, package: str) -> Imports:
    """What a module with that source imports when it is imported, relative to `package`. Raises `SyntaxError`."""
    key = f"{sha} {package}"
    known = _of_source.get(key)
    if known is None:
        if len(_of_source) >= KEPT:
            _of_source.clear()
        finder = _Finder(package, whole=False)
        finder.visit(ast.parse(source))
        known = _of_source[key] = finder.found()
    return known


class _Finder(ast.NodeVisitor):
    """Collects imports: with `whole` also those in functions, which run later."""

    def __init__(self, package: str, *, whole: bool) -> None:
        self._package = package
        self._whole = whole
        self._optional = self._conditional = 0
        self._demanded: set[str] = set()
        self._perhaps: set[str] = set()
        self._mentioned: set[str] = set()
        self._members: set[str] = set()

    def found(self) -> Imports:
        return Imports(*map(frozenset, (self._demanded, self._perhaps, self._mentioned, self._members)))

    def _wants(self, name: str) -> None:
        self._mentioned.add(name)
        if not self._optional:
            (self._perhaps if self._conditional else self._demanded).add(name)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._wants(alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        name = node.module or ""
        if node.level:
            parent = self._package.rsplit(".", node.level - 1)[0] if node.level > 1 else self._package
            name = f"{parent}.{name}".strip(".")
        if not name:
            return
        self._wants(name)
        # Each may be a module, or a name in one.
        members = {f"{name}.{alias.name}" for alias in node.names if alias.name != "*"}
        self._mentioned |= members
        if not self._optional:
            self._members |= members

    def visit_Try(self, node: ast.Try) -> None:
        caught = any(_handles(handler.type) for handler in node.handlers)
        self._optional += caught
        self._visit(*node.body, *node.handlers)
        self._optional -= caught
        self._visit(*node.orelse, *node.finalbody)

    def visit_TryStar(self, node: Any) -> None:
        self.visit_Try(node)

    def visit_With(self, node: ast.With) -> None:
        caught = any(_suppresses(item.context_expr) for item in node.items)
        self._optional += caught
        self._visit(*node.body)
        self._optional -= caught

    def visit_If(self, node: ast.If) -> None:
        if not _is_type_checking(node.test):
            self._conditional += 1
            self._visit(*node.body, *node.orelse)
            self._conditional -= 1
        else:
            self._visit(*node.orelse)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        if self._whole:
            self.generic_visit(node)

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def _visit(self, *nodes: ast.AST) -> None:
        for node in nodes:
            self.visit(node)


def _handles(kind: ast.expr | None) -> bool:
    """Whether an `except` of that type takes what a missing module raises."""
    if isinstance(kind, ast.Tuple):
        return any(map(_handles, kind.elts))
    return kind is None or _name(kind) in _HANDLES


def _suppresses(manager: ast.expr) -> bool:
    return isinstance(manager, ast.Call) and _name(manager.func) == "suppress" and any(map(_handles, manager.args))


def _is_type_checking(test: ast.expr) -> bool:
    return _name(test) == "TYPE_CHECKING"


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
