"""Async processes in numbers, and messages between two of them."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil

import pysh

CROWD = 100_000
MESSAGES = 100_000
SECONDS = 60.0


async def waits() -> None:
    """One of the crowd: it ends when it is told."""
    await pysh.aio.receive()


async def answers() -> None:
    """One of the crowd that is seen to run."""
    await pysh.aio.send(await pysh.aio.receive(), "here")
    await pysh.aio.receive()


class Crowd:
    """Spawns a crowd on the node of this program, and ends it again."""

    def __init__(self) -> None:
        self.kibibytes = 0.0
        """What each of the last crowd took, of the memory of all processes of the node."""
        self._idle = 0.0

    def spawned(self) -> float:
        """How many a second: those that were spawned last, in each runner, answer once all are there."""
        with told(answers, 2 * _cores()):
            self._idle = self._idle or _pss()  # what an earlier crowd leaves behind counts as well
            began = time.perf_counter()
            crowd = [pysh.spawn(waits) for _ in range(CROWD)]
            last = [pysh.spawn(answers) for _ in range(4 * _cores())]
            for process in last:
                pysh.send(process, pysh.me())
            for _ in last:
                pysh.receive("here", timeout=SECONDS)
            taken = time.perf_counter() - began
            self.kibibytes = (_pss() - self._idle) / CROWD / 1024
            assert len(pysh.processes()) == 1 + CROWD + len(last) + 2 * _cores(), "some are not there"
            end(crowd + last)
        return CROWD / taken


@contextmanager
def told(function: Any, count: int) -> Iterator[list[Any]]:
    """So many processes, which are seen to run, and are told to end at the end."""
    made = [pysh.spawn(function) for _ in range(count)]
    for process in made:
        pysh.send(process, pysh.me())
        pysh.receive("here", timeout=SECONDS)
    yield made
    end(made)


def end(crowd: list[Any]) -> None:
    """Tell them all to end, and see that they do."""
    gone = {pysh.monitor(process): process for process in crowd[:: len(crowd) // 100 or 1]}
    for process in crowd:
        pysh.send(process, "end")
    for _ in gone:
        assert pysh.receive(pysh.Down, timeout=SECONDS).reason == "normal"
    until = time.monotonic() + SECONDS
    while left := {row["process"] for row in pysh.processes()} & set(crowd):
        assert time.monotonic() < until, f"{len(left)} go on"
        time.sleep(0.05)


async def counts(boss: Any, count: int) -> None:
    """Receives so many messages, and says so."""
    await pysh.aio.send(boss, (os.getpid(), pysh.me()))
    for _ in range(count):
        await pysh.aio.receive()
    await pysh.aio.send(boss, "all")


async def sends(boss: Any, count: int) -> None:
    """Sends so many messages to a process that it is told of."""
    await pysh.aio.send(boss, (os.getpid(), pysh.me()))
    to = await pysh.aio.receive()
    for number in range(count):
        await pysh.aio.send(to, number)


def messages(on: Any = None, *, mates: bool = False) -> float:
    """How many a second from an async process of this node to another: on another node, or here, as a mate or not."""
    sender, receiver = _pair(on, mates)
    began = time.perf_counter()
    pysh.send(sender, receiver)
    pysh.receive("all", timeout=SECONDS)
    return MESSAGES / (time.perf_counter() - began)


def _pair(on: Any, mates: bool) -> tuple[Any, Any]:
    """A sender and a receiver that live as is wanted; others that were made meanwhile are killed."""
    runner, sender = _met(sends, None)
    spare = []
    while True:
        other, receiver = _met(counts, on)
        if on is not None or (runner == other) is mates:
            break
        spare.append(receiver)
    for process in spare:
        pysh.kill(process)
    return sender, receiver


def _met(function: Any, on: Any) -> tuple[int, Any]:
    """The pid of its runner, and a process that runs."""
    pysh.spawn(function, pysh.me(), MESSAGES, on=on)
    found: tuple[int, Any] = pysh.receive((int, pysh.Process), timeout=SECONDS)
    return found


def _pss() -> float:
    """Bytes of all processes of the node, this program included."""
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return float(sum(process.memory_full_info().pss for process in family))


def _cores() -> int:
    return os.cpu_count() or 1
