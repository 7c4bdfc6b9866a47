"""The command line as data: what may be written, and what it means."""

import argparse
import re
import shlex
from typing import Any, NoReturn

from pysh.shell import codes

COMMANDS = {
    "node": "a node without a terminal, in the foreground (--detach: in the background)",
    "attach": "this terminal on the shell of a running node",
    "rpc": "run CODE in the shell of a running node and print what comes of it",
    "ls": "the nodes that run on this machine, or on another",
    "tasks": "the tasks of the nodes that run here, or of one; or the result of a task",
    "stop": "end a node",
    "doctor": "what stands in the way, here or to another machine",
    "logs": "what a node printed of itself",
    "completion": "a script that makes bash, zsh or fish complete pysh's command line",
    "settings": "how the prompt behaves, and where each setting comes from",
    "cookie": "make or show the cookie that nodes prove to each other, or copy it to another machine",
}

USAGE_TEXT = """\
pysh                      a shell on a new node
pysh FILE.pysh [ARG ...]  run a file: Python, with await and pysh's names
pysh -c CODE [ARG ...]    run CODE; each further -c (or -e) is its next line
pysh -m MOD [ARG ...]     run a module        pysh -   run standard input
pysh --on N -c CODE       run CODE in the shell of node N, as pysh rpc does

pysh node --name N [--detach]    a node without a terminal (--on HOST: there)
pysh attach N [--own]            this terminal on the shell of node N, or a new one
pysh rpc N -c CODE               run CODE in the shell of node N
pysh ls [HOST]                   the nodes that run here, or on another machine
pysh tasks [N [--result TASK]]   what runs, waits or is kept; or print one result
pysh logs N                      what node N printed of itself
pysh stop N [--drain S]          end node N, once its tasks had S seconds
pysh doctor [HOST]               what stands in the way, here or there
pysh completion bash|zsh|fish    a script that completes this in another shell
pysh settings                    how the prompt behaves, and where that is said
pysh cookie new|show|copy HOST   the secret that nodes share

N is a node of this machine, or N@[USER@]HOST[:PORT] for one that is reached by
ssh; HOST may be several: web[1-12], 'web[1-9] & !web3', or a group as @gpu. See
also: pysh COMMAND --help
"""


_NAMED = re.compile(r'(?<!\w\()(?<!\w)(name|python|hostkey)=(?:"([^"]*)"|([^\s;,)]*))')


def spoken(text: str) -> str:
    """An error's `text`, which names options as code does (`name=`), with those of the command line (`--name`)."""
    return _NAMED.sub(lambda found: f"--{found[1]} {_pasted(found[2] or found[3])}".rstrip(), text)


def _pasted(value: str) -> str:
    """`value` as a shell reads it; what only stands for one, such as `...`, as it is."""
    return shlex.quote(value) if " " in value else value


class Parser(argparse.ArgumentParser):
    """argparse, ending with our exit code and the next command to type."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong; nothing was run."""
        self.exit(codes.USAGE, f"pysh: {message}; nothing was run. See: pysh --help\n")


class _Version(argparse.Action):
    """`--version`, which is looked up only if it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> NoReturn:
        import sys
        from importlib.metadata import version

        print(f"pysh {version('pysh-mesh')} on Python {sys.version.split()[0]}")
        parser.exit()


_REACHING = ("--cookie", "--cookie-file", "--hostkey", "--timeout")
_SHOWN = {
    "node": ("--name", *_REACHING, "--connect", "--listen", "--python"),
    "attach": (*_REACHING, "--plain", "--no-color", "--color"),
    "rpc": (*_REACHING, "--json", "--no-color"),
    "ls": (*_REACHING, "--json"),
    "tasks": (*_REACHING, "--json"),
    "stop": _REACHING,
    "doctor": (*_REACHING, "--json", "--python"),
    "logs": _REACHING,
    "completion": (),
    "settings": ("--json",),
    "cookie": ("--cookie", "--cookie-file", "--hostkey"),
}
"""The common options that mean something to a command, which its help shows; it takes the others too."""


def parser(command: str = "") -> Parser:
    """The parser of `command`, or of the shell and scripts where it is empty."""
    made = Parser(
        prog=f"pysh {command}".strip(), usage=None if command else USAGE_TEXT, description=COMMANDS.get(command),
        allow_abbrev=False,
    )  # fmt: skip
    _OWN.get(command, lambda _: None)(made)

    def add(*names: str, help: str, **told: Any) -> None:
        shown = not command or names[0] in _SHOWN[command]
        made.add_argument(*names, help=help if shown else argparse.SUPPRESS, **told)

    add("--name", "--sname", metavar="NAME", help="the node's name, N or N@HOST")
    add("--cookie", metavar="TEXT", help="the secret that nodes share (default: the cookie file)")
    add("--cookie-file", metavar="FILE", help="a file with that secret, readable by you alone")
    add("--connect", metavar="N,...", default="", help="nodes to connect to at the start, such as w@web[1-3]")
    add("--hostkey", choices=("accept-new",), help="write the key of a host down that is met for the first time")
    add("--listen", metavar="[HOST:]PORT", type=_place, help="let nodes of other machines in there (default: nowhere)")
    add("--python", metavar="PATH", help="the Python that runs your code (default: the active one, a .venv, ours)")
    add("--timeout", metavar="S", type=_positive, help="end everything after S seconds (exit code 124)")
    add("--json", action="store_true", help="print the value, or what was asked for, as one line of JSON")
    add("--plain", action="store_true", help="no editor, no colours: lines in, lines out")
    add("--no-color", action="store_true", help="no colours")
    add("--color", choices=("auto", "always", "never"), default="auto", help="colours: as the environment says, or not")
    add("--norc", action="store_true", help="read no start-up file, rc.pysh or .pysh.toml")
    add("--version", action=_Version, nargs=0, help="print pysh's version")
    add("--rm", action="store_true", help="end the node as soon as its terminal is gone")
    return made


class _TakenOff(argparse.Action):
    """What `split` takes off the line first: whatever of it came as far as here would run nothing, without a word."""

    def __call__(
        self, parser: argparse.ArgumentParser, _namespace: object, value: object, option: str | None = None
    ) -> NoReturn:
        parser.error(f"{option} {value} stands where it is not run")


def _script(made: Parser) -> None:
    """What `split` takes off the line itself, for the help; and on which node CODE runs."""
    made.add_argument(*CODE, metavar="CODE", action=_TakenOff, help="code to run; further ones are its next lines")
    made.add_argument(
        "-m", metavar="MOD", action=_TakenOff, help="a module to run as a script, found as `python -m` does"
    )
    made.add_argument("--on", metavar="N", default="", help="run CODE in the shell of node N, or of a set of nodes")


def _node(made: Parser) -> None:
    made.add_argument("--detach", action="store_true", help="in the background, until `pysh stop`")
    made.add_argument("--on", metavar="HOST", default="", help="on another machine, which needs Python and no pysh")


MOST_SECONDS = 10**9
"""Some thirty years."""


def _seconds(text: str) -> float:
    """A number of seconds, 0 or more. Raises as a type of argparse's does."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"it takes a number of seconds, 0 or more, not {text!r}")
    return seconds


def _positive(text: str) -> float:
    if not (seconds := _seconds(text)):
        raise argparse.ArgumentTypeError("it takes more than 0 seconds")
    return seconds


def _attach(made: Parser) -> None:
    _named(made)
    how = made.add_mutually_exclusive_group()
    how.add_argument("--force", action="store_true", help="take the shell over: other terminals are detached")
    how.add_argument("--watch", action="store_true", help="see what is done there, and type nothing")
    how.add_argument("--own", action="store_true", help="a new shell there, with names of its own, for this terminal")
    made.add_argument("--shell", metavar="K", type=_number, help="shell K there, the one with #K in its prompt")


def _place(text: str) -> str:
    """Where to listen. Raises as a type of argparse's does."""
    from pysh.transports import listening
    from pysh.transports.base import TransportError

    try:
        listening.parse(text)
    except TransportError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _number(text: str) -> int:
    """The number of a shell. Raises as a type of argparse's does."""
    if not (text.isdecimal() and text.isascii() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"it takes the number of a shell, such as 1, not {text!r}")
    return int(text)


def _rpc(made: Parser) -> None:
    _named(made)
    does = "what to run there, as at its prompt; each further one is its next line"
    made.add_argument(*CODE, dest="code", metavar="CODE", required=True, action="append", help=does)


def _named(made: Parser) -> None:
    made.add_argument("node", metavar="N", help="a node of this machine, or N@[USER@]HOST[:PORT] by ssh")


def _stop(made: Parser) -> None:
    _named(made)
    made.add_argument("--drain", metavar="S", type=_seconds, help="take no new task, and give the others S seconds")


def _tasks(made: Parser) -> None:
    made.add_argument("node", metavar="N", nargs="?", help="one node, here or N@HOST (default: all that run here)")
    made.add_argument("--result", metavar="TASK", type=int, help="fetch the result of this task of N, and print it")


def _host(made: Parser) -> None:
    made.add_argument(
        "host", metavar="HOST", nargs="?", help="another machine, as ssh knows it: [USER@]HOST[:PORT]; or a set"
    )


def _cookie(made: Parser) -> None:
    made.add_argument("what", choices=("new", "show", "copy"), help="make another one, print it, or copy it there")
    made.add_argument("host", metavar="HOST", nargs="?", help="for copy: another machine, as ssh knows it")
    made.add_argument("--force", action="store_true", help="replace another cookie, here or there")


def _completion(made: Parser) -> None:
    made.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell that is to complete it")


_OWN = {
    "": _script,
    "ls": _host,
    "doctor": _host,
    "node": _node,
    "attach": _attach,
    "rpc": _rpc,
    "stop": _stop,
    "logs": _named,
    "tasks": _tasks,
    "cookie": _cookie,
    "completion": _completion,
}

_VALUED = (
    "--name", "--sname", "--cookie", "--cookie-file", "--connect", "--hostkey", "--listen", "--python", "--timeout",
    "--on", "--color",
)  # fmt: skip
CODE = ("-c", "-e")
"""What stands before code on the command line."""
_TAKES = {**dict.fromkeys(CODE, "CODE"), "-m": "MOD"}
"""What a script begins with that is no file, and what stands behind it, or joined to it as in `-cCODE`."""


def split(argv: list[str]) -> tuple[str, list[str], list[str]]:
    """`argv` as the command (`""`: shell or script), its options, and a script with its arguments.

    What follows a FILE, `-c CODE`, `-m MOD` or `-` belongs to the script, options and all, but for further `-c CODE`.
    """
    index = 0
    while index < len(argv):
        word = argv[index]
        if word == "-" or word[:2] in _TAKES or not word.startswith("-"):
            if word in COMMANDS:
                return word, argv[:index] + argv[index + 1 :], []
            return "", argv[:index], _joined(argv[index:])
        index += 2 if word in _VALUED else 1
    return "", argv, []


def lacking(script: list[str]) -> str:
    """What is missing of a `script` as `split` gives it: `"-c needs CODE"`; empty if nothing is."""
    first = script[0]
    return f"{first} needs {_TAKES[first]}" if first in _TAKES and len(script) < 2 else ""


def _joined(script: list[str]) -> list[str]:
    """`script` with the lines of all its `-c CODE` in one; without CODE it is a lone `-c`."""
    lines, rest = [], _apart(script)
    while rest and rest[0] in CODE:
        if len(rest) < 2:
            return ["-c"]
        lines.append(rest[1])
        rest = _apart(rest[2:])
    return ["-c", "\n".join(lines), *rest] if lines else rest


def _apart(words: list[str]) -> list[str]:
    """`words` with a first one such as `-cCODE` as two."""
    first = words[0] if words else ""
    return [first[:2], first[2:], *words[1:]] if first[:2] in _TAKES and first[2:] else words
