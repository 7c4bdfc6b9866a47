"""Directories of our own: where they are, and that one which others could enter is refused."""

import os
import pickle
import stat
from pathlib import Path

import pytest

from pysh.runtime import places
from pysh.runtime.places import ConfigError

NOBODY = 65534
root_only = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the runtime directory shall be; it does not exist yet."""
    monkeypatch.setenv("PYSH_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path / "run"


def refusal() -> str:
    with pytest.raises(ConfigError) as caught:
        places.runtime_dir()
    return str(caught.value)


def test_directories_lie_in_the_home_or_where_xdg_says(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert places.config_dir() == f"{home}/.config/pysh"
    assert places.cache_dir() == f"{home}/.cache/pysh"
    assert places.state_dir() == f"{home}/.local/state/pysh"
    monkeypatch.setenv("XDG_CONFIG_HOME", "/etc/mine")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert places.config_dir() == "/etc/mine/pysh"
    assert places.cache_dir() == f"{home}/.cache/pysh"


def test_the_runtime_directory_is_made_for_us_alone(run: Path) -> None:
    assert places.runtime_dir() == str(run)
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    assert places.runtime_dir() == str(run)
    assert places.runtime_dirs() == [str(run)]


def test_a_named_directory_that_another_machine_used_first_has_a_folder_for_each_other_one(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a home is shared: a lock, a socket or a pid of another machine would mean nothing."""
    machines = {name: b"%s 0123" % name.encode() for name in ("db1", "db2", "db3")}

    def on(name: str) -> str:
        monkeypatch.setattr(places, "_machine", lambda: machines[name])
        return places.runtime_dir()

    assert on("db1") == str(run)
    second, third = Path(on("db2")), Path(on("db3"))
    assert second.parent == third.parent == run
    assert second != third
    assert stat.S_IMODE(second.stat().st_mode) == 0o700
    assert [on(name) for name in machines] == [str(run), str(second), str(third)]
    second.chmod(0o770)
    with pytest.raises(ConfigError, match=f"chmod 700 {second}"):
        on("db2")


def test_a_directory_of_before_is_the_first_machines_that_looks(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run.mkdir(mode=0o700)
    (run / ".lock").touch()
    assert places.runtime_dir() == str(run)
    monkeypatch.setattr(places, "_machine", lambda: b"another")
    assert places.runtime_dir() != str(run)


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o710, 0o701])
def test_a_runtime_directory_that_others_may_enter_is_refused_with_the_command_to_type(run: Path, mode: int) -> None:
    run.mkdir()
    run.chmod(mode)
    assert f"{run}: its mode is {mode:04o}" in refusal()
    assert f"chmod 700 {run}" in refusal()
    run.chmod(0o700)
    assert places.runtime_dir() == str(run)


def test_a_link_to_a_good_directory_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    run.symlink_to(tmp_path / "real")
    assert "symbolic link" in refusal()
    assert "PYSH_RUNTIME_DIR" in refusal()


def test_a_file_in_its_place_is_refused(run: Path) -> None:
    run.touch()
    assert "no directory" in refusal()


@root_only
def test_a_directory_that_another_user_made_is_refused(run: Path) -> None:
    run.mkdir(mode=0o700)
    os.chown(run, NOBODY, NOBODY)
    assert f"belongs to uid {NOBODY}" in refusal()


def test_a_directory_that_cannot_be_made_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSH_RUNTIME_DIR", "/proc/none/run")
    assert "No such file" in refusal()


def test_without_a_name_it_is_in_tmp_unless_the_system_keeps_one_for_us(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_tmp = f"{home}/pysh-{os.geteuid()}"
    monkeypatch.setattr(places, "_TMP", str(home))
    monkeypatch.setattr(places, "_is_private", lambda _: False)
    assert places.runtime_dirs() == [in_tmp]
    monkeypatch.setattr(places, "_is_private", lambda _: True)
    assert places._runtime_places() == [f"/run/user/{os.geteuid()}/pysh", in_tmp]


def test_of_two_runtime_directories_only_the_first_must_be_good(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = home / "one", home / "two"
    monkeypatch.setattr(places, "_runtime_places", lambda: [str(one), str(two)])
    assert places.runtime_dirs() == [str(one)]
    two.mkdir(0o777)
    assert places.runtime_dirs() == [str(one)]
    two.chmod(0o700)
    assert places.runtime_dirs() == [str(one), str(two)]
    one.chmod(0o755)
    assert "0755" in refusal()


def test_a_private_file_is_written_whole_and_read_by_us_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    before = os.umask(0)
    try:
        places.write_private(str(path), b"one")
        places.write_private(str(path), b"two")
    finally:
        os.umask(before)
    with pytest.raises(FileExistsError):
        places.write_private(str(path), b"three", replace=False)
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_survives_its_way_to_another_node() -> None:
    error = pickle.loads(pickle.dumps(ConfigError("what", "evidence", "hint")))
    assert str(error) == "what (evidence); hint"
