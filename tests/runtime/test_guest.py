import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from pysh.runtime.runner.guest import raising_interrupts, wake_on_signals
from pysh.runtime.runner.waiting import Waiter
from tests.runtime.hub_end import DEADLINE, HubEnd, hub_end

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")

ASLEEP = """
import asyncio, os, signal, threading, time
from pysh.runtime.runner.guest import wake_on_signals

async def main():
    wake_on_signals()
    wake_on_signals()  # the second does nothing
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    signal.signal(signal.SIGINT, lambda *_: loop.call_soon(told.set))  # wakes nothing by itself
    loop.call_later(0.05, threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start)
    await told.wait()
    print("woken")

asyncio.run(main())
"""


@pytest.fixture
def hub() -> Iterator[HubEnd]:
    with hub_end() as hub:
        yield hub


def test_a_signal_wakes_a_loop_whose_handler_does_not() -> None:
    done = subprocess.run([sys.executable, "-c", ASLEEP], capture_output=True, text=True, timeout=DEADLINE)
    assert (done.returncode, done.stdout) == (0, "woken\n"), done.stderr


def test_where_no_loop_runs_none_is_woken() -> None:
    wake_on_signals()
    assert signal.set_wakeup_fd(-1) == -1


def test_a_loop_that_is_woken_already_is_left_alone() -> None:
    async def main() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: None)
        taken = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(taken)
        wake_on_signals()
        assert signal.set_wakeup_fd(taken) == taken != -1

    asyncio.run(main())


async def test_a_blocking_wait_under_a_loop_is_interrupted_whoever_took_the_signal(hub: HubEnd) -> None:
    hub.client.role = "program"
    handler = signal.signal(signal.SIGINT, lambda *_: None)  # as a kernel's: a callback that has no turn here
    try:
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            Waiter(hub.client).wait(DEADLINE)
    finally:
        signal.signal(signal.SIGINT, handler)


def test_another_thread_is_not_the_one_to_interrupt() -> None:
    handler = signal.getsignal(signal.SIGINT)
    seen = []

    def block() -> None:
        with raising_interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=block)
    thread.start()
    thread.join(DEADLINE)
    assert seen == [handler]
