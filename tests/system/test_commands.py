"""The command line and its exit codes, without a terminal and in a bare environment."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.system.conftest import PYSH, Home, until


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("print(1)", 0),
        ("1/0", 1),
        ("raise SystemExit(7)", 7),
        ("import sys; sys.exit('no')", 1),
        ("raise KeyboardInterrupt", 130),
    ],
)
def test_the_exit_code_of_a_one_liner_tells_how_it_ended(home: Home, code: str, expected: int) -> None:
    assert home.pysh("-c", code).returncode == expected


def test_code_on_the_command_line_may_be_several_lines_and_a_module(home: Home) -> None:
    lines = ("-c", "import asyncio", "-e", "for n in (1, 2):", "-c", "    print(await asyncio.sleep(0, n))")
    assert home.pysh(*lines).stdout == "1\n2\n"
    wrong = home.pysh("-c", "print(1)", "-c", "x = (")
    assert (wrong.returncode, wrong.stdout) == (1, "")  # nothing of it was run
    assert json.loads(home.pysh("--json", "-c", "x = 6", "-c", "x * 7").stdout) == 42
    (home.folder / "job.py").write_text("import sys\nprint(sys.argv[1:], call(lambda: 3))\n")
    assert home.pysh("-m", "job", "--name", "x").stdout == "['--name', 'x'] 3\n"


def test_code_is_run_on_a_node(home: Home) -> None:
    home.node("n1@localhost")
    assert home.pysh("--on", "n1", "-c", "x = 20", "-e", "x + 1").stdout == "21\n"
    assert json.loads(home.pysh("--json", "--on", "n1", "-c", "x").stdout) == 20
    late = home.pysh("--on", "n1", "--timeout", "0.3", "-c", "import time; time.sleep(1)")
    assert late.returncode == 124 and "may still run" in late.stderr
    until(lambda: home.pysh("--on", "n1", "-c", "raise SystemExit(7)").returncode == 7, "an end of the code before")
    assert home.pysh("--on", "n1", "-c", "1/0").returncode == 1
    for words in (["--on", "n1"], ["--on", "n1", "-c", "x", "an argument"], ["--on", "n1", "-m", "json.tool"]):
        done = home.pysh(*words)
        assert (done.returncode, "nothing was run" in done.stderr) == (2, True), words
    assert home.pysh("--on", "n7", "-c", "x").returncode == 3
    assert home.pysh("--on", "n1", "--cookie", "another", "-c", "x").returncode == 4
    lost = home.pysh("--on", "n1", "-c", "import os; os.kill(os.getppid(), 9)")
    assert lost.returncode == 5 and "n1@localhost is down" in lost.stderr


def test_a_one_liner_starts_no_node(home: Home) -> None:
    assert home.pysh("-c", "import sys; print('asyncio' in sys.modules)").stdout == "False\n"
    assert not home.runtime.exists() or home.nodes() == []


def test_a_script_has_its_arguments_its_file_and_top_level_await(home: Home) -> None:
    code = "import sys, asyncio\nawait asyncio.sleep(0)\nprint(sys.argv[1:], __file__.endswith('s.pysh'), __name__)\n"
    file = home.folder / "s.pysh"
    file.write_text("#!/usr/bin/env pysh\n" + code)
    assert home.pysh(str(file), "--name", "x", "-c").stdout == "['--name', 'x', '-c'] True __main__\n"


def test_standard_input_is_a_script(home: Home) -> None:
    assert home.pysh("-", "a", stdin="import sys; print(sys.argv)").stdout == "['-', 'a']\n"
    assert home.pysh(stdin="print(call(lambda: 3))").stdout == "3\n"


def test_a_node_that_a_script_is_to_connect_and_cannot_is_told_in_a_line(home: Home) -> None:
    done = home.pysh("--connect", "w77", "-c", "print('ran')")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("pysh: ")
    assert "Traceback" not in done.stderr


def test_usage_errors_are_2(home: Home) -> None:
    for words in (["--nonsense"], ["attach"], ["-c"], ["-m"], ["nofile.pysh"]):
        assert home.pysh(*words).returncode == 2, words


def test_a_bare_environment_is_enough_twice_at_once(home: Home) -> None:
    environ = {"HOME": str(home.folder), "PATH": "/usr/bin:/bin", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    command = [*PYSH, "-c", "print(call(lambda: 40 + 2))"]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    two = [subprocess.Popen(command, env=environ, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    for process in two:
        out, err = process.communicate(timeout=30)
        assert (out, err, process.returncode) == ("42\n", "", 0)


def test_nodes_are_listed_asked_and_stopped(home: Home) -> None:
    home.node("n1@localhost")
    assert [node["node"] for node in home.nodes()] == ["n1@localhost"]
    assert home.pysh("rpc", "n1", "-c", "x = 20").returncode == 0
    done = home.pysh("rpc", "n1", "-c", "print('hello'); x * 2")
    assert (done.stdout, done.returncode) == ("hello\n40\n", 0)
    failed = home.pysh("rpc", "n1", "-c", "1/0")
    assert failed.returncode == 1
    assert failed.stderr.startswith("Traceback (most recent call last):\n")
    assert failed.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert home.pysh("rpc", "n1", "-c", "import sys; sys.exit(4)").returncode == 4
    asking = home.pysh("rpc", "n1", "-c", "print('x'); input('name? ')")
    assert (asking.returncode, asking.stdout) == (1, "x\nname? ")
    assert "EOFError: this code has no terminal" in asking.stderr
    assert json.loads(home.pysh("tasks", "--json").stdout) == []
    assert home.pysh("stop", "n1").returncode == 0
    assert home.nodes() == []


def test_ctrl_c_on_an_rpc_ends_what_it_runs(home: Home) -> None:
    home.node("n1@localhost")
    flag = home.folder / "running"
    code = f"import pathlib, time; pathlib.Path({str(flag)!r}).touch()\ntry: time.sleep(60)\nfinally: ended = True"
    rpc = subprocess.Popen([*PYSH, "rpc", "n1", "-c", code], env=home.environ, cwd=home.folder)
    until(flag.exists, "the start of the code")
    busy = home.pysh("rpc", "n1", "-c", "1")
    assert busy.returncode == 1
    assert re.search(r"busy for [\d.]+ s with <n1@localhost:eval 1>, asked by rpc", busy.stderr)
    rpc.send_signal(signal.SIGINT)
    assert rpc.wait(10) == 130
    until(lambda: home.pysh("rpc", "n1", "-c", "ended").stdout == "True\n", "the end of the code")


def test_of_a_set_of_nodes_each_has_its_ctrl_c_and_none_waits_for_another(home: Home) -> None:
    for name in ("n1", "n2"):
        home.node(f"{name}@localhost")
    files = [home.folder / "n1", home.folder / "n2"]
    code = "import time; open(node().name.partition('@')[0], 'w').close(); time.sleep(60)"
    words = [*PYSH, "rpc", "n[1-2]", "-c", code]
    rpc = subprocess.Popen(words, env=home.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until(lambda: all(file.exists() for file in files), "the code on both")
    rpc.send_signal(signal.SIGINT)
    assert rpc.communicate(timeout=10)[0] == ""
    assert rpc.returncode == 130
    both = "n1:\n42\nn2:\n42\n"
    until(lambda: home.pysh("rpc", "n[1-2]", "-c", "6 * 7").stdout == both, "the end of the code on both")


def test_of_nodes_with_another_cookie_the_tasks_of_the_others_are_listed(home: Home) -> None:
    home.node("n1@localhost")
    home.node("n2@localhost", "--cookie", "another")
    done = home.pysh("tasks")
    assert (done.returncode, done.stdout) == (0, "no tasks\n")
    assert "pysh: n2@localhost: " in done.stderr
    assert "the cookies of n2@localhost and the terminal differ" in done.stderr
    assert f"here it is that of the cookie file {home.environ['HOME']}/.config/pysh/cookie" in done.stderr
    assert "here it is that of --cookie\n" in home.pysh("tasks", "n1", "--cookie", "guess").stderr
    assert "n1@localhost" not in done.stderr
    home.pysh("stop", "n1")
    done = home.pysh("tasks", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (4, [])
    assert home.pysh("stop", "n2", "--cookie", "another").returncode == 0


def test_who_keeps_the_old_cookie_is_said(home: Home) -> None:
    home.pysh("cookie", "new")  # the first one
    old = home.folder / "old"
    old.touch(0o600)
    old.write_text(home.pysh("cookie", "show").stdout)
    home.node("n1@localhost")
    refused = home.pysh("cookie", "new")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "nothing was done" in refused.stderr and "pysh cookie new --force" in refused.stderr
    assert home.pysh("cookie", "show").stdout == old.read_text()
    done = home.pysh("cookie", "new", "--force")
    assert done.returncode == 0
    assert "keeps the cookie it was started with: n1@localhost" in done.stderr
    assert home.pysh("stop", "n1").returncode == 4
    assert home.pysh("stop", "n1", "--cookie-file", str(old)).returncode == 0
    assert home.pysh("cookie", "new", "--force").stderr == ""


def test_the_version_is_told(home: Home) -> None:
    done = home.pysh("--version")
    assert (done.returncode, done.stdout.split()[0]) == (0, "pysh")


@pytest.mark.parametrize("command", ["ls", "tasks", "cookie show"])
def test_whoever_reads_no_more_of_what_is_listed_sees_no_traceback(home: Home, n2: str, command: str) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*PYSH, *command.split()], env=home.environ, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_command_may_have_no_standard_output(home: Home, n2: str) -> None:
    done = home.run(["bash", "-c", f"{' '.join(PYSH)} stop {n2} >&-"])
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("word", ["version", "help"])
def test_a_word_that_is_neither_a_command_nor_a_file_is_a_usage_error(home: Home, word: str) -> None:
    done = home.pysh(word)
    assert done.returncode == 2
    assert f"{word!r} is neither a command nor a file here; nothing was run" in done.stderr
    (home.folder / word).write_text("print('a script')")
    assert home.pysh(word).stdout == "a script\n"


def test_a_node_in_the_foreground_ends_when_its_time_is_over(home: Home) -> None:
    done = home.pysh("node", "--name", "n1@localhost", "--timeout", "0.5")
    assert done.returncode == 124
    assert "0.5 s are over; n1@localhost has ended" in done.stderr
    assert home.nodes() == []
    assert home.pysh("node", "--name", "n1", "--timeout", "1", "--detach").returncode == 2


def test_what_a_script_cancels_is_told_as_it_was_before(home: Home) -> None:
    done = home.pysh("-c", "import time; t = task(time.sleep, 60)\nwhile t.status == 'sent': pass")
    assert re.search(r"cancelled, being unfinished: <Task \d+ sleep on \w+ running [\d.]+s>", done.stderr)


def test_the_cookie_is_made_once_and_only_we_can_read_it(home: Home) -> None:
    shown = home.pysh("cookie", "show").stdout
    assert shown == home.pysh("cookie", "show").stdout
    [file] = [path for path in home.folder.rglob("cookie") if path.is_file()]
    assert file.stat().st_mode & 0o777 == 0o600
    home.pysh("cookie", "new", "--force")
    assert home.pysh("cookie", "show").stdout != shown


def test_a_cookie_on_the_command_line_is_gone_from_it(home: Home) -> None:
    home.node("n1@localhost", "--cookie", "a_very_secret_word")

    def shows(process: Path) -> bool:
        try:
            text = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            return False
        return b"a_very_secret_word" in text

    me = Path(f"/proc/{os.getpid()}")
    assert not [p.name for p in Path("/proc").glob("[0-9]*") if p != me and shows(p)]
    assert home.pysh("stop", "n1").returncode == 4
    assert home.pysh("stop", "n1", "--cookie", "a_very_secret_word").returncode == 0


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_script_its_node_and_its_tasks(home: Home, number: signal.Signals, expected: int) -> None:
    home.node("n2@localhost")
    flag = home.folder / "running"
    code = f"""
import pathlib, time
def endless():
    pathlib.Path({str(flag)!r}).touch()
    while True: time.sleep(0.1)
task(endless, on=connect('n2@localhost'))
time.sleep(60)
"""
    script = subprocess.Popen([*PYSH, "-c", code], env=home.environ, stderr=subprocess.PIPE)
    until(flag.exists, "the task's start")
    script.send_signal(number)
    begun = time.monotonic()
    script.communicate(timeout=10)
    assert script.returncode == expected
    until(lambda: home.pysh("tasks", "--json").stdout.strip() == "[]", "the end of the task", 5)
    assert time.monotonic() - begun < 4
    assert [node["node"] for node in home.nodes()] == ["n2@localhost"]


def test_a_time_limit_ends_everything_with_124(home: Home) -> None:
    begun = time.monotonic()
    done = home.pysh("--timeout", "1", "-c", "import time; t = task(time.sleep, 60); t.result()")
    assert done.returncode == 124
    assert "1 s are over" in done.stderr
    assert time.monotonic() - begun < 4
    assert home.nodes() == []


@pytest.mark.parametrize("limit", ["0.02", "0.05", "0.1", "0.15", "0.2", "0.3"])
def test_a_time_limit_that_ends_while_the_node_starts_leaves_no_node(home: Home, limit: str) -> None:
    assert home.pysh("--timeout", limit, "-c", "import time; call(time.sleep, 60)").returncode == 124
    until(lambda: home.nodes() == [], "its hub has ended")


def test_threads_do_not_outlive_the_time_limit(home: Home) -> None:
    begun = time.monotonic()
    code = "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start(); call(time.sleep, 60)"
    assert home.pysh("--timeout", "0.5", "-c", code).returncode == 124
    assert time.monotonic() - begun < 10
    assert home.nodes() == []


def test_a_failed_task_nobody_looked_at_is_printed_and_makes_exit_1(home: Home) -> None:
    done = home.pysh("-c", "t = task(lambda: 1/0); wait([t])")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def test_the_users_python_runs_the_script(home: Home, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv/bin/python"
    code = "import sys; print(sys.executable, call(lambda: __import__('sys').executable))"
    assert home.pysh("--python", str(python), "-c", code).stdout == f"{python} {python}\n"


def test_a_script_in_another_python_imports_from_its_folder_and_we_do_not(home: Home, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    (home.folder / "json.py").write_text("print('imported'); mine = True")
    alone = [sys.executable, "-P", "-m", "pysh", "--python", str(tmp_path / "venv/bin/python")]
    assert home.run([*alone, "-c", "print(call(lambda: 1))"]).stdout == "1\n"
    assert home.run([*alone, "-c", "import sys; del sys.modules['json']; import json; print(json.mine)"]).stdout == (
        "imported\nTrue\n"
    )
    (home.folder / "json.py").unlink()


def test_a_folder_of_the_users_own_shell_and_runtime_hides_nothing(home: Home) -> None:
    for name in ("shell", "runtime", "transports"):
        (home.folder / name).mkdir()
        (home.folder / name / "__init__.py").write_text("mine = True")
    home.node("n2@localhost")
    code = "import shell, runtime, transports\nn2 = connect('n2@localhost')\nprint(call(lambda: 1, on=n2), shell.mine)"
    assert home.script(code).stdout == "1 True\n"


def test_a_name_that_is_taken_says_how_to_give_another_where_it_was_given(home: Home) -> None:
    home.node("n1@localhost")
    again = home.pysh("node", "--name", "n1@localhost", "--detach")
    assert (again.returncode, again.stderr.endswith("or choose another name: --name\n")) == (3, True)
    said = home.script("try: start_node('n1@localhost')\nexcept ConnectError as error: print(error)\n").stdout
    assert "or choose another name: name=. Nothing ran." in said
