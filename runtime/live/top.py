"""`top`: nodes, processes and tasks as they are now, on the whole screen."""

from dataclasses import replace
from time import monotonic
from typing import Any

from pysh.runtime.dumps import shown_stack
from pysh.runtime.errors import PyshError
from pysh.runtime.live import model as views
from pysh.runtime.live.looking import Going, Looking
from pysh.runtime.live.model import PANES, TASKS, Action, Ask, Kill, Model, Quit, Refresh, Row
from pysh.runtime.live.painter import paint, table
from pysh.runtime.live.screen import Screen, usable
from pysh.runtime.live.text import plain
from pysh.runtime.messages import exit_signal
from pysh.runtime.process import Process
from pysh.runtime.protocol.relations import KILL
from pysh.runtime.protocol.terms import HUB, Pid
from pysh.runtime.runner.client import Client
from pysh.runtime.runner.waiting import Steps, Waiter, refuse_to_block
from pysh.runtime.started import current

ANSWER, IDLE = 0.02, 0.2
"""Seconds between two looks at the size of the screen, while an answer is to come and while none is."""
AGED = 0.5
"""Seconds after which what is not answered is shown as it is by then."""
SNAPSHOT = 2.0
"""Seconds that nodes have to answer where only one picture is printed."""
COLUMNS = 160
"""Those of that picture."""


def top() -> None:
    """Show all nodes, processes and tasks live on the whole screen, until `q` or Ctrl-C.

    Arrows move, Tab goes to the next pane; `k` kills the process or task (after a question), `s` shows its stack, `o`
    follows its output, `<` and `>` sort, `+` `-` and `r` look more often, less often and now, `?` lists the keys. Some
    1,000 processes and tasks of each node are shown. One that does not answer is `silent`, and holds up nothing. Where
    there is no terminal that can be painted on, one picture is printed. Raises `NodeDown` if this node is gone.
    """
    refuse_to_block("top")
    client = current()
    if not usable() or not _has_a_screen(client):
        print(snapshot(client))
        return
    with Screen() as screen:
        try:
            View(client, screen).run()
        except (KeyboardInterrupt, EOFError):
            pass  # as the key; or the terminal is gone


def _has_a_screen(client: Client) -> bool:
    """Whether whoever sits at this shell has a terminal that shows what a program paints."""
    return client.role != "evaluator" or bool(client.ask("screen"))


def snapshot(client: Client) -> str:
    """One picture of everything, as text."""
    looking = Looking(client)
    looking.ask()
    end = monotonic() + SNAPSHOT
    while looking.waits and (left := end - monotonic()) > 0:
        if not looking.advance():
            client.pump(Waiter(client), min(left, ANSWER))
    rows = looking.rows()
    return "\n\n".join("\n".join(table(pane, rows[pane], COLUMNS)) for pane in PANES if rows[pane])


class View:
    """One view on one screen."""

    def __init__(self, client: Client, screen: Screen) -> None:
        self._client = client
        self._screen = screen
        self._looking = Looking(client)
        self._model = Model(size=screen.size())
        self._wanted: Ask | None = None
        self._asked: Going | None = None  # for a stack or an output
        self._killing: Going | None = None
        self._due = self._aged_at = 0.0
        self._painted: Model | None = None

    def run(self) -> None:
        """Until somebody leaves."""
        while self._turn():
            pass

    def _turn(self) -> bool:
        """Show what there is, then take what comes; False to leave."""
        self._client.check_open()
        self._look()
        if (size := self._screen.size()) != self._model.size:
            self._model = replace(self._model, size=size)
        if self._model is not self._painted or self._screen.disturbed:
            self._screen.show(paint(self._model))
            self._painted = self._model
        busy = self._looking.waits or self._asked is not None or self._killing is not None
        for key in self._screen.keys(ANSWER if busy else IDLE):
            self._model, action = views.press(self._model, key)
            if isinstance(action, Quit):
                return False
            self._do(action)
        return True

    def _look(self) -> None:
        now = monotonic()
        if now >= self._due:
            self._looking.ask()
            self._follow()
            self._due = now + self._model.seconds
        if self._looking.advance() or now >= self._aged_at:
            self._aged_at = now + AGED
            self._model = views.looked(self._model, self._looking.rows())
        if self._asked is not None and self._asked.advance():
            self._tell_text(self._asked)
            self._asked = None
        if self._killing is not None and self._killing.advance():
            said = str(self._killing.error) if self._killing.error is not None else self._killing.value
            self._model, self._killing = replace(self._model, said=plain(said)), None
            self._due = 0.0

    def _do(self, action: Action) -> None:
        if isinstance(action, Refresh):
            self._due = 0.0
        elif isinstance(action, Kill):
            self._killing = Going(self._client, _kill(self._client, action), monotonic())
        elif isinstance(action, Ask):
            self._wanted, self._asked = action, None
            self._follow()

    def _follow(self) -> None:
        """Ask for the text that is shown, an output again and again."""
        wanted = self._wanted
        if wanted is None or self._model.view != wanted.what:
            self._wanted = self._asked = None
        elif self._asked is None and (wanted.what == views.OUTPUT or self._model.text == (views.WAITING,)):
            self._asked = Going(self._client, _text(self._client, wanted), monotonic())

    def _tell_text(self, asked: Going) -> None:
        text = str(asked.error) if asked.error is not None else str(asked.value)
        lines = "\n".join(plain(line.rpartition("\r")[2] or line) for line in text.rstrip().split("\n"))
        assert self._wanted is not None
        self._model = views.answered(self._model, self._wanted.what, lines)


def _hub(row: Row) -> Pid:
    return Pid(row.incarnation, HUB)


def _text(client: Client, wanted: Ask) -> Steps[str]:
    """The stack or the output of what a row stands for."""
    told: Any = yield client.ask_later(wanted.what, dest=_hub(wanted.row), number=wanted.row.key[1])
    return shown_stack(str(told["text"])) if wanted.what == views.STACK else str(told["text"])


def _kill(client: Client, action: Kill) -> Steps[str]:
    """End it; what is to be said of that."""
    row, what = action.row, views.named(action.pane, action.row)
    if action.pane == TASKS:
        ended = yield client.ask_later("cancel_task", dest=_hub(row), number=row.key[1], grace=0)
        return f"{what} is killed" if ended else f"{what} had ended"
    if row.incarnation not in client.view:
        raise PyshError(f"{row.key[0]} is not connected any more; nothing was done")
    exit_signal(Process(Pid(row.incarnation, row.key[1]), row.key[0]), KILL)
    return f"{what} is told to end"
