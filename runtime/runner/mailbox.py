"""The messages of a process that it has not received yet, and which of them a `receive` means."""

from collections.abc import Callable, Iterable
from threading import RLock
from time import monotonic
from typing import Any

from pysh.runtime.protocol.mailboxes import BYTES, MESSAGES
from pysh.runtime.protocol.terms import Buffer
from pysh.runtime.runner.waiting import Waiter

MISSING: Any = object()
"""What `Mailbox.take` returns where nothing matches."""


TOLD, TOLD_BYTES, TOLD_SECONDS = 100, 256 * 1024, 1.0
"""The hub is told of so many received messages at once, or bytes, or after so long, while more of them wait."""


class _Message:
    """One message, unpickled when somebody looks at it: that runs code of the user's."""

    __slots__ = ("_payload", "_value", "counts", "record", "size")

    def __init__(self, payload: Buffer | None, record: Any = None, *, counts: bool = False) -> None:
        self.size = len(payload) if payload is not None else 0
        self.counts = counts  # whether the hub is told that it was received
        self._payload = payload
        self._value = self.record = record

    def value(self) -> Any:
        if self._payload is not None:
            from pysh.runtime.payload import loads

            self._value = loads(self._payload)
            self._payload = None
        return self._value


class Mailbox:
    """Messages in the order they came; any of them can be taken, the others keep their places."""

    __slots__ = (
        "_calls", "_first", "_lock", "_messages", "_next", "_taken", "_taken_bytes", "_told_at", "_waiting", "size",
    )  # fmt: skip

    def __init__(self) -> None:
        self._messages: dict[int, _Message] = {}
        self._first = 0  # none has a lower number
        self._next = 0
        self.size = 0  # in bytes, of all that wait
        self._taken = self._taken_bytes = 0
        self._told_at = 0.0
        self._waiting: list[Waiter] = []
        self._lock = RLock()
        self._calls: Mailbox | None = None

    @property
    def calls(self) -> "Mailbox":
        """The calls for an actor that runs here, as records. No `receive` sees them."""
        with self._lock:
            if self._calls is None:
                self._calls = Mailbox()
            return self._calls

    @property
    def counted(self) -> int:
        """How many messages were received of which the hub is to be told."""
        return self._taken

    @property
    def waiting(self) -> int:
        """How many messages wait, the calls for an actor among them."""
        return len(self._messages) + (len(self._calls) if self._calls is not None else 0)

    @property
    def full(self) -> bool:
        """Whether so much waits that nobody should send any more."""
        return len(self._messages) >= MESSAGES or self.size >= BYTES

    def __len__(self) -> int:
        return len(self._messages)

    def __repr__(self) -> str:
        return f"<Mailbox: {len(self)} waiting, {self._next} received>"

    def put(self, payload: Buffer, *, counts: bool = True) -> None:
        """A message came; unless it `counts` the hub knows nothing of it."""
        self._add(_Message(payload, counts=counts))

    def put_record(self, record: Any) -> None:
        """The system has a message of its own."""
        self._add(_Message(None, record))

    def _add(self, message: _Message) -> None:
        self._messages[self._next] = message
        self._next += 1
        self.size += message.size
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                waiter.set()

    def lose(self, error: BaseException) -> None:
        """No more messages will come: tell those who wait for one."""
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.set(error=error)
        if self._calls is not None:
            self._calls.lose(error)

    def announce(self, waiter: Waiter) -> None:
        """Set `waiter` when the next message comes."""
        self._waiting.append(waiter)

    def renounce(self, waiter: Waiter) -> None:
        """Take back `announce`."""
        if waiter in self._waiting:
            self._waiting.remove(waiter)

    def take(self, matches: Callable[[Any], bool], start: int = 0) -> tuple[Any, int]:
        """Remove and return the first message that matches, of those numbered `start` and higher.

        With it comes the number to start from at the next look, if it is `MISSING`. A message that
        cannot be unpickled is removed, and raises what its unpickling raised.
        """
        with self._lock:
            if matches is anything and self._messages and not start:
                return self._take_first(), 0
            return self._look(matches, start, self._next)

    def drop(self, matches: Callable[[Any], bool]) -> None:
        """Remove the records of the system's that match; messages are not looked at."""
        with self._lock:
            for number, message in list(self._messages.items()):
                if message.record is not None and matches(message.record):
                    self._remove(number)

    def take_all(self) -> list[Any]:
        """Remove and return every message."""
        messages = []
        while (message := self.take(lambda _: True)[0]) is not MISSING:
            messages.append(message)
        return messages

    def taken(self) -> tuple[int, int]:
        """How many messages were received since the last time, and their bytes, once it is worth telling."""
        few = self._taken < TOLD and self._taken_bytes < TOLD_BYTES
        if not self._taken or (few and self._messages and monotonic() < self._told_at + TOLD_SECONDS):
            return 0, 0
        told = self._taken, self._taken_bytes
        self._taken = self._taken_bytes = 0
        self._told_at = monotonic()
        return told

    def _remove(self, number: int) -> None:
        message = self._messages.pop(number)
        self.size -= message.size
        if message.counts:
            self._taken += 1
            self._taken_bytes += message.size

    def _take_first(self) -> Any:
        while (message := self._messages.get(self._first)) is None:
            self._first += 1
        value = self._read(self._first, message)
        self._remove(self._first)
        return value

    def _read(self, number: int, message: _Message) -> Any:
        try:
            return message.value()
        except Exception:
            self._remove(number)
            raise

    def _look(self, matches: Callable[[Any], bool], start: int, end: int) -> tuple[Any, int]:
        for number in self._numbers(start, end):
            message = self._messages.get(number)
            if message is None:
                continue
            value = self._read(number, message)
            if matches(value):
                self._remove(number)
                return value, start
        return MISSING, end

    def _numbers(self, start: int, end: int) -> Iterable[int]:
        """Those of the messages from `start` up to `end`, and some that are gone.

        Not a list of them all, where that can be: for each of many that wait it would be made anew.
        """
        while self._first < end and self._first not in self._messages:
            self._first += 1
        if start or end - self._first <= 2 * len(self._messages):
            return range(max(start, self._first), end)
        return list(self._messages)


def anything(_: Any) -> bool:
    """What `receive()` looks for."""
    return True


def matcher(match: Any) -> Callable[[Any], bool]:
    """What `receive(match)` looks for, as a predicate.

    `match` is None for any message, a type, a predicate, a value, or a tuple of the same things and
    `...`, to be held against a tuple of that length part by part.
    """
    if match is None or match is ...:
        return anything
    if isinstance(match, type):
        return lambda message: isinstance(message, match)
    if isinstance(match, tuple):
        parts = [matcher(part) if part is not None else _is_none for part in match]
        return lambda message: (
            isinstance(message, tuple)
            and len(message) == len(parts)
            and all(part(item) for part, item in zip(parts, message, strict=True))
        )
    if callable(match):
        return lambda message: bool(match(message))
    return lambda message: bool(message == match)


def _is_none(value: Any) -> bool:
    return value is None
