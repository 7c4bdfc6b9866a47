"""A real worker that is sent code, by a hub that a test plays and that has its sources."""

import os
import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pysh.runtime import trees
from pysh.runtime.errors import NotSendable, PyshError
from pysh.runtime.protocol.blobs import Blobs
from pysh.runtime.protocol.frames import Frame, Kind, encode, pack
from pysh.runtime.protocol.terms import HUB, Pid
from tests.runtime.forking import INCARNATION, Node, Worker


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with Node(tmp_path_factory.mktemp("home")) as node:
        yield node


@pytest.fixture
def worker(node: Node) -> Worker:
    return node.worker()


class Hub:
    """Answers what `worker` asks for."""

    def __init__(self, worker: Worker, room: int = 48 * 1024) -> None:
        self.worker = worker
        self.blobs = Blobs()
        self.asked: list[int] = []
        self._room = room

    def has(self, data: bytes, name: str = "") -> str:
        """Keep a source, under a hash that may be wrong; its hash."""
        digest, packed = name or sha256(data).hexdigest(), zlib.compress(data)
        self.blobs.keep(bytes.fromhex(digest), 0, len(packed), packed)
        return digest

    def tree(self, **sources: bytes) -> str:
        """Keep modules that lie beside each other; the hash of their tree."""
        files = {f"{name}.py": self.has(data) for name, data in sources.items()}
        return self.has(trees.lines(files))

    def run(self, source: str, **meta: Any) -> int:
        """Begin a job that evaluates `source`, and answer what it asks for until it ends; its number."""
        job = self.worker.begin_named("builtins:eval", source, **meta)
        self.worker.node.wait(lambda: self._ended(job), self.worker)
        return job

    def _ended(self, job: int) -> bool:
        for frame in [frame for frame in self.worker.frames if frame.kind == Kind.REQUEST]:
            self.worker.frames.remove(frame)
            self._answer(frame)
        return self.worker.lost or any(frame.kind == Kind.RESULT and frame.ref == job for frame in self.worker.frames)

    def _answer(self, frame: Frame) -> None:
        asked = frame.options()
        assert asked["verb"] == "blobs"
        self.asked.append(len(asked["names"]))
        told = pack({"ok": self.blobs.pieces(asked["names"], asked["at"], self._room)})
        answer = Frame(Kind.REPLY, Pid(INCARNATION, HUB), frame.source, frame.ref, meta=told)
        self.worker.sock.sendall(b"".join(encode(answer)))


def test_sources_come_in_pieces_and_are_put_together(worker: Worker) -> None:
    hub = Hub(worker, room=1000)
    noise = os.urandom(5000)
    code = {"noisy": hub.tree(noisy=f"noise = {noise!r}".encode())}
    job = hub.run("__import__('noisy').noise", code=code)
    assert worker.value(job) == noise
    assert len(hub.asked) > 5


def test_what_is_not_what_its_hash_says_is_not_run(worker: Worker) -> None:
    hub = Hub(worker)
    wrong = hub.has(b"x = 'not what was meant'", sha256(b"x = 1").hexdigest())
    code = {"wrong": hub.has(trees.lines({"wrong.py": wrong}))}
    error = worker.error(hub.run("__import__('wrong').x", code=code))
    assert isinstance(error, NotSendable)
    assert error.executed == "no"
    assert "wrong.py" in str(error)


def test_a_tree_that_would_lie_elsewhere_is_not_written(worker: Worker, tmp_path: Path) -> None:
    hub = Hub(worker)
    path = f"{'../' * 20}{tmp_path}/evil.py"
    code = {"evil": hub.has(f"{hub.has(b'x = 1')}  {path}\n".encode())}
    assert isinstance(worker.error(hub.run("1", code=code)), ValueError)
    assert not (tmp_path / "evil.py").exists()


def test_a_worker_that_has_another_version_ends_and_has_run_nothing(worker: Worker) -> None:
    hub = Hub(worker)
    old, new = (hub.tree(version=f"number = {number}".encode()) for number in (1, 2))
    assert worker.value(hub.run("__import__('version').number", code={"version": old})) == 1
    assert worker.value(hub.run("__import__('version').number", code={"version": old})) == 1
    hub.run("__import__('version').number", code={"version": new})
    assert worker.lost
    assert worker.running == 0


def test_so_does_one_that_imported_it_by_itself(worker: Worker) -> None:
    hub = Hub(worker)
    folder = str(Path(__file__).parent)
    hub.run(f"__import__('sys').path.insert(0, {folder!r}) or __import__('elsewhere') and None")
    hub.run("1", code={"elsewhere": hub.tree(elsewhere=b"number = 2")})
    assert worker.lost
    assert worker.running == 0


def test_a_worker_ends_that_imported_what_may_have_changed_meanwhile(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "fresh.py").write_text("number = 1")
    job = Hub(worker).run(f"__import__('sys').path.insert(0, {str(tmp_path)!r}) or __import__('fresh').number")
    assert worker.value(job) == 1
    assert worker.node.exit_of(worker) == 0


def test_a_name_that_every_worker_has_a_module_of_is_refused(worker: Worker) -> None:
    hub = Hub(worker)
    error = worker.error(hub.run("1", code={"msgpack": "0" * 64, "socket": hub.tree(socket=b"x = 1")}))
    assert isinstance(error, PyshError)
    assert error.executed == "no"


def test_a_module_that_is_asked_for_and_not_there_is_named(worker: Worker) -> None:
    error = worker.error(Hub(worker).run("1", demands=["json", "no_such_module"]))
    assert isinstance(error, ModuleNotFoundError)
    assert "no_such_module" in str(error)
    assert "Nothing ran." in str(error)


def test_only_what_is_not_here_is_asked_for(worker: Worker, node: Node) -> None:
    hub = Hub(worker)
    first = {"part": hub.has(trees.lines({f"part/m{n}.py": hub.has(b"x = %d" % n) for n in range(10)}))}
    hub.run("1", code=first)
    assert hub.asked == [1, 10]
    again = Hub(node.worker())
    again.run("1", code=first)
    assert again.asked == []
    files = {f"part/m{n}.py": hub.has(b"x = %d" % n) for n in range(9)} | {"part/m9.py": again.has(b"x = 99")}
    third = Hub(node.worker())
    third.blobs = again.blobs
    assert (
        third.worker.value(third.run("__import__('part.m9').m9.x", code={"part": again.has(trees.lines(files))})) == 99
    )
    assert third.asked == [1, 1]
