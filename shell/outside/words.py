"""What may stand where on our command line, as data: of the parsers that read it."""

import argparse
from typing import NamedTuple

from pysh.shell import options

KINDS = {
    "N": "node",
    "N,...": "node",
    "HOST": "host",
    "FILE": "file",
    "PATH": "file",
    "NAME": "",
    "TEXT": "",
    "[HOST:]PORT": "",
    "S": "",
    "K": "",
    "CODE": "",
    "MOD": "",
    "TASK": "",
}
"""What stands for a metavar: a node, host or file that the shell looks up, or what nobody can know."""


class Word(NamedTuple):
    """What may stand in one place: one of `choices`, else a `kind` of thing."""

    kind: str = ""
    choices: tuple[str, ...] = ()


class Option(NamedTuple):
    """An option by all its names; `value` is None where none follows."""

    names: tuple[str, ...]
    help: str
    value: Word | None


class Command(NamedTuple):
    """A command (`""`: a shell or script), its options and what follows them in order."""

    name: str
    help: str
    options: tuple[Option, ...]
    words: tuple[Word, ...]


def commands() -> list[Command]:
    """Every command, that without a name first."""
    return [command("", ""), *(command(name, help) for name, help in options.COMMANDS.items())]


def command(name: str, help: str) -> Command:
    """What may follow the name of one command: what its own help shows."""
    made = options.parser(name)
    shown = [action for action in made._actions if action.help is not argparse.SUPPRESS]
    named = (_option(action) for action in shown if action.option_strings)
    return Command(name, help, tuple(named), tuple(_word(action) for action in shown if not action.option_strings))


def _option(action: argparse.Action) -> Option:
    value = None if action.nargs == 0 else _word(action)
    return Option(tuple(action.option_strings), action.help or "", value)


def _word(action: argparse.Action) -> Word:
    if action.choices:
        return Word(choices=tuple(map(str, action.choices)))
    return Word(KINDS[str(action.metavar)])
