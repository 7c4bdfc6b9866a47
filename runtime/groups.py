"""Groups of hosts, from `~/.config/pysh/config.toml`, else by a `Tag` of the ssh configuration. These are read when one
is asked for, and not before.

[groups]
gpu = "web[1-4], db1"
all = ["@gpu", "root@old1:2222"]
"""

# ruff: noqa: PTH118

import os
import re
from typing import Any

from pysh.runtime import tagged
from pysh.runtime.config import config_dir
from pysh.runtime.places import ConfigError
from pysh.runtime.protocol.hostsets import Group
from pysh.runtime.protocol.terms import printable

LARGEST = 1 << 20
"""Bytes of a configuration."""
MOST_NAMED = 20


def config_file() -> str:
    """The path of what the user configured (it may not exist)."""
    return os.path.join(config_dir(), "config.toml")


def group(name: str) -> Group:
    """What the group `name` says. Raises `ConfigError`, with file and line where there is one to blame."""
    path = config_file()
    text = _read(path)
    groups = _parsed(path, text).get("groups", {})
    if not isinstance(groups, dict):
        evidence = f"{path}:{_line(text, 'groups')}: groups is no table"
        raise ConfigError(
            "the groups of hosts cannot be read", evidence, f'write [groups], and below it {name} = "..."'
        )
    if name not in groups:
        there = ", ".join([*groups][:MOST_NAMED]) or "none"
        return _tagged(name, f"{path} has {there}" if text else f"there is no {path}")
    said = groups[name]
    said = [said] if isinstance(said, str) else said
    where = f"{path}:{_line(text, name)}"
    if not isinstance(said, list) or not all(isinstance(one, str) for one in said):
        raise ConfigError(f"the group {name} is neither text nor a list of texts", where, _hint(name))
    return Group(tuple(said), where)


def _tagged(name: str, evidence: str) -> Group:
    """What is no group of ours may be a tag of ssh's."""
    hosts, where = tagged.tagged(name)
    if not hosts:
        evidence += f"; no Host of {tagged.config_file()} has it as its Tag"
        raise ConfigError(f"there is no group {printable(name)}", evidence, _hint(name))
    return Group(tuple(hosts), where)


def _read(path: str) -> str:
    """Its text; empty if there is none."""
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


def _parsed(path: str, text: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column \d+\)", str(error))
        line = found[1] if found else text.count("\n") + 1
        why = str(error).partition(" (at ")[0]
        raise ConfigError("the configuration is no TOML", f"{path}:{line}: {why}") from None


def _line(text: str, key: str) -> int:
    """The line in which `key` gets its value, as far as that can be seen from outside."""
    found = re.search(rf"^[ \t]*(?:\[?groups[].\t ]*)?[\"']?{re.escape(key)}[\"']?[ \t]*[=.\]]", text, re.MULTILINE)
    return text.count("\n", 0, found.end()) + 1 if found else 1


def _hint(name: str) -> str:
    return f'write in {config_file()}, below [groups]: {name} = "web[1-4], db1"'
