"""The code of the user's modules in one process that runs what others send, and whether that is what was sent.

1. A call names the trees that it needs, by hash. In a process in which one of these names is bound to another tree, or
   was imported from nobody knows what, the call is not run: its hub finds another worker.
2. A tree that lies here already, on `sys.path` or among what was fetched before, is used as it is. Of any other the
   lines are fetched from the hub next to whoever sent the call, and then the sources that are not here.
3. What the code imports when it runs is looked for before it runs.
"""

import os
import sys
import time
import zlib
from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import Any

from pysh.runtime import extensions, modules, trees, values
from pysh.runtime.errors import CodeSkew, NoModule, NotSendable, PyshError
from pysh.runtime.marks import COARSE, Mark, Marks, mark
from pysh.runtime.protocol.frames import LOCAL, Frame, Kind
from pysh.runtime.protocol.terms import HUB, Pid
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.fetched import Cache
from pysh.runtime.runner.imported import Bound, Finder, distrust_bytecode
from pysh.runtime.runner.supplied import supplied
from pysh.runtime.runner.swapped import Swapped
from pysh.runtime.runner.waiting import Steps, block
from pysh.runtime.trees import Tree

ASKED = 500
"""Sources that are asked for at once."""

_SETTLED = frozenset(("pysh", "__main__"))

Options = Mapping[str, Any]


class Codes:
    """What the modules of this process are bound to."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._finder = Finder()
        distrust_bytecode()
        self._used = False
        self._last: Options = {}
        self._there: set[str] = set()
        self._absent: set[str] = set()  # what was not there where a call came from
        self._count = len(sys.modules)
        self._loose: dict[str, Mark] = {}  # sources of the user's own that were imported by themselves
        self._marks = Marks(())
        self._since = 0
        self._swapped = False  # modules of two versions were loaded here

    def fits(self, options: Options) -> bool:
        """Whether a call with these options may run here: nothing that it needs is here as something else."""
        self._since = time.time_ns()
        if self._loose and not self._marks.hold():
            return False
        code = options.get("code")
        if not code or options is self._last or not self._used:
            return True
        return all(map(self._fits, code, code.values()))

    def _fits(self, name: str, digest: str) -> bool:
        tree = trees.bound.get(name)
        if tree is not None:
            return tree.hash == digest
        return not digest or not (name in sys.modules or name in self._absent)

    def settle(self) -> bool:
        """Note what a job has imported by itself; False if that may have changed meanwhile, and nobody would see it."""
        self._used = True
        if self._swapped:
            return False
        if len(sys.modules) == self._count:
            return True
        self._count = len(sys.modules)
        try:
            for name, module in list(sys.modules.items()):
                file = None if name.partition(".")[0] in _SETTLED else modules.own_file(module)
                if file is None or file in self._loose or name.partition(".")[0] in trees.bound:
                    continue
                found = os.stat(file)  # noqa: PTH116
                self._loose[file] = mark(found)
                if found.st_ctime_ns > self._since - COARSE:
                    return False
        except OSError:
            return False
        self._marks = Marks(self._loose.items())
        return True

    def ready(self, options: Options) -> bool:
        """Whether nothing has to be seen to before a call with these options."""
        if options.get("names") or options.get("values"):
            return False  # they may mean something else by now, or be gone
        return options is self._last or not (options.get("code") or options.get("demands"))

    def prepare(self, options: Options, source: Pid) -> Steps[dict[str, Any]]:
        """See to what a call of `source` with these options needs, before anything of it is looked at.

        What was pushed here under names that it looks up is returned. Raises `CodeSkew`, `NoModule`, `NotSendable`, or
        `NodeDown` where sources or values cannot be had any more.
        """
        code: dict[str, str] = options.get("code") or {}
        self._absent.update(name for name, digest in code.items() if not digest)
        for name, digest in code.items():
            if not digest:
                continue
            if name not in trees.bound:
                yield from self._bind(name, digest, options, Pid(source.incarnation, HUB))
            elif trees.bound[name].hash != digest:
                raise self._differs(name, digest, trees.bound[name], options)
            elif options.get("sync") == "off" and ((here := _lies_here(name)) is None or here.hash != digest):
                raise self._differs(name, digest, here, options)  # it came with another call
        for name in options.get("demands") or ():
            if name not in self._there:
                self._demand(name)
                self._there.add(name)
        for digest, (path, size) in (options.get("values") or {}).items():
            if values.find(digest) is None:
                from pysh.runtime.bring import bring  # few calls need it

                yield from bring(self._client, digest, path, size, source)
        self._last = options
        return (yield from supplied(self._client, options.get("names") or ()))

    def prepared(self, call: Frame, options: Options) -> dict[str, Any]:
        """The same for a `call` in a worker, which waits; its hub hears once the values of that are here."""
        supplied = block(self.prepare(options, call.source))
        if options.get("values"):
            self._client.post(Kind.ALIVE, LOCAL, ref=call.dest.number)
        return supplied

    def swap(self, code: dict[str, str], hub: Pid) -> Steps[Swapped]:
        """Import what these names mean from these trees from now on; what they meant. Raises as `prepare`."""
        found = []
        for name, digest in code.items():
            found.append((yield from self._found(name, digest, code, hub, _lies_here(name))))
        swapped = Swapped(code)
        swapped.take_out()
        self._swapped = True
        for tree in found:
            self._finder.bind(tree)
        return swapped

    def missing(self, error: ModuleNotFoundError) -> Exception:
        """What to raise for an import that failed before the code began."""
        name = error.name or ""
        tree = trees.bound.get(name.partition(".")[0])
        if tree is not None and not extensions.built(tree.files, name):
            return error
        return self._lacks(name)

    # trees

    def _bind(self, name: str, digest: str, options: Options, hub: Pid) -> Steps[None]:
        if name in sys.modules:
            text = f"another module {name!r} is loaded where this is to run: call yours otherwise"
            raise PyshError(text, executed="no")
        here = _lies_here(name)
        if here is None or here.hash != digest:
            if options.get("sync") == "off":
                raise self._differs(name, digest, here, options)
            if name in options.get("fixed", ()) and Cache().tree(digest) is None:
                raise self._differs(name, digest, here, options)  # it was not pushed either
        origin = options.get("from", {}).get(name, "")
        found = yield from self._found(name, digest, options["code"], hub, here, origin)
        if name not in trees.bound:  # a mate may have been faster
            self._finder.bind(found)

    def _found(
        self, name: str, digest: str, code: dict[str, str], hub: Pid, here: Tree | None, origin: str = ""
    ) -> Steps[Bound]:  # fmt: skip
        """The tree of that hash, as it lies `here` or among what was fetched, or as a hub has it."""
        fetch = partial(self._fetch, hub)
        with_it = [other for other, version in code.items() if version and other != name]
        if here is not None and here.hash == digest:
            return Bound(name, here.root, here.files, fetch, mentions=with_it, origin=origin)
        root, files, held, why = yield from self._get_tree(hub, digest)
        return Bound(name, root, files, fetch, mentions=with_it, held=held, why=why, origin=origin)

    def _differs(self, name: str, digest: str, here: Tree | None, options: Options) -> PyshError:
        if here is None:
            return self._lacks(name, kept_back=options.get("sync") == "off")
        place = options.get("from", {}).get(name, "")
        return CodeSkew(name, digest, here.hash, self._client.name, here_path=place, there_path=here.root)

    def _lacks(self, name: str, *, kept_back: bool = False) -> PyshError:
        tree, node = trees.bound.get(name.partition(".")[0]), self._client.name
        if isinstance(tree, Bound):
            refusal = extensions.refusal(name, tree.files, tree.origin, node, tree.another(name))
            if refusal is not None:
                return refusal
        text = f'{node} has no module {name!r}, and sync="off" takes none along: put it there, or leave that out'
        return NoModule(name, node, python=sys.executable, text=text if kept_back else "")

    def _get_tree(self, hub: Pid, digest: str) -> Steps[tuple[str, dict[str, str], dict[str, bytes] | None, str]]:
        """Where the tree of that hash lies, its files, and its sources where they cannot lie anywhere, and why."""
        cache = Cache()
        if (known := cache.tree(digest)) is not None:
            return *known, None, ""
        files = trees.parsed((yield from self._get(hub, {digest: "what it consists of"}))[digest])
        sources: dict[str, bytes] = {}
        wanted: dict[str, str] = {}
        for path, each in files.items():
            if extensions.is_extension(path):
                continue
            data = cache.source(each)
            if data is None:
                wanted[each] = path
            else:
                sources[each] = data
        sources.update((yield from self._get(hub, wanted)))
        try:
            return cache.keep(files, sources), files, None, ""
        except OSError as error:  # nothing can be written here
            why = f"nothing can be written to {cache}: {error.strerror or error}"
            return f"<code {digest[:12]}>", files, sources, why

    def _fetch(self, hub: Pid, digest: str) -> bytes:
        return block(self._get(hub, {digest: "a source"}))[digest]

    def _get(self, hub: Pid, paths: Mapping[str, str]) -> Steps[dict[str, bytes]]:
        """The sources with these hashes, as the hub here has them or that of who sent them; paths are for people."""
        got: dict[str, bytes] = {}
        for place in dict.fromkeys((self._client.hub, hub)):
            wanted = [digest for digest in paths if digest not in got]
            if wanted:
                yield from self._get_from(place, wanted, got)
        missing = next((digest for digest in paths if digest not in got), None)
        if missing is not None:
            raise self._not_kept(hub, missing, paths[missing])
        return got

    def _get_from(self, hub: Pid, digests: list[str], got: dict[str, bytes]) -> Steps[None]:
        """Those of the sources that a hub has."""
        wanted, packed = deque(digests), bytearray()
        while wanted:
            names = [bytes.fromhex(digest) for digest, _ in zip(wanted, range(ASKED), strict=False)]
            for size, piece in (yield self._client.ask_later("blobs", dest=hub, names=names, at=len(packed))):
                packed += piece
                if len(packed) < size:
                    break
                digest = wanted.popleft()
                if size >= 0 and (data := _unpacked(packed, digest)) is not None:
                    got[digest] = data
                packed.clear()

    def _not_kept(self, hub: Pid, digest: str, path: str) -> NotSendable:
        text = (
            f"{self._client.view.name_of(hub.incarnation)} has not kept {path} (SHA-256 {digest[:12]}…) for "
            f"{self._client.name}: it is a symbolic link out of its folder, or went for want of room"
        )
        return NotSendable(path, text=text)

    # other modules

    def _demand(self, name: str) -> None:
        tree = trees.bound.get(name.partition(".")[0])
        if isinstance(tree, Bound):
            file, _ = modules.module_file(tree.files, name)
            if not tree.has(name) or (extensions.is_extension(file) and tree.extension(name) is None):
                raise self._lacks(name)
        elif not modules.is_here(name):
            raise self._lacks(name)


def _unpacked(packed: bytearray, digest: str) -> bytes | None:
    """The source of that hash; None where it is another."""
    try:
        data = zlib.decompressobj().decompress(bytes(packed), trees.BYTES)
    except zlib.error:
        return None
    return data if trees.digest(data) == digest else None


def _lies_here(name: str) -> Tree | None:
    """The tree that an import of `name` would find here by itself."""
    root = modules.folder_of(name)
    try:
        return None if root is None else trees.tree(name, root)
    except (OSError, NotSendable):
        return None
