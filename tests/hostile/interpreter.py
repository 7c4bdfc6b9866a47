"""What changes the interpreter under its worker: such a worker may be lost, and nothing else."""

import builtins
import contextlib
import faulthandler
import gc
import os
import sys
from typing import Any

from tests.hostile.program import Program, dies, ended, raises, returns
from tests.runtime.victims import FOR_EVER

LOST = (dies(status=0), dies(status=1), raises("RemoteError"), raises("RuntimeError"), raises("NotSendable"))


def _raise(*_: Any) -> Any:
    raise RuntimeError("no more")


def trace_and_raise() -> str:
    """Every call raises from now on."""
    sys.settrace(_raise)
    return "traced"


def audit_and_raise() -> str:
    """Whatever the interpreter is asked for; this is never undone."""
    armed = [False]

    def hook(event: str, _args: Any) -> None:
        if armed[0] and event.startswith(("open", "os.", "socket.", "pickle.", "import")):
            raise RuntimeError("no more")

    sys.addaudithook(hook)
    armed[0] = True
    return "audited"


def forget_modules() -> str:
    """All that was ever imported."""
    sys.modules.clear()
    return "forgotten"


def forbid_imports() -> str:
    """There is no importing any more."""
    builtins.__import__ = _raise
    return "forbidden"


def fill_the_path() -> str:
    """With what is no folder."""
    sys.path[:] = [5, None, "/nowhere"]  # type: ignore[list-item]
    return "filled"


def replace_the_streams() -> str:
    """With what cannot be written to."""
    sys.stdout = sys.stderr = 5  # type: ignore[assignment]
    return "replaced"


def raise_in_the_collector() -> str:
    """Whenever there is garbage."""
    gc.callbacks.append(_raise)
    gc.collect()
    return "collected"


def crash_at_the_end() -> None:
    """When everything is over, and its handlers with it."""
    faulthandler.disable()
    os.register_at_fork(after_in_child=_raise)
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    with contextlib.suppress(RuntimeError):
        os.kill(os.getpid(), 11)


def lower_the_limit() -> str:
    """Of the stack, to what is used of it."""
    depth = len(sys._current_frames()) + 20
    for limit in range(depth, 200):
        with contextlib.suppress(RecursionError):
            sys.setrecursionlimit(limit)
            break
    return "lowered"


def break_the_pickler() -> str:
    """What every answer needs."""
    import pickle

    pickle.dumps = pickle.loads = _raise
    return "broken"


def _changing(name: str, run: Any, value: str) -> Program:
    return ended(name, run, returns(value), *LOST)


assert FOR_EVER
PROGRAMS = (
    _changing("traces and raises", trace_and_raise, "traced"),
    _changing("audits and raises", audit_and_raise, "audited"),
    _changing("forgets all modules", forget_modules, "forgotten"),
    _changing("forbids imports", forbid_imports, "forbidden"),
    _changing("fills the path", fill_the_path, "filled"),
    _changing("replaces its streams", replace_the_streams, "replaced"),
    _changing("raises in the collector", raise_in_the_collector, "collected"),
    ended("crashes without a word", crash_at_the_end, dies(11)),
    _changing("lowers the limit of the stack", lower_the_limit, "lowered"),
    _changing("breaks the pickler", break_the_pickler, "broken"),
)
