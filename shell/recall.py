"""What of the history fits to what is typed: the suggestion behind the cursor, and the list of Ctrl-R."""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from pysh.shell.history import Entry

LOOKED_AT = 2000
"""Characters of an entry that are searched."""


class Scope(Enum):
    """Which entries are listed."""

    ALL = "everywhere"
    NODE = "this node"
    FOLDER = "this folder"

    @property
    def next(self) -> "Scope":
        """The one after it, in a circle."""
        scopes = list(Scope)
        return scopes[(scopes.index(self) + 1) % len(scopes)]


class Place(NamedTuple):
    """Where a person types: a node, and a folder there."""

    node: str = ""
    folder: str = ""


def suggested(entries: Sequence[Entry], text: str, here: Place) -> str:
    """What probably follows the last line of `text`: from this node before this folder, and the newest of them.

    `entries` are ordered by age, the newest last; empty where nothing fits.
    """
    line = text.rpartition("\n")[2]
    if not line.strip():
        return ""
    best, found = -1, ""
    for entry in reversed(entries):
        fits = 2 * (entry.node == here.node) + (entry.folder == here.folder)
        if fits > best and (rest := _rest(entry.source, line)):
            best, found = fits, rest
            if best == 3:
                break
    return found


def _rest(source: str, line: str) -> str:
    """What follows `line` where a line of `source` begins with it."""
    at = 0 if source.startswith(line) else source.find("\n" + line) + 1 or -1
    return source[at + len(line) :].partition("\n")[0] if at >= 0 else ""


def search(entries: Sequence[Entry], asked: str, here: Place, scope: Scope = Scope.ALL, most: int = 100) -> list[Entry]:
    """The entries that fit to `asked`, best first, of equally good ones the newest first; each source once.

    Each word of `asked` has to be there, at least its characters in this order; `@n2` also fits to what was typed at
    a node so called. Capitals count only where `asked` has some.
    """
    words = asked.split()
    exact = asked != asked.lower()
    seen: set[str] = set()
    found: list[tuple[int, Entry]] = []
    for entry in reversed(entries):
        if entry.source in seen or not _within(entry, here, scope):
            continue
        score = _score(entry, words, exact)
        if score >= 0:
            seen.add(entry.source)
            found.append((score, entry))
    found.sort(key=lambda each: -each[0])  # which keeps the order by age
    return [entry for _, entry in found[:most]]


def _within(entry: Entry, here: Place, scope: Scope) -> bool:
    if scope is Scope.NODE:
        return entry.node == here.node
    return scope is Scope.ALL or entry.folder == here.folder


def _score(entry: Entry, words: Sequence[str], exact: bool) -> int:
    """How well `entry` fits to all `words`; -1 if not."""
    text, node = entry.source[:LOOKED_AT], entry.node
    if not exact:
        text, node = text.lower(), node.lower()
    total = 0
    for word in words:
        if word[0] == "@" and word[1:] in node:
            continue
        if (score := _fit(text, word)) < 0:
            return -1
        total += score
    return total


def _fit(text: str, word: str) -> int:
    """How well `word` fits: 4 at the start, 3 where a word begins, 2 within; 1 scattered a little, 0 widely; -1 not."""
    at = text.find(word)
    if at == 0:
        return 4
    while at > 0:
        if not (text[at - 1].isalnum() and word[0].isalnum()):
            return 3
        if (further := text.find(word, at + 1)) < 0:
            return 2
        at = further
    width = _width(text, word)
    return -1 if width < 0 else int(width <= 2 * len(word) + 2)


def _width(text: str, word: str) -> int:
    """Over how many characters the first match of those of `word` is spread, in this order; -1 if there is none."""
    end = 0
    for char in word:
        end = text.find(char, end) + 1
        if not end:
            return -1
    start = end
    for char in reversed(word):  # the first end found, as near as possible before it
        start = text.rfind(char, 0, start)
    return end - start


def shown(entry: Entry, width: int) -> str:
    """`entry` in one line of at most `width` characters: its first line, and how many more there are."""
    first, _, rest = entry.source.partition("\n")
    count = rest.count("\n") + 1
    more = f" … +{count} line{'s' * (count > 1)}" if rest.strip() else ""
    plain = "".join(char if char.isprintable() else " " for char in first)
    room = width - len(more)
    return (plain if len(plain) <= room else plain[: max(0, room - 1)] + "…") + more


def place_of(entry: Entry, home: str) -> str:
    """Where `entry` was typed: node and folder, as far as they are known; `home` is shortened to `~`."""
    folder = entry.folder
    if home and (folder == home or folder.startswith(home + "/")):
        folder = "~" + folder[len(home) :]
    return " ".join("".join(char for char in each if char.isprintable()) for each in (entry.node, folder) if each)
