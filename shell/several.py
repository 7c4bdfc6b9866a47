"""A command whose argument names several hosts or nodes, `web[1-12]` or `w1@@gpu`: it is done for all, side by side."""

import argparse
from collections.abc import Callable

from pysh.runtime.protocol.hostsets import expand, is_set
from pysh.shell import codes, options

ARGUMENTS = {"doctor": "host", "cookie": "host", "node": "on", "stop": "node", "rpc": "node", "logs": "node"}
"""Which argument of a command may be a set; `ls` and `tasks` make one table of what they find."""
HEADED = frozenset(("doctor", "rpc", "logs"))
"""Commands of whose output one has to see where it comes from."""


def named(text: str) -> list[str]:
    """What `text` names: itself, or all that is in the set. Raises `BadName` or `ConfigError`."""
    if not is_set(text):
        return [text]
    from pysh.runtime.groups import group

    return expand(text, group)


def addresses(text: str) -> list[str]:
    """The nodes that `--connect` names: `n1,n2`, or any other set. Raises `BadName` or `ConfigError`."""
    if not text or text.startswith("unix:"):
        return [one for one in text.split(",") if one]
    return named(text)


def each(text: str, act: Callable[[str], int], failed: Callable[[Exception, str], int]) -> int:
    """Do `act` for all that `text` names; the first exit code that is not 0.

    Where it is a set, what keeps one from answering is told by `failed`, which gives its code, and stops no other. They
    are done at the same time, and told in order.
    """
    if not is_set(text):
        return act(text)
    from pysh.shell import abreast

    first = codes.OK
    for done in abreast.each(named(text), act):
        try:
            code = done.outcome.result()
        except Exception as error:
            code = failed(error, done.one)
        first = first or code
    return first


def run(
    command: str, do: Callable[[argparse.Namespace], int], asked: argparse.Namespace,
    failed: Callable[[Exception, str], int],
) -> int:  # fmt: skip
    """Do a command for all that its argument names."""
    argument = ARGUMENTS.get(command, "")
    text = (getattr(asked, argument) or "") if argument else ""
    several = is_set(text)
    if several and command == "node" and not asked.detach:
        options.parser("node").error("nodes on several hosts run in the background: --detach")
    if several and command == "node" and not asked.name:
        from pysh.runtime.config import generated_name

        asked.name = generated_name()

    def act(one: str) -> int:
        if several and command in HEADED and not asked.json:
            print(f"{one}:", flush=True)
        return do(argparse.Namespace(**{**vars(asked), argument: one, "several": several}) if argument else asked)

    return each(text, act, failed)
