"""Imports of modules that came with a call: from sources that are what was sent, wherever they lie.

A name that is bound to a tree is found here before it is looked for on `sys.path`. Each source is read from the
folder of its tree, and run only if its hash is right; else it is asked for where the call came from. So neither an
edit while the code runs, nor bytecode that is older than it seems, brings in anything else.
"""

# ruff: noqa: PTH116

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from types import CodeType, ModuleType

from pysh.runtime import extensions, trees
from pysh.runtime.modules import folder_of, is_installed, module_file
from pysh.runtime.trees import Tree

Fetch = Callable[[str], bytes]
"""Gets the source with that hash from elsewhere. Raises `PyshError`."""


class Bound(Tree):
    """A tree that a name of this process is bound to; `held` has sources that lie in no file, and `why` says why.

    It comes from the folder `origin` of another node. C extensions are also looked for where an import would find
    that name here by itself.
    """

    def __init__(
        self, name: str, root: str, files: dict[str, str], fetch: Fetch, *, mentions: Iterable[str] = (),
        held: dict[str, bytes] | None = None, why: str = "", origin: str = "",
    ) -> None:  # fmt: skip
        super().__init__(name, root, files, mentions=frozenset(mentions))
        self._fetch = fetch
        self._held = {} if held is None else held
        self.why = why
        self.origin = origin
        folders = (path.rpartition("/")[0] for path in files)
        self._packages = {"/".join(parts[:end]) for parts in map(_parts, folders) for end in range(1, len(parts) + 1)}

    def is_current(self) -> bool:
        """It is: what lies there now has no part in it."""
        return True

    def read(self, path: str) -> bytes:
        """One of its sources, as it was sent."""
        digest = self.files[path]
        if digest in self._held:
            return self._held[digest]
        try:
            with open(f"{self.root}/{path}", "rb") as file:
                data = file.read()
        except OSError:
            data = b""
        return data if trees.digest(data) == digest else self._fetch(digest)

    def spec(self, name: str, path: Sequence[str] | None) -> ModuleSpec | None:
        """How to import one of its modules; None for what another finder has to find."""
        inside = name.replace(".", "/")
        if (place := self.extension(name)) is not None:
            return spec_from_file_location(name, place)
        file, is_package = module_file(self.files, name)
        if extensions.is_extension(file):
            raise ModuleNotFoundError(f"{file} is not there as it was sent: C extensions do not travel", name=name)
        if file:
            place = f"{self.root}/{file}"
            spec = ModuleSpec(name, _Loader(name, place, self, file), origin=place, is_package=is_package)
            spec.has_location = True
            if is_package:
                spec.submodule_search_locations = [f"{self.root}/{inside}"]
            return spec
        if inside in self._packages:
            spec = ModuleSpec(name, None, is_package=True)
            elsewhere = PathFinder.find_spec(name, path)
            others = list(elsewhere.submodule_search_locations or ()) if elsewhere is not None else []
            spec.submodule_search_locations = list(dict.fromkeys([f"{self.root}/{inside}", *others]))
            return spec
        found = PathFinder.find_spec(name, path)
        if found is not None and isinstance(found.loader, SourceFileLoader) and self._lies_in(found.origin):
            raise ModuleNotFoundError(f"no module {name!r} in the sources that were sent", name=name)
        return found

    def extension(self, name: str) -> str | None:
        """Where a C extension lies that is module `name`; None where none does, or only another."""
        file = extensions.fitting(self.files, name)
        if not file:
            return None
        if _digest_of(place := f"{self.root}/{file}") == self.files[file]:
            return place
        place = f"{folder_of(self.name)}/{file}"
        return place if _digest_of(place) == self.files[file] else None

    def lacking(self) -> list[str]:
        """Those of its C extensions that are not here."""
        named = ((path, path.partition(".")[0].replace("/", ".")) for path in self.files)
        return [path for path, name in named if extensions.is_extension(path) and self.extension(name) is None]

    def another(self, name: str) -> tuple[str, str] | None:
        """The folder in which another C extension lies under its name, and the hash of that."""
        folder = folder_of(self.name)
        found = _digest_of(f"{folder}/{extensions.fitting(self.files, name)}")
        return (folder, found) if folder is not None and found else None

    def has(self, name: str) -> bool:
        """Whether there is a module of that full name."""
        return bool(module_file(self.files, name)[0]) or name.replace(".", "/") in self._packages

    def _lies_in(self, origin: str | None) -> bool:
        return origin is not None and origin.startswith(f"{self.root}/")


def _digest_of(place: str) -> str:
    try:
        with open(place, "rb") as file:
            return trees.digest(file.read())
    except OSError:
        return ""


def _parts(folder: str) -> list[str]:
    return folder.split("/") if folder else []


class _Loader(SourceFileLoader):
    """Runs a source of a tree."""

    def __init__(self, name: str, place: str, tree: Bound, file: str) -> None:
        super().__init__(name, place)
        self._tree = tree
        self._file = file

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002
        return compile(self._tree.read(self._file), self.path, "exec", dont_inherit=True)

    def get_data(self, path: str) -> bytes:
        return self._tree.read(self._file) if path == self.path else super().get_data(path)


class Finder:
    """Stands before all others on `sys.meta_path`, once a name is bound."""

    def __init__(self) -> None:
        self._stands = False

    def bind(self, tree: Bound) -> None:
        """Import what is called like `tree` from it."""
        trees.bound[tree.name] = tree
        if not self._stands:
            self._stands = True
            sys.meta_path.insert(0, self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As importlib asks."""
        tree = trees.bound.get(name.partition(".")[0])
        return tree.spec(name, path) if isinstance(tree, Bound) else None


CLOSE = 2.0
"""Seconds after a source was written in which bytecode of it may be that of an earlier one with the same time."""


class _Careful(SourceFileLoader):
    """Does not take bytecode that was written when its source was: its time stamp counts seconds."""

    def get_data(self, path: str) -> bytes:
        if path != self.path and os.stat(path).st_mtime - os.stat(self.path).st_mtime < CLOSE:
            raise FileNotFoundError(path)
        return super().get_data(path)


class _OwnSources:
    """Finds what `PathFinder` finds, just before it would, and has the user's own modules loaded with care."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As importlib asks."""
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader and not is_installed(spec.loader.path):
            spec.loader = _Careful(name, spec.loader.path)
        return spec


def distrust_bytecode() -> None:
    """Let no module of the user's own be older in this process than its source is."""
    if not any(isinstance(finder, _OwnSources) for finder in sys.meta_path):
        at = sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else len(sys.meta_path)
        sys.meta_path.insert(at, _OwnSources())
