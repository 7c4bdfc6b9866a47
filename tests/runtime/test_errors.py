"""The errors: what they say, and that they arrive as they left."""

import pickle
from typing import Any

import pytest

from pysh.runtime import errors
from pysh.runtime.errors import (
    KINDS,
    BlockingCall,
    CodeSkew,
    ConnectError,
    LargeCapture,
    MailboxFull,
    NodeDown,
    NoFunction,
    NoModule,
    NoProcess,
    NotSendable,
    PyshError,
    RemoteError,
    RemoteTraceback,
    TaskCancelled,
    TaskTimeout,
    UpgradeFailed,
    VersionSkew,
    WorkerDied,
    describe,
    rebuild,
)
from pysh.runtime.protocol.frames import pack, unpack

EXAMPLES = [
    PyshError("the node is busy", executed="no"),
    ConnectError("tcp", "n2@db1", text="connection refused", hint="pysh doctor db1"),
    NodeDown("n2@db1", "noconnection", executed="no"),
    TaskTimeout(name="compute", seconds=5),
    TaskCancelled("limit", "n2@db1", executed="yes"),
    WorkerDied(11, "Segmentation fault\n", node="n2@db1", executed="yes"),
    NotSendable("f.<closure cfg>.lock", "_thread.lock", "cannot pickle it", hint="make it there", size=9, limit=5),
    NoFunction("fob", "n2@db1", near=["fib"], known=3, others=["n3@db1"]),
    NoModule("yaml", "n2@db1", python="/usr/bin/python3", install="/usr/bin/python3 -m pip install PyYAML==6.0"),
    NoProcess("<n2.7>"),
    MailboxFull("<n2.7>", 5.0),
    BlockingCall("connect"),
    CodeSkew("jobs", "12ab", "34cd", "n2@db1", here_path="/home/a", there_path="/home/b"),
    UpgradeFailed("n2@db1", "shop 12ab", "KeyError: 'x'", {"n2@db1": "rolled back"}, executed="yes"),
    VersionSkew("3.11", "3.13", "n2@db1"),
    RemoteError("SystemExit", "3", "n2@db1", traceback="Traceback ...\nSystemExit: 3\n"),
]


def names(examples: list[PyshError]) -> list[str]:
    return [type(example).__name__ for example in examples]


def test_every_error_has_an_example_here() -> None:
    assert names(EXAMPLES) == list(KINDS)
    defined = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, PyshError)}
    assert defined == set(KINDS)


@pytest.mark.parametrize("error", EXAMPLES, ids=names(EXAMPLES))
def test_an_error_survives_a_pickle(error: PyshError) -> None:
    error.add_note("a note")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert vars(again) == vars(error)
    assert str(again) == str(error)


@pytest.mark.parametrize("error", EXAMPLES, ids=names(EXAMPLES))
def test_an_error_survives_a_frame(error: PyshError) -> None:
    again = rebuild(unpack(pack(describe(error))))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.executed == error.executed
    assert describe(again) == describe(error)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_an_error_made_of_its_name_alone_has_a_text(kind: type[PyshError]) -> None:
    assert isinstance(str(rebuild({"error": kind.__name__})), str)
    assert str(rebuild({"error": kind.__name__, "text": "so it was"})).count("so it was") == 1


def test_what_a_hub_sends_by_hand_is_rebuilt() -> None:
    meta = {
        "error": "WorkerDied",
        "node": "n2",
        "signal": 9,
        "status": None,
        "tail": "",
        "executed": "yes",
        "new": 1,
    }
    assert str(rebuild(meta)) == "the worker on n2 died of SIGKILL. The code ran."


def test_an_upgrade_that_failed_tells_of_each_node() -> None:
    error = UpgradeFailed("n2", "shop 12ab", "KeyError: 'x'", {"n2": "rolled back", "n3": "nothing was pushed"})
    assert str(error) == (
        "the upgrade to shop 12ab failed on n2: KeyError: 'x'\n  n2: rolled back\n  n3: nothing was pushed"
    )
    error.executed = "yes"
    assert str(error).endswith("\nTasks may have run with the new code.")


def test_an_error_of_another_version_keeps_its_name_and_text() -> None:
    error = rebuild({"error": "DiskFull", "text": "no room", "executed": "maybe"})
    assert type(error) is PyshError
    assert str(error) == "DiskFull: no room. The code may have run."


def test_an_error_that_is_not_ours_is_described_by_name_and_text() -> None:
    assert describe(KeyError("x")) == {"error": "PyshError", "text": "KeyError: 'x'", "executed": ""}


def test_a_subclass_of_the_users_survives_a_pickle() -> None:
    again = pickle.loads(pickle.dumps(Quota(3)))
    assert type(again) is Quota
    assert again.left == 3


class Quota(PyshError):
    def __init__(self, left: int) -> None:
        super().__init__("over quota")
        self.args = (left,)
        self.left = left


def test_a_text_says_what_happened_and_whether_anything_ran() -> None:
    assert str(NodeDown("n2", "shutdown")) == ("n2 is down (shutdown); nodes() shows who is up. The code may have run.")
    assert str(ConnectError("cookie", "n2", hint="pysh cookie copy n2")) == (
        "[cookie] cannot connect to n2. Nothing ran. Try: pysh cookie copy n2"
    )
    assert str(WorkerDied(status=3, tail="oops\n")) == (
        "the worker died with exit status 3. The code may have run. What it printed last is in .tail."
    )


def test_sentences_stand_apart() -> None:
    error = RemoteError("SystemExit", "bored", executed="no")
    assert str(error) == "SystemExit: bored. Nothing ran."


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ({}, "none is defined there"),
        ({"near": ["fib", "fab"], "known": 2}, "it has fib, fab"),
        ({"near": ["fib"], "known": 3}, "it has fib and 2 more"),
        ({"others": ["n3@a", "n4@a"]}, 'none is defined there; one is on n3@a, n4@a: try on="n3@a"'),
    ],
)
def test_a_name_that_is_not_there_comes_with_those_that_are(told: dict[str, Any], text: str) -> None:
    error = NoFunction("fob", "n2@a", **told)
    assert isinstance(error, NameError)
    assert str(error) == f"no function 'fob' in the shell of n2@a; {text}. Nothing ran."


def test_a_function_that_cannot_be_called_by_name_says_why() -> None:
    error = NoFunction("f", "n2@a", why="NotSendable: it holds a lock")
    assert str(error) == "'f' of the shell of n2@a cannot be called by name: NotSendable: it holds a lock. Nothing ran."
    assert str(ConnectError("find", text="nobody", hint="pysh ls", executed="")) == "[find] nobody. Try: pysh ls"


def test_a_blocking_call_names_the_form_to_await() -> None:
    assert "await pysh.aio.connect(...)" in str(BlockingCall("connect"))
    assert "await t" in str(BlockingCall("result", "await t"))


def test_a_task_timeout_is_a_timeout_and_keeps_its_task() -> None:
    task = object()
    error = TaskTimeout(task=task, seconds=2)
    assert isinstance(error, TimeoutError)
    assert error.task is task
    assert "its handle is the .task of this exception" in str(error)
    assert pickle.loads(pickle.dumps(error)).task is None


def test_the_stages_of_a_connection_are_in_order() -> None:
    assert errors.STAGES[0] == "resolve"
    assert errors.STAGES[-1] == "ready"


def test_a_large_capture_names_the_global_and_its_size() -> None:
    warning = pickle.loads(pickle.dumps(LargeCapture("f", "df", 8 * 2**20)))
    assert "'df'" in str(warning)
    assert "8.0 MiB" in str(warning)


def test_a_remote_traceback_names_its_node() -> None:
    cause = pickle.loads(pickle.dumps(RemoteTraceback("n2@db1", "Traceback ...\n")))
    assert str(cause) == "on n2@db1:\nTraceback ..."


def test_what_another_node_says_of_its_names_is_safe_to_show_and_need_make_no_sense() -> None:
    told = {"error": "NoFunction", "function": "f", "node": "n2@a", "executed": "no"}
    shown = str(rebuild({**told, "near": ["fo\x1b]0;evil\x07o"], "known": 1, "others": ["n3@a\x9b"]}))
    assert shown.isprintable()
    assert "fo?]0;evil?o" in shown
    assert str(rebuild({**told, "why": "so\x1b[2J"})).isprintable()
    for strange in ({"near": 5}, {"known": "a"}, {"others": {}}, {"near": [5, None]}):
        assert "no function 'f' in the shell of n2@a" in str(rebuild({**told, **strange}))
