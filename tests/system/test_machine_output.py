"""What commands print for programs: a line of JSON where it is asked for, and no escape sequence into a pipe."""

import json
import os
import pty
import subprocess
from typing import Any

import pytest

from tests.system.conftest import PYSH, Home, until


def line(text: str) -> Any:
    """What the one line of `text` says."""
    assert text.endswith("\n") and text.count("\n") == 1, text
    return json.loads(text)


@pytest.mark.parametrize("how", ["-c", "-", "file"])
def test_a_script_prints_its_last_value_and_what_else_it_prints_goes_to_stderr(home: Home, how: str) -> None:
    code = "import asyncio, os\nprint('hi')\nos.system('echo there')\nawait asyncio.sleep(0, {'a': (1, 2)})"
    (home.folder / "s.pysh").write_text(code)
    words = {"-c": ["-c", code], "-": ["-"], "file": ["s.pysh"]}[how]
    done = home.pysh("--json", *words, stdin=code)
    assert line(done.stdout) == {"a": [1, 2]}
    assert (done.returncode, sorted(done.stderr.split())) == (0, ["hi", "there"])


def test_what_nodes_answer_is_an_object_by_their_names(home: Home, n2: str) -> None:
    code = "connect('n2@localhost')\ncall_all(lambda: print('shown') or {'n2@localhost': 1.0}[node().name])"
    done = home.pysh("--json", "--name", "n1@localhost", "-c", code)
    told = line(done.stdout)
    assert told["n2@localhost"] == 1.0
    assert told["n1@localhost"]["error"] == "KeyError"
    assert done.returncode == 0
    assert "shown" in done.stderr
    assert [row["state"] for row in line(home.pysh("--json", "--connect", "n2", "-c", "nodes()").stdout)] == [
        "self",
        "up",
    ]


def test_an_error_is_a_line_of_json_on_stderr(home: Home) -> None:
    done = home.pysh("--json", "-c", "1/0")
    told = line(done.stderr)
    assert (done.returncode, done.stdout, told["error"]) == (1, "", "ZeroDivisionError")
    assert told["traceback"].startswith("Traceback")
    for words, code in ((["--connect", "no", "-c", "1"], 3), (["tasks", "no"], 3), (["rpc", "no", "-c", "1"], 3)):
        done = home.pysh("--json", *words)
        assert (done.returncode, done.stdout) == (code, ""), words
        assert "no" in line(done.stderr)["text"]
    assert home.pysh("--json", "-c", "exit(3)").returncode == 3


def test_rpc_gives_the_value_and_of_several_nodes_each_with_its_name(home: Home, n2: str) -> None:
    done = home.pysh("rpc", "n2", "--json", "-c", "print('hi'); x = 20; {'x': x}")
    assert (line(done.stdout), done.stderr) == ({"x": 20}, "hi\n")
    assert line(home.pysh("rpc", "n2", "--json", "-c", "y = 1").stdout) is None
    failed = home.pysh("rpc", "n2", "--json", "-c", "1/0")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert line(failed.stderr)["error"] == "ZeroDivisionError"
    large = home.pysh("rpc", "n2", "--json", "-c", "'x' * 100_000")
    assert "room for 32,768" in line(large.stderr)["text"]
    several = home.pysh("rpc", "n2,n3", "--json", "-c", "6 * 7")
    assert line(several.stdout) == {"node": "n2@localhost", "value": 42}
    assert line(several.stderr)["of"] == "n3"


def test_the_other_commands_tell_theirs_as_well(home: Home, n2: str) -> None:
    code = "connect('n2'); t = task(lambda: {'v': 1}, on='n2', detach=True); t.number"
    number = line(home.pysh("--json", "-c", code).stdout)
    until(lambda: line(home.pysh("tasks", "n2", "--json").stdout)[0]["status"] == "done", "the end of the task")
    assert line(home.pysh("tasks", "n2", "--json", "--result", str(number)).stdout) == {"v": 1}
    assert [row["node"] for row in line(home.pysh("ls", "--json").stdout)] == ["n2@localhost"]
    about = {row["about"]: row for row in line(home.pysh("doctor", "--json").stdout)}
    assert about["nodes"] == {"about": "nodes", "told": "n2@localhost", "ok": True}


def test_no_command_writes_an_escape_sequence_into_a_pipe(home: Home, n2: str) -> None:
    raises = "def f():\n    return [1 / 0]\nf()"
    for words in (
        ["--help"], ["ls"], ["tasks"], ["doctor"], ["settings"], ["logs", "n2"], ["nothing"], ["stop", "n9"],
        ["rpc", "n2", "-c", raises], ["rpc", "n2", "-c", "nodes()"], ["-c", raises],
        ["-c", "connect('n2'); print(nodes(), call_all(lambda: print('x'))); task(lambda: 1/0, on='n2').result()"],
    ):  # fmt: skip
        done = home.pysh(*words, TERM="xterm-256color")
        assert "\x1b" not in done.stdout + done.stderr, words


def test_a_shell_whose_output_is_piped_is_plain(home: Home, n2: str) -> None:
    for words in (["--rm"], ["attach", "n2"]):
        master, slave = pty.openpty()
        pipes = {"stdin": slave, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        shell = subprocess.Popen([*PYSH, *words], env=home.environ, cwd=home.folder, **pipes)  # type: ignore[call-overload]
        os.close(slave)
        os.write(master, b"6 * 7\nexit()\n")
        out, _ = shell.communicate(timeout=30)
        os.close(master)
        assert b"42" in out
        assert b"\x1b" not in out
