"""Sources left with a hub: what is noted as left is there."""

import random
from pathlib import Path
from typing import Any

import pytest

from pysh.runtime import needs, trees
from pysh.runtime.protocol.blobs import Blobs
from pysh.runtime.protocol.terms import Pid


class Hub:
    """A client whose hub keeps what it is left, and looks at it each time something comes."""

    hub = Pid(b"h" * 16, 0)

    def __init__(self) -> None:
        self.blobs = Blobs()

    def next_ref(self) -> int:
        return 1

    def post(self, kind: int, dest: Pid, *, ref: int, meta: dict[str, Any]) -> None:
        # Another thread that relies on what is noted, at the worst moment.
        assert not self.missing()
        for name, at, size, piece in meta["blobs"]:
            self.blobs.keep(name, at, size, piece)

    @property
    def left(self) -> set[Any]:
        return needs._left_with(self)  # type: ignore[arg-type]

    def missing(self) -> set[str]:
        """What is noted as left and is not there."""
        return {digest for digest in self.left if bytes.fromhex(digest) not in self.blobs}


@pytest.fixture
def tree(tmp_path: Path) -> trees.Tree:
    folder = tmp_path / "shop"
    folder.mkdir()
    for name in ("__init__", "a", "b", "c"):
        (folder / f"{name}.py").write_bytes(random.Random(name).randbytes(2 * needs.PIECE))
    return trees.tree("shop", str(tmp_path))


def test_a_tree_is_noted_as_left_once_all_of_it_is_there(tree: trees.Tree) -> None:
    hub = Hub()
    needs.leave(hub, tree)  # type: ignore[arg-type]
    assert hub.left == {tree.hash, *tree.files.values()}
    assert not hub.missing()


def test_where_a_file_was_changed_meanwhile_the_next_try_leaves_what_is_missing(tree: trees.Tree) -> None:
    hub = Hub()
    changed = Path(tree.root) / "shop/b.py"
    before = changed.read_bytes()
    changed.write_text("other")
    with pytest.raises(OSError, match="was changed"):
        needs.leave(hub, tree)  # type: ignore[arg-type]
    assert tree.hash not in hub.left
    assert not hub.missing()
    changed.write_bytes(before)
    needs.leave(hub, tree)  # type: ignore[arg-type]
    assert hub.left == {tree.hash, *tree.files.values()}
    assert not hub.missing()
