"""The settings of the prompt as the user configured them, in `~/.config/pysh/config.toml`:

[shell]
editing = "vi"
theme = "dark"
suggestions = false
prompt = "{node} {cell}> "

What cannot be used there is said in a line each, with file and line, and the default holds: no mistake stops a start.
"""

from typing import Any, NamedTuple

from pysh.runtime import configuration
from pysh.runtime.places import ConfigError
from pysh.runtime.protocol.terms import printable
from pysh.shell.settings import DEFAULTS, Settings
from pysh.shell.template import why_not

TABLES = ("groups", "shell")
CHOICES = {"editing": ("emacs", "vi"), "theme": ("ansi", "dark", "light", "mono")}
"""What a setting that is text may be."""
MOST_SAID = 5
"""How many mistakes are told."""


class Configured(NamedTuple):
    """What holds, where each setting that is configured is (`FILE:LINE`), and what is wrong there."""

    settings: Settings
    where: dict[str, str]
    wrong: list[str]


def read(path: str = "") -> Configured:
    """The settings in the file `path` (default: the user's). Raises nothing."""
    path = path or configuration.config_file()
    try:
        text = configuration.read(path)
        said = configuration.parsed(path, text) if text.strip() else {}
    except ConfigError as error:
        return Configured(DEFAULTS, {}, [str(error)])
    return judged(path, text, said)


def rows() -> tuple[list[dict[str, Any]], list[str]]:
    """The settings in effect as a table, with where each comes from; and what is wrong."""
    told = read()
    rows = [
        {"setting": name, "value": value, "from": told.where.get(name, "the default")}
        for name, value in told.settings._asdict().items()
    ]
    return rows, told.wrong


def source() -> str:
    """Which file the settings are read from, if there is one."""
    from pathlib import Path  # not for a start

    path = configuration.config_file()
    return f"read from {path}" if Path(path).exists() else f"there is no {path}: it would be read"


def judged(path: str, text: str, said: dict[str, Any]) -> Configured:
    """What of `said`, which the `text` of the file `path` says, can be used."""
    chosen: dict[str, Any] = {}
    where: dict[str, str] = {}
    wrong = [
        f"{path}:{configuration.line_of(text, name)}: {_misplaced(name, value)}"
        for name, value in said.items()
        if name not in TABLES
    ]
    shell = said.get("shell", {})
    if not isinstance(shell, dict):
        wrong.append(f"{path}:{configuration.line_of(text, 'shell')}: shell is no table: write [shell]")
        shell = {}
    for name, value in shell.items():
        place = f"{path}:{configuration.line_of(text, 'shell', name)}"
        if why := _why_not(name, value):
            wrong.append(f"{place}: {why}")
        else:
            chosen[name], where[name] = value, place
    more = [f"{path}: and {len(wrong) - MOST_SAID} more mistakes"] if len(wrong) > MOST_SAID else []
    return Configured(DEFAULTS._replace(**chosen), where, wrong[:MOST_SAID] + more)


def _misplaced(name: str, value: object) -> str:
    """What is wrong with `name` outside of the tables that there are."""
    if name in Settings._fields and not isinstance(value, dict):
        return f"{name} is a setting of [shell]: it stands below a line with [shell], and this one does not"
    kind = "table" if isinstance(value, dict) else "setting"
    shown = f"[{printable(name)}]" if isinstance(value, dict) else printable(name)
    return f"there is no {kind} {shown}; there are {', '.join(f'[{one}]' for one in TABLES)}"


def _why_not(name: str, value: object) -> str:
    """Why the setting `name` cannot be `value`; empty if it can."""
    if name not in Settings._fields:
        return f"[shell] has no setting {printable(name)}; it has {', '.join(Settings._fields)}"
    if name == "prompt":
        return why_not(value)
    choices = CHOICES.get(name)
    if choices is not None and value not in choices:
        return f"{name} is one of {', '.join(choices)}, not {printable(value, 40)}"
    if choices is None and not isinstance(value, bool):
        return f"{name} is true or false, not {printable(value, 40)}"
    return ""
