import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import pysh

PYSH = str(Path(pysh.__file__).absolute().parent.parent)
RUN = "import sys; from pysh.shell.script import finish, run; sys.exit(finish(run(sys.argv[1:])))"

FOR_JSON = RUN.replace("run(sys.argv[1:])", "run(sys.argv[1:], as_json=True)")


class Runner:
    """Runs scripts in processes of their own, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, *argv: str, run: str = RUN) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", run, *argv],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": PYSH, "HOME": str(self.folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *argv: str, stdin: str = "", run: str = RUN) -> tuple[int, str, str]:
        """The exit code, stdout and stderr."""
        process = self.start(*argv, run=run)
        out, err = process.communicate(stdin, timeout=30)
        return process.returncode, out, err

    def file(self, source: str, *argv: str, name: str = "job.pysh") -> tuple[int, str, str]:
        (self.folder / name).write_text(source)
        return self(name, *argv)


@pytest.fixture
def script(tmp_path: Path) -> Runner:
    return Runner(tmp_path.resolve())


def test_a_file_is_run_as_python_would(script: Runner) -> None:
    source = "#!/usr/bin/env pysh\nimport sys\nprint(sys.argv, __name__, __file__, sys.path[0])\n"
    folder = str(script.folder)
    shown = f"['job.pysh', 'a', '-x'] __main__ {folder}/job.pysh {folder}\n"
    assert script.file(source, "a", "-x") == (0, shown, "")


def test_a_file_imports_what_lies_beside_it(script: Runner, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "beside.py").write_text("word = 'beside'\n")
    assert script.file("from beside import word; print(word)", name="sub/job.pysh") == (0, "beside\n", "")


def test_a_coding_line_is_respected(script: Runner, tmp_path: Path) -> None:
    (tmp_path / "old.pysh").write_bytes("# coding: latin-1\nprint(ascii('é'))\n".encode("latin-1"))
    assert script("old.pysh") == (0, "'\\xe9'\n", "")


def test_code_on_the_command_line_sees_its_arguments_and_the_current_folder(script: Runner) -> None:
    code = "import sys; print(sys.argv, repr(sys.path[0]), '__file__' in globals())"
    assert script("-c", code, "a") == (0, "['-c', 'a'] '' False\n", "")


def test_a_module_is_run_as_python_would_and_may_await(script: Runner, tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("word = 'beside'\n")
    source = "import asyncio, sys\nfrom . import word\nprint(word, await asyncio.sleep(0, callable(task)))\n"
    told = "print(sys.argv[1:], __name__, __package__, __spec__.name, __file__ == sys.argv[0], sys.path[0])\n"
    (tmp_path / "pkg" / "job.py").write_text(source + told)
    (tmp_path / "pkg" / "__main__.py").write_text("print(__spec__.name)")
    folder = str(script.folder)
    shown = f"beside True\n['a', '-c'] __main__ pkg pkg.job True {folder}\n"
    assert script("-m", "pkg.job", "a", "-c") == (0, shown, "")
    assert script("-m", "pkg") == (0, "pkg.__main__\n", "")


def test_a_module_that_python_froze_is_run_from_its_file(script: Runner) -> None:
    _, out, err = script("-m", "site", "--user-base")
    assert (out[:1], err) == ("/", "")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nowhere", "there is no module nowhere"),
        ("nowhere.below.it", "there is no module nowhere"),
        ("json.nowhere", "there is no module json.nowhere"),
        ("json", "the package json cannot be run: it has no json.__main__"),
        ("sys", "the module sys has no source that could be run"),
    ],
)
def test_a_module_that_cannot_be_run_is_a_usage_error(script: Runner, name: str, why: str) -> None:
    assert script("-m", name) == (2, "", f"pysh: {why}; nothing was run\n")


@pytest.mark.parametrize(
    ("raised", "code", "last"),
    [
        ("1/0", 1, "ZeroDivisionError: division by zero"),
        ("import absent", 1, "ModuleNotFoundError: No module named 'absent'"),
        ("open('/nope')", 1, "FileNotFoundError: [Errno 2] No such file or directory: '/nope'"),
        ("raise SystemExit(7)", 7, ""),
    ],
)
def test_what_the_package_of_a_module_raises_is_shown(
    script: Runner, tmp_path: Path, raised: str, code: int, last: str
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "__init__.py").write_text(raised)
    status, out, err = script("-m", "broken.job")
    assert (status, out, (err.splitlines() or [""])[-1]) == (code, "", last)


def test_a_module_whose_source_cannot_be_read_is_a_usage_error(script: Runner, tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "job.py").write_text("")
    (tmp_path / "pkg" / "__init__.py").write_text(
        "from importlib.machinery import SourceFileLoader\n"
        "def get_data(self, path): raise OSError(5, 'Input/output error')\n"
        "SourceFileLoader.get_data = get_data\n"
    )
    path = tmp_path.resolve() / "pkg" / "job.py"
    assert script("-m", "pkg.job") == (2, "", f"pysh: cannot read {path}: Input/output error; nothing was run\n")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["-m", "boom.x"], 1, {"error": "ZeroDivisionError", "text": "division by zero"}),
        (["-m", "nosuch"], 2, {"error": "Unfit", "text": "there is no module nosuch; nothing was run"}),
        (["no.pysh"], 2, {"text": "cannot read no.pysh: No such file or directory; nothing was run", "executed": "no"}),
    ],
)
def test_what_cannot_be_read_or_imported_is_an_object_where_json_is_asked_for(
    script: Runner, tmp_path: Path, words: list[str], code: int, told: dict[str, str]
) -> None:
    (tmp_path / "boom").mkdir()
    (tmp_path / "boom" / "__init__.py").write_text("1/0")
    status, out, err = script(*words, run=FOR_JSON)
    assert (status, out, err.count("\n")) == (code, "", 1)
    assert told.items() <= json.loads(err).items()


def test_code_comes_from_stdin(script: Runner) -> None:
    assert script("-", "a", stdin="import sys; print(sys.argv)") == (0, "['-', 'a']\n", "")


def test_plain_code_imports_no_asyncio_and_nothing_else_that_is_slow(script: Runner) -> None:
    heavy = "{'asyncio', 'cloudpickle', 'inspect', 'pathlib', 'pickle', 'prompt_toolkit', 'socket', 'traceback'}"
    assert script("-c", f"import sys; print({heavy} & {{*sys.modules}})") == (0, "set()\n", "")


def test_await_is_allowed_at_the_top_level_and_one_loop_runs_the_whole_file(script: Runner) -> None:
    source = """
import asyncio
loop = asyncio.get_running_loop()
print(await asyncio.sleep(0, 'first'))
async with asyncio.timeout(5):
    print([await asyncio.sleep(0, n) for n in range(2)])
print(asyncio.get_running_loop() is loop)
"""
    assert script.file(source) == (0, "first\n[0, 1]\nTrue\n", "")


def test_preloaded_names_are_there_and_ones_own_hide_them(script: Runner) -> None:
    code = "print(callable(task)); task = 5; print(task); print(eval('callable(me)'))"
    assert script("-c", code) == (0, "True\n5\nTrue\n", "")


@pytest.mark.parametrize(
    ("code", "status", "err"),
    [
        ("pass", 0, ""),
        ("raise SystemExit", 0, ""),
        ("raise SystemExit(7)", 7, ""),
        ("exit(124)", 124, ""),
        ("import sys; sys.exit('bye')", 1, "bye\n"),
        ("import asyncio\nawait asyncio.sleep(0)\nraise SystemExit(7)", 7, ""),
    ],
)
def test_the_exit_code_is_that_of_the_script(script: Runner, code: str, status: int, err: str) -> None:
    assert script("-c", code) == (status, "", err)


@pytest.mark.parametrize("begin", ["", "import asyncio\nawait asyncio.sleep(0)\n"])
def test_an_error_is_shown_with_the_lines_of_the_script_alone(script: Runner, begin: str) -> None:
    line = begin.count("\n") + 2
    code, out, err = script.file(f"{begin}def inverse(n):\n    return 1 / n\ninverse(0)\n")
    path = script.folder / "job.pysh"
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        "Traceback (most recent call last):",
        f'  File "{path}", line {line + 1}, in <module>',
        "    inverse(0)",
        f'  File "{path}", line {line}, in inverse',
        "    return 1 / n",
        "           ~~^~~",
        "ZeroDivisionError: division by zero",
    ]


def test_code_without_a_file_shows_its_lines_too(script: Runner) -> None:
    assert "    int('x')\n" in script("-c", "int('x')")[2]
    assert "    return 5\n" in script("-", stdin="x = 1\nreturn 5")[2]


def test_an_excepthook_of_the_scripts_own_is_used(script: Runner) -> None:
    code = "import sys; sys.excepthook = lambda *e: print('hook', e[0].__name__); 1/0"
    assert script("-c", code) == (1, "hook ZeroDivisionError\n", "")


def test_a_file_that_is_not_there_is_a_usage_error(script: Runner) -> None:
    code, out, err = script("nowhere.pysh")
    assert (code, out) == (2, "")
    assert err == "pysh: cannot read nowhere.pysh: No such file or directory; nothing was run\n"


def test_a_task_left_behind_is_cancelled_as_asyncio_does(script: Runner) -> None:
    source = """
import asyncio
async def left():
    try:
        await asyncio.sleep(99)
    finally:
        print('cancelled')
task = asyncio.create_task(left())
await asyncio.sleep(0)
"""
    assert script.file(source) == (0, "cancelled\n", "")


ENDLESS = {
    "a loop": "while True: pass",
    "an await": "import asyncio\nawait asyncio.sleep(99)",
    "a loop under a loop": "import asyncio\nawait asyncio.sleep(0)\nwhile True: pass",
}


@pytest.mark.parametrize("source", ENDLESS.values(), ids=ENDLESS.keys())
def test_ctrl_c_ends_a_script_and_shows_where(script: Runner, source: str) -> None:
    begin, _, last = source.rpartition("\n")
    process = script.start("-c", f"{begin}\nprint('going', flush=True)\n{last}")
    assert process.stdout is not None
    assert process.stdout.readline() == "going\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.startswith('Traceback (most recent call last):\n  File "<string>", line ')
    assert err.endswith("KeyboardInterrupt\n")


PROGRAM = """
import sys, types
sys.modules['pysh.runtime.program'] = program = types.ModuleType('program')
class Task:
    def __init__(self, name, error=None): self.name, self.error = name, error
    def __str__(self): return f'<Task {self.name}>'
    def exception(self): return self.error
"""


def test_a_failed_task_that_nobody_looked_at_is_shown_and_fails_the_script(script: Runner) -> None:
    code, _, err = script("-c", PROGRAM + "program.finish = lambda: ([Task('t1', ValueError('lost'))], [], [])")
    assert code == 1
    assert err == "pysh: <Task t1> failed, and nobody looked at it:\nValueError: lost\n"


def test_unfinished_tasks_are_named(script: Runner) -> None:
    code, _, err = script("-c", PROGRAM + "program.finish = lambda: ([], [f'<Task {n}>' for n in range(12)], [])")
    assert code == 0
    assert err.startswith("pysh: cancelled, being unfinished: <Task 0>, <Task 1>, ")
    assert "2 more" in err


def test_a_script_fails_whose_last_messages_may_not_have_arrived(script: Runner) -> None:
    assert script("-c", PROGRAM + "program.finish = lambda: ([], [], ['62 messages'])")[0] == 1


def test_the_tasks_of_a_script_that_exits_are_ended_as_well(script: Runner) -> None:
    exiting = PROGRAM + "program.finish = lambda: (print('finished'), ([], [], []))[1]\nraise SystemExit(3)"
    assert script("-c", exiting) == (3, "finished\n", "")
