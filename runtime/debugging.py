"""`debug`: pdb in code that waits for this shell, or on the frames of what failed here or elsewhere."""

import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from pysh.runtime import looking
from pysh.runtime.errors import NodeDown, PyshError, RemoteTraceback
from pysh.runtime.looking import Looked
from pysh.runtime.postmortem import look_into
from pysh.runtime.process import Process
from pysh.runtime.protocol.jobs import DONE
from pysh.runtime.protocol.terms import Pid
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.waiting import Steps, Waiter, block, refuse_to_block
from pysh.runtime.started import current
from pysh.runtime.talking import leave, talk

SOON = 3.0
"""Seconds in which the nodes are to say that they let go of frames."""


def debug(t: Looked | BaseException | bool | None = None, *, keep: bool | None = None) -> None:
    """Open pdb: on a task or process that waits in a `breakpoint()`, or else on the frames of a failure, wherever.

    `t` is a task, a row of `tasks()` or a process, also by its text, `debug("n2.7")`, as the line says it that a
    `breakpoint()` of remote code shows here; or an error, such as `_e`. Without `t` it is what waits for this shell
    since last, if anything does, or else what failed last, at the prompt or as a task of it.

    Of what waits, `c` and Ctrl-D let the code go on, Ctrl-C leaves it waiting or running, `q` ends it. Of what failed
    all of these end looking, and the frames stay: in its worker, which goes on with other tasks, until one of these
    fails too, for ten minutes, and no longer than worker and owner live. Large arrays that they hold stay as long.
    `debug(keep=False)` lets go of all that this shell has, and keeps none from then on.

    With `debug(True)` tasks that are started from then on wait where they raise until somebody has looked, so that no
    frames can go; `debug(False)` ends that. Raises `PyshError` where nothing waits or failed; frames that are gone are
    told with why.
    """
    refuse_to_block("debug")
    client = current()
    if keep is not None:
        client.keeps_frames = keep
        if not keep:
            _let_go(client)
    if isinstance(t, bool):
        client.debugging = t
    elif isinstance(t, BaseException):
        _post_mortem(client, t)
    elif t is not None:
        _look_at(client, t)
    elif keep is None:
        _look_at_last(client)


def _look_at_last(client: Client) -> None:
    if (process := block(_parked(client))) is not None:
        talk(process, leave)
        return
    failed, error = client.last_failed, getattr(sys, "last_value", None)
    if failed is not None and (error is None or client.role == "evaluator"):  # elsewhere nobody knows which is the last
        error = failed.outcome()
    if error is None:
        raise PyshError("nothing was raised in this shell yet, and no code of its waits in a breakpoint")
    _post_mortem(client, error)


def _look_at(client: Client, t: Looked) -> None:
    what = looking.meant(t)
    if what.task is not None and what.task.done():
        if (error := what.task.outcome()) is None:
            raise PyshError(f"{what.name} is done, and raised nothing")
        _post_mortem(client, error)
        return
    told = block(_asked(client, what))
    pid = Pid(what.hub.incarnation, int(told.get("number") or what.asked.get("number") or 0))
    if told.get("parked"):
        talk(Process(pid, client.view.name_of(pid.incarnation)), leave)
    elif told and told["state"] != DONE:
        raise PyshError(f"it waits in no breakpoint; {block(looking.reason(t))}")
    elif why := look_into(client, (pid,)):
        print(why)


def _post_mortem(client: Client, error: BaseException) -> None:
    """Open pdb where `error` was raised, here or elsewhere."""
    cause = error.__cause__
    if not isinstance(cause, RemoteTraceback):
        if error.__traceback__ is None:
            print(f"{type(error).__name__}: {error}\nIt came of no code of yours: there are no frames.")
        else:
            _open_here(error)
        return
    if cause.at:
        why = look_into(client, cause.at)
    else:
        why = f"its frames on {cause.node} are not kept: it is an actor's answer, or was no task's"
    if why:
        from pysh.runtime.runner.display import failure

        print(failure(error), end="")
        print(why)


def _open_here(error: BaseException) -> None:
    from pdb import Pdb

    from pysh.runtime.runner.parking import UsersFrames

    class Local(UsersFrames, Pdb):
        """At this terminal."""

    debugger = Local()
    debugger.reset()
    debugger.interaction(None, error.__traceback__)


def _let_go(client: Client) -> None:
    """Have all nodes let go of the frames of what is owned here; those that do not answer soon are told."""
    asked: list[tuple[str, Waiter]] = []
    for info in client.view.nodes:
        if info.state != "suspect":
            with suppress(NodeDown):  # and the frames with it
                asked.append((info.name, client.ask_later("let_go", dest=info.hub)))
    try:
        block(_all(waiter for _, waiter in asked), SOON)
    except TimeoutError:
        late = ", ".join(name for name, waiter in asked if not waiter.done)
        print(f"{late} did not say so within {SOON:g} s, and lets go of its frames once it reads that it is to")


def _all(waiters: Iterable[Waiter]) -> Steps[None]:
    for waiter in waiters:
        with suppress(NodeDown):
            yield waiter


def _asked(client: Client, what: looking.Meant) -> Steps[dict[str, Any]]:
    told: dict[str, Any] = yield client.ask_later("times", dest=what.hub, **what.asked)
    return told


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
