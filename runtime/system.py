"""The one file of the runtime with calls that differ between systems.

`PYSH_OS_FALLBACKS=1` takes every fall-back, so that they are tested where they are not needed. Each
function says what is lost with its own.
"""

# ruff: noqa: PTH116, PTH208
# pathlib takes longer to import than a hub or a worker has.

import _signal  # type: ignore[import-not-found]  # it has no stub
import math
import os
import resource
import select
import signal
import sys
import time
import weakref
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

set_handler, handler_of = _signal.signal, _signal.getsignal
"""Those of `signal` are the same, but make enums of all they are given and return, at ten times the cost."""
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_PR_SET_CHILD_SUBREAPER = 36
STACK_SIGNAL = int(signal.SIGRTMIN) + 7 if hasattr(signal, "SIGRTMIN") else int(signal.SIGUSR2)
"""What has a worker write down where its threads are; one that little else uses, where there are so many."""
_LIMITS = sorted({number for name, number in vars(resource).items() if name.startswith("RLIMIT_")})
_STOPPING = 16
"""How often a tree is looked through for processes that were forked meanwhile."""


def fallbacks_forced() -> bool:
    """Whether every fall-back is to be taken though the system could do better."""
    return os.environ.get("PYSH_OS_FALLBACKS") == "1"


def machine() -> str:
    """Which machine this is, as it sees its files: for two processes that say the same, a path is the same file.

    Fall-back: the machine's name; empty, which is no machine, if that is the name of any.
    """
    root = os.stat("/")
    try:
        if fallbacks_forced():
            raise FileNotFoundError
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            this = f"{file.read().strip()} {os.readlink('/proc/self/ns/mnt')}"  # noqa: PTH115
    except OSError:
        name = os.uname().nodename
        this = "" if name.startswith("localhost") else name
    return f"{this} {root.st_dev}:{root.st_ino}" if this else ""


def adopt_orphans() -> bool:
    """Become the parent of every descendant whose own parent dies; whether that is possible here.

    Without it they become children of init's: what left its process group and its parent is not
    found any more, and outlives the worker that started it.
    """
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> bool:
    """Be killed when `parent` ends, at once if it has; whether that is possible here.

    Call it in a fresh child, and in a single-threaded parent: the system watches the thread that
    forked. Without it a worker whose fork server was killed runs its job to the end.
    """
    watched = _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)  # it died before we asked
    return watched


def be_expendable() -> None:
    """Have this process killed before others when memory runs out. Without it the system chooses."""
    if fallbacks_forced():
        return
    try:
        with open("/proc/self/oom_score_adj", "wb", buffering=0) as score:
            score.write(b"500")
    except OSError:
        pass


def slept() -> float:
    """Seconds that this machine has slept so far, but for a constant.

    Without a clock that counts sleep it is told by the wall clock, so one that is set looks like sleep.
    """
    if not hasattr(time, "CLOCK_BOOTTIME") or fallbacks_forced():
        return time.time() - time.monotonic()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()


def peak_memory() -> int:
    """The most bytes of memory that this process ever had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def memory() -> int:
    """The bytes of memory that this machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def bound(memory: int | None, cpu: float | None) -> None:
    """From now on this process may take `memory` more bytes of addresses, and `cpu` more seconds of processor.

    Of the first too much is refused to whoever asks for it; the second ends the process by SIGXCPU.
    """
    if memory is not None:
        _soften(resource.RLIMIT_AS, _addresses() + memory)
    if cpu is not None:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        _soften(resource.RLIMIT_CPU, math.ceil(usage.ru_utime + usage.ru_stime + cpu))


def _addresses() -> int:
    """The bytes of addresses that this process has; without /proc those that it had in memory, which are fewer."""
    try:
        if not fallbacks_forced():
            with open("/proc/self/statm", encoding="ascii") as file:
                return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        pass
    return peak_memory()


def unbound() -> None:
    """Undo `bound`."""
    for what in (resource.RLIMIT_AS, resource.RLIMIT_CPU):
        _soften(what, resource.getrlimit(what)[1])


def _soften(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY or most == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, hard))


def memory_of(pid: int) -> int:
    """The bytes of memory that process `pid` has at the moment; 0 where that cannot be told."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return 0


class Standing(NamedTuple):
    """What the system makes of a process, and a process cannot always take back."""

    who: tuple[Any, ...]
    """Its users and groups, its priority, and the root of its files."""
    limits: tuple[float, ...]


def standing() -> Standing:
    """That of this process. It takes some 15 us."""
    root = os.stat("/")
    who = (os.getuid(), os.geteuid(), os.getgid(), os.getegid(), os.getpriority(os.PRIO_PROCESS, 0))
    limits = [resource.getrlimit(number)[0] for number in _LIMITS]
    unlimited = resource.RLIM_INFINITY
    return Standing(
        (*who, root.st_dev, root.st_ino), tuple(float("inf") if most == unlimited else most for most in limits)
    )


def has_fallen(then: Standing, now: Standing) -> bool:
    """Whether a process is another than it was, or may do less."""
    return now.who != then.who or any(less < more for less, more in zip(now.limits, then.limits, strict=True))


def memory_file(name: str, size: int) -> int:
    """A descriptor of a file of `size` zero bytes that has no name and goes with its last user.

    Without anonymous memory it is a file in the temporary folder, on a disk perhaps.
    """
    if hasattr(os, "memfd_create") and not fallbacks_forced():
        fd = os.memfd_create(name)
    else:
        import tempfile

        with tempfile.TemporaryFile(prefix=name) as file:
            fd = os.dup(file.fileno())
    os.truncate(fd, size)
    return fd


def children(*pids: int) -> list[int]:
    """The processes whose parent is one of `pids`, ended ones that nobody waited for included.

    Without /proc it takes a run of `ps`, some 10 ms.
    """
    listed = os.access(f"/proc/{os.getpid()}/task/{os.getpid()}/children", os.R_OK)
    if fallbacks_forced() or not listed:
        return _searched(pids)
    return [child for pid in pids for child in _listed(pid)]


def reap(before: Callable[[int], object]) -> tuple[int, int] | None:
    """Wait for a child that has ended, if there is one: its pid and its wait status.

    `before(pid)` is called while the pid cannot belong to anybody else yet, so a signal to its process
    group finds the right one. Without `waitid` it is called just after, when it might.
    """
    try:
        if not hasattr(os, "waitid") or fallbacks_forced():
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid:
                before(pid)
            return (pid, status) if pid else None
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        before(ended.si_pid)
        return os.waitpid(ended.si_pid, 0)
    except ChildProcessError:
        return None


def send_signal(pid: int, number: int, *, group: bool = False) -> None:
    """Send a signal to a process, or to it and the process group it leads; nothing if it is gone."""
    for send in (os.killpg, os.kill) if group else (os.kill,):
        try:
            send(pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # it ended, or runs as somebody else by now


def handles(pid: int, number: int) -> bool | None:
    """Whether some thread of `pid` is in the handler of a signal, or the signal has yet to reach one.

    None where that cannot be told: without /proc, or of a process that is gone.
    """
    if fallbacks_forced():
        return None
    bit = 1 << (number - 1)
    try:
        threads = [f"/proc/{pid}/task/{thread}/status" for thread in os.listdir(f"/proc/{pid}/task")]
        masks = [_masks(path) for path in threads]
    except (OSError, ValueError):
        return None
    return any(bit & mask for mask in masks)


def catches(pid: int, number: int) -> bool:
    """Whether `pid` has a handler for a signal, so that it survives it; True where that cannot be told."""
    try:
        with open(f"/proc/{pid}/status", "rb", buffering=0) as status:
            caught = _field(status.read(), b"SigCgt:")
    except (OSError, ValueError):
        return True
    return bool(caught & 1 << (number - 1))


def _masks(path: str) -> int:
    with open(path, "rb", buffering=0) as status:
        told = status.read()
    return _field(told, b"SigBlk:") | _field(told, b"SigPnd:") | _field(told, b"ShdPnd:")


def _field(told: bytes, name: bytes) -> int:
    return int(told.partition(name)[2].split(None, 1)[0], 16)


def kill_tree(pid: int) -> None:
    """SIGKILL to `pid`, its process group and everything below it.

    The tree is stopped before it is killed: a process that dies too early leaves children that nobody
    finds below it any more, and one that runs makes new ones.
    """
    tree = {pid}
    for _ in range(_STOPPING):
        for member in tree:
            send_signal(member, signal.SIGSTOP)
        more = set(children(*tree)) - tree
        if not more:
            break
        tree |= more
    for member in tree:
        send_signal(member, signal.SIGKILL, group=member == pid)


def _listed(pid: int) -> list[int]:
    """The children of each thread of `pid`, as the system lists them; none if it is gone."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb", buffering=0) as listed:
                found += map(int, listed.read().split())
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def _searched(pids: tuple[int, ...]) -> list[int]:
    """The children of `pids` in a list of all processes; none where nobody makes one."""
    import subprocess

    command = ["ps", "-A", "-o", "pid=", "-o", "ppid="]
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as ps:
            assert ps.stdout is not None
            rows = [row.split() for row in ps.stdout.read().splitlines()]
    except OSError:
        return []
    return [int(child) for child, parent in rows if int(parent) in pids and int(child) != ps.pid]


_libc: Any = None


def _library() -> Any:
    """The C library of Linux; None elsewhere."""
    global _libc
    if sys.platform != "linux" or fallbacks_forced():
        return None
    if _libc is None:
        import ctypes  # 5 ms, and the hub needs none of it

        _libc = ctypes.CDLL(None)
    return _libc


def _prctl(option: int, value: int) -> bool:
    try:
        libc = _library()
        return libc is not None and bool(libc.prctl(option, value, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


class Watch:
    """Tells at next to no cost that nothing in some folders and files has changed, where the system can.

    Without it, as for files of other machines, whoever wants to know has to look at each.
    """

    _CHANGES = 0x2 | 0x4 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800  # <sys/inotify.h>
    _LOCAL = frozenset(("ext2", "ext3", "ext4", "xfs", "tmpfs", "f2fs", "overlay"))

    def __init__(self, paths: Iterable[str]) -> None:
        self._fd = self._begin(paths)
        self._poll = select.poll()
        if self._fd >= 0:
            self._poll.register(self._fd, select.POLLIN)
            weakref.finalize(self, os.close, self._fd)  # `__del__` may find no `os` any more

    def _begin(self, paths: Iterable[str]) -> int:
        fd = -1
        paths = list(paths)
        try:
            if (libc := _library()) is None or not all(_file_system(path) in self._LOCAL for path in paths):
                return -1
            fd = int(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
            if fd >= 0 and all(libc.inotify_add_watch(fd, os.fsencode(path), self._CHANGES) >= 0 for path in paths):
                return fd
        except (OSError, AttributeError):
            pass
        if fd >= 0:
            os.close(fd)
        return -1

    @property
    def works(self) -> bool:
        """Whether the system tells."""
        return self._fd >= 0

    @property
    def quiet(self) -> bool:
        """Whether nothing has changed since this was made, as far as the system tells."""
        return self._fd >= 0 and not self._poll.poll(0)


def _file_system(path: str) -> str:
    """The kind of the file system that `path` lies on; empty where that is not known."""
    found = os.stat(path).st_dev
    device = f" {os.major(found)}:{os.minor(found)} "
    if device not in _file_systems:
        with open("/proc/self/mountinfo") as mounts:
            lines = [line.partition(" - ") for line in mounts]
        _file_systems[device] = next((after.split()[0] for line, _, after in lines if device in line), "")
    return _file_systems[device]


_file_systems: dict[str, str] = {}


def hide_argument(secret: str) -> bool:
    """Overwrite `secret` in this process's command line and environment; whether that is possible here.

    Without it the process must be replaced by one that was never told the secret.
    """
    if sys.platform != "linux" or fallbacks_forced():
        return False
    import ctypes

    hidden = os.fsencode(secret)
    words = {hidden, b"--cookie=" + hidden, b"PYSH_COOKIE=" + hidden}
    try:
        with open("/proc/self/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
        for first, last in ((45, 46), (47, 48)):  # arg_start and arg_end, env_start and env_end, of proc(5)
            at, end = int(fields[first]), int(fields[last])
            for word in ctypes.string_at(at, end - at).split(b"\0"):
                if word in words:  # a whole word, never a part of another, such as a path
                    ctypes.memset(at + len(word) - len(hidden), ord("x"), len(hidden))
                at += len(word) + 1
    except (OSError, IndexError, ValueError):
        return False
    return True
