"""Two ends for tests of what travels: a prompt here, and a process elsewhere that runs what is sent."""

import linecache
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Self

from pysh.runtime import payload

NODE = "n2@there"
_SIZE = struct.Struct(">BI")
_CALL, _RESULT, _ERROR = range(3)

_LOOP = """
from tests.runtime.elsewhere import serve
serve()
"""


class Prompt:
    """A namespace as a shell has it: its cells have names, its functions the module `__main__`."""

    def __init__(self, name: str = "n1@here") -> None:
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self._name = name
        self._cell = 0

    def __call__(self, source: str) -> Any:
        """Run a cell; the value of its last line if that is an expression."""
        self._cell += 1
        filename = f"<{self._name}:{self._cell}>"
        lines = [line + "\n" for line in source.split("\n")]
        linecache.cache[filename] = (len(source), None, lines, filename)
        try:
            return eval(compile(source, filename, "eval"), self.names)
        except SyntaxError:
            exec(compile(source, filename, "exec"), self.names)

    def __getitem__(self, name: str) -> Any:
        return self.names[name]


class Elsewhere:
    """Another process, as a worker is one: it loads calls, runs them and answers."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", _LOOP], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.__exit__(None, None, None)  # closes its streams, so it ends

    def run(self, data: bytes) -> Any:
        """The value of a call that was dumped already; raises what it raised there."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(_SIZE.pack(_CALL, len(data)) + data)
        self._process.stdin.flush()
        kind, size = _SIZE.unpack(self._process.stdout.read(_SIZE.size))
        answer = self._process.stdout.read(size)
        if kind == _ERROR:
            raise payload.loads_error(answer, NODE)
        return payload.loads(answer)

    def call(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The value of `fn(*args, **kwargs)` there."""
        return self.run(payload.dumps_call(fn, args, kwargs))


def serve() -> None:
    """Answer calls until the other end closes."""
    calls, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := calls.read(_SIZE.size):
        data = calls.read(_SIZE.unpack(head)[1])
        try:
            fn, args, kwargs = payload.loads_call(data)
            kind, answer = _RESULT, payload.dumps(fn(*args, **kwargs))
        except BaseException as error:
            kind, answer = _ERROR, payload.dumps_error(error)
        answers.write(_SIZE.pack(kind, len(answer)) + answer)
        answers.flush()
