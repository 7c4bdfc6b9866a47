"""`push`: the user's own modules taken to nodes by hand, for what is named by text there from then on."""

# ruff: noqa: PTH100, PTH112, PTH113, PTH119, PTH120

import importlib
import os
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from pysh.runtime import modules, needs, trees
from pysh.runtime.calls import Apart, Call, owner_of
from pysh.runtime.changing import Asked, answered, change
from pysh.runtime.codechange import CHANGE
from pysh.runtime.errors import NodeDown
from pysh.runtime.extensions import EXTENSIONS
from pysh.runtime.needs import Needs
from pysh.runtime.node import Node, On, select
from pysh.runtime.place import place
from pysh.runtime.results import Results
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.view import NodeInfo
from pysh.runtime.runner.waiting import Steps
from pysh.runtime.started import current
from pysh.runtime.task import Task
from pysh.runtime.trees import Tree

IMPORTING = 120.0
"""Seconds that a module has to be imported once, where it was brought."""

What = ModuleType | str | os.PathLike[str]
"""A module, or the path of its file or folder."""


def push(what: What | None, on: On, values: Mapping[str, Any]) -> Steps[Results]:
    """Take a module, and what of the user's own it imports, or values to each node; where it is, or why it is not."""
    client = current()
    if (what is None) == (not values):
        raise TypeError("push() takes a module, or the path of one, or values by name: push(df=df); nothing was sent")
    infos, absent = select(client, on)
    if what is None:
        return (yield from place(client, infos, values)).and_absent(absent)
    name, root = located(what)
    needed = needs.pushed(name, root, client)
    check_sources(needed)
    asked: dict[Node, Asked] = {}
    results, started = Results(), []
    for info in infos:
        try:
            started.append((info, bring(client, info, needed, tried=name)))
        except Exception as error:
            results[Node(info.name)] = error
    for info, task in started:
        if not task.done():
            yield task.waiter
        told: object = task.outcome()
        try:
            if told is None:
                # Only what has arrived whole is what a name means there.
                yield client.ask_later("pushed", dest=info.hub, code=dict(needed.code))
                asked[Node(info.name)] = yield from change(client, info, CHANGE, dict(needed.code))
                told = task.value
        except Exception as error:
            told = error
        results[Node(info.name)] = told
    yield from answered(client, asked.values())
    for node, each in asked.items():
        try:
            changes = yield from each.outcome(client)
            results[node] = "; ".join(filter(None, (results[node], str(changes))))
        except NodeDown as error:
            results[node] = error
    return results.and_absent(absent)


def check_sources(needed: Needs) -> None:
    """Raise `SyntaxError` for a source that does not compile here."""
    for name, root in needed.places:
        tree = trees.find(name, root)
        for path in tree.files:
            if path.endswith(".py"):
                try:
                    compile(tree.read(path), f"{root}/{path}", "exec", dont_inherit=True)
                except SyntaxError as error:
                    error.add_note("nothing was pushed, to no node")
                    raise


def bring(client: Client, info: NodeInfo, needed: Needs, tried: str = "") -> Task:
    """A task that ends once all that is `needed` is on a node, and `tried` was imported there; its value says where."""
    names = [name for name, digest in needed.code if digest]
    apart = Apart(isolate=True)  # it waits behind nothing
    call = Call("pysh.runtime.push:arrived", (names, tried), {}, frozenset(), apart)
    call.needs, call.label = needed, f"push {', '.join(names)}"
    task = Task(client, info.hub, call.label)
    task.submit(call.meta(owner_of(client), "", IMPORTING if tried else None), call.payload)
    return task


_brought: "WeakKeyDictionary[Client, set[tuple[bytes, Needs]]]" = WeakKeyDictionary()


def ensure(client: Client, info: NodeInfo, needed: Needs) -> None:
    """Wait until all that is `needed` is on a node, once. Raises why it cannot be."""
    brought = _brought.setdefault(client, set())
    if (info.incarnation, needed) not in brought:
        bring(client, info, needed).result()
        brought.add((info.incarnation, needed))


def located(what: What, verb: str = "push") -> tuple[str, str]:
    """The name of a top-level module, and the folder that it lies in. Raises `TypeError` and `FileNotFoundError`."""
    if isinstance(what, ModuleType):
        top = what.__name__.partition(".")[0]
        root = modules.folder_of_own(top)
        if root is None:
            raise TypeError(
                f"{top} is Python's own, installed, or in no file: there is nothing to {verb}; nothing was sent"
            )
        return top, root
    if not isinstance(what, str | os.PathLike):
        raise TypeError(f"{verb}() takes a module, or the path of one, not {what!r}; nothing was sent")
    path = os.path.abspath(what)
    if not (os.path.isdir(path) or (os.path.isfile(path) and path.endswith((".py", *EXTENSIONS)))):
        raise FileNotFoundError(f"{path} is no folder and no source of Python; nothing was sent")
    name = os.path.basename(path) if os.path.isdir(path) else os.path.basename(path).partition(".")[0]
    if not name.isidentifier():
        raise ValueError(f"{name!r} is no name that can be imported; nothing was sent")
    return name, os.path.dirname(path)


def arrived(names: Iterable[str], tried: str) -> str:
    """What runs there, once it is there: leave it with the hub too, and say where it lies.

    Raises what the import of the module raises that is `tried`, if one is, before it is of any use to others.
    """
    client = current()
    if tried:
        importlib.import_module(tried)
    for name in names:
        needs.leave(client, trees.bound[name])
    return ", ".join(_lies(trees.bound[name]) for name in names)


def _lies(tree: Tree) -> str:
    lacks = tree.lacking()
    more = f" without {', '.join(lacks[:3])}{', ...' if lacks[3:] else ''}: C extensions do not travel" if lacks else ""
    why = getattr(tree, "why", "")
    return f"{tree.name} {tree.hash[:12]} in {f'memory, since {why}' if why else tree.root}{more}"
