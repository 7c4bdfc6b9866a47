"""What a node's core asks of the world around it: plain data, carried out in order."""

from typing import Any, NamedTuple

from pysh.runtime.protocol.addresses import Way
from pysh.runtime.protocol.terms import Buffer, Ref


class Write(NamedTuple):
    """Send `buffers` on `link`."""

    link: int
    buffers: list[Buffer]


class Close(NamedTuple):
    """Close `link` once what was written is sent."""

    link: int


class Dial(NamedTuple):
    """Connect to the node at `address`, then report `opened` or `dial_failed` with `token`.

    Without a `way` it goes as it went before. With `asks` a person is there for what a server asks on the way:
    report that as a `question`, and an `Answer` follows.
    """

    token: int
    address: str
    way: Way | None = None
    asks: bool = False


class Answer(NamedTuple):
    """What a person says to the question under `token`; None for nothing, and the dial is to fail."""

    token: int
    text: str | None


class Start(NamedTuple):
    """Start a node and connect to it, then report `opened` or `dial_failed` with `token`.

    `name` is its full name; without a `host` it is started here. What is empty is as it is there.
    """

    token: int
    name: str
    host: str = ""
    python: str = ""
    cwd: str = ""
    env: dict[str, str] = {}
    setup: str = ""
    persist: bool = False
    hostkey: str = ""
    asks: bool = False
    program: int = 0  # which asked, if it was one


class Probe(NamedTuple):
    """Look whether the node `name` still lives, if it is on this machine; report `gone` if it does not."""

    incarnation: bytes
    name: str


class ForkWorker(NamedTuple):
    """Have the fork server make worker `worker`, or an apartment."""

    worker: int
    apartment: bool = False


class Signal(NamedTuple):
    """Send `signal` to a worker, or to its group and tree; `job` is whom a SIGINT is meant for."""

    worker: int
    signal: str
    group: bool
    job: int


class Pause(NamedTuple):
    """Stop (or go on, if not `on`) reading what `worker` prints; 0 and less are the ptys of shells, by `-shell`."""

    worker: int
    on: bool


class Type(NamedTuple):
    """Put `data` into the pty of an evaluator as if typed: that of shell number `shell`, as below."""

    data: bytes
    shell: int = 0


class Resize(NamedTuple):
    """Tell the evaluator's pty the size of its terminal."""

    rows: int
    columns: int
    shell: int = 0


class Interrupt(NamedTuple):
    """SIGINT to the evaluator."""

    shell: int = 0


class Kill(NamedTuple):
    """End the evaluator, whatever it does; its shell goes on with another one."""

    shell: int = 0


class EndShell(NamedTuple):
    """End a shell: its evaluator, whatever it does, and nothing follows it."""

    shell: int


class Prepare(NamedTuple):
    """Start what runs user code, ahead of its first use: the fork server, or the evaluator of `shell`."""

    what: str
    shell: int = 0


class Keep(NamedTuple):
    """Write the result of task `number` to disk, with a `record` of it; then report `written`."""

    number: int
    record: bytes
    payload: Buffer


class Discard(NamedTuple):
    """Remove the result of task `number` from the disk; a `reason` goes into the log."""

    number: int
    reason: str = ""


class Recall(NamedTuple):
    """Read up to `size` bytes of a kept result, from `offset` on, and report them as `recalled` for `ref`."""

    number: int
    offset: int
    size: int
    ref: Ref


class Dump(NamedTuple):
    """Have `worker` write down where its threads are, and report that for `job` as `dumped`."""

    worker: int
    job: int


class Attended(NamedTuple):
    """A terminal came (`on`), or the last one is gone: write it where other shells look."""

    on: bool


class Stop(NamedTuple):
    """End this node: everything it started goes."""

    reason: str


Action = (
    Write
    | Close
    | Dial
    | Answer
    | Start
    | Probe
    | ForkWorker
    | Signal
    | Pause
    | Type
    | Resize
    | Interrupt
    | Kill
    | EndShell
    | Prepare
    | Keep
    | Discard
    | Recall
    | Dump
    | Attended
    | Stop
)
Meta = dict[str, Any]
