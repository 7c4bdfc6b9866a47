import _thread
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pysh.runtime import program
from pysh.runtime.program import LONGEST, Printer, _full_name
from pysh.runtime.protocol.frames import Kind
from pysh.runtime.protocol.terms import BadName
from tests.runtime.hub_end import THERE, HubEnd, hub_end

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")


def run(home: Path, source: str, *, code: int = 0) -> str:
    """What a program prints, in a home and a runtime directory of its own."""
    environ = {
        key: value
        for key, value in os.environ.items()
        if key not in ("PYSH_COOKIE", "PYSH_COOKIE_FILE", "XDG_CONFIG_HOME")
    } | {
        "HOME": str(home),
        "PYSH_RUNTIME_DIR": str(home / "run"),
        "PYTHONPATH": os.pathsep.join(filter(None, map(os.path.abspath, sys.path))),
    }
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=30, env=environ, cwd=home
    )
    assert done.returncode == code, done.stderr
    return done.stdout


def test_a_first_verb_starts_the_node_and_the_end_of_the_program_stops_it(tmp_path: Path) -> None:
    source = "import pysh; print(pysh.call(lambda a, b: a + b, 20, 22)); print(len(pysh.nodes()))"
    assert run(tmp_path, source) == "42\n1\n"
    assert not list((tmp_path / "run").glob("*.sock"))


def test_start_names_the_node_and_its_end_stops_it(tmp_path: Path) -> None:
    source = """
import pysh
with pysh.start(name="n1", cookie="secret") as here:
    print(here.name.partition("@")[0], here.state, pysh.start() == here)
    print(here.call(len, "abc"))
try:
    here.call(len, "")
except pysh.ConnectError as error:
    print(error.stage)
"""
    assert run(tmp_path, source) == "n1 self True\n3\nfind\n"


def test_start_works_in_a_loop(tmp_path: Path) -> None:
    source = """
import asyncio, pysh
async def main():
    async with await pysh.aio.start() as here:
        return await pysh.aio.call(len, "abc", on=here)
print(asyncio.run(main()))
"""
    assert run(tmp_path, source) == "3\n"


def test_what_tasks_print_is_shown_before_their_result(tmp_path: Path) -> None:
    source = """
import pysh
pysh.start(name="n1")
print(pysh.call(lambda: print("from the task") or "result"))
"""
    assert run(tmp_path, source) == "n1 | from the task\nresult\n"


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    source = """
import pysh, sys, subprocess
pysh.start(name="n1")
code = "import pysh; pysh.start(name='n1')"
print("n1" in subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr)
"""
    assert run(tmp_path, source) == "True\n"


def test_workers_import_from_where_the_program_does(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "helper.py").write_text("def answer(): return 42\n")
    source = "import sys; sys.path.append('ours'); import pysh, helper; print(pysh.call(helper.answer))"
    assert run(tmp_path, source) == "42\n"


def test_a_name_is_completed_and_checked() -> None:
    assert _full_name("n1@db") == "n1@db"
    assert _full_name("n1").startswith("n1@")
    assert "@" in _full_name(None)
    with pytest.raises(BadName):
        _full_name("-n")


@pytest.fixture
def hub() -> Iterator[HubEnd]:
    with hub_end() as hub:
        yield hub


def test_output_is_tagged_line_by_line_and_its_sender_may_go_on(
    hub: HubEnd, capsys: pytest.CaptureFixture[str]
) -> None:
    printer = Printer(hub.client)
    hub.client.handlers[Kind.OUTPUT] = printer.show
    for data in (b"one\ntw", "o\né".encode()[:-1], "é\n10%\r100%\n".encode()[1:]):
        hub.send(Kind.OUTPUT, ref=4, meta={"label": "n2"}, payload=data)
        credit = hub.expect(Kind.CREDIT)
        assert (credit.dest.incarnation, credit.ref, credit.options(), credit.credit) == (
            THERE,
            4,
            Kind.OUTPUT,
            len(data),
        )
    hub.send(Kind.OUTPUT, ref=4, meta={"label": "n2"}, payload=b"no end")
    hub.send(Kind.OUTPUT, ref=4, meta={"label": "n2", "end": True})
    hub.send(Kind.OUTPUT, ref=4, meta={"label": "n2", "end": True})
    hub.send(Kind.OUTPUT, ref=5, meta={"label": "n2"}, payload=b"cut")
    hub.expect(Kind.CREDIT)
    hub.expect(Kind.CREDIT)
    printer.finish()
    assert capsys.readouterr().out == "n2 | one\nn2 | two\nn2 | é\nn2 | 100%\nn2 | no end\nn2 | cut\n"


def test_a_line_without_an_end_goes_on_in_the_next_and_a_bar_is_not_kept(
    hub: HubEnd, capsys: pytest.CaptureFixture[str]
) -> None:
    printer = Printer(hub.client)
    hub.client.handlers[Kind.OUTPUT] = printer.show
    half = LONGEST // 2 + 1
    for data in (b"x" * half, b"x" * half, b"y\n", *[b"10%\r" + b" " * half] * 4, b"\r100%\r", b"\n"):
        hub.send(Kind.OUTPUT, ref=4, meta={"label": "n2"}, payload=data)
        hub.expect(Kind.CREDIT)
    assert capsys.readouterr().out == f"n2 | {'x' * 2 * half}\nn2 | y\nn2 | 100%\n"


def test_the_end_waits_while_something_gets_on_and_tells_what_may_not_have_arrived(
    hub: HubEnd, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "62 messages to <n2.3> may not have arrived: the sender ended first"
    answers = [{"unsent": [text], "sending": sending} for sending in (True, True, False)]
    monkeypatch.setitem(program._printers, hub.client, Printer(hub.client))
    hub.serve(sent=lambda _: answers.pop(0), settle=lambda _: True)
    assert program.finish() == ([], [], [text])
    assert capsys.readouterr().err == f"pysh: {text}\n"
    assert not answers


def test_ctrl_c_ends_the_wait_for_the_last_messages_and_that_is_told(
    hub: HubEnd, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(program._printers, hub.client, Printer(hub.client))
    presses = [_thread.interrupt_main]  # once
    hub.serve(sent=lambda _: {"unsent": [], "sending": True, "pressed": presses and presses.pop()()})
    with pytest.raises(KeyboardInterrupt):
        program.finish()
    assert capsys.readouterr().err == "pysh: interrupted: what was sent last may not have arrived\n"
    assert hub.client.lost
