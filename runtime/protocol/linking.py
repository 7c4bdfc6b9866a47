"""Links (OSC 8) for a terminal that takes them. Each shows where it leads, so that none can say something else.

What comes from others is cleaned before; only then links are put around parts of it.
"""

import re
from collections.abc import Collection

_FRAME = re.compile(r'^(?P<before>[ |]*  File ")(?P<path>/[^"\n]*)(?P<behind>", line \d+)(?!.*, on \S+$)', re.MULTILINE)
"""A line that names the file of a frame, unless it ran on another node."""
_URL = re.compile(r"https?://[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]{1,2000}")
_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")
_BESIDE = ".,;:!?'"
"""What ends a sentence, and no address."""


def linked(text: str, uri: str) -> str:
    """`text` as a link to `uri`, neither of which has a control character."""
    return f"\x1b]8;;{uri}\x1b\\{text}\x1b]8;;\x1b\\" if (text + uri).isprintable() else text


def file_uri(path: str, host: str) -> str:
    """The address of the file at the absolute `path` of the machine called `host`."""
    return f"file://{_quoted(host)}{_quoted(path)}"


def with_frames(text: str, files: Collection[str], host: str) -> str:
    """A traceback in which the paths are links that are among `files` of the machine called `host`."""

    def link(found: re.Match[str]) -> str:
        before, path, behind = found.groups()
        return f"{before}{linked(path, file_uri(path, host))}{behind}" if path in files else found[0]

    return _FRAME.sub(link, text) if files else text


def with_urls(text: str) -> str:
    """`text` with the addresses of the web in it as links."""
    return _URL.sub(lambda found: _url(found[0]), text) if "://" in text else text


def _url(found: str) -> str:
    url = found.rstrip(_BESIDE)
    while url.endswith(")") and url.count("(") < url.count(")"):
        url = url[:-1].rstrip(_BESIDE)
    return linked(url, url) + found[len(url) :]


def _quoted(text: str) -> str:
    return "".join(
        char if char in _SAFE else "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogateescape"))
        for char in text
    )
