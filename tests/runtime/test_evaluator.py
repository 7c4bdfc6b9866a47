import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pysh.runtime.protocol.frames import Kind
from pysh.runtime.tracebacks import read
from tests.runtime.scripted_hub import Shell


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    with Shell(tmp_path_factory.mktemp("home")) as shell:
        yield shell


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Shell]:
    with Shell(tmp_path, cell=7) as shell:
        yield shell


def test_a_first_cell_is_answered_before_anything_heavy_is_imported(fresh: Shell) -> None:
    heavy = ("argparse", "cloudpickle", "dataclasses", "multiprocessing", "pdb", "pickle", "prompt_toolkit")
    assert fresh.text(f"import sys; {{*{heavy}}} & {{*sys.modules}}") == "set()"
    assert fresh.text("'pysh.runtime.payload' in sys.modules") == "False"


def test_what_cells_will_want_is_imported_while_nothing_is_typed(fresh: Shell) -> None:
    until = time.monotonic() + 10
    while fresh.text("import sys; 'pysh.runtime.payload' in sys.modules") == "False":
        assert time.monotonic() < until
        fresh.pump(0.05)


def test_a_value_is_told_with_the_number_of_the_next_cell(fresh: Shell) -> None:
    done = fresh.cell("2 + 2")
    took = done.pop("took")
    assert Path(done.pop("folder")).is_dir()
    assert done == {"kind": "text", "text": "4", "cell": 8}
    assert 0 <= took < 5


def test_a_terminal_is_told_in_which_folder_the_next_cell_will_run(fresh: Shell, tmp_path: Path) -> None:
    assert fresh.cell(f"import os; os.mkdir({str(tmp_path / 'x')!r}); os.chdir({str(tmp_path / 'x')!r})")["folder"] == (
        str(tmp_path / "x")
    )
    assert fresh.cell("os.rmdir(os.getcwd())")["folder"] == ""


def test_cells_sent_at_once_run_in_order(shell: Shell) -> None:
    refs = [shell.begin(f"order = {before} + ['{n}']") for n, before in enumerate(["[]", "order", "order"])]
    for ref in refs:
        assert shell.done(ref)["kind"] == "none"
    assert shell.text("order") == "['0', '1', '2']"


def test_an_error_shows_the_lines_of_the_cells_it_went_through(fresh: Shell) -> None:
    fresh.cell("def inverse(n):\n    return 1 / n")
    done = fresh.cell("inverse(0)")
    assert (done["kind"], done["error"]) == ("error", "ZeroDivisionError")
    assert done["text"].splitlines() == [
        "Traceback (most recent call last):",
        '  File "<n1@here:8>", line 1, in <module>',
        "    inverse(0)",
        '  File "<n1@here:7>", line 2, in inverse',
        "    return 1 / n",
        "           ~~^~~",
        "ZeroDivisionError: division by zero",
    ]


def test_a_syntax_error_has_a_caret(shell: Shell) -> None:
    assert shell.text("1 +* 2").splitlines()[1:] == ["    1 +* 2", "       ^", "SyntaxError: invalid syntax"]


def test_the_last_error_can_be_examined(shell: Shell) -> None:
    shell.cell("1/0")
    assert shell.text("import sys; sys.last_value") == "ZeroDivisionError('division by zero')"


def test_background_tasks_go_on_while_nothing_is_typed(shell: Shell) -> None:
    source = """
import asyncio
async def beat():
    for n in range(3):
        await asyncio.sleep(0.001)
        print('beat', n)
beating = asyncio.create_task(beat())
"""
    assert shell.cell(source)["kind"] == "none"
    shell.see("beat 2")


def test_an_awaiting_cell_lets_background_tasks_run(shell: Shell) -> None:
    source = "import asyncio\nbell = asyncio.Event()\nasyncio.get_running_loop().call_soon(bell.set)"
    shell.cell(source)
    assert shell.text("await bell.wait()") == "True"


def test_a_background_task_that_exits_ends_nothing_else(shell: Shell) -> None:
    shell.cell("import asyncio\nasync def leave(): raise SystemExit\nleaving = asyncio.create_task(leave())")
    assert shell.text("await asyncio.sleep(0); type(leaving.exception()).__name__") == "'SystemExit'"


def test_context_variables_keep_their_values_between_cells(shell: Shell) -> None:
    shell.cell("import decimal; decimal.getcontext().prec = 3")
    assert shell.text("decimal.Decimal(1) / 3") == "Decimal('0.333')"


@pytest.mark.parametrize(("source", "code"), [("exit()", 0), ("quit(3)", 3), ("raise SystemExit('bye')", 1)])
def test_exit_is_told_and_the_process_stays(shell: Shell, source: str, code: int) -> None:
    assert shell.cell(source)["exit"] == code
    assert shell.text("import sys; sys.stdin.closed") == "False"


def test_a_preloaded_name_comes_back_when_ones_own_is_deleted(shell: Shell) -> None:
    shell.cell("def me(): return 'mine'")
    assert shell.text("me()") == "'mine'"
    shell.cell("del me")
    assert shell.text("me.__module__.startswith('pysh.')") == "True"


def test_a_warning_is_shown_once_in_each_cell(shell: Shell) -> None:
    shell.screen = b""
    for _ in range(2):
        shell.cell("import warnings\nfor _ in range(3): warnings.warn('careful')")
    shell.cell("print('end')")
    shell.wait(lambda: b"end" in shell.screen)
    assert shell.screen.count(b"UserWarning: careful") == 2


def test_output_is_printed_before_the_cell_is_done(shell: Shell) -> None:
    shell.cell("import sys; _ = sys.stdout.write('no newline')")
    shell.see("no newline")


def test_input_reads_what_is_typed(shell: Shell) -> None:
    ref = shell.begin("name = input('who? ')\nname")
    shell.see("who? ")
    shell.type(b"Ada\n")
    assert shell.done(ref)["text"] == "'Ada'"


def test_what_was_typed_too_early_is_returned(shell: Shell, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    ref = shell.begin(f"import os\nprint('go')\nwhile not os.path.exists({str(flag)!r}): pass")
    shell.see("go")
    shell.type(b"next_ce")
    shell.see("next_ce")  # echoed, so it is in the line discipline
    flag.touch()
    shell.done(ref)
    assert shell.unread() == b"next_ce"
    assert shell.unread() == b""


def test_what_an_eval_did_not_read_stays_typed(shell: Shell) -> None:
    shell.type(b"typed")
    shell.see("typed")
    shell.ask("eval", source="1 + 1")
    assert shell.unread() == b"typed"


def test_a_cell_is_said_to_have_arrived_before_it_is_done(shell: Shell) -> None:
    ref = shell.begin("None")
    shell.done(ref)
    assert [f.kind for f in shell.frames if f.ref == ref and f.kind in (Kind.INPUT, Kind.DONE)] == [
        Kind.INPUT,
        Kind.DONE,
    ]


def test_a_cell_leaves_the_terminal_as_it_found_it(shell: Shell) -> None:
    shell.cell("import termios, tty; before = termios.tcgetattr(0); _ = tty.setraw(0)")
    assert shell.text("termios.tcgetattr(0) == before") == "True"


def test_a_child_that_took_the_terminal_and_died_does_not_stop_the_shell(shell: Shell) -> None:
    source = """
import os, signal, subprocess, sys
ignore = 'import os, signal; signal.signal(signal.SIGTTOU, signal.SIG_IGN); '
take = ignore + 'os.setpgid(0, 0); os.tcsetpgrp(0, os.getpid())'
subprocess.run([sys.executable, '-c', take]).returncode
"""
    assert shell.text(source) == "0"
    assert shell.text("os.tcgetpgrp(0) == os.getpgrp()") == "True"


def test_the_pty_is_the_controlling_terminal(shell: Shell) -> None:
    assert shell.text("import os; os.ttyname(os.open('/dev/tty', os.O_RDWR)), os.getsid(0) == os.getpid()").endswith(
        "True)"
    )


def test_an_eval_answers_with_value_and_output_and_leaves_underscore(shell: Shell) -> None:
    shell.cell("x = 20; 'last'")
    assert shell.ask("eval", source="print('hello'); x + 1") == {
        "ok": {"kind": "text", "text": "21", "output": "hello\n"}
    }
    assert shell.ask("eval", source="x = 21") == {"ok": {"kind": "none", "text": "", "output": ""}}
    assert shell.text("_, x") == "('last', 21)"


def test_an_eval_may_await(shell: Shell) -> None:
    assert shell.ask("eval", source="import asyncio\nawait asyncio.sleep(0, 5)")["ok"]["text"] == "5"


def test_an_eval_that_raises_answers_with_the_error(shell: Shell) -> None:
    answer = shell.ask("eval", source="print('before')\n1/0")
    assert (answer["error"], answer["type"], answer["executed"]) == (
        "RemoteError",
        "ZeroDivisionError",
        "yes",
    )
    assert (answer["output"], answer["text"]) == ("before\n", "division by zero")
    assert str(read(answer["told"])).endswith("    1/0\n    ~^~\nZeroDivisionError: division by zero\n")


def test_an_eval_may_print_and_return_any_script(shell: Shell) -> None:
    """The answer is one frame's meta, in bytes: one that did not fit would be the end of the shell."""
    told = shell.ask("eval", source="print('\\u6f22' * 100_000); '\\u6f22' * 100_000")["ok"]
    assert told["output"].startswith("\u6f22" * 8000)
    assert shell.text("1 + 1") == "2"


def test_an_eval_that_prints_without_end_is_cut(shell: Shell) -> None:
    output = shell.ask("eval", source="print('x' * 10**6)")["ok"]["output"]
    assert len(output) < 30_000
    assert output.endswith("more bytes")


def test_an_eval_has_nobody_to_ask_and_a_cell_after_it_has(shell: Shell) -> None:
    answer = shell.ask("eval", source="print('so'); input('name? ')")
    assert (answer["type"], answer["output"]) == ("EOFError", "so\nname? ")
    assert "pysh attach" in answer["text"]
    ref = shell.begin("input('name? ')")
    shell.see("name? ")
    shell.type(b"you\n")
    assert shell.done(ref)["text"] == "'you'"


def test_a_command_is_shown_an_error_as_a_prompt_is(shell: Shell) -> None:
    told = shell.ask("eval", source="print('before')\n1/0", by="rpc")["ok"]
    assert (told["kind"], told["output"]) == ("error", "before\n")
    assert told["text"].startswith("Traceback (most recent call last):\n")
    assert told["text"].endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize("by", ["", "rpc"])
@pytest.mark.parametrize("raised", ["SystemExit", "KeyboardInterrupt"])
def test_an_eval_is_answered_whatever_the_text_of_its_value_raises(shell: Shell, raised: str, by: str) -> None:
    shell.cell(f"class Odd(Exception):\n    def __str__(self): raise {raised}\n    __repr__ = tolist = __str__")
    for more in ({"json": True, "source": "Odd()"}, {"source": "Odd()"}, {"source": "raise Odd()"}):
        answer = shell.ask("eval", by=by, **more)
        assert answer.get("ok", answer).get("error") in ("KeyboardInterrupt", "SystemExit", "Odd", "RemoteError"), (
            answer
        )
    assert shell.text("1 + 1") == "2"


def test_an_interrupt_ends_the_eval_of_its_asker_and_no_cell(shell: Shell, tmp_path: Path) -> None:
    running = tmp_path / "running"
    code = f"import pathlib\npathlib.Path({str(running)!r}).touch()\nwhile True: pass"
    assert shell.ask("interrupt") == {"ok": False}
    ref = shell.send(Kind.REQUEST, meta={"verb": "eval", "source": code, "by": "rpc"})
    shell.wait(running.exists)
    busy = shell.ask("eval", source="1")
    assert "eval" in busy["text"] and busy["text"].endswith(">, asked by rpc")
    assert shell.ask("interrupt") == {"ok": True}
    assert shell.answer(Kind.REPLY, ref)["ok"]["error"] == "KeyboardInterrupt"
    running.unlink()
    cell = shell.begin(code)
    shell.wait(running.exists)
    assert shell.ask("interrupt") == {"ok": False}
    shell.interrupt()
    assert shell.done(cell)["error"] == "KeyboardInterrupt"


def test_a_busy_evaluator_says_so_at_once(shell: Shell, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    ref = shell.begin(f"import os\nprint('go')\nwhile not os.path.exists({str(flag)!r}): pass")
    shell.see("go")
    answer = shell.ask("eval", source="x")
    assert answer["executed"] == "no"
    assert "busy" in answer["text"]
    flag.touch()
    shell.done(ref)


def test_a_request_it_does_not_know_is_refused(shell: Shell) -> None:
    assert "no verb 'dance'" in shell.ask("dance")["text"]


def test_a_child_forked_in_a_cell_ends_with_it_and_tells_the_hub_nothing(shell: Shell) -> None:
    ref = shell.begin("import os\nforked = os.fork()\nif forked == 0: 1/0")
    assert shell.done(ref)["kind"] == "none"
    assert shell.text("os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1])") == "1"
    shell.see("ZeroDivisionError")
    assert [frame.kind for frame in shell.frames if frame.ref == ref] == [Kind.INPUT, Kind.DONE]


def test_a_child_of_multiprocessing_is_left_alone(shell: Shell) -> None:
    source = """
import multiprocessing, operator
with multiprocessing.get_context('fork').Pool(1) as pool:
    doubled = pool.map(operator.neg, [1, 2])
doubled
"""
    assert shell.text(source) == "[-1, -2]"


@pytest.mark.parametrize("source", ["", "while True: pass", "await __import__('asyncio').sleep(99)"])
def test_it_ends_with_its_hub(tmp_path: Path, source: str) -> None:
    with Shell(tmp_path) as shell:
        if source:
            shell.begin(f"print('go')\n{source}")
            shell.see("go")
    assert shell.process.returncode == 0


def test_a_cell_that_is_no_text_is_still_answered(shell: Shell) -> None:
    assert shell.done(shell.send(Kind.CELL, payload=b"\xff\xfe"))["error"] == "SyntaxError"
