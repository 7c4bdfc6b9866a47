"""Commands that act on other machines where pysh need not be: a node there, its log, the cookie."""

import argparse
import secrets
import select
import sys
from collections.abc import Callable
from functools import partial

from pysh.runtime import config
from pysh.runtime.hub import discovery, logs
from pysh.runtime.hub.starting import Asked
from pysh.runtime.protocol.addresses import Here, Socket, There
from pysh.runtime.verbs import node_name
from pysh.shell import codes
from pysh.shell.reaching import OtherMachine, Pin, other_machine
from pysh.shell.several import addresses
from pysh.transports.base import TransportError, cleaned

LAST_SECONDS = 5.0
"""How long a node there may take to end, or to take note that it is to live by itself."""

# Each runs in /bin/sh behind any login shell, so none holds what those read in other ways.
LOG = (
    'echo "$1"; u=$(id -u); for d in "${XDG_STATE_HOME:-$HOME/.local/state}/pysh" '
    '"${PYSH_RUNTIME_DIR:-/run/user/$u/pysh}" "/tmp/pysh-$u"; do for f in "$d/logs/$2@$3.log" "$d/logs/$2"@*.log; do '
    '[ -f "$f" ] && exec tail -c 500000 "$f"; done; done; exit 44'
)
COOKIE = (
    'umask 077; d="${XDG_CONFIG_HOME:-$HOME/.config}/pysh"; f="$d/cookie"; n="$d/.cookie.$$"; '
    'mkdir -p "$d" && cat >"$n" && [ $(wc -c <"$n") -eq "$1" ] || { rm -f "$n"; exit 46; }; '
    'if [ -e "$f" ] && [ "$2" != force ] && [ "$(cat "$f")" != "$(cat "$n")" ]; then rm -f "$n"; exit 45; fi; '
    'mv -f "$n" "$f"'
)
NO_LOG, OTHER_COOKIE = 44, 45


def _command(script: str, *words: str) -> str:
    return " ".join(["exec /bin/sh -c", f"'{script}'", "pysh", *words])


def node(asked: argparse.Namespace) -> int:
    """A node on another machine: in the foreground until told to end, or until `pysh stop`."""
    from pysh.shell.starting import until_told

    name = node_name(asked.name, asked.on)
    settings = {
        "role": "headless", "persistent": True, "incarnation": secrets.token_hex(16),
        "cookie": config.read_cookie(asked.cookie, asked.cookie_file).hex(),
        "cookie_source": "the pysh that started it",
        "connect": addresses(asked.connect),
        "hostkey": asked.hostkey,
        **config.grace(),
    }  # fmt: skip
    with other_machine(asked.on, asked.hostkey) as other:
        started = other.start(Asked(name, asked.on, asked.python or ""), settings)
        up = started.python
        print(f"{name} runs in Python {up.version}, {up.executable} ({started.why})", file=sys.stderr)
        if started.warning:
            print(f"pysh: {name}: {started.warning}", file=sys.stderr)
        ended = started.passage.ended
        if asked.detach:
            started.keep()
            other.wait(ended, LAST_SECONDS)
            return codes.OK
        started.hold()

        def end() -> None:
            started.give_up()
            other.wait(ended, LAST_SECONDS)

        # Nothing more is said over the stream: it is readable when it has ended.
        live: Callable[[], object] = partial(select.select, [started.passage.sock], [], [])
        return until_told(name, live, end, asked.timeout or 0.0)


def log_of(text: str, hostkey: Pin = None) -> str:
    """What the node that `text` names printed of itself, here or on another machine. Raises `TransportError`."""
    match discovery.meant(text):
        case There(node, destination, host):
            with other_machine(destination, hostkey) as other:
                return _log_there(other, node, host)
        case Here(node, written):
            path = logs.log_file(written) or logs.log_file(node)
        case Socket(path):
            path = ""
    if not path:
        raise TransportError(
            "find", f"there is no log of a node {cleaned(text)} here", hint="see who runs here: pysh ls"
        )
    return logs.tail(path, 500_000)


def _log_there(other: OtherMachine, node: str, host: str) -> str:
    marker = secrets.token_hex(8)
    ran = other.run(_command(LOG, marker, node, host if ":" not in host else node))
    if ran.status == NO_LOG:
        hint = f"see who runs there: pysh ls {other.destination}"
        raise TransportError("find", f"there is no log of a node {node} on {other.destination}", hint=hint)
    _, found, log = ran.stdout.decode(errors="replace").partition(f"{marker}\n")
    if ran.status or not found:
        raise _failed(other, ran.status, ran.stderr)
    return log


def copy_cookie(asked: argparse.Namespace, cookie: bytes) -> int:
    """Give our cookie to another machine, over standard input."""
    with other_machine(asked.host, asked.hostkey) as other:
        other.check_vouched()
        line = cookie + b"\n"
        ran = other.run(_command(COOKIE, str(len(line)), "force" if asked.force else "keep"), line)
        if ran.status == OTHER_COOKIE:
            what, hint = f"{asked.host} has another cookie", f"replace it: pysh cookie copy --force {asked.host}"
            raise TransportError("cookie", what, "nothing was changed", hint)
        if ran.status:
            raise _failed(other, ran.status, ran.stderr)
    print(f"{asked.host} has our cookie")
    return codes.OK


def _failed(other: OtherMachine, status: int, complaint: bytes) -> TransportError:
    evidence = f"exit status {status}: {cleaned(complaint.decode(errors='replace'))}"
    return TransportError("launch", f"what we asked {other.destination} to do failed", evidence)
