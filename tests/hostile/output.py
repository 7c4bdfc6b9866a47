"""What prints more than anybody reads, or what nobody can."""

import os
import subprocess
import sys
import threading

from tests.hostile.program import ended, killed, returns


def print_a_million() -> int:
    """Lines, each of them on its way at once."""
    for number in range(1_000_000):
        print(number)
    return number


def print_without_end() -> None:
    """Faster than anything reads."""
    line = "x" * 1000
    while True:
        print(line)


def print_one_long_line() -> int:
    """Which does not end."""
    for _ in range(512):
        os.write(1, b"x" * 65536)
    return 512


def print_bytes() -> int:
    """That are no text, and that a terminal obeys."""
    return os.write(1, bytes(range(256)) * 64 + b"\x1b]0;title\x07\x1b[2J\x1bc\x90\x9b31m\n")


def print_from_a_thread() -> str:
    """On and on, after its end."""

    def on() -> None:
        while True:
            sys.stdout.write("more\n")

    threading.Thread(target=on).start()
    return "printing"


def warn_for_ever() -> None:
    """Through the other stream, from another program."""
    subprocess.run(["sh", "-c", "while :; do echo warning >&2; done"], check=False)


PROGRAMS = (
    ended("prints a million lines", print_a_million, returns(999_999)),
    killed("prints without end", print_without_end),
    ended("prints one long line", print_one_long_line, returns(512)),
    ended("prints bytes", print_bytes, returns(64 * 256 + 22)),
    ended("prints from a thread", print_from_a_thread, returns("printing")),
    killed("warns for ever", warn_for_ever),
)
