"""`python release.py 1-1 -m pysh ls`: a module as a release had it that spoke these versions of the wire.

What a release says of itself is all that differs: the frames of both versions are the same.
"""

import runpy
import sys

from pysh.runtime.protocol import hello


def speak(oldest: int, newest: int) -> None:
    """Say in every hello of this process that these versions are spoken."""
    hello.WIRE = (oldest, newest)
    defaults = {**hello.Hello._field_defaults, "versions": hello.WIRE}
    hello.Hello.__new__.__defaults__ = tuple(defaults.values())


if __name__ == "__main__":
    speak(*map(int, sys.argv[1].split("-")))
    sys.argv = sys.argv[sys.argv.index("-m") + 1 :]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
