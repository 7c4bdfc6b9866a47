"""One command line that runs a Python source on a machine of which nothing is known but its sshd.

sshd gives the line to the login shell, be it sh, csh or fish, whose start-up files may print anything.
So it is one call of /bin/sh with words in single quotes, none of which holds what those shells read
differently (`'`, `!`, a backslash, a newline) or has a thousand characters, which is all that an old
csh takes. sh tries one Python after the other, until the source ends with the exit status 0.
"""

import base64
import zlib
from collections.abc import Sequence

PYTHONS = (
    "/usr/bin/python3", "python3", "/usr/local/bin/python3", "/opt/homebrew/bin/python3",
    *(f"python3.{minor}" for minor in range(15, 6, -1)), "python",
)  # fmt: skip
"""Where a Python is looked for that needs no particular version, in this order: the system's first, for
another may be a script that takes ten times as long to find its own."""

OLD = 9
"""The exit status of a source for which this Python is too old, and that has said so."""
MISSING = 127
"""The exit status when none of them ran the source."""

_PIECE = 800
"""Characters of one word."""

# Without '' in sys.path, and without site: what lies in the folder there is not ours to import.
_DECODE = (
    "import sys;sys.path[:]=filter(None,sys.path);import binascii,zlib;"
    "exec(zlib.decompress(binascii.a2b_base64(sys.argv[1])))"
)
_FIND = (
    'c=$1; w=$2; h=$3; shift 3; z=$*; eval "set -- $c"; '
    'for q; do p=$(command -v "$q") || continue; [ -d "$p" ] && continue; '
    f'"$p" -E -S -c "{_DECODE}" "$z" "$w" "$h" "$q"; s=$?; [ $s = 0 ] && exit; '
    f'[ $s = {OLD} ] || {{ echo; echo "$w no $s $p"; }}; done; echo; echo "$w none"; exit {MISSING}'
)


def command(
    source: str, pythons: Sequence[str] = PYTHONS, *, word: str = "-", more: str = "-", before: Sequence[str] = ()
) -> str:
    """The line that runs `source` in the first of `pythons` that is there and can, behind the commands `before`.

    Can means that the source ends with the exit status 0; so it is to do whatever may fail in another Python
    before it does anything that counts. It finds `word`, `more`, and what it was looked for as, in
    `sys.argv[2:5]`. sh says `WORD no STATUS PATH` of each that could not, in a line of its own, and `WORD none`
    at the end. Everybody there sees the line: no secret belongs into it. `pythons` are words as sh reads
    them, with patterns and variables. Raises `ValueError` for one that would not come through the login shell.
    """
    if any(set(python) & set("'\\`!\n") for python in pythons):
        raise ValueError(f"no name of a Python: {pythons}")
    packed = base64.b64encode(zlib.compress(source.encode(), 9)).decode()
    pieces = [packed[at : at + _PIECE] for at in range(0, len(packed), _PIECE)]
    find = ["exec /bin/sh -c", f"'{_FIND}'", "pysh", f"'{' '.join(pythons)}'", word, more, *pieces]
    return " && ".join([*before, " ".join(find)])
