"""`debug`: pdb at the last error of this shell, or in code elsewhere that waits for it."""

import sys
from typing import Any

from pysh.runtime import looking
from pysh.runtime.errors import NodeDown, NoProcess, PyshError, RemoteTraceback
from pysh.runtime.looking import Looked
from pysh.runtime.payload import dumps
from pysh.runtime.process import Actor, Process
from pysh.runtime.protocol.frames import Kind
from pysh.runtime.protocol.terms import Pid
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.waiting import Steps, block, refuse_to_block
from pysh.runtime.started import current


def debug(t: Looked | bool | None = None) -> None:
    """Open pdb: on a task or process that waits in a `breakpoint()`, or else on the last error of this shell.

    `t` is a task, a row of `tasks()` or a process, also by its text, `debug("n2.7")`, as the line says it that a
    `breakpoint()` of remote code shows here. Without `t` it is what waits for this shell since last, if anything does.
    `c` and Ctrl-D let the code go on, Ctrl-C leaves it waiting or running, `q` ends it. With `debug(True)` tasks that
    are started from then on wait where they raise, with all their frames, until somebody has looked; `debug(False)`
    ends that. Raises `PyshError` where nothing waits, or there was no error.
    """
    refuse_to_block("debug")
    client = current()
    if isinstance(t, bool):
        client.debugging = t
    elif t is not None:
        _talk(block(_waiting(client, t)))
    elif (process := block(_parked(client))) is not None:
        _talk(process)
    else:
        _post_mortem(getattr(sys, "last_value", None))


def _waiting(client: Client, t: Any) -> Steps[Process]:
    """The process that `t` means, which waits."""
    what = looking.meant(t)
    told = yield client.ask_later("times", dest=what.hub, **what.asked)
    if not told.get("parked"):
        text = yield from looking.reason(t)
        raise PyshError(f"it waits in no breakpoint; {text}")
    pid = Pid(what.hub.incarnation, int(told["number"]))
    return Process(pid, client.view.name_of(pid.incarnation))


def _parked(client: Client) -> Steps[Process | None]:
    """What waits for this shell, the latest of a node."""
    asked = [
        (info, client.ask_later("parked", dest=info.hub, owner=list(client.pid)))
        for info in client.view.nodes
        if info.state != "suspect"
    ]
    found = None
    for info, waiter in asked:
        try:
            rows = yield waiter
        except NodeDown:
            continue
        if rows:
            found = Process(Pid(info.incarnation, int(rows[-1]["number"])), info.name)
    return found


def _talk(process: Process) -> None:
    """Pass on what is typed and said, until one of the two ends it."""
    from pysh.runtime.actor import ask
    from pysh.runtime.runner.parking import METHOD

    line, runs = None, False
    try:
        while True:
            runs = line is not None
            text, over = ask(Actor(process), METHOD, (line,), {}).result()
            runs = False
            prompt = _show(str(text), asks=not over)
            if over:
                return
            line = _typed(prompt)
    except KeyboardInterrupt:
        if runs:
            _leave(process)
            print(f"\n{process} goes on running; a line says so if it stops again")
        else:
            print(f'\n{process} goes on waiting: debug("{str(process)[1:-1]}")')
    except (NoProcess, NodeDown) as error:
        print(error)


def _leave(process: Process) -> None:
    """Let `process` know that nobody waits for what it says next; no answer to that is waited for."""
    from pysh.runtime.runner.parking import LEFT, METHOD

    client = current()
    client.post(
        Kind.CALL, process.pid, ref=client.next_ref(), meta={"method": METHOD}, payload=dumps(((LEFT,), {}))
    )  # fmt: skip


def _show(text: str, asks: bool) -> str:
    """Print what was said; of what asks the last line is returned, which is the prompt."""
    shown = "".join(char if char.isprintable() or char in "\n\t" else "?" for char in text)
    head, end, prompt = shown.rpartition("\n") if asks else (shown, "", "")
    sys.stdout.write(head + end)
    sys.stdout.flush()
    return prompt


def _typed(prompt: str) -> str:
    try:
        return input(prompt)
    except EOFError:
        print()
        return "continue"


def _post_mortem(error: BaseException | None) -> None:
    """Open pdb where `error` was raised, if that was here."""
    if error is None:
        raise PyshError("nothing was raised in this shell yet, and no code of its waits in a breakpoint")
    if isinstance(error.__cause__, RemoteTraceback):
        from pysh.runtime.runner.display import failure

        print(failure(error), end="")
        print(f"Its frames on {error.__cause__.node} are gone. To look at them: debug(True), run it again, debug().")
        return
    from pdb import Pdb

    from pysh.runtime.runner.parking import UsersFrames

    class Local(UsersFrames, Pdb):
        """At this terminal."""

    debugger = Local()
    debugger.reset()
    debugger.interaction(None, error.__traceback__)
