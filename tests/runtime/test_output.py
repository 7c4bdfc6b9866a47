import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.forking import Node, Worker


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with Node(tmp_path_factory.mktemp("home")) as node:
        yield node


@pytest.fixture
def worker(node: Node) -> Worker:
    return node.worker()


def test_lines_are_shown_as_they_come(worker: Worker) -> None:
    def tell() -> None:
        print("one")
        print("two", file=sys.stderr)
        print("half", end="\r")
        print("three", end="")
        __import__("os").write(1, b"|")

    worker.call(tell)
    worker.see("three")
    assert worker.output == b"one\ntwo\nhalf\r|three"


def test_what_no_terminal_can_show_does_not_fail_a_print(worker: Worker) -> None:
    worker.call(print, "\udcff é")
    worker.see("é")
    assert worker.output == b"\\udcff \xc3\xa9\n"


def test_what_a_program_prints_that_a_job_starts_goes_the_same_way(worker: Worker) -> None:
    worker.call(lambda: __import__("subprocess").run(["echo", "from a program"], check=True))
    worker.see("from a program\n")


def test_the_fork_server_itself_prints_where_its_parent_said(tmp_path: Path) -> None:
    with Node(tmp_path) as node:
        node.worker().call(print, "into the pipe")
        target = Path(f"/proc/{node.process.pid}/fd/1").readlink()
        assert target == Path("/proc/self/fd/1").readlink()
        assert Path(f"/proc/{node.process.pid}/fd/0").readlink() == Path("/dev/null")
