"""What spoils the descriptors of its worker, the one to the hub first of all."""

import contextlib
import errno
import fcntl
import os
import resource
import socket
import stat
import struct
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.hostile.program import dies, ended, killed, raises, returns

# ruff: noqa: SIM115
_kept: list[object] = []


def _sockets() -> Iterator[int]:
    """Those of this process; one of them leads to the hub."""
    for fd in range(3, 1024):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                yield fd


def leak_files() -> None:
    """Until there is none left, and keep them."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    while True:
        _kept.append(open(os.devnull))


def leak_pipes() -> int:
    """A thousand, without a limit, and return."""
    for _ in range(500):
        _kept.append(os.pipe())
    return len(_kept)


def close_everything() -> str:
    """And return a value that cannot be told."""
    os.closerange(0, 1024)
    return "closed"


def close_everything_and_wait() -> None:
    """Nobody hears of it any more, and it lives on."""
    os.closerange(3, 1024)
    time.sleep(600)


def put_nothing_in_their_place() -> str:
    """What it writes is taken, and goes nowhere."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in _sockets():
        os.dup2(null, fd)
    return "nothing"


def shut_down() -> None:
    """The hub's connection, which stays open."""
    for fd in _sockets():
        socket.socket(fileno=os.dup(fd)).shutdown(socket.SHUT_RDWR)
    while True:
        pass


def write_rubbish() -> str:
    """To the hub, in place of frames."""
    for fd in _sockets():
        os.write(fd, b"\xff" * 4096)
    return "written"


def announce_a_terabyte() -> str:
    """A frame that begins well and has no end."""
    for fd in _sockets():
        os.write(fd, struct.pack(">I", 2**32 - 1) * 24)
    return "announced"


def write_half_a_frame() -> None:
    """And keep the hub waiting for the other half."""
    for fd in _sockets():
        os.write(fd, b"\0" * 7)
    time.sleep(600)


def eat_what_the_hub_says() -> str:
    """Before its worker reads it."""
    for fd in _sockets():
        os.set_blocking(fd, False)
        with contextlib.suppress(BlockingIOError):
            while os.read(fd, 65536):
                pass
    return "eaten"


def close_the_streams() -> str:
    """And print."""
    for fd in (0, 1, 2):
        os.close(fd)
    with contextlib.suppress(OSError):
        print("nowhere", flush=True)
    return "silent"


def unblock_the_pipe() -> str:
    """A print may fail from now on."""
    fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_NONBLOCK)
    return "unblocked"


def write_a_large_file() -> None:
    """Larger than it may be."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
    with tempfile.TemporaryFile() as file:
        while True:
            file.write(b"x" * 65536)


def break_a_pipe() -> None:
    """Its reader is gone."""
    read, write = os.pipe()
    os.close(read)
    os.write(write, b"x")


def remove_the_floor() -> str:
    """The folder it stands in."""
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    Path(folder).rmdir()
    return "removed"


def take_a_root() -> str:
    """Another one, in which hardly anything is where it was."""
    os.chroot("/usr")
    return "taken"


def open_the_terminal() -> None:
    """There is none, and none that it could type into."""
    open("/dev/tty", "wb")


LOST = (raises("WorkerDied", executed="maybe"), raises("WorkerDied", executed="yes"))
"""Their answer was lost, or the connection before they gave one."""
PROGRAMS = (
    ended("leaks files to the limit", leak_files, raises("OSError", errno=errno.EMFILE)),
    ended("leaks a thousand pipes", leak_pipes, returns(500)),
    ended("closes everything", close_everything, dies(status=1), dies(status=0), dies(status=120)),
    ended("closes everything and waits", close_everything_and_wait, dies(9)),
    ended("puts nothing in the place of its connection", put_nothing_in_their_place, dies(status=0)),
    ended("shuts its connection down", shut_down, dies(9)),
    ended("writes rubbish to its hub", write_rubbish, *LOST),
    ended("announces a terabyte", announce_a_terabyte, *LOST),
    killed("writes half a frame", write_half_a_frame, executed="maybe"),
    ended("eats what its hub says", eat_what_the_hub_says, returns("eaten")),
    ended("closes its streams", close_the_streams, returns("silent")),
    ended("unblocks its pipe", unblock_the_pipe, returns("unblocked")),
    ended("writes too large a file", write_a_large_file, raises("OSError", errno=errno.EFBIG)),
    ended("breaks a pipe", break_a_pipe, raises("BrokenPipeError")),
    ended("removes the floor it stands on", remove_the_floor, returns("removed")),
    ended("takes another root", take_a_root, returns("taken"), raises("PermissionError")),
    ended("opens the terminal", open_the_terminal, raises("OSError", errno=errno.ENXIO)),
)
