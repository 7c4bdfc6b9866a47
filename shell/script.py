"""Runs a `.pysh` file, `-c CODE`, a module or standard input in the process it is called in.

The language is Python, with `await` allowed at the top level and the names of the prompt preloaded. A
loop is made only for code that awaits there, and a node starts only with the first verb that needs one:
`pysh -c 'print(1)'` imports no asyncio and starts no process.
"""
# Importing pathlib takes longer than most one-liners:
# ruff: noqa: PTH100, PTH120

import os
import sys
from _ast import PyCF_ALLOW_TOP_LEVEL_AWAIT
from collections.abc import Callable
from types import CodeType
from typing import Any

from pysh.runtime.runner import cells
from pysh.runtime.runner.cells import CO_COROUTINE, Outcome
from pysh.shell.prelude import provide

FAILED, USAGE, INTERRUPTED = 1, 2, 130


class Unfit(Exception):
    """There is nothing there that can be run; nothing of it was."""


def run(argv: list[str], *, as_json: bool = False) -> int:
    """Run what `argv` names as `python` would: FILE, `-c` CODE, `-m` MOD or `-` for stdin, each with its arguments.

    `as_json`: the value of the expression that it ends in is all of stdout, in a line of JSON; what is printed goes to
    stderr, and so does an error, in a line of JSON too.

    The exit code: 0, that of a `SystemExit`, 1 after any other error (its traceback is on stderr), 2 if
    there is no such file or module, 130 after Ctrl-C. `finish` is to follow.
    """
    try:
        source, filename, names = _read_module(argv) if argv[0] == "-m" else _read(argv)
    except Unfit as why:
        return _refused(why, as_json=as_json)
    except BaseException as error:  # a package above the module has failed
        return _report(Outcome(error=error), as_json=as_json)
    namespace = cells.Namespace(provide)
    namespace.names.update(names)
    try:
        if as_json:
            return _run_for_json(source, filename, namespace)
        return _report(_execute(lambda: [_compile(source, filename, namespace)], namespace.names))
    except KeyboardInterrupt:
        return INTERRUPTED


def finish(code: int) -> int:
    """End the node, if one was started, and tell of the tasks that the script forgot.

    The exit code: `code`, or 1 instead of 0 after a task failed that nobody looked at, or where something that
    was sent may not have arrived; 130 after Ctrl-C.
    """
    program = sys.modules.get("pysh.runtime.program")
    if program is None:
        return code
    try:
        failed, cancelled, unsent = program.finish()
    except KeyboardInterrupt:
        return INTERRUPTED
    for task in failed:
        print(f"pysh: {task} failed, and nobody looked at it:", file=sys.stderr)
        _print_error(task.exception())
    if cancelled:
        print(f"pysh: cancelled, being unfinished: {_listed(cancelled)}", file=sys.stderr)
        print("      (wait for a task before the end, or start it with detach=True)", file=sys.stderr)
    return code or (FAILED if failed or unsent else 0)


def _read(argv: list[str]) -> tuple[bytes, str, dict[str, Any]]:
    """The source, its file name and its first names; `sys.argv` and `sys.path` become those of the script.

    Raises `Unfit` if it cannot be read.
    """
    try:
        return _source(argv[0], argv[1:])
    except OSError as error:
        raise Unfit(f"cannot read {argv[0]}: {error.strerror}") from error


def _source(first: str, rest: list[str]) -> tuple[bytes, str, dict[str, Any]]:
    folder, names = "", dict[str, Any]()
    if first == "-c":
        source, filename, rest = rest[0].encode("utf-8", "surrogateescape"), "<string>", rest[1:]
    elif first == "-":
        source, filename = sys.stdin.buffer.read(), "<stdin>"
    else:
        filename = os.path.abspath(first)
        with open(filename, "rb") as file:
            source = file.read()
        folder = os.path.dirname(os.path.realpath(filename))
        names["__file__"] = filename
    sys.argv = [first, *rest]
    _import_from(folder)
    return source, filename, names


def _read_module(argv: list[str]) -> tuple[bytes, str, dict[str, Any]]:
    """As `_read`, of a module. Raises `Unfit` where there is none that can be run, and what its packages raise."""
    from pysh.shell.module import find

    sys.argv = ["-m", *argv[2:]]
    _import_from(os.getcwd())  # noqa: PTH109
    found = find(argv[1])
    sys.argv[0] = found.filename
    return found


def _import_from(folder: str) -> None:
    if sys.path and sys.path[0] == "":
        del sys.path[0]
    sys.path.insert(0, folder)


def _run_for_json(source: bytes, filename: str, namespace: cells.Namespace) -> int:
    from pysh.runtime.runner import asjson

    stdout = os.dup(1)
    os.dup2(2, 1)  # also for what is no Python, and for the nodes that it starts
    outcome = _execute(lambda: namespace.compile(source.decode(), filename), namespace.names)
    line = ""
    try:
        if outcome.error is None:
            line = asjson.as_json(outcome.value)
    except Exception as unfit:
        outcome = Outcome(error=unfit)
    if outcome.error is None:
        sys.stdout.flush()
        os.dup2(stdout, 1)
        print(line, flush=True)
    return _report(outcome, as_json=True)


def _execute(compiled: Callable[[], list[CodeType]], names: dict[str, Any]) -> Outcome:
    value = None
    try:
        codes = compiled()
        if any(code.co_flags & CO_COROUTINE for code in codes):
            return _run_in_loop(codes, names)
        for code in codes:
            value = eval(code, names)
    except BaseException as error:
        return Outcome(error=error)
    return Outcome(value)


def _compile(source: bytes, filename: str, namespace: cells.Namespace) -> CodeType:
    text = source.decode("utf-8", "replace")
    if filename.startswith("<"):
        cells.register(text, filename)
    try:
        code: CodeType = compile(source, filename, "exec", PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError as error:
        raise cells.located(error, text) from None
    namespace.provide([code])
    return code


def _run_in_loop(codes: list[CodeType], names: dict[str, Any]) -> Outcome:
    import asyncio
    import signal

    from pysh.runtime.runner.interrupts import Interrupts
    from pysh.runtime.runner.jobs import outcome_of

    interrupts = Interrupts()

    async def main() -> Outcome:
        task = asyncio.create_task(cells.run(lambda: codes, names))
        interrupts.begin(task)
        await asyncio.wait([task])
        return outcome_of(task, interrupted=interrupts.pressed > 0)

    with asyncio.Runner() as runner:
        try:
            return runner.run(main())
        finally:
            # Leaving the runner cancels what the script left behind; Ctrl-C ends also a task that resists.
            interrupts.end()
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _refused(why: Unfit, *, as_json: bool) -> int:
    """Print why nothing was run; the exit code for it."""
    text = f"{why}; nothing was run"
    if as_json:
        from pysh.runtime.runner import asjson

        text = asjson.failed(why, text=text, executed="no")
    print(text if as_json else f"pysh: {text}", file=sys.stderr)
    return USAGE


def _report(outcome: Outcome, *, as_json: bool = False) -> int:
    """Print what went wrong, as a line of JSON perhaps where it is an `Exception`; the exit code for it."""
    error = outcome.error
    if error is None:
        return 0
    if isinstance(error, SystemExit):
        return cells.exit_code(error)
    return tell(error, as_json=as_json and isinstance(error, Exception))


def tell(error: BaseException, *, as_json: bool = False) -> int:
    """Print what went wrong on stderr, as a line of JSON perhaps; the exit code for it."""
    if as_json:
        from pysh.runtime.runner import asjson
        from pysh.runtime.runner.display import failure

        print(asjson.failed(error, traceback=failure(error)), file=sys.stderr)
    else:
        _print_error(error)
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else FAILED


def _print_error(error: BaseException) -> None:
    if sys.excepthook is not sys.__excepthook__:
        sys.excepthook(type(error), error, error.__traceback__)
        return
    from pysh.runtime.runner.display import failure

    print(failure(error), end="", file=sys.stderr)


def _listed(tasks: list[str], limit: int = 10) -> str:
    more = [f"{len(tasks) - limit} more"] if len(tasks) > limit else []
    return ", ".join(tasks[:limit] + more)
