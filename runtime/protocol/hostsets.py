"""Sets of hosts: which hosts a text names, and which of the known nodes it means.

    web[1-9,12]      each of these (see `hosts`)
    a, b   or  a b   those of either
    a & b            those of both; this binds before the comma
    a & !b   or  a !b   those of the first that the second has not
    a, !b            the same; a part that only takes away does so from all the others
    @gpu             what the group of that name says, in the same words; w1@@gpu: a node w1 on each of these

Brackets keep their commas and blanks.
"""

import re
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Generic, NamedTuple, TypeVar

from pysh.runtime.protocol.hosts import MOST, bounded, node_host, spread
from pysh.runtime.protocol.terms import BadName, printable

_TOKEN = re.compile(r" *([,&!]|(?:\[[^][]*\]|[^][,&! ])+) *")

T = TypeVar("T", bound=Hashable)


class Group(NamedTuple):
    """What a group says, and where, for the error about it."""

    said: tuple[str, ...]
    where: str


Groups = Callable[[str], Group]
"""What a group of that name says; raises where there is none."""


class BadGroup(BadName):
    """What a group says is no set of hosts; the text begins with where it is said."""


class Part(NamedTuple):
    """What stands between two commas: hosts that all of `wanted` name and none of `unwanted`."""

    wanted: tuple[str, ...]
    unwanted: tuple[str, ...]


def no_groups(name: str) -> Group:
    """Where there are none."""
    raise BadName(f"there is no group {printable(name)} here")


def is_set(text: str) -> bool:
    """Whether `text` may mean several hosts, and cannot be the name of one."""
    with suppress(BadName):
        return re.search(r"^@|@@|[ ,&!]", text) is not None or spread(text) != [text]
    return True


def parse(text: str) -> list[Part]:
    """The parts of a set. Raises `BadName`."""
    parts: list[Part] = []
    wanted: list[str] = []
    unwanted: list[str] = []
    before = ","
    for token in [*_tokens(text), ","]:
        word = token not in ("&", "!", ",")
        if before in ("&", "!") and not word and (token, before) != ("!", "&"):
            raise BadName(f"{printable(text)} has nothing behind a {before}")
        if token == "&" and before == ",":
            raise BadName(f"{printable(text)} has nothing before a &")
        if token == "," or (word and before not in ("&", "!", ",")):
            if wanted or unwanted:
                parts.append(Part(tuple(wanted), tuple(unwanted)))
            wanted, unwanted = [], []
        if word:
            (unwanted if before == "!" else wanted).append(token)
        before = token
    return parts


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if found is None:
            raise BadName(f"{printable(text)} has a bracket without its other half: write web[1-12]")
        tokens.append(found[1])
        at = found.end()
    return tokens


class _Sets(Generic[T]):
    """Works out sets whose words mean, outside of groups and within them, what `mean` gives.

    `everything` is what something is taken away from where nothing is named; None: there is no such thing.
    """

    def __init__(
        self, mean: Callable[[str, bool], Iterable[T]], groups: Groups, everything: Sequence[T] | None
    ) -> None:
        self._mean = mean
        self._groups = groups
        self._everything = everything
        self._known: dict[str, dict[T, None]] = {}
        self._within: list[str] = []

    def of(self, texts: Iterable[str]) -> dict[T, None]:
        """What the texts mean together, in order."""
        parts = [part for text in texts for part in parse(text)]
        named = [part for part in parts if part.wanted]
        if parts and not named and self._everything is None:
            raise BadName(f"!{parts[0].unwanted[0]} says only what to leave out: say of what, as in web[1-9] & !web3")
        found = dict.fromkeys(one for part in named for one in self._part(part))
        if parts and not named:
            found = dict.fromkeys(self._everything or ())
        for part in parts:
            if not part.wanted:
                found = self._without(found, part.unwanted)
        if len(found) > MOST:
            raise BadName(f"that is more than {MOST} hosts at once")
        return found

    def _part(self, part: Part) -> dict[T, None]:
        first, *others = [self._word(word) for word in part.wanted]
        both = {one: None for one in first if all(one in other for other in others)}
        return self._without(both, part.unwanted)

    def _without(self, found: dict[T, None], words: Iterable[str]) -> dict[T, None]:
        for word in words:
            taken = self._word(word)
            found = {one: None for one in found if one not in taken}
        return found

    def _word(self, word: str) -> dict[T, None]:
        return self._group(word[1:]) if word.startswith("@") else dict.fromkeys(self._mean(word, bool(self._within)))

    def _group(self, name: str) -> dict[T, None]:
        if name in self._known:
            return self._known[name]
        said, where = self._groups(name)
        if name in self._within:
            raise BadName(f"the group @{name} is in itself")
        self._within.append(name)
        try:
            found = self.of(said)
        except BadGroup:
            raise
        except BadName as error:
            raise BadGroup(f"{where}: @{name}: {error}") from None
        self._within.pop()
        self._known[name] = found
        return found


def expand(hosts: str | Iterable[str], groups: Groups = no_groups) -> list[str]:
    """The hosts that `hosts` names, a set or several of them, in order, each once. Raises `BadName`."""
    texts = [hosts] if isinstance(hosts, str) else [str(host) for host in hosts]

    def mean(word: str, _: bool) -> Iterable[str]:
        node, _at, group = word.partition("@@")
        return [f"{node}@{host}" for host in sets.of([f"@{group}"])] if group else spread(word)

    sets = _Sets(mean, groups, None)
    found = list(sets.of(texts))
    if not found:
        raise BadName(f"{printable(hosts)} names no host: write web1, web[1-12] or a list of them")
    return bounded(found)


def match(
    texts: Iterable[str], known: Mapping[T, Collection[str]], groups: Groups = no_groups
) -> tuple[list[T], list[str]]:  # fmt: skip
    """The known nodes that the sets mean, in order, and what they name that no known node is.

    `known` has what each node is called, see `called`. A group is of hosts: `root@web1:22` in it means the
    nodes of web1. Raises `BadName`.
    """
    by_name: dict[str, list[T]] = {}
    for key, names in known.items():
        for name in names:
            by_name.setdefault(name, []).append(key)

    def mean(word: str, in_group: bool) -> Iterator[T | _Absent]:
        for host in spread(word):
            keys = by_name.get(host) or (by_name.get(_host(host)) if in_group else None)
            if keys:
                yield from keys
            else:
                yield _Absent(host)

    found = _Sets[T | _Absent](mean, groups, list(known)).of(texts)
    absent = [str(one) for one in found if isinstance(one, _Absent)]
    return [one for one in found if not isinstance(one, _Absent)], absent


class _Absent(str):
    """What a set names that no known node is."""

    __slots__ = ()


def _host(destination: str) -> str:
    try:
        return node_host(destination)
    except BadName:
        return ""


def called(name: str, aliases: Iterable[str] = ()) -> set[str]:
    """What a set may call a node: its name, its aliases, what of these stands before the @, and the hosts behind."""
    names = {name, *aliases}
    parts = {part for one in names for part in one.partition("@")[::2]}
    return (names | parts | {_host(part) for part in parts}) - {""}
