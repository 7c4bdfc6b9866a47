"""What does not end where its function does: threads, and signals to itself."""

import ctypes
import itertools
import os
import signal
import threading
import time

from tests.hostile.program import ended, killed, raises, returns


def leave_a_thread() -> str:
    """Which never ends."""
    threading.Thread(target=time.sleep, args=(600,)).start()
    return "left"


def leave_threads_that_start_threads() -> str:
    """For ever."""

    def again() -> None:
        time.sleep(0.001)
        threading.Thread(target=again).start()

    again()
    return "left"


def wait_for_each_other() -> None:
    """Two that never let go."""
    one, other = threading.Lock(), threading.Lock()
    both = threading.Barrier(2)

    def take(first: threading.Lock, second: threading.Lock) -> None:
        with first:
            both.wait()
            with second:
                pass

    threads = [threading.Thread(target=take, args=pair) for pair in ((one, other), (other, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def spin_in_threads() -> None:
    """Eight of them, for the one interpreter."""
    for _ in range(8):
        threading.Thread(target=lambda: [None for _ in itertools.count() if False], daemon=True).start()
    time.sleep(600)


def answer_from_a_thread() -> str:
    """And keep the main one from ever ending."""
    threading.Thread(target=lambda: time.sleep(600), daemon=False, name="MainThread").start()
    threading.main_thread()._tstate_lock = None  # type: ignore[attr-defined]
    return "answered"


def raise_in_the_main_thread() -> None:
    """From another one, whatever it is at."""
    main = threading.main_thread().ident
    threading.Timer(
        0.02, ctypes.pythonapi.PyThreadState_SetAsyncExc, (ctypes.c_ulong(main), ctypes.py_object(ZeroDivisionError))
    ).start()
    while True:
        pass


def interrupt_oneself() -> str:
    """Nobody has cancelled it."""
    for _ in range(1000):
        os.kill(os.getpid(), signal.SIGINT)
    return "unmoved"


def hurry_oneself() -> str:
    """With the signal that its hub uses."""
    for _ in range(1000):
        signal.raise_signal(signal.SIGURG)
    return "unhurried"


def interrupt_for_ever() -> None:
    """Its own main thread, from another one, so that no cancel is the first."""

    def storm() -> None:
        while True:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=storm, daemon=True).start()
    time.sleep(600)


def raise_in_a_handler() -> str:
    """Later, when somebody else may run."""

    def strike(_number: int, _frame: object) -> None:
        raise RuntimeError("struck")

    signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    return "wound up"


def leave_a_profiler() -> str:
    """A clock that ends whoever uses the processor next.

    It counts in ticks of up to 4 ms, each in full for whoever is met by it: less than a few might end this itself.
    """
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, 0.016)
    time.sleep(0.002)
    return "wound up"


def leave_signals_blocked() -> str:
    """For whoever comes next."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    time.sleep(0.002)
    return "blocked"


PROGRAMS = (
    ended("leaves a thread", leave_a_thread, returns("left")),
    ended("leaves threads that start threads", leave_threads_that_start_threads, returns("left")),
    killed("waits in two threads for each other", wait_for_each_other),
    killed("spins in threads", spin_in_threads),
    ended("disguises a thread", answer_from_a_thread, returns("answered")),
    ended("raises in the main thread", raise_in_the_main_thread, raises("ZeroDivisionError")),
    ended("interrupts itself", interrupt_oneself, returns("unmoved")),
    ended("hurries itself", hurry_oneself, returns("unhurried")),
    killed("interrupts itself for ever", interrupt_for_ever),
    ended("raises in a handler", raise_in_a_handler, returns("wound up")),
    ended("leaves a profiler", leave_a_profiler, returns("wound up")),
    ended("leaves signals blocked", leave_signals_blocked, returns("blocked")),
)
