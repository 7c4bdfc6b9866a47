"""What wants a processor for itself, or the interpreter, and does not give it back."""

import ctypes
import hashlib
import os
import re
import subprocess
import sys
import threading
from collections import deque
from itertools import repeat

from tests.hostile.program import killed


def spin() -> None:
    """In Python."""
    while True:
        pass


def match_for_ever() -> None:
    """In C, with the GIL held, where no handler of a signal can run."""
    re.match("(a+)+b", "a" * 40)


def consume_for_ever() -> None:
    """In C that looks neither at signals nor at the GIL's other friends."""
    deque(repeat(0), maxlen=0)


def hash_for_ever() -> None:
    """In C with the GIL released."""
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)


def sleep_with_the_gil() -> None:
    """No processor, and nobody else has the interpreter: its own thread's signals wait too."""
    libc = ctypes.PyDLL(None)
    while True:
        libc.sleep(60)


def keep_the_switch() -> None:
    """A thread is never asked to let the main one run."""
    sys.setswitchinterval(1e6)
    threading.Thread(target=spin, daemon=True).start()
    threading.Event().wait()


def ask_the_system() -> None:
    """In the kernel, more than in the program."""
    null = os.open(os.devnull, os.O_WRONLY)
    while True:
        os.write(null, b"")


def spin_in_children() -> None:
    """In more processes than there are processors."""
    for _ in range(8):
        if not os.fork():
            spin()
    spin()


def spin_elsewhere() -> None:
    """In another program."""
    subprocess.run(["sh", "-c", "while :; do :; done"], check=True)


def spin_first() -> None:
    """Before everybody else, where the system lets it."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    except PermissionError:
        os.nice(1)
    spin()


PROGRAMS = (
    killed("spins", spin),
    killed("spins in a regular expression", match_for_ever),
    killed("consumes an endless iterator", consume_for_ever),
    killed("computes without the GIL", hash_for_ever),
    killed("sleeps with the GIL", sleep_with_the_gil),
    killed("never switches threads", keep_the_switch),
    killed("calls the system without end", ask_the_system),
    killed("spins in eight children", spin_in_children, storm=True),
    killed("spins in a shell", spin_elsewhere),
    killed("spins before everybody else", spin_first, storm=True),
)
