"""Leaving a shell: the node says what that would stop, and the user decides."""

from collections.abc import Callable

from pysh.shell.console import Console

STOP, LEAVE = b"s", b"l"


def may_leave(console: Console, say: Callable[[str], None], key: Callable[[], bytes]) -> bool:
    """Whether the terminal goes, after the node was stopped or left running; `key` waits for an answer.

    A node that nothing keeps stops by itself when it is asked. One that others use, or that was started
    to stay, is left without a question.
    """
    told = console.ask("leave")
    back = f"back to it with: {console.again()}"
    if told["stop"]:
        return True
    if told.get("persistent") or not told["reasons"]:
        say(f"{console.name} stays; {back}")
        return True
    say(f"{console.name}: {', '.join(told['reasons'])}")
    say("s: stop it, l: leave it running, any other key: stay here")
    answer = key()
    if answer == STOP:
        console.ask("leave", stop=True)
    elif answer == LEAVE:
        say(back)
    return answer in (STOP, LEAVE)
