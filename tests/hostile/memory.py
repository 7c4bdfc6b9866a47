"""What wants more memory than there is; a limit of its own stands for the machine's."""

import mmap
import resource
import sys
import threading
from pathlib import Path
from typing import Any

from tests.hostile.program import dies, ended, raises, returns

ROOM = 64 << 20


def _limit(kind: int, more: int) -> None:
    """No more than `more` bytes on top of what it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0 if kind == resource.RLIMIT_AS else 5])
    resource.setrlimit(kind, (pages * mmap.PAGESIZE + more, resource.RLIM_INFINITY))


def want_a_terabyte() -> None:
    """In one piece."""
    _limit(resource.RLIMIT_AS, ROOM)
    bytearray(1 << 40)


def grow_to_the_limit() -> None:
    """By little and little, and keep it all while the error is told."""
    _limit(resource.RLIMIT_AS, ROOM)
    kept: list[Any] = []
    while True:
        kept.append(bytearray(1 << 16))


def fill_with_small_things() -> None:
    """Objects of Python's own, with nothing left for the error itself."""
    _limit(resource.RLIMIT_DATA, ROOM // 2)
    kept: Any = None
    while True:
        kept = [kept]


def start_threads_without_stacks() -> None:
    """Each needs eight megabytes that are not there."""
    _limit(resource.RLIMIT_AS, ROOM)
    for _ in range(1000):
        threading.Thread(target=threading.Event().wait, daemon=True).start()


def map_and_fill() -> int:
    """More than a worker may grow by, and touch it."""
    with mmap.mmap(-1, 600 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x8000) as mapped:
        return len(mapped)


def repeat_for_ever() -> None:
    """More than an integer can count."""
    [0] * sys.maxsize


def limit_nothing_and_return() -> str:
    """Leaves its worker with no room for the next job."""
    _limit(resource.RLIMIT_AS, 1 << 20)
    return "limited"


PROGRAMS = (
    ended("wants a terabyte", want_a_terabyte, raises("MemoryError")),
    ended("grows to its limit", grow_to_the_limit, raises("MemoryError"), raises("RemoteError", type="MemoryError")),
    ended(
        "fills its memory with small things",
        fill_with_small_things,
        raises("MemoryError"),
        raises("RemoteError", type="MemoryError"),
        dies(11),
        dies(6),
    ),
    ended("starts threads without stacks", start_threads_without_stacks, raises("RuntimeError")),
    ended("maps and fills 600 MiB", map_and_fill, returns(600 << 20)),
    ended("repeats for ever", repeat_for_ever, raises("MemoryError")),
    ended("leaves its worker without room", limit_nothing_and_return, returns("limited")),
)
