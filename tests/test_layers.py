"""Who may import whom: each layer only what stands to its right, and each heavy library in one place."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = [path for folder in ("transports", "runtime", "shell") for path in sorted((ROOT / folder).rglob("*.py"))]
PURE = {"asyncio", "socket", "time", "random", "threading", "pickle", "subprocess", "os"}
RUNS_ON_NODES = {"prelude", "script", "running", "codes"}
PICKLING = {f"runtime/{name}.py" for name in ("byvalue", "lent", "payload", "raised", "recipes", "unsendable")}
FROM_THE_SHELL = {"runtime/public/__init__.py", "runtime/public/__main__.py"}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield f"{node.module}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def places(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=places)
def test_a_layer_imports_only_what_stands_to_its_right(path: Path) -> None:
    place, names = places(path), set(imported(path))
    ours = {name for name in names if name.split(".")[0] == "pysh"}
    if place.startswith("transports/"):
        assert all(name.startswith("pysh.transports") for name in ours)
    if place.startswith("runtime/protocol/"):
        assert all(name.startswith(("pysh.runtime.protocol", "pysh.runtime.vendor")) for name in ours)
        assert not {name.split(".")[0] for name in names} & PURE
    if place.startswith("runtime/") and place not in FROM_THE_SHELL:
        assert not any(name.startswith("pysh.shell") for name in ours)


@pytest.mark.parametrize("path", FILES, ids=places)
def test_heavy_or_dangerous_libraries_stay_in_their_rooms(path: Path) -> None:
    place, roots = places(path), {name.split(".")[0] for name in imported(path)}
    if not place.startswith("transports/ssh"):
        assert "asyncssh" not in roots
    if not place.startswith("shell/") or path.stem in RUNS_ON_NODES:
        assert not roots & {"prompt_toolkit", "rich", "pygments"}
    if place.startswith("runtime/hub/") or place.startswith("transports/"):
        assert not roots & {"pickle", "cloudpickle", "multiprocessing"}
    assert "cloudpickle" not in roots


def test_cloudpickle_is_used_in_one_file() -> None:
    using = [places(path) for path in FILES if any("vendor.cloudpickle" in name for name in imported(path))]
    assert using == ["runtime/byvalue.py"]


def test_pickle_is_used_where_values_become_bytes_and_nowhere_else() -> None:
    assert {places(path) for path in FILES if "pickle" in imported(path)} == PICKLING


def test_no_hub_and_no_carrier_reaches_a_file_that_pickles() -> None:
    files = {f"pysh.{places(path)[:-3].replace('/', '.')}": path for path in FILES}
    known = {name for name in files if name.startswith(("pysh.runtime.hub.", "pysh.transports."))}
    ahead = known
    while ahead := {name for one in ahead for name in imported(files[one]) if name in files} - known:
        known |= ahead
    assert not {places(files[name]) for name in known} & PICKLING


def test_the_public_package_defines_nothing() -> None:
    tree = ast.parse((ROOT / "runtime/public/__init__.py").read_text())
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert defined == ["__getattr__", "__dir__", "load_ipython_extension"]
