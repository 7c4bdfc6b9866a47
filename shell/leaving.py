"""Leaving a shell: the node says what that would stop, and the user decides."""

from collections.abc import Callable
from typing import Any

from pysh.shell.codes import FAILED, OK
from pysh.shell.console import Console

STOP, LEAVE = b"s", b"l"
Say = Callable[[str], None]


def leave(console: Console, say: Say, **asked: bool) -> dict[str, Any]:
    """What the node says to that, once what its shell sent has arrived elsewhere, or no more of it does.

    What may not have arrived is said, and makes the exit `code` one of failure.
    """
    while (told := console.ask("leave", **asked)).get("sending"):
        pass
    unsent = told.get("unsent", ())
    for text in unsent:
        say(f"pysh: {text}")
    return {**told, "code": FAILED if unsent else OK}


def may_leave(console: Console, say: Say, key: Callable[[], bytes], **asked: bool) -> int | None:
    """The exit code if the terminal goes, after the node was stopped or left running; `key` waits for an answer.

    A node that nothing keeps stops by itself when it is asked. One that others use, or that was started
    to stay, is left without a question. A shell of one's own ends, or is left running, in the same way.
    """
    told = leave(console, say, **asked)
    code: int = told["code"]
    back = f"back to it with: {console.again()}"
    if told["stop"]:
        return code
    if told.get("persistent") or not told["reasons"]:
        say(f"{console.name} stays; {back}")
        return OK
    say(f"{told.get('called', console.name)}: {', '.join(told['reasons'])}")
    say("s: stop it, l: leave it running, any other key: stay here")
    answer = key()
    if answer == STOP:
        code = leave(console, say, stop=True, **asked)["code"]
    elif answer == LEAVE:
        say(back)
    return code if answer in (STOP, LEAVE) else None
