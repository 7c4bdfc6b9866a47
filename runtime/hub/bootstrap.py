"""One command line that runs a Python source on a machine of which nothing is known but its sshd.

The login shell there may be sh, csh or fish, and its start-up files may print or fail. So the line
uses nothing that they read differently: single quotes around a text for sh, and words of letters.
"""

import base64
import zlib
from collections.abc import Sequence

PYTHONS = (
    "/usr/bin/python3", "python3", "/usr/local/bin/python3", "/opt/homebrew/bin/python3",
    *(f"python3.{minor}" for minor in range(15, 6, -1)), "python",
)  # fmt: skip
"""Where a Python is looked for, in this order: the system's first, for another may be a script that
takes ten times as long to find its own. The source may well refuse the version it finds."""

MISSING = 127
"""The exit status when none of them ran the source."""

_PIECE = 800
"""Characters of one word: an old csh takes no more than a thousand."""

# Without '' in sys.path: what lies in the home directory there is not ours to import.
_DECODE = (
    "import sys;sys.path[:]=filter(None,sys.path);import binascii,zlib;"
    "exec(zlib.decompress(binascii.a2b_base64(str().join(sys.argv[1:]))))"
)
_FIND = 'for p in {pythons}; do "$p" {options} -c "{decode}" "$@" && exit 0; done; exit {missing}'


def command(source: str, pythons: Sequence[str] = PYTHONS, *, options: str = "-SE") -> str:
    """The line that runs `source` in the first of `pythons` that is there and can, with Python's own `options`.

    Can means that the source ends with the exit status 0; so it is to do whatever may fail in another
    Python before it does anything that counts. The line is seen by others there: no secret belongs
    into `source`. When no Python could, what each of them complained stands on standard error, and
    the exit status is `MISSING`. A name in `pythons` may begin with `$HOME`. Raises `ValueError` for one
    that would not come through the shells.
    """
    if any(set(python) & set("'\"\\`!\n") for python in pythons):
        raise ValueError(f"no name of a Python: {pythons}")
    word = base64.b64encode(zlib.compress(source.encode(), 9)).decode()
    pieces = [word[at : at + _PIECE] for at in range(0, len(word), _PIECE)]
    find = _FIND.format(
        pythons=" ".join(f'"{python}"' for python in pythons), decode=_DECODE, options=options, missing=MISSING
    )
    return " ".join(["exec sh -c", f"'{find}'", "pysh", *pieces])
