"""The keys, on a real terminal."""

import re
from pathlib import Path
from typing import Any

import pytest

from pysh.runtime.protocol.frames import Kind
from tests.shell.conftest import Shell
from tests.shell.hub import NAME

UP, DOWN, LEFT, HOME = "\x1b[A", "\x1b[B", "\x1b[D", "\x01"
BACKSPACE, TAB, SHIFT_TAB, ALT_ENTER, ALT_UP = "\x7f", "\t", "\x1b[Z", "\x1b\r", "\x1b[1;3A"


def sent(shell: Shell, keys: str) -> str:
    """The cell that `keys` send."""
    shell.run(keys)
    return shell.hub.cells[-1]


def test_a_block_indents_itself_and_ends_with_an_empty_line(shell: Shell) -> None:
    assert sent(shell, "if x:\rfor y in z:\rbreak\rw\r") == "if x:\n    for y in z:\n        break\n    w"


@pytest.mark.parametrize(
    ("keys", "cell"),
    [
        ("if x:\r" + BACKSPACE + "    y\r", "if x:\n    y"),
        ("if x:\r" + TAB + BACKSPACE + "y\r", "if x:\n    y"),
        ("if x:\r" + TAB + SHIFT_TAB + "y\r", "if x:\n    y"),
        ("12" + LEFT + BACKSPACE, "2"),
        ("a = 1" + ALT_ENTER + "b = 2", "a = 1\nb = 2"),
        ("1 + 1" + HOME, "1 + 1"),
        ("x = 'ä漢👍'", "x = 'ä漢👍'"),
        ("a = 1\x1b[13;2ub = 2", "a = 1\nb = 2"),  # Shift-Enter, as kitty has it
        ("a = 1\x1b[27;2;13~b = 2", "a = 1\nb = 2"),  # as xterm has it
        ("if x:\r\ry\r", "if x:\n    \n    y"),
    ],
)
def test_keys_edit(shell: Shell, keys: str, cell: str) -> None:
    assert sent(shell, keys) == cell


def test_a_mistake_is_pointed_at_and_not_run(shell: Shell) -> None:
    shell.type("x = )\r")
    shell.wait(lambda: any("unmatched" in line for line in shell.lines))
    row, column = shell.screen.cursor.y, len(f"{NAME}[1]> x = ")
    marked = [at for at, cell in shell.screen.buffer[row].items() if cell.underscore]
    assert (marked, shell.screen.cursor.x) == ([column], column + 1), "whoever types on does so behind it"
    shell.type(BACKSPACE + "1")
    shell.prompt(1, "x = 1")
    shell.type("\r")
    shell.wait(lambda: shell.hub.cells == ["x = 1"])


def test_a_second_enter_lets_the_node_judge(shell: Shell) -> None:
    assert sent(shell, "x = )\r") == "x = )"


def test_a_mistake_in_a_block_is_pointed_at_and_a_second_enter_lets_the_node_judge(shell: Shell) -> None:
    shell.type("if x:\ry = )\r")
    shell.wait_for(" " * 16 + "...     y = )", "unmatched ')'")
    assert (shell.screen.cursor.y, shell.screen.cursor.x) == (1, len(f"{NAME}[1]>     y = )"))
    assert sent(shell, "") == "if x:\n    y = )"


def test_a_mistake_in_the_middle_is_mended(shell: Shell) -> None:
    shell.type("if x:\ry = ) + 1\r")
    shell.wait_for(" " * 16 + "...     y = ) + 1", "unmatched ')'")
    shell.type("\x1b[D" * 5 + "\x041\x05\r\r")
    shell.wait(lambda: shell.hub.cells == ["if x:\n    y = 1 + 1"])


def test_what_ctrl_c_cleared_comes_back_with_alt_up(shell: Shell) -> None:
    shell.type("first\x03second\x03")
    shell.prompt(1)
    shell.type(ALT_UP)
    shell.prompt(1, "second")
    shell.type("\x15" + ALT_UP)
    shell.prompt(1, "first")


@pytest.mark.parametrize("keys", ["\x18\x05", "\x1bv"])
def test_the_text_can_be_edited_elsewhere_and_is_not_run_by_that(open_shell: Any, tmp_path: Path, keys: str) -> None:
    program = tmp_path / "editor"
    program.write_text("#!/bin/sh\ngrep -q half $1 && printf 'if x:\\n    y\\n' > $1\n")
    program.chmod(0o755)
    settings = "editing='vi'" if keys[0] == "\x1b" else ""
    shell = open_shell(env={"EDITOR": str(program)}, settings=settings)
    shell.prompt(1)
    shell.type("half")
    shell.prompt(1, "half")
    shell.type(keys)
    shell.wait_for(f"{NAME}[1]> if x:", " " * 16 + "...     y")
    assert shell.hub.cells == []
    assert sent(shell, "i" if settings else "") == "if x:\n    y"


def test_nothing_is_written_over_an_editor_and_all_that_came_is_shown_behind_it(
    open_shell: Any, tmp_path: Path
) -> None:
    program, go = tmp_path / "editor", tmp_path / "go"
    program.write_text(f"#!/bin/sh\necho it is open\nwhile ! test -e {go}; do sleep 0.01; done\n")
    program.chmod(0o755)
    shell = open_shell(env={"EDITOR": str(program)})
    shell.prompt(1)
    shell.type("half\x18\x05")
    shell.wait_for("it is open")
    shell.hub.output("n2", b"a line\nbar\r")
    shell.hub.screen(b"own\r\n")
    shell.hub.notice("noticed")
    shell.settle(0.5)
    assert shell.lines[-1:] == ["it is open"]
    assert (shell.hub.credit(Kind.OUTPUT), shell.hub.credit(Kind.SCREEN)) == (0, 0)
    go.touch()
    shell.prompt(1, "half")
    shell.wait(lambda: {"noticed", "n2 | a line", "own"} <= set(shell.lines), "what came meanwhile")
    shell.wait(lambda: (shell.hub.credit(Kind.OUTPUT), shell.hub.credit(Kind.SCREEN)) == (11, 5), "the credit")
    assert sent(shell, "") == "half"


def test_an_editor_that_is_not_there_is_told(open_shell: Any) -> None:
    shell = open_shell(env={"EDITOR": "nowhere"})
    shell.prompt(1)
    shell.type("x = 1\x18\x05")
    shell.wait_for(f"{NAME}[1]> x = 1", "nowhere is not there: $EDITOR names the one to open")


def test_in_vi_mode_the_cursor_has_a_shape_for_each_mode(open_shell: Any) -> None:
    shell = open_shell(settings="editing='vi'")
    shell.prompt(1)
    shell.wait(lambda: b"\x1b[6 q" in shell.raw, "a beam")
    shell.type("x = 12\x1b")
    shell.wait(lambda: b"\x1b[2 q" in shell.raw, "a block")
    shell.type("xIy")
    shell.wait(lambda: shell.lines[-1] == f"{NAME}[1]> yx = 1")
    assert sent(shell, "") == "yx = 1"
    shell.wait(lambda: shell.raw.rindex(b"\x1b[0 q") > shell.raw.rindex(b"\x1b[6 q"), "the shape that was found")


def test_the_bracket_that_matches_is_marked(shell: Shell) -> None:
    shell.type("f(x[1])")
    shell.prompt(1, "f(x[1])")
    start = len(f"{NAME}[1]> ")

    def marked() -> list[int]:
        row = shell.screen.buffer[shell.screen.cursor.y]
        return [column - start for column in range(start, start + 7) if row[column].bold]

    shell.wait(lambda: marked() == [1, 6])
    shell.type(LEFT + LEFT)
    shell.wait(lambda: marked() == [3, 5])


def test_what_was_typed_ahead_of_a_mistake_is_the_next_line(shell: Shell) -> None:
    shell.type("x = )\rhalf")
    shell.wait(lambda: shell.hub.cells == ["x = )"])
    shell.hub.done()
    shell.prompt(2, "half")


def test_a_paste_is_inserted_whole_and_runs_with_enter(shell: Shell) -> None:
    shell.paste("def f():\n    a = 1\n\n    return a\n")
    shell.wait(lambda: any("return a" in line for line in shell.lines))
    assert shell.hub.cells == []
    assert sent(shell, "") == "def f():\n    a = 1\n\n    return a"


def test_a_pasted_transcript_loses_its_prompts(shell: Shell) -> None:
    shell.paste("node1@localhost[3]> x = 1\nnode1@localhost[4]> x\n1\n")
    assert sent(shell, "") == "x = 1\nx"


def test_a_large_paste_is_quick_and_whole(shell: Shell) -> None:
    text = "".join(f"name_{n} = {n}\n" for n in range(5_000))
    shell.paste(text)
    assert sent(shell, "") == text.rstrip()


def test_up_finds_what_was_typed_before_by_its_beginning(shell: Shell) -> None:
    for cell, source in enumerate(("alpha = 1", "beta = 2")):
        shell.run(source)
        shell.hub.done()
        shell.prompt(cell + 2)
    shell.type(UP)
    shell.prompt(3, "beta = 2")
    shell.type("\x03al" + UP)
    shell.wait(lambda: shell.lines[-1] == f"{NAME}[3]> alpha = 1")


def test_an_up_that_was_typed_ahead_finds_it_too(shell: Shell) -> None:
    shell.run("alpha = 1")
    shell.type(UP + "0")
    shell.hub.done()
    shell.prompt(2, "alpha = 10")


def run_all(shell: Shell, *sources: str) -> None:
    for source in sources:
        shell.run(source)
        shell.hub.done()
        shell.prompt(shell.hub.cell)


def test_ctrl_r_lists_what_fits_and_enter_takes_it(shell: Shell) -> None:
    run_all(shell, "alpha = 1", "beta = 2")
    shell.type("half\x12lph")
    row = "> alpha = 1".ljust(80 - len(NAME)) + NAME
    shell.wait_for_end(f"{NAME}[3]> half", "search everywhere (Tab: this node): lph", row)
    shell.type("\r")
    shell.prompt(3, "alpha = 1")
    assert sent(shell, "") == "alpha = 1"


def chosen(shell: Shell) -> list[str]:
    return [line.split("  ")[0] for line in shell.lines if line.startswith("> ")]


def test_in_the_list_one_moves_and_narrows_it(open_shell, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "state").mkdir()
    written = [
        f'{{"src": "{name}", "node": "{node}"}}\n' for name, node in (("a1", "n2@x"), ("a2", NAME), ("a3", NAME))
    ]
    (tmp_path / "state" / "history").write_text("".join(written))
    shell = open_shell()
    shell.prompt(1)
    for keys, row in (("\x12", "> a3"), ("\x12", "> a2"), (DOWN, "> a1"), (DOWN, "> a1"), (UP, "> a2"), ("1", "> a1")):
        shell.type(keys)
        shell.wait(lambda row=row: chosen(shell) == [row], row)
    shell.type(TAB)
    shell.wait_for_end("search this node (Tab: this folder): 1", "  nothing fits")
    shell.type(BACKSPACE + "@n2" + SHIFT_TAB + TAB + TAB)
    shell.wait(lambda: chosen(shell) == ["> a1"])


def test_on_a_low_screen_the_chosen_entry_is_in_sight(open_shell: Any, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "history").write_text("".join(f'{{"src": "a{n}"}}\n' for n in range(9)))
    shell = open_shell(size=(6, 60), settings="editing='vi'")
    shell.prompt(1)
    shell.type("\x12" + DOWN * 5)
    shell.wait_for_end("search everywhere (Tab: this node):", "  a5", "  a4", "> a3", "  a2")
    shell.type("\r")
    shell.prompt(1, "a3")


@pytest.mark.parametrize("key", ["\x1b", "\x07", "\x03"])
def test_leaving_the_list_changes_nothing(shell: Shell, key: str) -> None:
    run_all(shell, "alpha = 1")
    shell.type("half\x12alp")
    shell.wait(lambda: chosen(shell) == ["> alpha = 1"])
    shell.type(key)
    shell.prompt(2, "half")


def test_a_prompt_that_ended_in_the_list_is_followed_by_a_plain_one(shell: Shell) -> None:
    run_all(shell, "alpha = 1")
    shell.type("\x12")
    shell.wait(lambda: chosen(shell) == ["> alpha = 1"])
    shell.hub.output("n2", b"text\n")
    shell.wait(lambda: "n2 | text" in shell.lines)
    assert chosen(shell) == ["> alpha = 1"]
    assert sent(shell, "\r") == "alpha = 1"


def test_two_shells_at_once_have_one_history(open_shell) -> None:  # type: ignore[no-untyped-def]
    one, two = open_shell(), open_shell()
    one.prompt(1)
    two.prompt(1)
    one.run("alpha = 1")
    two.type("\x12lph")
    two.wait(lambda: chosen(two) == ["> alpha = 1"])
    two.type("\x07alp")
    two.wait_for(f"{NAME}[1]> alpha = 1")  # suggested
    run_all(two, "\x03beta")
    one.hub.done()
    one.prompt(2)
    one.type(UP)
    one.prompt(2, "beta")


def test_what_was_typed_before_is_suggested(shell: Shell) -> None:
    shell.run("connect('n2@there')")
    shell.hub.done()
    shell.prompt(2)
    shell.type("conn")
    shell.wait(lambda: shell.lines[-1] == f"{NAME}[2]> connect('n2@there')")
    assert sent(shell, "\x1b[C") == "connect('n2@there')"


def test_secrets_are_not_written_to_the_history(shell: Shell, tmp_path: Path) -> None:
    for cell, source in enumerate((" hidden()", "start(cookie='abc')", "x = 'my_secret_cookie'", "kept()")):
        shell.run(source)
        shell.hub.done(folder="/srv")
        shell.prompt(cell + 2)
    written = (tmp_path / "state" / "history").read_text()
    assert written.count("\n") == 1
    assert f'"node": "{NAME}", "cwd": "/srv", "src": "kept()"' in written
    assert shell.hub.cells[0] == "hidden()"


def test_code_is_coloured_once_the_highlighting_is_there(shell: Shell) -> None:
    shell.type("lambda: 1")
    shell.prompt(1, "lambda: 1")
    row = shell.screen.cursor.y
    shell.wait(lambda: shell.screen.buffer[row][len(f"{NAME}[1]> ")].fg == "blue")


def test_no_colours_are_shown_where_none_are_wanted(open_shell, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    shell = open_shell(env={"NO_COLOR": "1"})
    shell.prompt(1)
    shell.wait(lambda: shell.hub.asked)
    shell.hub.output("n2", b"text\n")
    shell.wait_for("n2 | text")
    assert shell.screen.buffer[0][0].fg == "default"


@pytest.mark.parametrize(
    ("theme", "env", "foreground"),
    [
        ("ansi", {}, "blue"),
        ("dark", {}, "5fafff"),
        ("light", {}, "0000af"),
        ("mono", {}, "default"),
        ("dark", {"NO_COLOR": "1"}, "default"),
        ("mono", {"FORCE_COLOR": "1"}, "default"),
        ("ansi", {"CLICOLOR": "0"}, "default"),
    ],
)
def test_a_theme_colours_what_is_typed(open_shell: Any, theme: str, env: dict[str, str], foreground: str) -> None:
    shell = open_shell(settings=f"theme={theme!r}", env=env)
    shell.prompt(1)
    shell.type("lambda: 1")
    shell.prompt(1, "lambda: 1")
    row = shell.screen.buffer[shell.screen.cursor.y]
    shell.wait(lambda: row[len(f"{NAME}[1]> ")].fg == foreground)
    assert row[0].bold
    if foreground == "default":
        shell.settle(0.2)
        assert not re.search(rb"\x1b\[[0-9;]*[34][0-8][;m]", shell.raw)


def test_what_is_switched_off_is_not_there(open_shell: Any, tmp_path: Path) -> None:
    shell = open_shell(settings="suggestions=False, signature=False, history=False")
    shell.prompt(1)
    signed(shell)
    shell.run("compute(5)")
    shell.hub.done()
    shell.prompt(2)
    shell.type("comp")
    shell.prompt(2, "comp")
    assert sent(shell, "ute(6)") == "compute(6)"
    assert "complete" not in [asked["verb"] for asked in shell.hub.asked]
    assert not (tmp_path / "state" / "history").exists()


def test_nothing_is_asked_of_the_terminal(shell: Shell) -> None:
    shell.type("1 + 1")
    shell.prompt(1, "1 + 1")
    assert b"\x1b[6n" not in shell.raw
    assert b"\x1b[c" not in shell.raw


def test_resizing_keeps_the_text(shell: Shell) -> None:
    shell.type("half")
    shell.prompt(1, "half")
    shell.resize(24, 60)
    shell.type("_typed")
    shell.prompt(1, "half_typed")


def signed(shell: Shell, **told: Any) -> None:
    """Have the node answer with a signature."""
    answer = {"start": 0, "found": [], "more": False, "signature": ["compute", ["value", "scale=2"], 0], **told}
    shell.hub.answers["complete"] = lambda asked: answer


def test_the_signature_of_the_call_is_shown_below_and_the_typed_argument_marked(shell: Shell) -> None:
    signed(shell)
    shell.type("compute(")
    shell.wait_for_end(f"{NAME}[1]> compute(", "compute(value, scale=2)")
    row = shell.screen.buffer[shell.screen.cursor.y + 1]
    assert [row[column].bold for column in (0, 8, 12, 15)] == [False, True, True, False]
    assert shell.hub.asked[-1] == {"verb": "complete", "text": "compute(", "position": 8, "only": "signature"}
    signed(shell, signature=["compute", ["value", "scale=2"], 1])
    shell.type("5, ")
    shell.wait(lambda: shell.screen.buffer[shell.screen.cursor.y + 1][15].bold)
    signed(shell, signature=None)
    shell.type("2)")
    shell.wait_for_end(f"{NAME}[1]> compute(5, 2)")
    assert sent(shell, "") == "compute(5, 2)"


@pytest.mark.parametrize("keys", ["\x03", "\x15"])
def test_with_the_text_goes_its_signature(shell: Shell, keys: str) -> None:
    signed(shell)
    shell.type("compute(")
    shell.wait_for_end(f"{NAME}[1]> compute(", "compute(value, scale=2)")
    shell.type(keys)
    shell.wait_for_end(f"{NAME}[1]>")
    shell.type("x")
    shell.prompt(1, "x")


def test_nobody_is_asked_for_a_signature_outside_of_brackets_or_while_one_types(shell: Shell) -> None:
    signed(shell)
    shell.type("x = compute")
    shell.prompt(1, "x = compute")
    shell.type("(1, 2")
    shell.wait_for_end(f"{NAME}[1]> x = compute(1, 2", "compute(value, scale=2)")
    texts = [asked["text"] for asked in shell.hub.asked if asked["verb"] == "complete"]
    assert texts[-1] == "x = compute(1, 2"
    assert all("(" in text for text in texts)


def test_a_node_that_is_slow_shows_no_signature_and_holds_up_nothing(shell: Shell) -> None:
    shell.hub.answers["complete"] = None  # never answered
    shell.type("compute(5")
    shell.prompt(1, "compute(5")
    assert sent(shell, ")") == "compute(5)"
