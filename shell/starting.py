"""Starting nodes: a shell on a new one, a headless one; and this terminal on one that runs."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from socket import socket
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from pysh.runtime import config, interpreter, launch, project
from pysh.runtime.hub.persistence import survival
from pysh.runtime.protocol.terms import Cookie, split_name
from pysh.shell import boot, codes, options
from pysh.shell.greeting import greeting
from pysh.shell.several import addresses
from pysh.shell.theme import Theme, has_colours
from pysh.transports import unix

if TYPE_CHECKING:
    from pysh.shell.console import Console


COLOURS = {"auto": None, "always": True, "never": False}
"""Whether there are colours, by what `--color` says; None: as the environment says."""


def full_name(text: str | None) -> str:
    """The node name that `text` means: one is drawn where there is none, and this host's is added. Raises `BadName`."""
    name = text or config.generated_name()
    if "@" not in name:
        name = f"{name}@{config.default_node_host()}"
    split_name(name)
    return name


def settings(asked: argparse.Namespace, name: str, role: str, cookie: Cookie) -> dict[str, Any]:
    """What a hub is told at its start. Raises `ConfigError`, as for a Python that cannot run code."""
    cwd = os.getcwd()
    python = interpreter.user_python(asked.python, cwd)
    version, executable = interpreter.check_python(python)
    made = {
        "role": role,
        "name": name,
        "cookie": cookie.hex(),
        "cookie_source": cookie.source,
        "python": executable,
        "python_version": version,
        "cwd": cwd,
    }
    return {
        **made,
        "term": os.environ.get("TERM", ""),
        "persistent": role == "headless",
        "listen": asked.listen,
        "connect": addresses(asked.connect),
        "hostkey": asked.hostkey,
        **({"linger": 0} if asked.rm else {}),
        **({"rc": config.rc_file(), "project": project.find(cwd)} if role == "shell" and not asked.norc else {}),
        **config.grace(),
    }


def shell(asked: argparse.Namespace, painted: tuple[str, boot.Tty] | None = None) -> int:
    """A shell on a new node: its prompt is `painted`, or is now, and the node starts while the editor loads."""
    name, tty = painted or (full_name(asked.name), None)
    if tty is None and not asked.plain:
        tty = boot.paint(name)
    try:
        cookie = config.read_cookie(asked.cookie, asked.cookie_file)
        hub = launch.start_hub(settings(asked, name, "shell", cookie))
    except BaseException:
        if tty is not None:
            tty.restore()
            print()
        raise
    of_project = "" if asked.norc else project.find(os.getcwd())
    return _terminal(asked, tty, cookie, partial(_reach_new, hub), of_project=of_project)


def _reach_new(hub: socket) -> socket:
    told = launch.status(hub)
    hub.close()
    return unix.connected_socket(told["socket"])


def attach(asked: argparse.Namespace) -> int:
    """This terminal on the shell of a node that runs."""
    from pysh.shell.reaching import reached

    if asked.own and asked.shell is not None:
        options.parser("attach").error("--own is a new shell, and --shell one that is there")
    cookie = config.read_cookie(asked.cookie, asked.cookie_file)
    with reached(asked.node, cookie, asked.hostkey) as node:
        tty = None if asked.plain else boot.paint(node.entry.name)
        return _terminal(asked, tty, cookie, node.connect, how=how(asked), address=asked.node, **node.proof())


def how(asked: argparse.Namespace) -> dict[str, Any]:
    """What a terminal asks of the shell that it attaches to, and which one that is."""
    which = {} if asked.shell is None else {"shell": asked.shell}
    return {name: True for name in ("force", "watch", "own") if getattr(asked, name)} | which


def _terminal(
    asked: argparse.Namespace, tty: Any, cookie: bytes, connect: Any, *, how: Mapping[str, Any] = {},
    of_project: str = "", **proof: Any,
) -> int:  # fmt: skip
    proof["given"] = bool(asked.cookie or asked.cookie_file)
    from pysh.shell import configured

    if tty is None:
        from pysh.shell import plain

        # None of the settings changes lines of text; but whoever types them wants to know what is wrong there.
        for line in configured.read(project=of_project).wrong if os.isatty(0) else ():
            print(f"pysh: {line}", file=sys.stderr)
        return plain.run_plain(connect, cookie, how=how, **proof)
    from pysh.shell.terminal import run_terminal

    settings, _, wrong = configured.read(project=of_project)
    colours = False if asked.no_color else COLOURS[asked.color]
    dim = Theme(has_colours(os.environ, terminal=True) if colours is None else colours, settings.theme)
    new = "" if how else dim("dim", greeting(config.state_dir()))
    tell_above(tty, [*(f"pysh: {line}" for line in wrong), *filter(None, (new,))])
    reach = partial(_other, asked, cookie)
    return run_terminal(
        connect, cookie, tty=tty, history=history_file(), how=how, colours=colours, settings=settings, reach=reach,
        **proof,
    )  # fmt: skip


def tell_above(tty: boot.Tty, lines: Sequence[str]) -> None:
    """Show `lines` above the prompt that is painted."""
    if lines:
        text = tty.painted
        tty.unpaint()
        tty.write("".join(f"{line}\r\n" for line in lines).encode("utf-8", "backslashreplace"))
        tty.paint(text)


@contextmanager
def _other(asked: argparse.Namespace, cookie: bytes, there: str) -> Iterator["Console"]:
    """A connection to another node, for a terminal that goes over to it. Raises as `reached`."""
    from pysh.shell.console import Console
    from pysh.shell.reaching import reached

    given = bool(asked.cookie or asked.cookie_file)
    with reached(there, cookie, asked.hostkey) as node:
        console = Console(node.connect(), cookie, given=given, address=there, **node.proof())
        try:
            yield console
        finally:
            console.close()


def history_file() -> Any:
    """Where what was typed is kept."""
    from pathlib import Path

    return Path(config.state_dir()) / "history.jsonl"


def node(asked: argparse.Namespace) -> int:
    """A node without a terminal: in the foreground until told to end, or in the background."""
    if asked.detach and asked.timeout:
        options.parser("node").error("--timeout ends a node in the foreground, and --detach leaves it")
    if asked.on:
        from pysh.shell import elsewhere

        return elsewhere.node(asked)
    name = full_name(asked.name)
    cookie = config.read_cookie(asked.cookie, asked.cookie_file)
    prefix, warning = survival() if asked.detach else ([], "")
    hub = launch.start_hub(settings(asked, name, "headless", cookie), prefix=prefix)
    told = launch.status(hub)
    hub.close()
    if warning:
        print(f"pysh: {name}: {warning}", file=sys.stderr)
    if asked.detach:
        return codes.OK
    return _foreground(name, told["pid"], told.get("listen", ""), asked.timeout or 0.0)


AGAIN = 0.1
"""Seconds after which a signal that was lost is raised again."""
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)


class _Told(Exception):
    """A signal asked us to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _foreground(name: str, pid: int, listens: str, timeout: float) -> int:
    """Live as long as the node; end it when told to, or after `timeout` seconds (0: never)."""
    from pysh.runtime.hub import discovery

    def live() -> None:
        while discovery.alive(name):
            time.sleep(0.1)

    def end() -> None:
        os.kill(pid, signal.SIGTERM)
        while discovery.alive(name):
            time.sleep(0.01)

    return until_told(name, live, end, timeout, f" and listens at {listens}" if listens else "")


def until_told(
    name: str, live: Callable[[], object], end: Callable[[], None], timeout: float = 0.0, more: str = ""
) -> int:
    """Be the foreground of node `name` while `live` does not return, and `end` it when a signal says so.

    So does the end of `timeout` seconds, if there is one. The node is said to be up, and `more`.
    """

    asked: list[int] = []

    def told(number: int, _frame: FrameType | None) -> NoReturn:
        asked.append(number)
        signal.setitimer(signal.ITIMER_REAL, AGAIN)  # in a finalizer Python drops what is raised
        raise _Told(asked[0])

    for number in _ENDING:
        signal.signal(number, told)
    try:
        signal.setitimer(signal.ITIMER_REAL, timeout)
        print(f"{name} is up{more}; Ctrl-C ends it", flush=True)
        live()
        print(f"{name} has ended", file=sys.stderr)
        return codes.OK
    except _Told as signalled:
        for number in _ENDING:
            signal.signal(number, signal.SIG_IGN)
        end()
        if signalled.number == signal.SIGALRM:
            print(f"pysh: {timeout:g} s are over; {name} has ended", file=sys.stderr)
            return codes.TIMED_OUT
        return 128 + signalled.number
