"""A person at the terminal of this process, who is asked what an SSH server wants to know."""

import os
import sys

TERMINAL = "/dev/tty"


def somebody_here(role: str = "") -> bool:
    """Whether a person may be asked at the terminal of this process; an evaluator's is lent to an eval of others."""
    if role in ("worker", "apartment") or (role == "evaluator" and not (sys.stdin and sys.stdin.isatty())):
        return False
    try:
        os.close(os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def ask(text: str, *, wanted: bool) -> str | None:
    """What a person types, unseen, when shown `text`; None for the end of the input.

    Where no answer is `wanted` the text is shown, and that is all. Raises `KeyboardInterrupt`.
    """
    from getpass import getpass

    if not wanted:
        print(text, file=sys.stderr, flush=True)
        return ""
    try:
        return getpass(f"{text} ")
    except EOFError:
        return None
