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
from fnmatch import fnmatchcase

LARGEST = 1 << 20
"""Bytes of a file of the configuration."""
DEEPEST = 16
"""Files that include each other, as in ssh."""
FILES = 200

_LINE = re.compile(r"^\s*(\w+)(?:\s*=\s*|\s+)(.*?)\s*$")


def config_file() -> str:
    """The path of the user's configuration of ssh (it may not exist)."""
    return os.path.expanduser("~/.ssh/config")


def tagged(tag: str) -> tuple[list[str], str]:
    """The hosts that have this tag, in the order of the configuration, and where the first one got it."""
    tags: dict[str, tuple[str, str]] = {}
    _read(config_file(), ["*"], tags, 0, [FILES])
    places = [where for each, where in tags.values() if each == tag]
    return [alias for alias, (each, _) in tags.items() if each == tag], places[0] if places else ""


def aliases() -> list[str]:
    """The hosts that the configuration names, in its order, without those that are patterns."""
    found: dict[str, None] = {}
    waiting, left = [config_file()], FILES
    while waiting and left:
        left -= 1
        for _, keyword, words in _lines(waiting.pop(0)):
            if keyword == "host":
                found |= {word: None for word in words if not set(word) & set("*?!") and word.isprintable()}
            elif keyword == "include":
                waiting += _included(words)
    return list(found)


def _included(words: list[str]) -> list[str]:
    """The files that an `Include` of `words` reads."""
    patterns = (os.path.join(os.path.dirname(config_file()), os.path.expanduser(word)) for word in words)
    return [file for pattern in patterns for file in sorted(glob.glob(pattern))]


def _read(path: str, around: list[str], tags: dict[str, tuple[str, str]], depth: int, left: list[int]) -> None:
    """Note in `tags` the first tag of each host that a file gives one, and where; it is for those `around` alone.

    Those are the patterns of the `Host` block that includes it.
    """
    left[0] -= 1
    if depth > DEEPEST or left[0] < 0:
        return
    patterns: list[str] = around
    for number, keyword, words in _lines(path):
        if keyword in ("host", "match"):
            named = words if keyword == "host" else []
            patterns = [word for word in named if set(word) & set("*?!") or _is_among(word, around)]
        elif keyword == "tag" and len(words) == 1:
            for alias in patterns:
                if not set(alias) & set("*?!"):
                    tags.setdefault(alias, (words[0], f"{path}:{number}"))
        elif keyword == "include":
            for each in _included(words):
                _read(each, patterns, tags, depth + 1, left)


def _is_among(host: str, patterns: list[str]) -> bool:
    unmeant = any(fnmatchcase(host, pattern[1:]) for pattern in patterns if pattern.startswith("!"))
    return not unmeant and any(fnmatchcase(host, pattern) for pattern in patterns)


def _lines(path: str) -> Iterator[tuple[int, str, list[str]]]:
    """Each line of a file that says something: its number, its keyword in small letters, and its words."""
    try:
        with open(path, "rb") as file:
            text = file.read(LARGEST).decode("utf-8", "replace")
    except OSError:
        return  # ssh passes over what it cannot read, too
    for number, line in enumerate(text.splitlines(), 1):
        found = _LINE.match(line)
        if found is not None and not line.lstrip().startswith("#"):
            yield number, found[1].lower(), _words(found[2])


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text, comments=True)
    except ValueError:
        return text.split()
