"""C extensions of the user's own: which files a module may be built as, and what to say of one that is missing.

They do not travel: what is built for one Python and system is of no use to another, and nobody can tell for which
libraries. They are used where the same lies there.
"""

from collections.abc import Iterable, Mapping
from importlib.machinery import EXTENSION_SUFFIXES

from pysh.runtime.errors import CodeSkew, NoModule, PyshError

EXTENSIONS = tuple(EXTENSION_SUFFIXES)
"""How the names of their files end; first those for this Python and system alone, at last those that do not say."""


def is_extension(path: str) -> bool:
    """Whether a file is one, for whatever Python."""
    return path.endswith(EXTENSIONS)


def built(files: Iterable[str], name: str) -> list[str]:
    """The files of a tree that are module `name`, each built for some Python and system."""
    inside = name.replace(".", "/") + "."
    return sorted(path for path in files if path.startswith(inside) and is_extension(path))


def fitting(files: Iterable[str], name: str, endings: Iterable[str] = EXTENSIONS) -> str:
    """That of them which an import takes where these are the `endings`; empty where there is none."""
    inside, among = name.replace(".", "/"), set(files)
    return next((path for ending in endings if (path := f"{inside}{ending}") in among), "")


def refusal(
    name: str, files: Mapping[str, str], root: str, node: str, other: tuple[str, str] | None = None,
    endings: tuple[str, ...] = EXTENSIONS,
) -> PyshError | None:  # fmt: skip
    """What to raise on `node` for a module that is missing there; None where it is no C extension.

    `files` are those of its tree, with their hashes, as it lies in the folder `root` where the call comes from;
    `other` is the folder there with another one under its name, and the hash of that.
    """
    builds = built(files, name)
    if not builds:
        return None
    path = fitting(files, name, endings)
    if not path:
        text = (
            f"{node} has no module {name!r}: {builds[0]} is a C extension for another Python or system, "
            f"and {node} takes *{endings[0]}; install it as a package here and there"
        )
        return NoModule(name, node, text=text)
    whole = f"{root}/{path.partition('/')[0]}"
    command = f"put({whole!r}, on={node!r})"
    how = f"C extensions do not travel; where Python and system are the same: {command}"
    if other is not None:
        text = f"{path} differs: {files[path][:12]} in {root} here, {other[1][:12]} in {other[0]} on {node}, and {how}"
        return CodeSkew(name, files[path], other[1], node, here_path=root, there_path=other[0], text=text)
    return NoModule(name, node, install=command, text=f"{node} has no module {name!r}: {path} is not there, and {how}")
