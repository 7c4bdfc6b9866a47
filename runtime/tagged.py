"""Hosts by their tags in the ssh configuration: the aliases of `Host` blocks that have a `Tag` (OpenSSH 9.4).

Host web1 web2
    Tag gpu

Who else knows of tags is `Match tagged`, which ssh itself sees to.
"""

# ruff: noqa: PTH111, PTH118, PTH120, PTH207

import glob
import os
import re
import shlex
from collections.abc import Iterator

LARGEST = 1 << 20
"""Bytes of a file of the configuration."""
DEEPEST = 16
"""Files that include each other, as in ssh."""
FILES = 200

_LINE = re.compile(r"^\s*(\w+)(?:\s+|\s*=\s*)(.*?)\s*$")


def config_file() -> str:
    """The path of the user's configuration of ssh (it may not exist)."""
    return os.path.expanduser("~/.ssh/config")


def tagged(tag: str) -> tuple[list[str], str]:
    """The hosts that have this tag, in the order of the configuration, and where the first one got it."""
    hosts: list[str] = []
    where = ""
    aliases: list[str] = []
    for path, number, keyword, words in _lines(config_file(), 0, [FILES]):
        if keyword in ("host", "match"):
            aliases = [word for word in words if keyword == "host" and not set(word) & set("*?!")]
        elif keyword == "tag":
            if words == [tag]:
                where = where or f"{path}:{number}"
                hosts += [alias for alias in aliases if alias not in hosts]
            aliases = []  # the first that is said of them counts
    return hosts, where


def _lines(path: str, depth: int, left: list[int]) -> Iterator[tuple[str, int, str, list[str]]]:
    """Each line that says something: its file and number, its keyword in small letters, and its words."""
    left[0] -= 1
    if depth > DEEPEST or left[0] < 0:
        return
    try:
        with open(path, "rb") as file:
            text = file.read(LARGEST).decode("utf-8", "replace")
    except OSError:
        return  # ssh passes over what it cannot read, too
    for number, line in enumerate(text.splitlines(), 1):
        found = _LINE.match(line)
        if found is None or line.lstrip().startswith("#"):
            continue
        keyword, words = found[1].lower(), _words(found[2])
        if keyword != "include":
            yield path, number, keyword, words
            continue
        for word in words:
            pattern = os.path.join(os.path.dirname(config_file()), os.path.expanduser(word))
            for each in sorted(glob.glob(pattern)):
                yield from _lines(each, depth + 1, left)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text, comments=True)
    except ValueError:
        return text.split()
