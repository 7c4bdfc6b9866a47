"""`put` and `get`: files and folders from node to node, as a conversation of two processes.

Here runs a task in a worker of its own, there a process that it spawned; each ends when the other does. One sends,
the other receives; what they say to each other:

    sender                                       receiver
    ("offer", name, entries)                 ->  checks them, and makes a place for the copy
                                             <-  ("have", {number: (size, digest)}): what is there already
    a `Part`, packed, for every file in order ->  writes it
                                             <-  ("got", credit) as it is written
                                             <-  ("done", Copied) when the copy is in its place
    ("failed", error) from either: it gave up, and so does the other

A `have` with the same beginning is gone on from. Who is cut off leaves what has arrived for the next time; who
gives up for another reason removes it.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from time import monotonic, perf_counter
from typing import Any, NamedTuple

from pysh.runtime.calls import Call, Ties, called, one_line, owner_of
from pysh.runtime.command import OWN_WORKER
from pysh.runtime.errors import NodeDown, PyshError
from pysh.runtime.messages import me, receive
from pysh.runtime.node import Node, On, here, select
from pysh.runtime.process import Down, Process
from pysh.runtime.protocol.manifest import FILE, BadManifest, Entry, Part, Progress, check, sized, total
from pysh.runtime.results import Results, labels
from pysh.runtime.runner.waiting import Steps, block
from pysh.runtime.started import current
from pysh.runtime.task import Task
from pysh.runtime.verbs import Arrivals, spawn_call

AHEAD = 8 << 20
"""Bytes that may be on their way, or not yet be written."""
A_PART = 4096
"""What each part counts besides its bytes."""
GRANT = 1 << 20
LAST_WORDS = 1.0
"""Seconds that the other end has to take note that this one gives up, which is before its worker is killed."""
AT_ONCE = 32
"""Nodes that are copied to or from at the same time."""
FIRST, NEXT = 1.0, 0.5
"""Seconds until progress is shown at all, and between two times."""


class Copied(NamedTuple):
    """What a copy came to: its `path` there, the `size` of its files in bytes, and how many `files` it has.

    `sent` bytes of it had to travel, the others were there already; `sha256` is that of a single file, and
    `took` the seconds of it all.
    """

    path: str
    size: int
    files: int
    sent: int
    sha256: str
    took: float

    def __repr__(self) -> str:
        files = "" if self.sha256 else f"{self.files} file{'' if self.files == 1 else 's'}, "
        return f"{self.path} ({files}{sized(self.size)})"


# the two processes


class _Gone(PyshError):
    """The process at the other end is gone."""


class Peer:
    """The process at the other end."""

    def __init__(self, process: Process, ref: int) -> None:
        self._process, self._ref = process, ref
        self._over = False

    def say(self, *said: Any) -> None:
        """Send it something. Raises `NodeDown`."""
        self._process.send(said)

    def part(self, part: Part) -> None:
        """Send it some of a file."""
        self._process.send(part.packed())

    def hear(self) -> tuple[Any, ...]:
        """What it says next. Raises what made it give up, `NodeDown`, and `PyshError` if it ended."""
        while True:
            said = block(receive(None))
            if type(said) is bytes:
                return "part", Part.unpacked(said)
            if isinstance(said, Down):
                if said.ref == self._ref:
                    self._over = True
                    raise self._gone(said.reason)
            elif said[0] == "failed":
                self._over = True
                raise said[1] or _Gone("it was interrupted there")
            else:
                return tuple(said)

    def _gone(self, reason: str) -> Exception:
        node = self._process.node.name
        if reason == "noconnection":
            return NodeDown(node, reason, executed="yes")
        return _Gone(f"what copied on {node} ended ({reason}) before it was done; what has arrived is gone on from")

    def give_up(self, error: Exception | None = None) -> None:
        """Tell it that there will be no more, and why, and let it end: what it says until then has somebody to hear."""
        with suppress(PyshError, TimeoutError):
            if not self._over:
                self.say("failed", error)
                block(receive(self._is_end), LAST_WORDS)

    def _is_end(self, said: Any) -> bool:
        return isinstance(said, Down) and said.ref == self._ref


Act = Callable[..., Copied]
"""What one end does, given its `Peer`."""


def converse(act: Act, args: tuple[Any, ...], node: Node, other: Act, others: tuple[Any, ...]) -> Copied:
    """Do `act` here while a process on `node` does `other`, as the other end."""
    label = f"{other.__name__.partition('_')[0]} {os.path.basename(others[0])}".strip()  # noqa: PTH119
    call = called(Call(answer, (me(), other, others), {}, frozenset()), label)
    process = block(spawn_call(call, node, Ties(monitor=True)))
    try:
        return _ended(act, Peer(process, process.ref), args)
    except _Gone as error:
        raise PyshError(error.text, executed="yes") from None


def answer(caller: Process, act: Act, args: tuple[Any, ...]) -> None:
    """What runs there. It ends without a word when its caller is gone."""
    from pysh.runtime.api import monitor

    peer = Peer(caller, monitor(caller))
    with suppress(Exception):  # which was told where it can be
        _ended(act, peer, args)


def _ended(act: Act, peer: Peer, args: tuple[Any, ...]) -> Copied:
    try:
        return act(peer, *args)
    except Exception as error:
        peer.give_up(error)
        raise
    except BaseException:  # Ctrl-C: what has arrived is to be gone on from
        peer.give_up()
        raise


# sending


def send_tree(peer: Peer, path: str, shown: bool) -> Copied:
    """Offer the file or folder `path`, and send of it what the other end lacks."""
    from pysh.runtime.tree import scan

    path = os.path.expanduser(path)  # noqa: PTH111
    entries = scan(path)
    name = os.path.basename(os.path.realpath(path) if path.endswith(("/", ".")) else path)  # noqa: PTH119
    peer.say("offer", name, [tuple(entry) for entry in entries])
    _, have = peer.hear()
    meter = Meter(name, total(entries), shown)
    ahead = at = 0
    number = -1
    for part in _parts(path, entries, have):
        peer.part(part)
        ahead += len(part.data) + A_PART
        at = at if part.number == number else 0
        number, done = part.number, part.offset + len(part.data)
        meter.at(done - at)
        at = done
        while ahead > AHEAD:
            ahead -= _granted(peer.hear())
    while (said := peer.hear())[0] != "done":
        _granted(said)
    meter.close()
    return Copied(*said[1])


def _granted(said: tuple[Any, ...]) -> int:
    kind, credit = said
    if kind != "got":
        raise BadManifest(f"a receiver said {kind!r}")
    return int(credit)


def _parts(path: str, entries: list[Entry], have: Mapping[int, tuple[int, bytes]]) -> Iterator[Part]:
    from pysh.runtime.tree import Source

    for number, entry in enumerate(entries):
        if entry.kind != FILE:
            continue
        file = os.path.join(path, entry.path) if entry.path else path  # noqa: PTH118
        with Source(file, entry.size, follow=not entry.path) as source:
            if number in have:
                source.skip(*have[number])
            digest = None
            while digest is None:
                offset = source.offset
                data, digest = source.read()
                yield Part(number, offset, data, digest)


# receiving


def receive_tree(peer: Peer, to: str, parents: bool, shown: bool) -> Copied:
    """Take the file or folder that is offered, and put it where `to` says; `parents`: make the folders above it."""
    from pysh.runtime.staging import Staging, place

    started = perf_counter()
    _, name, offered = peer.hear()
    entries = [Entry(*entry) for entry in offered]
    check(entries)
    if not name or "/" in name or name in (".", ".."):
        raise BadManifest(f"{name!r} is no name to copy something by")
    final = place(to, name, entries[0].kind)
    if parents:
        os.makedirs(os.path.dirname(final), exist_ok=True)  # noqa: PTH103, PTH120
    with Staging(final, entries) as staging:
        try:
            sent, digest = _received(peer, entries, staging, Meter(name, total(entries), shown))
            staging.finish()
        except (_Gone, NodeDown):
            raise
        except OSError as error:
            staging.discard()
            raise staging.explained(error) from None
        except Exception:
            staging.discard()
            raise
    files = sum(entry.kind == FILE for entry in entries)
    single = digest.hex() if entries[0].kind == FILE else ""
    copied = Copied(final, total(entries), files, sent, single, perf_counter() - started)
    peer.say("done", tuple(copied))
    return copied


def _received(peer: Peer, entries: list[Entry], staging: Any, meter: "Meter") -> tuple[int, bytes]:
    """Take every part: how many bytes came, and the digest of the last file."""
    peer.say("have", {number: (kept.size, kept.digest) for number, kept in staging.kept.items()})
    progress = Progress(entries)
    sent = taken = 0
    digest = b""
    while not progress.done:
        kind, part = peer.hear()
        if kind != "part":
            raise BadManifest(f"a sender said {kind!r}")
        kept = staging.kept.get(part.number)
        before = progress.bytes
        progress.take(part, kept.size if kept else 0)
        staging.write(part)
        digest = part.digest or b""
        meter.at(progress.bytes - before)
        sent += len(part.data)
        taken += len(part.data) + A_PART
        if taken >= GRANT:
            peer.say("got", taken)
            taken = 0
    meter.close()
    return sent, digest


class Meter:
    """How far a copy is, in one line that is written anew, where somebody sees it and it takes a while."""

    def __init__(self, name: str, of: int, shown: bool) -> None:
        self._name, self._of, self._shown = one_line(name), of, shown
        self._began = monotonic()
        self._next = self._began + FIRST
        self._done = 0
        self._line = ""

    def at(self, more: int) -> None:
        """So many bytes more are there."""
        self._done += more
        if self._shown and (now := monotonic()) >= self._next:
            self._next = now + NEXT
            self._print(now)

    def _print(self, now: float) -> None:
        share = 100 * self._done // (self._of or 1)
        rate = sized(self._done / max(now - self._began, 0.001))
        self._line = f"{self._name} {share}% of {sized(self._of)}, {rate}/s"
        print(f"\r{self._line}", end="", flush=True)

    def close(self) -> None:
        """It is all there: what was shown of it is final."""
        if self._line:
            self._print(monotonic())
            print(flush=True)


# what is asked for


def put(path: Any, on: On, to: Any) -> Steps[Results]:
    """Copy a file or folder of this node to each of the nodes."""
    source, target, shown = _here(path), _text(to) if to else "", _somebody_looks()
    os.stat(source)  # noqa: PTH116 - it is missing here, and nothing is sent for that
    client = current()
    infos, absent = select(client, on)
    name = os.path.basename(source)  # noqa: PTH119
    calls = {
        info.name: _calling(
            f"put {name}", (send_tree, (source, False), Node(info.name), receive_tree, (target, False, shown))
        )
        for info in infos
    }
    return (yield from _all(calls)).and_absent(absent)


def get(path: Any, on: On, to: Any) -> Steps[Results]:
    """Copy a file or folder of each of the nodes to this one; of several each into a folder of its node's name."""
    source, shown = _text(path), _somebody_looks()
    client = current()
    infos, absent = select(client, on)
    target = _here(to) + ("/" if str(to).endswith("/") else "") if to else _here(".") + "/"
    several = len(infos) + len(absent) > 1
    names = labels([info.name for info in infos])
    calls = {}
    for info, label in zip(infos, names, strict=True):
        place = os.path.join(target, label, "") if several else target  # noqa: PTH118
        ends = (receive_tree, (place, several, False), Node(info.name), send_tree, (source, shown))
        calls[info.name] = _calling(f"get {os.path.basename(source)}", ends)  # noqa: PTH119
    return (yield from _all(calls)).and_absent(absent)


def _text(path: Any) -> str:
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str):
        raise TypeError(f"a path is text, not {path!r}; nothing was copied")
    if not text or "\0" in text:
        raise ValueError(f"{text!r} is no path; nothing was copied")
    return text


def _here(path: Any) -> str:
    return os.path.abspath(os.path.expanduser(_text(path)))  # noqa: PTH100, PTH111


def _somebody_looks() -> bool:
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):
        return False


def _calling(label: str, ends: tuple[Any, ...]) -> Call:
    return called(Call(converse, ends, {}, frozenset(), OWN_WORKER), label)


def _all(calls: Mapping[str, Call]) -> Steps[Results]:
    """What comes of each, a number of them at a time; whoever ends this ends them."""
    client = current()
    owner = owner_of(client)
    waiting = list(calls.items())
    running: dict[Task, str] = {}
    found: dict[str, Any] = {}
    try:
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                name, call = waiting.pop(0)
                task = Task(client, here(client).hub, call.label)
                running[task] = name
                task.submit(call.meta(owner, ""), call.payload)
            ended = yield from Arrivals(list(running)).next()
            if ended is not None:
                error = ended.outcome()
                found[running.pop(ended)] = ended.value if error is None else error
    except BaseException:
        for task in running:
            task.give_up()
        raise
    return Results({Node(name): found[name] for name in calls})
