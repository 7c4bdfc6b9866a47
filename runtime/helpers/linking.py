"""Links to files and addresses in what a helper prints, where whoever sees it has a terminal that takes them."""

import os
import sys

from pysh.runtime.protocol.linking import file_uri, linked, with_urls
from pysh.runtime.runner import inside


def link_file(text: str, path: str) -> str:
    """`text` as a link to the file at `path`, if that is one and whoever looks has it too."""
    if not _seen() or not path.startswith("/") or not os.path.isfile(path):  # noqa: PTH113 - as everywhere here
        return text
    return linked(text, file_uri(path, os.uname().nodename))


def link_urls(text: str) -> str:
    """`text` with the addresses of the web in it as links."""
    return with_urls(text) if _seen() else text


def _seen() -> bool:
    return inside.here is not None and inside.here.links and sys.stdout.isatty()
