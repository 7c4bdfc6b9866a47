"""Large values that functions capture: which go apart of the call, and that what arrives is what was sent."""

import gc
import os
import subprocess
import sys
import warnings
import weakref
from pathlib import Path
from typing import Any

import pytest

from pysh.runtime import captured, payload, values
from pysh.runtime.errors import LargeCapture, NotSendable
from pysh.runtime.protocol.terms import Parts
from tests.runtime.elsewhere import Prompt

pytestmark = pytest.mark.filterwarnings("ignore::pysh.runtime.errors.LargeCapture")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where values are left; it is made with the first."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "pysh/values"


def sent(shell: Prompt, name: str = "f") -> tuple[int, tuple[str, ...], Any]:
    """The size of a call, the hashes of what goes apart, and what it returns where it arrives."""
    data, uses = payload.dumps_using(shell[name], (), {})
    fn, args, kwargs = payload.loads_call(data.join() if isinstance(data, Parts) else bytes(data))
    return len(data), uses.apart.digests if uses.apart else (), fn(*args, **kwargs)


LARGE = "df = bytearray(2**21)\n"


@pytest.mark.parametrize(
    "code",
    [
        LARGE + "def f(): return len(df)",
        LARGE + "def helper(): return len(df)\ndef f(): return helper()",
        LARGE + "def make(x): return lambda: len(x)\nf = make(df)",
        LARGE + "class A:\n    def get(self): return len(df)\nf = A().get",
        LARGE + "from functools import partial\ndef g(x): return len(df)\nf = partial(g, 5)",
        "text = 'x' * 2**21\ndef f(): return len(text)",
        "rows = [{'a': i} for i in range(200000)]\ndef f(): return len(rows) + 1897152",
    ],
    ids=["a global", "of a helper", "a variable", "of a method", "of a partial", "text", "many small ones"],
)
def test_a_large_value_goes_apart_and_is_the_same_there(shell: Prompt, folder: Path, code: str) -> None:
    shell(code)
    size, digests, value = sent(shell)
    assert (value, len(digests)) == (2**21, 1)
    assert size < 10_000
    assert [file.name for file in folder.iterdir()] == [*digests]
    assert sent(shell) == (size, digests, value)


def test_each_call_starts_from_the_value_at_sending(shell: Prompt) -> None:
    shell(LARGE + "def f():\n    df[0] += 1\n    return df[0]")
    first, second = sent(shell), sent(shell)
    assert (first[2], second[2]) == (1, 1)
    assert first[1] == second[1]
    shell("df[0] = 7")
    assert sent(shell)[2] == 8
    assert sent(shell)[1] != first[1]


def test_two_functions_of_a_call_have_one_value_between_them(shell: Prompt) -> None:
    shell(LARGE + "def put(): df[0] = 5\ndef f():\n    put()\n    return df[0]")
    assert sent(shell)[2] == 5


@pytest.mark.parametrize(
    "code",
    [
        "rows = [[i] for i in range(600000)]\nfirst = rows[0]\ndef f():\n    first[0] = 9\n    return rows[0]",
        "rows = [[i] for i in range(600000)]\nindex = list(rows)\ndef f():\n    rows[0][0] = 9\n    return index[0]",
    ],
    ids=["something small", "each other"],
)
def test_what_has_something_in_common_goes_along_and_still_has(shell: Prompt, code: str) -> None:
    shell(code)
    _, digests, value = sent(shell)
    assert value == [9]
    assert not digests


def test_so_does_what_a_class_of_the_call_has_too(shell: Prompt) -> None:
    shell("rows = [[i] for i in range(600000)]\nclass C:\n    data = rows\ndef f(): return len(C.data) + len(rows)")
    assert sent(shell)[1:] == ((), 1200000)


class Parameter:
    """Made anew of parts, hashed by what it is: as that of torch."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __reduce_ex__(self, protocol: Any) -> Any:
        return Parameter, (bytearray(self.data),)


def test_so_does_what_has_a_hash_and_can_be_changed_all_the_same(shell: Prompt) -> None:
    shell.names["w"] = Parameter(b"x" * 2**21)
    shell("model, optimizer = [w], [w]\ndef f():\n    optimizer[0].data = b'stepped'\n    return model[0].data")
    assert sent(shell)[1:] == ((), b"stepped")


def test_a_closure_keeps_nothing_alive_once_it_was_sent(shell: Prompt) -> None:
    class Kept(bytearray):
        pass

    value = Kept(2**21)
    shell("def make(x): return lambda: len(x)")
    shell.names["f"] = shell["make"](value)
    sent(shell)
    del shell.names["f"]
    gone = weakref.ref(value)
    del value
    gc.collect()
    assert gone() is None


def test_two_large_values_of_the_same_text_go_apart(shell: Prompt) -> None:
    shell("rows = [str(i) for i in range(300000)]\nsame = {t: 1 for t in rows}\ndef f(): return len(rows) + len(same)")
    assert len(sent(shell)[1]) == 2


def test_what_carries_code_goes_along_and_that_is_said(shell: Prompt) -> None:
    shell("class Row:\n    x = 1\nrows = [Row() for i in range(300000)]\ndef f(): return len(rows)")
    with pytest.warns(LargeCapture, match="with every call"):
        assert sent(shell)[1:] == ((), 300000)


def test_so_does_what_finds_no_room(shell: Prompt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "ROOM", 1)
    shell(LARGE + "def f(): return len(df)")
    assert sent(shell)[1:] == ((), 2**21)


def test_it_is_said_before_the_first_call_and_not_again(shell: Prompt) -> None:
    shell(LARGE + "def f(): return len(df)")
    with pytest.warns(LargeCapture, match=r"f drags 'df' along, 2\.0 MiB, once to each .*push\(df=df, on=\.\.\.\)"):
        payload.dumps_using(shell["f"], (), {})
    with warnings.catch_warnings(action="error"):
        payload.dumps_using(shell["f"], (), {})


def test_a_large_global_is_warned_about_where_it_is_sent(shell: Prompt) -> None:
    shell("df = bytearray(2 * 2**20)\nsmall = [1]\ndef helper(): return len(df)\ndef f(): return helper(), small")
    with pytest.warns(LargeCapture, match=r"helper drags 'df' along, 2\.0 MiB") as caught:
        payload.dumps_using(shell["f"], (), {})
    assert [warning.filename for warning in caught] == [__file__]
    with warnings.catch_warnings(action="error"):
        payload.dumps_call(shell("lambda data: len(data)"), (shell["df"],), {})


def test_a_value_that_shrank_goes_along(shell: Prompt) -> None:
    shell("df = [0] * 600000\ndef f(): return len(df)")
    sent(shell)
    shell("del df[5:]")
    assert sent(shell)[1:] == ((), 5)


def test_one_that_was_changed_on_disk_is_not_used(shell: Prompt, folder: Path) -> None:
    shell(LARGE + "def f(): return len(df)")
    data, uses = payload.dumps_using(shell["f"], (), {})
    assert uses.apart is not None
    (folder / uses.apart.digests[0]).write_bytes(b"other")
    with pytest.raises(NotSendable, match="has gone") as caught:
        payload.loads_call(bytes(data))
    assert caught.value.executed == "no"


def test_nor_is_one_in_a_folder_that_others_may_write_to(shell: Prompt, folder: Path) -> None:
    shell(LARGE + "def f(): return len(df)")
    data, _ = payload.dumps_using(shell["f"], (), {})
    folder.chmod(0o777)
    with pytest.raises(NotSendable):
        payload.loads_call(bytes(data))


def test_the_oldest_go_for_want_of_room_but_none_that_is_in_use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = b"a" * 600, b"b" * 600
    for data in (old, new):
        values.leave(values.digest(data), data)
    os.utime(values.file(values.digest(old)), (0, 0))
    monkeypatch.setattr(values, "ROOM", 1500)
    third = b"c" * 600
    values.leave(values.digest(third), third)
    assert {file.name for file in folder.iterdir()} == {values.digest(new), values.digest(third)}
    with pytest.raises(OSError, match="GiB already"):
        values.leave(values.digest(old), old)


def test_names_that_are_nowhere_are_known_and_supplied_where_it_runs(shell: Prompt) -> None:
    shell("def f(): return df\ndef g(): return len(rows), df\nrows = []\nh = lambda: (f(), print)")
    for name, wanted in (("f", {"df"}), ("g", {"df"}), ("h", {"df"})):
        data, uses = payload.dumps_using(shell[name], (), {})
        assert set(uses.missing) == wanted
        fn, _, _ = payload.loads_call(bytes(data), {"df": 5, "rows": 1})
        assert fn() in (5, (0, 5), (5, print))
    assert captured.LARGE == 2**20


def test_where_nothing_can_be_written_in_the_home_the_runtime_directory_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/cache")
    monkeypatch.setenv("PYSH_RUNTIME_DIR", str(tmp_path / "run"))
    values.leave(values.digest(b"data"), b"data")
    assert bytes(values.find(values.digest(b"data")) or b"") == b"data"
    assert (tmp_path / "run/values").is_dir()


def test_one_that_is_interrupted_while_it_is_left_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    values.leave(values.digest(b"a"), b"a")
    monkeypatch.setattr(os, "rename", interrupt)
    with pytest.raises(KeyboardInterrupt):
        values.leave(values.digest(b"b"), b"b")
    assert [file.name for file in folder.iterdir()] == [values.digest(b"a")]


def test_one_at_a_time_brings_a_value(tmp_path: Path) -> None:
    """Eight processes, each of which looks whether it is alone; others, at the same time, wait for another value."""
    program = (
        "import os, sys; from pysh.runtime import values\n"
        "for _ in range(50):\n"
        "    with values.bringing(sys.argv[1] * 64, 0):\n"
        "        os.close(os.open(sys.argv[2], os.O_CREAT | os.O_EXCL)); os.unlink(sys.argv[2])\n"
    )
    all_of_them = [subprocess.Popen([sys.executable, "-c", program, name, f"{tmp_path}/{name}"]) for name in "aaaabbbb"]
    assert [process.wait(60) for process in all_of_them] == [0] * 8
