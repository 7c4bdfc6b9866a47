"""The file of what the user configures, `~/.config/pysh/config.toml`: its text, what it says, and in which line.

Nothing is imported for it before somebody wants to know, and nothing at all where there is no file.
"""

# ruff: noqa: PTH118

import os
import re
from typing import Any

from pysh.runtime.places import ConfigError, config_dir

LARGEST = 1 << 20
"""Bytes of a configuration."""


def config_file() -> str:
    """The path of what the user configured (it may not exist)."""
    return os.path.join(config_dir(), "config.toml")


def read(path: str) -> str:
    """Its text; empty if there is none. Raises `ConfigError`."""
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ConfigError("the configuration is larger than 1 MiB", path)
        return data.decode()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigError("the configuration cannot be read", f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError("the configuration is no UTF-8", f"{path}:{line}") from None


def parsed(path: str, text: str) -> dict[str, Any]:
    """What `text`, that of the file `path`, says. Raises `ConfigError`, with the line to blame."""
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column \d+\)", str(error))
        line = found[1] if found else text.count("\n") + 1
        why = str(error).partition(" (at ")[0]
        raise ConfigError("the configuration is no TOML", f"{path}:{line}: {why}") from None


def line_of(text: str, table: str, key: str = "") -> int:
    """The line in which `key` of `table`, or the table itself, gets its value, as far as can be seen from outside."""
    head = re.search(rf"^[ \t]*\[?[ \t]*[\"']?{re.escape(table)}[\"']?[ \t]*[\].=]", text, re.MULTILINE)
    start = head.start() if head else 0
    found = head
    if key:
        named = rf"^[ \t]*(?:{re.escape(table)}[.\t ]*)?[\"']?{re.escape(key)}[\"']?[ \t]*[=.\]]"
        found = re.compile(named, re.MULTILINE).search(text, start) or head
    return text.count("\n", 0, found.end()) + 1 if found else 1
