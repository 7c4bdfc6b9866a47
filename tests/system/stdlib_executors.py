"""The standard library's own tests of executors, run on `Executor`: `python stdlib_executors.py -v`.

Of its test modules those classes are taken that hold for executors of every kind. Left out are those for the
kinds of its own: `ThreadPool…`, `ProcessPool…`, `…Initializer…` and `ExecutorDeadlockTest` look at their threads,
processes, initializers and queues, and `FutureTests` at `Future`, which is not ours.
"""

import sys
import unittest
from typing import Any, ClassVar

import pysh

if sys.version_info >= (3, 12):
    from test.test_concurrent_futures.executor import ExecutorTest
    from test.test_concurrent_futures.test_as_completed import AsCompletedTests
    from test.test_concurrent_futures.test_shutdown import ExecutorShutdownTest
    from test.test_concurrent_futures.test_wait import WaitTests
    from test.test_concurrent_futures.util import BaseTestCase, ExecutorMixin
else:
    from test.test_concurrent_futures import (
        AsCompletedTests,
        BaseTestCase,
        ExecutorMixin,
        ExecutorShutdownTest,
        ExecutorTest,
        WaitTests,
    )


class Mixin(ExecutorMixin):  # type: ignore[misc]  # no types
    executor_type: ClassVar[Any] = pysh.Executor


class Executors(Mixin, ExecutorTest, BaseTestCase):  # type: ignore[misc]
    """All of it."""


class Waits(Mixin, WaitTests, BaseTestCase):  # type: ignore[misc]
    """All of it."""


class AsCompleted(Mixin, AsCompletedTests, BaseTestCase):  # type: ignore[misc]
    """All of it."""


class Shutdown(Mixin, ExecutorShutdownTest, BaseTestCase):  # type: ignore[misc]
    # These three import an executor from `concurrent.futures` by its name, in a program of their own, to see that
    # what it began is waited for at the end of the program. One of pysh's ends its tasks then, and says so.
    test_interpreter_shutdown = None
    test_submit_after_interpreter_shutdown = None
    test_hang_gh83386 = None


if __name__ == "__main__":
    with pysh.start():
        unittest.main()
