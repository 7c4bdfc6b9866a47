"""What ends its worker, each in another way."""

import ctypes
import mmap
import os
import platform
import resource
import signal
import tempfile
import threading
import time
from types import FrameType

from tests.hostile.program import dies, ended, killed, raises

UNDEFINED = {"x86_64": b"\x0f\x0b", "aarch64": b"\0\0\0\0"}.get(platform.machine(), b"\0" * 16)
"""An instruction that no processor has."""


def read_nothing() -> None:
    """Where there is no memory."""
    ctypes.string_at(0)


def abort() -> None:
    """As a library does that finds itself broken."""
    os.abort()


def read_past_a_file() -> None:
    """A mapped file that became shorter."""
    with tempfile.TemporaryFile() as file:
        file.truncate(mmap.PAGESIZE)
        mapped = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        file.truncate(0)
        mapped[0]


def run_what_is_no_code() -> None:
    """Bytes that the processor refuses."""
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(UNDEFINED)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    ctypes.CFUNCTYPE(None)(address)()


def overflow_the_stack() -> None:
    """Of C, where Python counts nothing."""
    kind = ctypes.CFUNCTYPE(None)
    libc = ctypes.CDLL(None)
    address = ctypes.cast(libc.qsort, ctypes.c_void_p).value
    assert address
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    pair = (ctypes.c_int * 2)()

    def again(_one: int | None, _other: int | None) -> int:
        libc.qsort(pair, 2, 4, callback)
        return 0

    callback = compare(again)
    import sys

    sys.setrecursionlimit(2**31 - 1)
    resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, resource.RLIM_INFINITY))
    kind(again)  # kept alive
    again(0, 0)


def leave_with(code: int) -> None:
    """At once, past everything that tidies up."""
    os._exit(code)


def leave_from_a_thread() -> None:
    """While the main thread sleeps."""
    threading.Thread(target=os._exit, args=(5,)).start()
    time.sleep(600)


def kill_oneself() -> None:
    """As the system does that has no memory left."""
    os.kill(os.getpid(), signal.SIGKILL)


def be_alarmed() -> None:
    """By its own clock."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    time.sleep(600)


def use_up_the_processor() -> None:
    """Past what the system lets it."""
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    used = int(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (used + 1, resource.RLIM_INFINITY))
    while True:
        pass


def hang_up_on_the_group() -> None:
    """A signal to all that it started, and to itself."""
    os.killpg(0, signal.SIGHUP)
    time.sleep(600)


def become_another_program() -> None:
    """One that ends well, but is no worker."""
    os.execv("/bin/true", ["true"])


def become_a_sleeper() -> None:
    """One that does not end, and is no worker."""
    os.execv("/bin/sleep", ["sleep", "600"])


def be_traced() -> None:
    """Every signal stops it, and who waits for it is told of that as of an end."""
    ctypes.CDLL(None).ptrace(0, 0, None, None)
    os.kill(os.getpid(), signal.SIGUSR1)
    time.sleep(600)


def end_at_the_second_look(_number: int, _frame: FrameType | None) -> None:
    """A handler that ends the process."""
    os._exit(6)


def end_when_cancelled() -> None:
    """Of its own will, before the answer."""
    signal.signal(signal.SIGINT, end_at_the_second_look)
    time.sleep(600)


PROGRAMS = (
    ended("reads where nothing is", read_nothing, dies(signal.SIGSEGV)),
    ended("aborts", abort, dies(signal.SIGABRT)),
    ended("reads past the end of a mapped file", read_past_a_file, dies(signal.SIGBUS)),
    ended("runs what is no code", run_what_is_no_code, dies(signal.SIGILL)),
    ended("overflows the stack of C", overflow_the_stack, dies(signal.SIGSEGV), raises("RecursionError")),
    ended("leaves with 0", leave_with, dies(status=0), args=(0,)),
    ended("leaves from a thread", leave_from_a_thread, dies(status=5)),
    ended("kills itself", kill_oneself, dies(signal.SIGKILL)),
    ended("is alarmed", be_alarmed, dies(signal.SIGALRM)),
    ended("uses up its processor time", use_up_the_processor, dies(signal.SIGXCPU)),
    ended("hangs up on its group", hang_up_on_the_group, dies(signal.SIGHUP)),
    ended("becomes another program", become_another_program, dies(status=0)),
    ended("becomes a program that sleeps", become_a_sleeper, dies(signal.SIGKILL)),
    ended("is traced and stops", be_traced, dies(signal.SIGUSR1), dies(signal.SIGKILL)),
    killed("ends when it is cancelled", end_when_cancelled),
)
