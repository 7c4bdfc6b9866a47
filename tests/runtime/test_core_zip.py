"""The core as a zip, in a Python that has nothing of pysh."""

import os
import stat
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from zipfile import ZipFile

import pytest

from pysh.runtime.hub import core_zip as module
from pysh.runtime.hub.core_zip import build, core_zip


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PYSH_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(module, "_in_use", {})
    yield tmp_path / "cache/pysh"
    forget()


def forget() -> None:
    """As if the process that used the zips had ended."""
    for fd in module._in_use.values():
        os.close(fd)
    module._in_use.clear()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty virtual environment: the folder of its packages is `bare / "lib"`."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, symlinks=True, with_pip=False)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "cloudpickle.py").write_text("mine = 'the one of the user'\n")
    return folder


@pytest.fixture
def runner(bare: Path) -> Callable[[str], str]:
    """Run code as a runner is started: the core behind the current folder, before all that is installed."""

    def run(code: str) -> str:
        start = "import sys; sys.path.insert(1, sys.argv[1]); "
        command = [str(bare / "bin/python"), "-c", start + code, core_zip()]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(command, capture_output=True, text=True, cwd=bare, env=environ)
        assert done.stderr == ""
        return done.stdout.strip()

    return run


def test_a_bare_python_has_all_it_needs_and_only_from_the_zip(runner: Callable[[str], str]) -> None:
    code = """
from pysh.runtime.vendor import cloudpickle, msgpack
from pysh.runtime.protocol.frames import Frame, pack, unpack
f = cloudpickle.loads(cloudpickle.dumps(lambda x: x + 1))
modules = [m for m in list(sys.modules.values()) if m.__name__.partition('.')[0] == 'pysh']
print(f(1), unpack(pack({'a': b'1'})), {m.__spec__.origin.startswith(sys.argv[1]) for m in modules})
"""
    assert runner(f"exec({code!r})") == "2 {'a': b'1'} {True}"


@pytest.mark.parametrize(
    "name", ["payload", "runner.boot", "runner.evaluator", "runner.worker", "runner.forkserver", "task"]
)
def test_every_part_of_a_runner_is_imported_from_the_zip_alone(runner: Callable[[str], str], name: str) -> None:
    if not (Path(module.__file__).parent.parent / f"{name.replace('.', '/')}.py").exists():
        pytest.skip("this part is not written yet")
    assert runner(f"import pysh.runtime.{name} as m; print(m.__spec__.origin.startswith(sys.argv[1]))") == "True"


def test_the_users_own_cloudpickle_is_neither_used_nor_hidden(runner: Callable[[str], str]) -> None:
    load = "from pysh.runtime.vendor import cloudpickle as ours; import cloudpickle as theirs"
    assert runner(f"{load}; print(theirs.mine, ours is theirs)") == "the one of the user False"


def test_the_zip_holds_pysh_alone_and_nothing_that_only_a_hub_or_a_terminal_needs() -> None:
    with ZipFile(core_zip()) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names} == {"pysh"}
    folders = {name.rpartition("/")[0] for name in names}
    assert {"pysh", "pysh/runtime", "pysh/runtime/protocol", "pysh/runtime/runner"} <= folders
    assert not folders & {"pysh/runtime/hub", "pysh/runtime/public"}
    assert "pysh/shell/cli.py" not in names
    assert "pysh/shell/prelude.py" in names
    assert len(names) == len(set(names))


def test_each_module_lies_beside_its_bytecode_which_is_used_unchecked(runner: Callable[[str], str]) -> None:
    with ZipFile(core_zip()) as archive:
        names = archive.namelist()
        compiled = archive.read("pysh/runtime/protocol/frames.pyc")
    assert names[1::2] == [f"{name}c" for name in names[::2]]
    assert compiled[:8] == MAGIC_NUMBER + b"\1\0\0\0"
    assert runner("import pysh.transports.base as m; print(m.__file__)").endswith("base.pyc")


def test_a_traceback_from_the_zip_shows_the_line(runner: Callable[[str], str]) -> None:
    code = """
import traceback
from pysh.runtime.protocol import terms
try: terms.check_node('-')
except ValueError: print(traceback.format_exc())
"""
    said = runner(f"exec({code!r})")
    assert '"<core>/pysh/runtime/protocol/terms.py", line' in said
    assert "raise BadName(f" in said


def test_a_python_of_another_version_compiles_for_itself(
    runner: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAGIC_NUMBER", b"\0\0\r\n")  # so that ours is the other one
    assert runner("from pysh.runtime.vendor import cloudpickle as c; print(c.__file__)").endswith(".py")


def test_the_same_modules_make_the_same_bytes() -> None:
    code = """
from asyncio import events, tasks
from hashlib import sha256
from pysh.runtime.hub.core_zip import Source, build
print(sha256(build([Source(f"{m.__name__}.py", m.__file__, 0, 0) for m in (events, tasks)])).hexdigest())
"""
    assert len({subprocess.check_output([sys.executable, "-c", code]) for _ in range(2)}) == 1


def test_it_is_built_once_for_us_alone(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = core_zip()
    assert Path(path).parent == cache
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    monkeypatch.setattr(module, "build", lambda _: pytest.fail("it was built again"))
    assert core_zip() == path
    forget()
    assert core_zip() == path


def test_a_module_that_changed_makes_another_zip(monkeypatch: pytest.MonkeyPatch) -> None:
    before = core_zip()
    sources = list(module._sources(module.MODULES))
    changed = sources[3]._replace(changed=sources[3].changed + 1)
    monkeypatch.setattr(module, "_sources", lambda _: iter([*sources[:3], changed, *sources[4:]]))
    assert core_zip() != before


def test_old_zips_go_when_no_process_uses_them(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used = core_zip()
    old, fresh, other = (cache / f"{name}.zip" for name in ("core-old", "core-fresh", "other"))
    for path in (old, fresh, other):
        path.touch()
    for path in (Path(used), old, other):
        os.utime(path, (time.time() - module.KEEP - 60,) * 2)
    monkeypatch.setattr(module, "_key", lambda _: "new")
    core_zip()
    assert sorted(path.name for path in cache.iterdir()) == sorted(
        [Path(used).name, "core-fresh.zip", "core-new.zip", "other.zip"]
    )


@pytest.mark.parametrize("spoil", ["mode", "link", "folder"])
def test_a_zip_that_others_could_have_changed_is_never_imported(tmp_path: Path, spoil: str) -> None:
    path = Path(core_zip())
    forget()
    match spoil:
        case "mode":
            path.chmod(0o666)
        case "link":
            path.rename(tmp_path / "planted.zip")
            path.symlink_to(tmp_path / "planted.zip")
        case "folder":
            path.unlink()
            path.mkdir()
    made = Path(core_zip())
    assert not made.is_symlink()
    assert stat.S_IMODE(made.stat().st_mode) == 0o600


def test_without_a_cache_it_lies_in_the_runtime_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    assert Path(core_zip()).parent == tmp_path / "run"


def test_a_zip_that_is_there_costs_next_to_nothing() -> None:
    core_zip()
    took = []
    for _ in range(5):
        forget()
        start = time.perf_counter()
        core_zip()
        took.append(time.perf_counter() - start)
    assert min(took) < 0.003


def test_a_build_needs_no_file_but_the_modules() -> None:
    assert build([]).startswith(b"PK")
