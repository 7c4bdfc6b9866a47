"""Kept results as files: private, whole or not there, found by the next start, and never in the loop's way."""

import asyncio
import os
import stat
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pysh.runtime.hub import spool as module
from pysh.runtime.hub.spool import Spool
from pysh.runtime.protocol.actions import Discard, Keep, Recall
from pysh.runtime.protocol.frames import pack
from pysh.runtime.protocol.jobs import Job
from pysh.runtime.protocol.spool import AGE, record
from pysh.runtime.protocol.terms import Pid, Ref

ASKED = Ref(Pid(b"1" * 16, 7), 1)


class Core:
    """What is reported to a node's core."""

    def __init__(self) -> None:
        self.now = 0.0
        self.work = SimpleNamespace(spool=self)
        self.faults: dict[int, str] = {}
        self.read: list[bytes | None] = []
        self.told: list[tuple[dict[str, Any], float]] = []

    def written(self, number: int, fault: str) -> None:
        self.faults[number] = fault

    def recalled(self, ref: Ref, data: bytes | None) -> None:
        self.read.append(data)

    def found(self, told: dict[str, Any], age: float) -> int:
        self.told.append((told, age))
        return 100 + len(self.told)


class Kept:
    """A spool of a node, and what it tells."""

    def __init__(self, name: str = "w1@here") -> None:
        self.core = Core()
        server: Any = SimpleNamespace(
            name=name, core=self.core, loop=asyncio.get_running_loop(), carry_out=lambda: None
        )
        self.spool = Spool(server)
        self.folder = Path(module.results_dir(name))

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.002)

    async def keep(self, number: int, payload: bytes) -> str:
        self.spool.keep(Keep(number, told(number, len(payload)), payload))
        await self.until(lambda: number in self.core.faults)
        return self.core.faults[number]

    async def recall(self, number: int, offset: int = 0, size: int = 1 << 20) -> bytes | None:
        before = len(self.core.read)
        self.spool.recall(Recall(number, offset, size, ASKED))
        await self.until(lambda: len(self.core.read) > before)
        return self.core.read[-1]

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.iterdir()) if self.folder.exists() else []


def told(number: int, size: int) -> bytes:
    job = Job(number, ASKED, ASKED.owner, {"label": "f"}, b"", 0.0)
    job.length = size
    return pack(record(job))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    return tmp_path


@pytest.fixture
async def kept() -> AsyncIterator[Kept]:
    made = Kept()
    yield made
    await made.spool.close()


async def test_a_result_is_a_file_that_only_we_can_read_in_a_folder_that_only_we_can_enter(kept: Kept) -> None:
    assert await kept.keep(5, b"opaque") == ""
    [file] = kept.files
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (kept.folder, kept.folder.parent)} == {0o700}
    assert file.read_bytes().endswith(b"opaque")


async def test_it_is_read_a_piece_at_a_time_and_gone_when_it_is_discarded(kept: Kept) -> None:
    data = os.urandom(3 << 20)
    await kept.keep(5, data)
    pieces = [await kept.recall(5, offset) for offset in range(0, len(data), 1 << 20)]
    assert b"".join(piece or b"" for piece in pieces) == data
    kept.spool.discard(Discard(5))
    assert await kept.recall(5) is None
    assert not kept.folder.exists()


async def test_the_next_start_finds_what_was_kept(kept: Kept) -> None:
    for number in (5, 6):
        await kept.keep(number, b"result of %d" % number)
    (kept.folder / "000-7.part").write_bytes(b"half of it")
    again = Kept()
    await again.spool.find()
    assert [one["label"] for one, _ in again.core.told] == ["f", "f"]
    assert all(0 <= age < 60 for _, age in again.core.told)
    assert await again.recall(102) == b"result of 6"
    assert len(again.files) == 2
    await again.spool.close()


async def test_another_node_finds_nothing_of_it(kept: Kept) -> None:
    await kept.keep(5, b"mine")
    other = Kept("w2@here")
    await other.spool.find()
    assert not other.core.told
    await other.spool.close()


async def test_a_start_that_finds_nothing_starts_no_thread(kept: Kept) -> None:
    before = threading.active_count()
    await kept.spool.find()
    assert threading.active_count() == before


@pytest.mark.parametrize("which", ["folder", "parent"])
async def test_nothing_is_written_into_a_folder_that_others_can_enter(kept: Kept, which: str) -> None:
    await kept.keep(5, b"first")
    place = kept.folder if which == "folder" else kept.folder.parent
    place.chmod(0o750)
    assert "its mode is 0750" in await kept.keep(6, b"second")
    assert await kept.recall(5) is None
    again = Kept()
    await again.spool.find()
    assert not again.core.told
    place.chmod(0o700)
    assert await kept.recall(5) == b"first"
    await again.spool.close()


async def test_a_link_is_no_folder_of_ours(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(0o700)
    kept.folder.parent.mkdir(0o700, parents=True)
    kept.folder.symlink_to(tmp_path / "elsewhere")
    assert "symbolic link" in await kept.keep(5, b"result")
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize(
    "spoil", ["others read it", "it is cut", "it is something else", "its record is none", "a link"]
)
async def test_a_file_that_is_not_as_it_was_written_is_told_and_left_alone(
    kept: Kept, spoil: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    await kept.keep(5, b"result")
    [file] = kept.files
    data = file.read_bytes()
    if spoil == "others read it":
        file.chmod(0o644)
    elif spoil == "it is cut":
        file.write_bytes(data[:-1])
    elif spoil == "it is something else":
        file.write_bytes(b"something else")
    elif spoil == "its record is none":
        file.write_bytes(data.replace(b"label", b"lobel").replace(b"size", b"sise"))
    else:
        file.rename(tmp_path / "moved")
        file.symlink_to(tmp_path / "moved")
    again = Kept()
    await again.spool.find()
    assert not again.core.told
    assert f"{file} is not used" in capsys.readouterr().err
    assert again.files == [file]
    await again.spool.close()


async def test_where_nothing_can_be_written_it_says_so_and_leaves_no_half(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left" in await kept.keep(5, b"result")
    assert not kept.files
    assert "the result of task 5 stays in memory" in capsys.readouterr().err


async def test_a_slow_disk_holds_nobody_up(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    held = threading.Event()
    monkeypatch.setattr(os, "fsync", lambda _: held.wait(10))
    kept.spool.keep(Keep(5, told(5, 6), b"result"))
    await asyncio.sleep(0)  # the loop goes on
    assert not kept.core.faults and not held.is_set()
    held.set()
    await kept.spool.close()
    await kept.until(lambda: kept.core.faults == {5: ""})


async def test_a_disk_that_hangs_does_not_keep_a_node_from_starting(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await kept.keep(5, b"result")
    held = threading.Event()
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    monkeypatch.setattr(module, "_found", lambda _: held.wait(10) and [])
    again = Kept()
    await again.spool.find()
    assert "does not answer" in capsys.readouterr().err
    held.set()
    await again.spool.close()


async def test_the_end_of_a_node_waits_for_what_is_being_written(kept: Kept) -> None:
    for number in range(20):
        kept.spool.keep(Keep(number, told(number, 6), b"result"))
    await kept.spool.close()
    assert len(kept.files) == 20


async def test_what_nodes_kept_that_never_started_again_goes_after_seven_days(
    kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    await kept.keep(5, b"old")
    other = Kept("w2@here")
    await other.keep(6, b"new")
    old = kept.files[0].stat().st_mtime - AGE - 60
    os.utime(kept.files[0], (old, old))
    third = Kept("w3@here")
    await third.spool.find()
    await third.spool.close()
    assert not kept.folder.exists() and len(other.files) == 1
    assert "it was kept for 7 days" in capsys.readouterr().err
    await other.spool.close()
