"""What a package consists of, and when that has changed."""

import os
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from pysh.runtime import trees
from pysh.runtime.errors import NotSendable


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "pkg/__init__.py", "import helper\n")
    write(tmp_path / "pkg/sub/leaf.py", "x = 1\n")
    return tmp_path


def looked(folder: Path, name: str = "pkg") -> trees.Tree:
    return trees.tree(name, str(folder))


def until_calm(folder: Path) -> trees.Tree:
    """The tree once what was written is older than a tick of the clock of files."""
    end = time.monotonic() + 10
    while not (tree := looked(folder)).is_current():
        assert time.monotonic() < end
        time.sleep(0.01)
    return tree


def test_its_hash_is_that_of_the_lines_sha256sum_would_write(folder: Path) -> None:
    tree = looked(folder)
    first, second = (sha256(text).hexdigest() for text in (b"import helper\n", b"x = 1\n"))
    assert tree.lines.decode() == f"{first}  pkg/__init__.py\n{second}  pkg/sub/leaf.py\n"
    assert tree.hash == sha256(tree.lines).hexdigest()
    assert trees.parsed(tree.lines) == tree.files


def test_the_same_code_has_the_same_hash_wherever_it_lies(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    write(other / "pkg/sub/leaf.py", "x = 1\n")
    write(other / "pkg/__init__.py", "import helper\n")
    assert looked(other).hash == looked(folder).hash


def edit(folder: Path) -> None:
    (folder / "pkg/sub/leaf.py").write_text("x = 2\n")


def keep_the_time(folder: Path) -> None:
    leaf = folder / "pkg/sub/leaf.py"
    before = leaf.stat()
    leaf.write_text("x = 3\n")
    os.utime(leaf, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(folder: Path) -> None:
    write(folder / "new.py", "x = 4\n")
    (folder / "new.py").rename(folder / "pkg/sub/leaf.py")


CHANGES: list[Callable[[Path], object]] = [
    edit,
    keep_the_time,
    replace,
    lambda folder: (folder / "pkg/sub/leaf.py").unlink(),
    lambda folder: write(folder / "pkg/sub/more.py"),
    lambda folder: write(folder / "pkg/other/more.py"),
    lambda folder: (folder / "pkg/sub").rename(folder / "pkg/sup"),
]


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_seen_at_once(folder: Path, change: Callable[[Path], object], watched: bool) -> None:
    tree = until_calm(folder)
    if not watched:
        tree.marks._watched, tree.marks._watch = (), None
    assert looked(folder) is tree
    change(folder)
    assert looked(folder).hash != tree.hash


def test_changes_within_one_tick_of_the_clock_are_seen(folder: Path) -> None:
    hashes = set()
    for number in range(200):
        (folder / "pkg/sub/leaf.py").write_text(f"x = {number:03}\n")
        hashes.add(looked(folder).hash)
    assert len(hashes) == 200


def test_what_no_import_finds_is_no_part_of_it(folder: Path) -> None:
    before = looked(folder).hash
    for name in ("__pycache__/leaf.cpython-311.pyc", ".git/x.py", "not-a-name/x.py", "data.csv", "two.words.py.orig"):
        write(folder / "pkg" / name)
    assert looked(folder).hash == before


def test_a_package_comes_before_a_module_and_that_before_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "name/inside.py")
    assert list(looked(tmp_path, "name").files) == ["name/inside.py"]
    write(tmp_path / "name.py")
    trees._known.clear()
    assert list(looked(tmp_path, "name").files) == ["name.py"]
    write(tmp_path / "name/__init__.py")
    trees._known.clear()
    assert list(looked(tmp_path, "name").files) == ["name/__init__.py", "name/inside.py"]


def test_a_c_extension_by_itself_is_one_with_all_that_it_is_built_for(tmp_path: Path) -> None:
    for name in (f"fast{trees.EXTENSIONS[0]}", "fast.cpython-399-odd.so", "fast.py", "faster.so", "fast.so.txt"):
        write(tmp_path / name, name)
    tree = looked(tmp_path, "fast")
    assert sorted(tree.files) == sorted([f"fast{trees.EXTENSIONS[0]}", "fast.cpython-399-odd.so", "fast.py"])
    write(tmp_path / "fast.cpython-399-odd.so", "built anew")
    assert looked(tmp_path, "fast").hash != tree.hash


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        looked(tmp_path, "nothing")


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import one, two.deep as t\n", {"one", "two"}),
        ("    from three.four import five\n", {"three"}),
        ("from . import six\nfrom .seven import x\n", set()),
        ("import os; import eight\n", {"eight"}),
        ("if x: import nine\n", {"nine"}),
        ("import ten, \\\n   eleven\n", {"ten", "eleven"}),
        ("important = 1\nfrom_there = 2\n", set()),
    ],
)
def test_it_knows_what_its_imports_mention(tmp_path: Path, source: str, names: set[str]) -> None:
    write(tmp_path / "mod.py", source)
    assert looked(tmp_path, "mod").mentions == names


def test_a_link_out_of_its_folder_is_part_of_it_and_known_as_that(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "secret.py"
    write(elsewhere, "x = 1\n")
    (folder / "pkg/linked.py").symlink_to(elsewhere)
    (folder / "pkg/circle").symlink_to(folder / "pkg")
    (folder / "pkg/inner.py").symlink_to(folder / "pkg/sub/leaf.py")
    tree = looked(folder)
    assert tree.outside == {"pkg/linked.py": str(elsewhere)}
    assert "pkg/inner.py" in tree.files
    assert not any("circle" in path for path in tree.files)
    until_calm(folder)
    elsewhere.write_text("x = 2\n")
    assert looked(folder).hash != tree.hash


def test_what_is_too_large_is_refused_with_its_size(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "ENTRIES", 2)
    with pytest.raises(NotSendable, match="more than 2 files"):
        looked(folder)
    monkeypatch.undo()
    monkeypatch.setattr(trees, "BYTES", 10)
    with pytest.raises(NotSendable, match="of sources"):
        looked(folder)


def test_two_thousand_files_are_looked_at_once_and_then_not_again(tmp_path: Path) -> None:
    for number in range(2000):
        write(tmp_path / f"pkg/p{number % 20}/m{number}.py", f"x = {number}\n")
    write(tmp_path / "pkg/__init__.py")
    assert len(until_calm(tmp_path).files) == 2001


@pytest.mark.parametrize("line", ["x  a.py", f"{'0' * 64}  /etc/x.py", f"{'0' * 64}  a/../../b.py", f"{'0' * 64} a.py"])
def test_lines_that_lead_elsewhere_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match="no line of a tree"):
        trees.parsed(line.encode())


def test_what_is_read_is_what_was_looked_at_or_an_error(folder: Path) -> None:
    tree = looked(folder)
    assert tree.read("pkg/sub/leaf.py") == b"x = 1\n"
    edit(folder)
    with pytest.raises(OSError, match="was changed"):
        tree.read("pkg/sub/leaf.py")
