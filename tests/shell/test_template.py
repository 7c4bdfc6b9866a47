"""A prompt of one's own, and what is said of one that cannot be used."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pysh.shell import configured
from pysh.shell.boot import TEMPLATE, prompt
from pysh.shell.enter import own_prompt, pasted
from pysh.shell.template import glimpsed, why_not
from tests.shell.conftest import Shell
from tests.shell.terminal import Terminal


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (TEMPLATE, "n1@db1[3]> "),
        ("{node} {cell}> ", "n1 3> "),
        ("{node}@{host} {cell}> ", "n1@db1 3> "),
        ("» ", "» "),
        ("}{cell}:", "}3:"),
    ],
)
def test_the_fields_of_a_template_are_filled(template: str, text: str) -> None:
    assert why_not(template) == ""
    assert prompt("n1@db1", 3, template) == text


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("", "prompt is a text of up to 200 characters"),
        ("  ", "prompt is a text of up to 200 characters"),
        ("x" * 201, "prompt is a text of up to 200 characters"),
        (3, "prompt is a text of up to 200 characters"),
        ("a\nb", "prompt is one line, without control characters"),
        ("\x1b[31m> ", "prompt is one line, without control characters"),
        ("{cell> ", "prompt has no field {cell> }; it has {name}, {node}, {host}, {cell}"),
        ("{count}> ", "prompt has no field {count}; it has {name}, {node}, {host}, {cell}"),
        ("{node.x}> ", "prompt has no field {node.x}; it has {name}, {node}, {host}, {cell}"),
    ],
)
def test_a_template_that_cannot_be_used_is_told_why(template: object, why: str) -> None:
    assert why_not(template) == why


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[shell]\nprompt = "{node}> "\n', "{node}> "),
        ("[groups]\nprompt = 'a'\n[shell]\ntheme = 'dark'\n  prompt='{node} > ' # mine\n", "{node} > "),
        ("[shell]  # mine\nprompt = 'a = b> '\nprompt_x = 3\n", "a = b> "),
        ("[shell] # mine\nprompt = 'a'\n[groups] # [shell]\nprompt = 'b'\n", "a"),
        ('[shell]\nprompt = "{count}> "\n', ""),
        ('[shell]\nprompt = "a\\u003e "\n', ""),
        ('[shell]\nprompt = """a"""\n', ""),
        ("[shell]\nprompt = 3\n", ""),
        ("[shell]\nprompts = 'a'\n", ""),
        ("[shell]\nprompt\n", ""),
        ("prompt = 'a'\n", ""),
        ("", ""),
    ],
)
def test_the_first_paint_takes_a_template_that_stands_there_plainly(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "pysh").mkdir()
    file = tmp_path / "pysh" / "config.toml"
    file.write_text(text)
    assert glimpsed({"XDG_CONFIG_HOME": str(tmp_path)}) == found
    if found:
        assert configured.read(str(file)).settings.prompt == found


def test_without_a_configuration_nothing_is_seen(tmp_path: Path) -> None:
    assert glimpsed({"HOME": str(tmp_path)}) == glimpsed({}) == ""


def test_a_wrong_template_stops_no_start(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[shell]\ntheme = "dark"\nprompt = "{count}> "\n')
    told = configured.read(str(file))
    assert (told.settings.prompt, told.settings.theme) == (TEMPLATE, "dark")
    assert told.wrong == [f"{file}:3: prompt has no field {{count}}; it has {{name}}, {{node}}, {{host}}, {{cell}}"]


def test_a_paste_loses_prompts_of_ones_own() -> None:
    own = own_prompt("{node} #{cell} » ")
    assert pasted("n1 #1 » if x:\n   ...     y\n7\n(w1 suspect) n1 #2 » z", "", own) == "if x:\n    y\nz"
    assert pasted(">>> a\nb", "", own) == "a"
    assert pasted("n1[1] = 3", "", own) == "n1[1] = 3"


@pytest.mark.parametrize(
    ("template", "code"),
    [
        ("{node} ", "import os\nprint(1)\nx = 2"),
        ("{node}: ", "x: int = 1\nprint(x)"),
        ("{cell} ", "1 + 2\nprint(3)"),
        ("{node}> ", "x > y\nx> 3"),
    ],
)
def test_a_paste_loses_no_code_whatever_the_template(template: str, code: str) -> None:
    assert pasted(code, "", own_prompt(template)) == code


def test_a_paste_loses_prompts_of_shells_with_a_number() -> None:
    assert pasted("n1@h#1 3» x y\n7\nn1@h#1 4» z", "", own_prompt("{name} {cell}» ")) == "x y\nz"


@pytest.mark.parametrize(
    ("template", "text"),
    [(TEMPLATE, "n1@db1#2[3]> "), ("{node} {cell}> ", "n1#2 3> "), ("{host} {cell}> ", "#2 db1 3> "), ("» ", "#2 » ")],
)
def test_the_number_of_a_shell_is_there_whatever_the_template(template: str, text: str) -> None:
    assert prompt("n1@db1#2", 3, template) == text


def test_a_prompt_of_ones_own_stands_there(open_shell: Callable[..., Shell]) -> None:
    shell = open_shell(settings="prompt='{node} {cell}> '")
    shell.wait_for_end("node1 1>")
    shell.run("2+2")
    shell.hub.done("4")
    shell.wait_for_end("node1 1> 2+2", "4", "node1 2>")
    shell.type("if x:\ry")
    shell.wait_for_end("node1 2> if x:", "     ...     y")


def test_the_first_paint_is_of_the_template_and_imports_nothing_more_than_without(tmp_path: Path) -> None:
    (tmp_path / "pysh").mkdir()
    (tmp_path / "pysh" / "config.toml").write_text("[shell]\nprompt = '{node} {cell} » '\n")
    code = "import sys; from pysh.shell import first; first.paint(['--name', 'n1@here']); print('re' in sys.modules)"
    env = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    with Terminal([sys.executable, "-c", code], env | {"XDG_CONFIG_HOME": str(tmp_path)}) as terminal:
        terminal.wait_for("n1 1 » False")
