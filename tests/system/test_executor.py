"""`Executor`: what `concurrent.futures` promises, over tasks on two nodes."""

import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.system.conftest import Home
from tests.system.test_calls import CONNECT, ok

STDLIB = Path(__file__).with_name("stdlib_executors.py")
PARTS = {"Executors": 9, "Waits": 8, "AsCompleted": 5, "Shutdown": 3}


@pytest.fixture
def home(home: Home) -> Home:
    """A home where node n2 runs."""
    home.node("n2@localhost")
    return home


def has_stdlib_tests() -> bool:
    return find_spec("test") is not None and find_spec("test.test_concurrent_futures") is not None


@pytest.mark.skipif(not has_stdlib_tests(), reason="this Python has no test.test_concurrent_futures")
@pytest.mark.parametrize("part", PARTS)
def test_it_passes_the_tests_of_the_standard_library(home: Home, part: str) -> None:
    done = home.run([sys.executable, str(STDLIB), "-v", part], timeout=60)
    assert done.returncode == 0, done.stderr
    ran = re.search(r"^Ran (\d+) tests.*\n\nOK$", done.stderr, re.MULTILINE)
    assert ran is not None, done.stderr
    assert int(ran[1]) >= PARTS[part], done.stderr


def test_functions_run_on_the_nodes_it_is_for(home: Home) -> None:
    code = """
def where(_): time.sleep(0.05); return node().name
import time
with Executor() as e: print(sorted(set(e.map(where, range(20)))) == sorted(n.name for n in nodes()))
with Executor(n2, max_workers=2) as e: print(set(e.map(where, range(3))), list(e.map(pow, range(9), range(9), chunksize=4)))
x = 1
with Executor(on="n2") as e:
    f = e.submit(lambda: x)
    x = 2
    print(f.result(timeout=10), e.submit("math:factorial", 5).result())
    try: e.submit(lambda: 1 / 0).result()
    except ZeroDivisionError as error: print(error.__remote__.node)
    try: e.submit(print, (x for x in ()))
    except NotSendable as error: print(type(error).__name__)
print(e)
try: e.submit(print)
except RuntimeError as error: print(error)
for on, most in (("n9", None), (n2, 0)):
    try: Executor(on, most)
    except (ConnectError, ValueError) as error: print(type(error).__name__)
"""  # noqa: E501
    assert ok(home.script(CONNECT + code)).splitlines() == [
        "True", "{'n2@localhost'} [1, 1, 4, 27, 256, 3125, 46656, 823543, 16777216]", "1 120", "n2@localhost",
        "NotSendable", "<Executor: 0 running, 0 waiting, shut down>", "cannot schedule new futures after shutdown",
        "ConnectError", "ValueError",
    ]  # fmt: skip


def test_what_waits_can_be_cancelled_and_what_runs_cannot(home: Home) -> None:
    code = """
import time
e = Executor(n2, max_workers=1)
first, *others = [e.submit(time.sleep, 0.5) for _ in range(4)]
while not first.running(): time.sleep(0.01)
print(first.cancel(), others[0].cancel(), others[0].cancelled())
e.shutdown(cancel_futures=True)
print(first.result(), [f.cancelled() for f in others])
"""
    assert ok(home.script(CONNECT + code)) == "False True True\nNone [True, True, True]\n"


def test_its_futures_are_awaited_in_a_loop(home: Home) -> None:
    code = """
import asyncio, pysh
from concurrent import futures
async def main():
    await pysh.aio.connect("n2@localhost")
    loop = asyncio.get_running_loop()
    with pysh.Executor() as e:
        print(await asyncio.wrap_future(e.submit(max, 1, 2)), await loop.run_in_executor(e, max, 3, 4))
        print(await asyncio.gather(*(loop.run_in_executor(e, abs, n) for n in range(5))))
        fs = [e.submit(abs, n) for n in range(5)]
        print(sorted(f.result() for f in futures.as_completed(fs)), isinstance(fs[0], futures.Future))
with pysh.start(): asyncio.run(main())
"""
    done = home.run([sys.executable, "-c", code])
    assert (done.stdout, done.stderr) == ("2 4\n[0, 1, 2, 3, 4]\n[0, 1, 2, 3, 4] True\n", "")


def test_a_task_has_executors_of_its_own(home: Home) -> None:
    code = """
def nested(n):
    with Executor() as e: return sum(e.map(lambda x: x + 1, range(n)))
def forgets(): return Executor().submit(pow, 2, 3).result()
with Executor() as e: print([f.result() for f in [e.submit(nested, n) for n in range(8)]])
print([call(forgets, on=n2) for _ in range(5)])
"""
    assert ok(home.script(CONNECT + code, timeout=60)) == "[0, 1, 3, 6, 10, 15, 21, 28]\n[8, 8, 8, 8, 8]\n"


def test_a_lost_node_fails_its_futures(home: Home) -> None:
    code = """
import time
e = Executor(n2, max_workers=2)
fs = [e.submit(time.sleep, 30) for _ in range(4)]
while not fs[1].running(): time.sleep(0.01)
stop_node(n2)
for f in fs: print(type(f.exception(timeout=10)).__name__)
e.shutdown()
"""
    assert ok(home.script(CONNECT + code)) == "NodeDown\nNodeDown\nConnectError\nConnectError\n"


def test_joblib_runs_over_it(home: Home) -> None:
    code = """
from joblib import Parallel, delayed, parallel_config, register_parallel_backend
from joblib.parallel import AutoBatchingMixin, ParallelBackendBase
class OverNodes(AutoBatchingMixin, ParallelBackendBase):
    supports_retrieve_callback = True
    def effective_n_jobs(self, n_jobs): return 4 if n_jobs == -1 else n_jobs
    def configure(self, n_jobs=1, parallel=None, **_):
        self.parallel, self.executor = parallel, Executor()
        return self.effective_n_jobs(n_jobs)
    def submit(self, func, callback=None):
        future = self.executor.submit(func)
        future.add_done_callback(callback)
        return future
    def retrieve_result_callback(self, future): return future.result()
    def terminate(self): self.executor.shutdown()
    def abort_everything(self, ensure_ready=True):
        self.executor.shutdown(cancel_futures=True)
        if ensure_ready: self.configure(self.parallel.n_jobs, self.parallel)
register_parallel_backend("pysh", OverNodes)
def square(x):
    if x < 0: raise ValueError(f"{x} is negative")
    return x * x, node().name
with parallel_config(backend="pysh", n_jobs=-1):
    done = Parallel()(delayed(square)(n) for n in range(40))
    print([value for value, _ in done] == [n * n for n in range(40)], {name for _, name in done} <= {n.name for n in nodes()})
    try: Parallel()(delayed(square)(n) for n in (1, -1, 2))
    except ValueError as error: print(error)
"""  # noqa: E501
    assert ok(home.script(CONNECT + code, timeout=60)) == "True True\n-1 is negative\n"
