"""Code that waits in a debugger, in a real worker of a hub that the test plays."""

import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from pysh.runtime.errors import TaskCancelled, rebuild
from pysh.runtime.messages import receive
from pysh.runtime.payload import dumps, loads
from pysh.runtime.protocol.frames import Frame, Kind, encode, pack
from pysh.runtime.protocol.terms import Pid
from pysh.runtime.runner.parking import LEFT, METHOD, UsersFrames
from pysh.runtime.runner.waiting import block
from tests.runtime.forking import ASKER, INCARNATION, Node, Worker


class Debugged:
    """A worker whose hub says whether somebody sits at the owner's shell, and that somebody."""

    def __init__(self, worker: Worker, attended: bool = True) -> None:
        self.worker = worker
        self.asked: list[dict[str, Any]] = []
        self._attended = attended
        self._refs = count(5000)
        self._read = 0

    def wait(self, condition: Callable[[], Any]) -> Any:
        """Answer what the worker asks until `condition()`; what it returned."""
        found: list[Any] = []

        def there() -> bool:
            while self._read < len(self.worker.frames):
                frame = self.worker.frames[self._read]
                self._read += 1
                if frame.kind == Kind.REQUEST:
                    self._answer(frame)
            found[:] = [condition()]
            return bool(found[0])

        self.worker.node.wait(there, self.worker)
        return found[0]

    def _answer(self, frame: Frame) -> None:
        asked = frame.options()
        self.asked.append(asked)
        told = pack({"ok": self._attended if asked["verb"] == "attended" else True})
        reply = Frame(Kind.REPLY, Pid(INCARNATION, 0), frame.source, frame.ref, meta=told)
        self.worker.sock.sendall(b"".join(encode(reply)))

    def says(self, job: int, line: str | None) -> tuple[str, bool]:
        """Type a line, or None; what the debugger says then, and whether it is over."""
        ref = next(self._refs)
        self.worker.send(Kind.CALL, job, ref, dumps(((line,), {})), method=METHOD)
        answers = self.worker.frames
        [answer] = self.wait(lambda: [f for f in answers if f.kind == Kind.ANSWER and f.ref == ref])
        text, over = loads(answer.payload)
        return text, over

    def result(self, job: int) -> Any:
        """The value of a job."""
        self.wait(lambda: [f for f in self.worker.frames if f.kind == Kind.RESULT and f.source.number == job])
        return self.worker.value(job)

    def parked(self) -> list[str]:
        """Where it said that it waits, and that it goes on."""
        return [asked["at"].rpartition("/")[2] for asked in self.asked if asked["verb"] == "park"]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with Node(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture
def somebody(node: Node) -> Debugged:
    return Debugged(node.worker())


def stops(n: int) -> int:
    k = n * 2
    breakpoint()
    k += 1
    return k


async def stops_in_a_coroutine(n: int) -> int:
    breakpoint()
    return n


def stops_and_receives() -> list[Any]:
    first = block(receive(str))
    breakpoint()
    return [first, block(receive(None))]


def stops_in_a_thread() -> int:
    import threading

    thread = threading.Thread(target=stops, args=(1,))
    thread.start()
    thread.join()
    return 5


def fails(n: int) -> Any:
    k = [n]
    return k[5]


def test_a_breakpoint_waits_and_is_stepped_through(somebody: Debugged) -> None:
    job = somebody.worker.begin(stops, 5)
    text, over = somebody.says(job, None)
    assert text.endswith("-> k += 1\n(Pdb) ") and not over
    assert somebody.says(job, None) == (text, False)
    assert somebody.says(job, "p k") == ("10\n(Pdb) ", False)
    assert somebody.says(job, "k = 100") == ("(Pdb) ", False)
    assert somebody.says(job, "n")[0].endswith("-> return k\n(Pdb) ")
    assert somebody.says(job, "c") == ("", True)
    assert somebody.result(job) == 101
    assert [at.partition(":")[0] for at in somebody.parked()] == ["test_parking.py", ""] * 2
    somebody.worker.see("breakpoint in stops at ")
    somebody.worker.see('waits: debug("n1.')


def test_a_frame_of_ours_is_not_shown_above_the_users(somebody: Debugged) -> None:
    job = somebody.worker.begin(stops, 5)
    assert somebody.says(job, "w")[0].count("\n-> ") == 1
    assert "Oldest frame" in somebody.says(job, "up")[0]
    somebody.says(job, "c")


def test_a_coroutine_that_has_the_worker_waits_too(somebody: Debugged) -> None:
    job = somebody.worker.begin(stops_in_a_coroutine, 7)
    assert somebody.says(job, "p n") == ("7\n(Pdb) ", False)
    somebody.says(job, "c")
    assert somebody.result(job) == 7


def test_no_receive_of_the_code_sees_what_is_typed(somebody: Debugged) -> None:
    job = somebody.worker.begin(stops_and_receives)
    for message in ("first", "second"):
        somebody.worker.send(Kind.SEND, job, 1, dumps(message))
    assert somebody.says(job, "p first")[0].startswith("'first'")
    assert somebody.says(job, "c")[1]
    assert somebody.result(job) == ["first", "second"]


def test_one_that_steps_beyond_its_end_leaves_nothing_traced(somebody: Debugged) -> None:
    job = somebody.worker.begin(stops, 5)
    for line in ("n", "n"):
        assert not somebody.says(job, line)[1]
    assert somebody.says(job, "n") == ("", True)
    assert somebody.result(job) == 11
    assert somebody.worker.call(lambda: sys.gettrace()) is None


def stops_once(go: Path) -> int:
    breakpoint()
    while not go.exists():
        sleep(0.005)
    return 5


LAST = stops_once.__code__.co_firstlineno + 4


def leaves_while_it_runs(somebody: Debugged, job: int, line: str, answered: int = 2) -> Callable[[], bool]:
    """Type `line` and leave; whether both calls were `answered` since, or the first."""
    refs = 6001, 6002
    for ref, typed in zip(refs, (line, LEFT), strict=True):
        somebody.worker.send(Kind.CALL, job, ref, dumps(((typed,), {})), method=METHOD)
    return lambda: {f.ref for f in somebody.worker.frames if f.kind == Kind.ANSWER} >= {*refs[:answered]}


def test_one_that_stops_again_after_somebody_left_says_so(somebody: Debugged, tmp_path: Path) -> None:
    job = somebody.worker.begin(stops_once, tmp_path / "go")
    somebody.says(job, f"b {LAST}")
    answered = leaves_while_it_runs(somebody, job, "c")
    (tmp_path / "go").touch()
    somebody.wait(lambda: somebody.worker.output.count(b'waits: debug("n1.') == 2)
    somebody.wait(answered)
    assert somebody.says(job, None)[0].endswith("-> return 5\n(Pdb) ")
    assert somebody.says(job, "c") == ("", True)
    assert somebody.result(job) == 5


def test_one_that_was_left_while_it_says_something_says_that_it_waits(somebody: Debugged, tmp_path: Path) -> None:
    job = somebody.worker.begin(stops_once, tmp_path / "go")
    somebody.says(job, f"b {LAST}")
    somebody.wait(leaves_while_it_runs(somebody, job, "p 6 * 7"))
    somebody.wait(lambda: somebody.worker.output.count(b'waits: debug("n1.') == 2)
    assert somebody.says(job, None) == ("42\n(Pdb) ", False)
    (tmp_path / "go").touch()
    assert not somebody.says(job, "c")[1]
    assert somebody.says(job, "c")[1]
    assert somebody.result(job) == 5


def test_one_that_ends_after_somebody_left_owes_no_answer(somebody: Debugged, tmp_path: Path) -> None:
    job = somebody.worker.begin(stops_once, tmp_path / "go")
    somebody.says(job, f"b {LAST}, False")
    answered = leaves_while_it_runs(somebody, job, "c", answered=1)
    (tmp_path / "go").touch()
    assert somebody.result(job) == 5
    somebody.wait(answered)


def test_a_cancel_ends_what_waits(somebody: Debugged) -> None:
    job = somebody.worker.begin(stops, 5)
    somebody.says(job, None)
    somebody.worker.cancel(job)
    somebody.wait(lambda: [f for f in somebody.worker.frames if f.kind == Kind.RESULT and f.source.number == job])
    assert isinstance(rebuild(somebody.worker.failure(job)), TaskCancelled)
    assert somebody.worker.call(lambda: 5) == 5


def test_code_that_raises_waits_with_its_frames_where_that_was_asked_for(somebody: Debugged) -> None:
    job = somebody.worker.begin(fails, 3, debug=True)
    assert somebody.says(job, None)[0].endswith("-> return k[5]\n(Pdb) ")
    assert somebody.says(job, "p k, n") == ("([3], 3)\n(Pdb) ", False)
    assert somebody.says(job, "q")[1]
    somebody.wait(lambda: [f for f in somebody.worker.frames if f.kind == Kind.RESULT and f.source.number == job])
    assert isinstance(somebody.worker.error(job), IndexError)
    somebody.worker.see("IndexError: list index out of range in fails at ")


@pytest.mark.parametrize(
    ("function", "attended", "said"),
    [
        (stops, False, "is passed over: nobody sits at the shell that owns it"),
        (stops_in_a_thread, True, "is passed over: only the main thread of a task or process can wait"),
    ],
)
def test_where_it_cannot_wait_it_is_passed_over(
    node: Node, function: Callable[..., int], attended: bool, said: str
) -> None:
    somebody = Debugged(node.worker(), attended)
    job = somebody.worker.begin(function, *([2] if function is stops else []))
    assert somebody.result(job) == 5
    somebody.worker.see(said)
    assert somebody.parked() == []


def test_a_failure_is_told_at_once_where_nobody_sits(node: Node) -> None:
    somebody = Debugged(node.worker(), attended=False)
    job = somebody.worker.begin(fails, 3, debug=True)
    somebody.wait(lambda: [f for f in somebody.worker.frames if f.kind == Kind.RESULT and f.source.number == job])
    assert isinstance(somebody.worker.error(job), IndexError)


def test_the_variable_of_python_for_breakpoints_is_heeded(tmp_path: Path) -> None:
    with Node(tmp_path, PYTHONBREAKPOINT="0") as node:
        worker = node.worker()
        assert worker.call(stops, 2) == 5
        assert worker.output == b""


class Stack:
    """What `bdb` finds: frames of these files, of which it would begin at the last."""

    def __init__(self, *files: str) -> None:
        self.stack = [(Frame_(file), 1) for file in files]

    def get_stack(self, _f: Any, _t: Any) -> Any:
        return self.stack, len(self.stack) - 1


class Frame_:
    def __init__(self, file: str) -> None:
        self.f_code = type("Code", (), {"co_filename": file})


OURS = UsersFrames.get_stack.__code__.co_filename.removesuffix("/runner/parking.py")


@pytest.mark.parametrize(
    ("files", "shown", "at"),
    [
        (["<string>", f"{OURS}/runner/execution.py", "a.py", "b.py"], ["a.py", "b.py"], "b.py"),
        (["a.py", f"{OURS}/api.py", f"{OURS}/task.py"], None, "a.py"),
        ([f"{OURS}/runner/cells.py", "<n1:2>", f"{OURS}/api.py"], None, "<n1:2>"),
        (["a.py", "b.py"], ["a.py", "b.py"], "b.py"),
        ([f"{OURS}/api.py"], [f"{OURS}/api.py"], f"{OURS}/api.py"),
    ],
)
def test_a_debugger_begins_at_the_last_frame_of_the_users(files: list[str], shown: list[str] | None, at: str) -> None:
    class Shown(UsersFrames, Stack): ...

    stack, index = Shown(*files).get_stack(None, None)
    names = [frame.f_code.co_filename for frame, _ in stack]
    assert names[index] == at
    assert shown is None or names == shown


def test_it_is_asked_for_by_its_owner(somebody: Debugged) -> None:
    job = somebody.worker.begin(stops, 1)
    somebody.says(job, "c")
    assert somebody.result(job) == 3
    [attended] = [asked for asked in somebody.asked if asked["verb"] == "attended"]
    assert attended["number"] == ASKER.number
