"""What starts others, and leaves them, or lets them speak for it."""

import ctypes
import multiprocessing
import os
import platform
import resource
import signal
import subprocess
import sys
import time

from tests.hostile.program import dies, ended, killed, raises, returns
from tests.runtime import victims

STRANGER = 61_234
"""A user that nobody is."""
CROWD = 300
CLONE_PARENT, SYS_CLONE = 0x8000, {"x86_64": 56, "aarch64": 220}.get(platform.machine())


def storm() -> None:
    """A crowd, at once."""
    for _ in range(CROWD):
        if not os.fork():
            time.sleep(600)
            os._exit(0)
    os._exit(7)


def breed() -> None:
    """Every one doubles itself, and all of them stay."""
    victims.breed()


def storm_as_a_stranger() -> None:
    """As another user, until the system lets it start no more; and each of them tries on."""
    if os.fork():
        time.sleep(600)
    resource.setrlimit(resource.RLIMIT_NPROC, (40, 40))
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(STRANGER, STRANGER, STRANGER)
        os.setresuid(STRANGER, STRANGER, STRANGER)
    else:
        os._exit(0)  # the limit would be for all that this user runs
    while True:
        try:
            os.fork()
        except OSError:
            time.sleep(0.001)


def hop() -> None:
    """From one pid and session to the next."""
    victims.hop()


def die_and_leave_children() -> None:
    """In its group, in another session, and with nobody between."""
    victims.start_children()
    os._exit(8)


def be_cancelled_with_children() -> None:
    """Which mind no signal; it does."""
    victims.start_children()
    time.sleep(600)


def hand_children_to_the_fork_server() -> None:
    """By giving up what makes it their heir."""
    ctypes.CDLL(None).prctl(36, 0, 0, 0, 0)
    ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
    subprocess.run([sys.executable, "-c", victims.PARENT], check=True, stdout=subprocess.DEVNULL)
    os._exit(9)


def have_a_sibling() -> None:
    """A child that is not its own."""
    if SYS_CLONE is None:
        os._exit(10)
    if not ctypes.CDLL(None).syscall(SYS_CLONE, CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0):
        time.sleep(600)
    os._exit(10)


def return_twice() -> bool:
    """The answer is the parent's."""
    return victims.fork_and_return() > 0


def raise_in_a_fork() -> bool:
    """The error is the child's."""
    return victims.fork_and_raise()


def let_a_fork_speak() -> str:
    """The parent is gone before the child comes to the end."""
    parent = os.getpid()
    if os.fork():
        os._exit(11)
    while os.getppid() == parent:
        time.sleep(0.001)
    return "from the grave"


def leave_zombies() -> int:
    """Children that ended, and that nobody waits for."""
    for _ in range(50):
        if not os.fork():
            os._exit(0)
    return 50


def leave_orphans_that_end() -> str:
    """Of others, whose heir it is."""
    subprocess.run(["sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 0.01 & done"], check=True)
    return "left"


def fill_a_pool() -> None:
    """Of another library's processes, which are killed with it."""
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.map(time.sleep, [600] * 8)


def change_group() -> None:
    """Signals to its group do not find it."""
    os.setpgid(0, os.getpgid(os.getppid()))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    time.sleep(600)


def interrupt_ones_parent() -> str:
    """Which is everybody's."""
    for _ in range(100):
        os.kill(os.getppid(), signal.SIGINT)
        os.kill(os.getppid(), signal.SIGCHLD)
    return "interrupted"


def become_a_stranger() -> int:
    """Its worker would serve others as another user."""
    if os.getuid() == 0:
        os.setresuid(STRANGER, STRANGER, STRANGER)
    return 0


PROGRAMS = (
    ended("forks a crowd and leaves", storm, dies(status=7), storm=True),
    killed("breeds", breed, storm=True),
    killed("storms as a stranger under a limit", storm_as_a_stranger, storm=True),
    ended("hops from pid to pid", hop, dies(status=3), storm=True),
    ended("dies and leaves children", die_and_leave_children, dies(status=8)),
    killed("is cancelled with children", be_cancelled_with_children),
    ended("hands its children to the fork server", hand_children_to_the_fork_server, dies(status=9)),
    ended("has a sibling", have_a_sibling, dies(status=10)),
    ended("returns twice", return_twice, returns(True)),
    ended("raises in a fork", raise_in_a_fork, returns(True)),
    ended("lets a fork speak for it", let_a_fork_speak, dies(status=11)),
    ended("leaves zombies", leave_zombies, returns(50)),
    ended("leaves orphans that end", leave_orphans_that_end, returns("left")),
    killed("fills a pool of processes", fill_a_pool),
    killed("changes its group", change_group),
    ended("interrupts its parent", interrupt_ones_parent, returns("interrupted")),
    ended("becomes a stranger", become_a_stranger, returns(0), raises("PermissionError")),
)
