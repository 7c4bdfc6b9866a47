"""`pysh`: from the command line to the part that does what it says."""

import os
import sys

from pysh.shell import first

TYPE_CHECKING = False
if TYPE_CHECKING:  # the prompt is painted before anything else is imported
    import argparse
    from collections.abc import Callable

    from pysh.shell.boot import Tty


OURS = frozenset({"PyshError", "TransportError", "BadName", "ConfigError", "HubFailed", "HandshakeError"})
"""The names of the errors that say all there is to say; by name, so that none is imported in vain."""


def main(argv: list[str] | None = None) -> int:
    """Do what `argv` (default: the command line) says; the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    painted = first.paint(argv)
    try:
        return _main(argv, painted)
    finally:
        if painted is not None:
            painted[1].restore()


def _main(argv: list[str], painted: "tuple[str, Tty] | None") -> int:
    from pysh.shell import codes, options

    command, words, script = options.split(argv)
    asked = options.parser(command).parse_args(words)
    if asked.cookie:
        hide(asked.cookie, painted)
    try:
        done = _run(command, asked, script, painted)
        if sys.stdout and not sys.stdout.closed:  # None from the start: pysh stop n1 >&-; or as json.tool leaves it
            sys.stdout.flush()
        return done
    except KeyboardInterrupt:
        return codes.INTERRUPTED
    except BrokenPipeError:
        # Whoever reads what we print has seen enough (`pysh tasks | head`), which is no error of anybody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return codes.UNREAD
    except Exception as error:
        return explain(error, as_json=asked.json)


def _run(
    command: str, asked: "argparse.Namespace", script: list[str], painted: "tuple[str, Tty] | None"
) -> int:  # fmt: skip
    if command:
        from pysh.shell import commands, several

        return several.run(command, getattr(commands, command), asked, explaining(asked))
    if asked.on:
        return _run("rpc", _there(asked, script), [], None)
    if script:
        from pysh.shell import options

        if lacking := options.lacking(script):
            options.parser().error(lacking)
        if script[0].isidentifier() and not os.path.lexists(script[0]):
            options.parser().error(f"{script[0]!r} is neither a command nor a file here")
        from pysh.shell import scripting

        return scripting.run(asked, script)
    if not sys.stdin.isatty():
        from pysh.shell import scripting

        return scripting.run(asked, ["-"])
    from pysh.shell import starting

    return starting.shell(asked, painted)


def _there(asked: "argparse.Namespace", script: list[str]) -> "argparse.Namespace":
    """What `pysh --on N -c CODE` asks of `pysh rpc`."""
    from pysh.shell import options

    if script[:1] != ["-c"] or len(script) != 2:
        needs = "--on needs code, and no more: pysh --on N -c CODE (pysh attach N is a terminal on its shell)"
        options.parser().error(needs)
    asked.node, asked.code = asked.on, script[1:]
    return asked


def hide(secret: str, painted: "tuple[str, Tty] | None" = None) -> None:
    """Take `secret` out of this process's command line, where any user of the machine can read it."""
    from pysh.runtime import system

    if not system.hide_argument(secret):
        # Where the command line cannot be overwritten, it is replaced: the secret goes through a pipe.
        if painted is not None:
            painted[1].restore()
        read, write = os.pipe()
        os.write(write, secret.encode())
        os.close(write)
        os.set_inheritable(read, True)
        at = next(i for i, word in enumerate(sys.argv) if word in ("--cookie", f"--cookie={secret}"))
        rest = sys.argv[at + (2 if sys.argv[at] == "--cookie" else 1) :]
        words = [*sys.argv[1:at], "--cookie-file", f"/dev/fd/{read}", *rest]
        os.execv(sys.executable, [sys.executable, "-m", "pysh", *words])


def explain(error: Exception, one: str = "", *, as_json: bool = False) -> int:
    """Print an error of ours in one line, others keep their traceback; the exit code.

    `one` is what it was about, of several. As JSON it is an object with `error`, `text` and `of`.
    """
    from pysh.shell import codes, options

    if not any(cls.__name__ in OURS for cls in type(error).__mro__):
        raise error
    if as_json:
        from pysh.runtime.runner import asjson

        print(asjson.failed(error, **({"of": one} if one else {})), file=sys.stderr)
    else:
        print(f"{one}: " if one else "", f"pysh: {options.spoken(str(error))}", sep="", file=sys.stderr)
    return codes.of(error)


def explaining(asked: "argparse.Namespace") -> "Callable[[Exception, str], int]":
    """`explain` as the options of a command say."""
    return lambda error, one: explain(error, one, as_json=asked.json)
