"""Links in what helpers print, where who looks has a terminal on this machine that takes them."""

from pysh.runtime import system
from pysh.runtime.protocol.frames import Kind
from pysh.runtime.protocol.linking import file_uri, linked
from tests.runtime.helpers.conftest import Printing


def printed(shell: Printing, source: str, links: str) -> str:
    """What a cell prints for a terminal that takes links to files of the machine `links`."""
    shell.screen = b""
    shell.done(shell.send(Kind.CELL, meta={"links": links}, payload=f"{source}; print('the end')".encode()))
    shell.wait(lambda: b"the end" in shell.screen)
    return shell.screen.decode()


def link(path: str, line: int) -> str:
    import os

    return linked(f"{path}:{line}", file_uri(path, os.uname().nodename))


def test_a_file_is_a_link_for_a_terminal_of_this_machine_alone(shell: Printing) -> None:
    shell.cell("import json; from pysh import h, i, info, source")
    path = shell.text("json.dumps.__code__.co_filename").strip("'")
    line = int(shell.text("json.dumps.__code__.co_firstlineno"))
    for verb in ("h", "i", "source"):
        assert link(path, line) in printed(shell, f"{verb}(json.dumps)", system.machine())
        for other in ("", "another"):
            assert "\x1b]8" not in printed(shell, f"{verb}(json.dumps)", other)
    assert "\x1b]8" not in printed(shell, "def f(): pass\nsource(f)", system.machine()), "a cell is no file"


def test_what_is_printed_to_something_else_than_the_terminal_has_no_links(shell: Printing) -> None:
    shell.cell("import io, contextlib, json; from pysh import h")
    source = "with contextlib.redirect_stdout(io.StringIO()) as out: h(json.dumps)\nprint(chr(27) in out.getvalue())"
    assert "False" in printed(shell, source, system.machine())


def test_a_failure_names_the_files_that_may_be_links(shell: Printing) -> None:
    done = shell.done(shell.send(Kind.CELL, meta={"links": system.machine()}, payload=b"import json; json.loads('x')"))
    assert [file.rpartition("/")[2] for file in done["files"]] == ["__init__.py", "decoder.py"]
    assert "files" not in shell.cell("import json; json.loads('x')")
