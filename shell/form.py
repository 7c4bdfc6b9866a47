"""A form: a few questions, a line each, whose answers become code at the next prompt. Nothing is run."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pysh.runtime.protocol.cleaning import clean

Ask = Callable[[str, Sequence[str]], str]
"""Asks a question, and completes some words; what was typed."""
WORDS = 500
"""Of so many words that may be the answer, at most, one may be chosen."""
HERE = ("", "localhost")
ACCEPTED = {"y": "accept-new", "yes": "accept-new", "accept-new": "accept-new"}


def filled(form: Mapping[str, Any], ask: Ask) -> str:
    """The code of a form that was asked for, by another version perhaps; empty if it is left, or not known."""
    if form.get("verb") != "connect":
        return ""
    try:
        return connecting(ask, _words(form.get("hosts")), _words(form.get("nodes")))
    except (EOFError, KeyboardInterrupt):
        return ""


def connecting(ask: Ask, hosts: Sequence[str], nodes: Sequence[str]) -> str:
    """The `connect(...)` that somebody means, who knows `hosts`, and on this machine `nodes`."""
    host = _one(ask("host, or [user@]host[:port], by ssh (empty: this machine)", ["localhost", *hosts]))
    node = _one(ask("name of the node there", nodes if host in HERE else ()))
    if not node:
        return ""
    address = node if "@" in node and host in HERE else f"{node.partition('@')[0]}@{host or 'localhost'}"
    return f"connect({', '.join([quoted(address), *(_way(ask, hosts) if host not in HERE else ())])})"


def _way(ask: Ask, hosts: Sequence[str]) -> list[str]:
    """What else it takes to get to another machine."""
    through = ask("through which hosts, in order (empty: none)", hosts).replace(",", " ").split()
    accepted = ACCEPTED.get(_one(ask("write down the key of a host that is not known (y, empty: no)", ["y"])).lower())
    via = quoted(through[0]) if len(through) == 1 else f"[{', '.join(map(quoted, through))}]"
    return [*([f"via={via}"] if through else []), *([f"hostkey={quoted(accepted)}"] if accepted else [])]


def quoted(text: str) -> str:
    """`text` as it is written in code."""
    return f'"{text}"' if text.isprintable() and not set(text) & {'"', "\\"} else repr(text)


def _one(answer: str) -> str:
    return "".join(answer.split())


def _words(told: object) -> list[str]:
    """What of a list is a word."""
    words = [clean(word) for word in told if isinstance(word, str)] if isinstance(told, list) else []
    return words[:WORDS]
