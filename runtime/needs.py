"""What a call needs where it runs, besides itself: the user's own modules as they are here, and others that are there.

1. While a call is pickled, the modules are noted that its pickle refers to, and the functions that go by value.
2. Of those modules, and of what these functions import when they run, the user's own are found: those that are
   neither Python's nor installed. What their sources mention of such modules is needed as well.
3. Each is a tree with a hash, which goes with the call. The sources themselves are left with the hub here, once each,
   where any node asks for those that it does not have.

The answer to 2 is kept. What each call pays is a look whether a file was changed.
"""

# ruff: noqa: PTH100, PTH109, PTH112, PTH116, PTH120

import os
import sys
import zlib
from collections.abc import Iterable, Iterator
from opcode import opmap
from types import CellType, CodeType, FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from pysh.runtime import trees
from pysh.runtime.errors import NotSendable
from pysh.runtime.extensions import built, is_extension
from pysh.runtime.marks import Marks, mark
from pysh.runtime.modules import OURS, is_here, is_installed, module_file, root_of
from pysh.runtime.protocol.frames import ROOM, Kind
from pysh.runtime.trees import Tree

if TYPE_CHECKING:
    from pysh.runtime.captured import Captured
    from pysh.runtime.runner.client import Client

KEPT = 256
"""Sets of modules and functions for which it is remembered what they need."""
MOST = 1000
"""Modules that one call may demand by name."""
MOST_ABSENT = 100
PIECE = ROOM - 1024
"""Bytes of a compressed source that go in one frame."""

_IMPORT, _EXTENDED = opmap["IMPORT_NAME"], opmap["EXTENDED_ARG"]


class Uses:
    """What the pickle of a call refers to: modules by name, functions that go by value, and values that are apart."""

    __slots__ = ("_key", "apart", "functions", "missing", "modules", "nothing", "plan")

    def __init__(self) -> None:
        self.modules: set[str] = set()
        self.functions: list[FunctionType] = []
        self.apart: Captured | None = None
        self.nothing = False
        """Whether it is known that a call with it needs nothing besides, now or later."""
        self.missing: tuple[str, ...] = ()
        """Names that functions look up and that are nowhere here."""
        self._key: tuple[Any, ...] | None = None
        self.plan: _Plan | None = None  # that was found for it last

    def __bool__(self) -> bool:
        return bool(self.modules or self.functions)

    @property
    def key(self) -> tuple[Any, ...]:
        """What is the same for all that refer to the same; nothing is added any more."""
        if self._key is None:
            self._key = (frozenset(self.modules), *[id(function.__code__) for function in self.functions])
        return self._key


class Needs(NamedTuple):
    """Plain data that goes with a call."""

    code: tuple[tuple[str, str], ...] = ()
    """The hashes of trees, by their names; empty for what may be imported and is not to be found here."""
    places: tuple[tuple[str, str], ...] = ()
    """Where they lie here."""
    demanded: tuple[str, ...] = ()
    """Modules that have to be there, which the code imports when it runs."""
    fixed: tuple[str, ...] = ()
    """Those of the trees that do not go along, and have to be there as they are here."""

    def __bool__(self) -> bool:
        return bool(self.code or self.demanded)

    def told(self) -> dict[str, Any]:
        """As the meta of a SPAWN has it."""
        return {
            "code": dict(self.code), "from": dict(self.places), "demands": list(self.demanded),
            "fixed": list(self.fixed),
        }  # fmt: skip


NOTHING = Needs()


class _Plan(NamedTuple):
    """What some modules and functions need, for as long as `trees` are current and the current folder is `folder`.

    `around` are the folders in which something may come that was not to be found, if anything was not.
    """

    needs: Needs
    trees: tuple[Tree, ...]
    folder: str
    codes: tuple[CodeType, ...]  # by which the plan was found: so their ids stay theirs
    around: Marks | None

    def holds(self) -> bool:
        if self.around is not None and not self.around.hold():
            return False
        if not self.trees:
            return True
        return self.folder == _current_folder() and all(trees.find(tree.name, tree.root) is tree for tree in self.trees)


_plans: dict[tuple[Any, ...], _Plan] = {}
_left: "WeakKeyDictionary[Client, set[Any]]" = WeakKeyDictionary()
"""What each hub was left, by hash, and the needs that are met by that."""


def of(uses: Uses) -> Needs:
    """What a call needs whose pickle refers to that. Raises `NotSendable` and `SyntaxError`."""
    if not uses:
        return NOTHING
    plan = uses.plan
    if plan is None or not plan.holds():
        plan = _plans.get(uses.key)
        if plan is None or not plan.holds():
            if len(_plans) >= KEPT:
                _plans.clear()
            plan = _plans[uses.key] = _plan(uses)
        uses.plan = plan
        uses.nothing = not (plan.needs or plan.trees or plan.around is not None or uses.missing or uses.apart)
    return plan.needs


def left(uses: Uses, client: "Client") -> Needs:
    """The same, once the sources are left with the hub of `client`, where other nodes get them from."""
    for _ in range(trees.TRIES):
        try:
            needs = of(uses)
            if not needs.code or needs in (there := _left_with(client)):
                return needs
            for tree in uses.plan.trees if uses.plan is not None else ():
                if tree.name not in needs.fixed:
                    leave(client, tree)
        except OSError:
            continue  # it was changed meanwhile
        there.add(needs)
        return needs
    raise NotSendable("a module", reason="its sources change while they are read", hint="wait until they are written")


def pushed(name: str, root: str, client: "Client") -> Needs:
    """What goes to other nodes of module `name` in the folder `root`, left with the hub of `client`.

    Raises `FileNotFoundError` and `NotSendable`.
    """
    found = _Found(_current_folder())
    found.take(name, root)
    if not found.trees[name].files:
        raise FileNotFoundError(
            f"{root}/{name} has no source of Python below it; nothing was sent; for files: put(path)"
        )
    needed = [found.trees[each] for each in sorted(found.trees)]
    for tree in needed:
        leave(client, tree)
    hashes, places = ((tree.name, tree.hash) for tree in needed), ((tree.name, tree.root) for tree in needed)
    return Needs(tuple(hashes), tuple(places), tuple(sorted(found.extensions(name)))[:MOST])


def _plan(uses: Uses) -> _Plan:
    folder, functions = _current_folder(), tuple(uses.functions)
    named = set(uses.modules)
    demanded: set[str] = set()
    members: set[str] = set()
    for function in functions:
        if bytecode := _named(function.__code__):
            from pysh.runtime import imports

            when_it_runs = imports.of_function(function, bytecode)
            named |= when_it_runs.mentioned
            demanded |= {name for name in when_it_runs.demanded if name.partition(".")[0] not in OURS}
            demanded |= {name for name in when_it_runs.conditional if is_here(name.partition(".")[0])}
            members |= when_it_runs.members
    found = _Found(folder)
    for name in named:
        found.add(name.partition(".")[0])
    demanded |= set(filter(found.has, members))
    demanded |= found.imported_by(demanded)
    asked = sorted(name if name.partition(".")[0] in found.trees else name.partition(".")[0] for name in demanded)
    needed = [found.trees[name] for name in sorted(found.trees)]
    needs = Needs(
        (*((tree.name, tree.hash) for tree in needed), *((name, "") for name in sorted(found.absent)[:MOST_ABSENT])),
        tuple((tree.name, tree.root) for tree in needed),
        tuple(dict.fromkeys(asked))[:MOST],
        tuple(tree.name for tree in needed if not _goes_along(tree, folder)),
    )
    codes = tuple(function.__code__ for function in functions)
    return _Plan(needs, tuple(needed), folder, codes, _around() if found.absent else None)


def hollow(function: FunctionType) -> FunctionType:
    """The same code with the same globals, and nothing that was captured: to be kept for long."""
    cells = tuple(CellType() for _ in function.__code__.co_freevars)
    return FunctionType(function.__code__, function.__globals__, function.__name__, None, cells)


def _around() -> Marks:
    """The folders on `sys.path` that are the user's own."""
    folders = {os.path.abspath(folder) for folder in sys.path if not is_installed(f"{folder}/")}
    marks = [(folder, mark(os.stat(folder))) for folder in sorted(folders) if os.path.isdir(folder)]
    return Marks(marks, [folder for folder, _ in marks])


def _named(code: CodeType) -> list[str]:
    """The modules that bytecode imports, however it does."""
    found: list[str] = []
    bytecode, extended = code.co_code, 0
    for at in range(0, len(bytecode), 2):
        argument = extended << 8 | bytecode[at + 1]
        extended = argument if bytecode[at] == _EXTENDED else 0
        if bytecode[at] == _IMPORT:
            found.append(code.co_names[argument])
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            found += _named(inner)
    return found


class _Found:
    """The user's own modules among those that are added, and among those that they mention."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._looked: set[str] = set()
        self.absent: set[str] = set()  # what was not to be found
        self.trees: dict[str, Tree] = {}

    def add(self, top: str, *, mentioned: bool = False) -> None:
        """Look where the top-level module is from."""
        if top in self._looked or top in OURS or top in sys.stdlib_module_names:
            return
        self._looked.add(top)
        root = trees.bound[top].root if top in trees.bound else root_of(top, mentioned=mentioned)
        if root is None:
            if not is_here(top):
                self.absent.add(top)
            return
        try:
            self.take(top, root)
        except FileNotFoundError:
            text = f"{top} was imported from {root} and is not there any more; import it anew"
            raise NotSendable(top, text=text) from None

    def take(self, top: str, root: str) -> None:
        """It is from there. Raises `FileNotFoundError` if it is not."""
        self._looked.add(top)
        tree = self.trees[top] = trees.find(top, root)
        for other in tree.mentions:
            self.add(other, mentioned=True)

    def imported_by(self, names: Iterable[str]) -> set[str]:
        """What the user's own among these modules import when they are imported, and what those do. Full names."""
        ahead, seen = list(names), set(names)
        while ahead:
            name = ahead.pop()
            tree = self.trees.get(name.partition(".")[0])
            for part in _with_parents(name) if tree is not None else ():
                for other in self._imports(tree, part):
                    if other not in seen:
                        seen.add(other)
                        ahead.append(other)
        return seen

    def _imports(self, tree: Tree | None, name: str) -> Iterator[str]:
        assert tree is not None
        path, is_package = module_file(tree.files, name)
        if not path or is_extension(path):
            return
        from pysh.runtime import imports

        package = name if is_package else name.rpartition(".")[0]
        found = imports.of_module(tree.files[path], tree.read(path), package)
        yield from (other for other in found.demanded if other.partition(".")[0] not in OURS)
        # `from package import name` imports a module of that name, if there is one.
        yield from filter(self.has, (*found.conditional, *found.members))

    def has(self, name: str) -> bool:
        """Whether a module of that full name is among them."""
        tree = self.trees.get(name.partition(".")[0])
        return tree is not None and bool(module_file(tree.files, name)[0] or built(tree.files, name))

    def extensions(self, top: str) -> set[str]:
        """The C extensions among them that `top` is, or that sources import which cannot do without."""
        if not any(map(is_extension, (path for tree in self.trees.values() for path in tree.files))):
            return set()
        names = {top, *self.imported_by(name for tree in self.trees.values() for name in _modules(tree))}
        return {name for name in names if (tree := self.trees.get(name.partition(".")[0])) and built(tree.files, name)}


def _modules(tree: Tree) -> Iterator[str]:
    """The full names of its sources."""
    for path in tree.files:
        if path.endswith(".py"):
            yield path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[: count + 1]) for count in range(len(parts)))


def _goes_along(tree: Tree, folder: str) -> bool:
    """Whether a tree lies under the current folder, now or as it was at first, or that of the script, or came here."""
    places = (f"{place.rstrip('/')}/" for place in (folder, *_began_in) if place)
    return tree.name in trees.bound or f"{tree.root}/".startswith(tuple(places))


def _current_folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""  # it was removed


def _folders_at_first() -> tuple[str, ...]:
    """Where this process began, and where the script lies that it runs, if it runs one."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    script = os.path.dirname(os.path.abspath(file)) if isinstance(file, str) and not is_installed(file) else ""
    return tuple(folder for folder in (_current_folder(), script) if folder)


_began_in = _folders_at_first()


# what is left with the hub


def leave(client: "Client", tree: Tree) -> None:
    """Leave the sources of `tree` with the hub of `client`, once. Raises `OSError` where they have changed.

    What is noted as left has gone there: another thread may rely on that, and so may who tries again.
    """
    left = _left_with(client)
    if tree.hash in left:
        return
    blobs: list[Any] = []
    whole: set[str] = set()
    room = PIECE
    for digest, data in _contents(tree, left):
        packed = zlib.compress(data, 1)
        for at in range(0, len(packed), PIECE):
            piece = packed[at : at + PIECE]
            if len(piece) > room:
                _post(client, blobs)
                left |= whole
                blobs, room = [], PIECE
            blobs.append([bytes.fromhex(digest), at, len(packed), piece])
            room -= len(piece) + 64
        if digest != tree.hash:
            whole.add(digest)
    _post(client, blobs)
    left |= whole
    left.add(tree.hash)


def _left_with(client: "Client") -> set[Any]:
    there = _left.get(client)
    return _left.setdefault(client, set()) if there is None else there


def _contents(tree: Tree, left: set[Any]) -> Iterator[tuple[str, bytes]]:
    yield tree.hash, tree.lines
    for path, digest in tree.files.items():
        if digest not in left and path not in tree.outside and not is_extension(path):
            yield digest, tree.read(path)


def _post(client: "Client", blobs: list[Any]) -> None:
    if blobs:
        client.post(Kind.REQUEST, client.hub, ref=client.next_ref(), meta={"verb": "keep", "blobs": blobs})
