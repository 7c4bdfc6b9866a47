"""Many hosts in few words: `web[1-12]`, `db[01-03]`, and which host part their nodes' names get."""

import re

from pysh.runtime.protocol.addresses import check_destination
from pysh.runtime.protocol.terms import BadName, check_host, printable

MOST = 1000
"""Hosts that one call may name; more is a slip of the pen."""

_PART = re.compile(r"\[([^][]*)\]")
_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")


def spread(text: str) -> list[str]:
    """The hosts that one word names, in order: `[1-3,7]` in it stands for each of these numbers.

    They have leading zeros where the first of a range has them. Several brackets make every combination. A
    bracket that holds no numbers is left alone: an IPv6 address. Raises `BadName`.
    """
    for bracket in _PART.finditer(text):
        numbers = _numbers(bracket[1])
        if numbers:
            before, after = text[: bracket.start()], text[bracket.end() :]
            return [f"{before}{number}{rest}" for number in numbers for rest in bounded(spread(after), len(numbers))]
    return [text]


def bounded(hosts: list[str], times: int = 1) -> list[str]:
    """`hosts`, unless `times` as many are too many. Raises `BadName`."""
    if len(hosts) * times > MOST:
        raise BadName(f"that is more than {MOST} hosts at once")
    return hosts


def _numbers(text: str) -> list[str]:
    """What `1-3,7` stands for; nothing if it holds anything but numbers and ranges of them."""
    found: list[str] = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            return []
        first, last = match[1], match[2] or match[1]
        if not 0 <= int(last) - int(first) < MOST:
            raise BadName(f"{printable(part)} is no range of at most {MOST} numbers, the smaller one first")
        width = len(first) if first.startswith("0") else 0
        found += [str(number).zfill(width) for number in range(int(first), int(last) + 1)]
    return found


def node_host(destination: str) -> str:
    """The host part of the name of a node on the SSH destination `destination`: its host, without user and port.

    Empty where that may not be part of a name, as an address of IP version 6 that begins with a colon.
    Raises `BadName` for what is no destination.
    """
    host = check_destination(destination)
    try:
        return check_host(host)
    except BadName:
        return ""
