"""Who sends a large payload to a process that ends is granted credit for all of it, which is dropped then."""

from typing import Any, cast

import pytest

from pysh.runtime.protocol.frames import Flag, Frame, Kind, pack
from pysh.runtime.protocol.node import Node
from pysh.runtime.protocol.terms import Pid
from pysh.runtime.protocol.unfinished import ALL, Unfinished

ME, SENDER = Pid(b"h" * 16, 7), Pid(b"t" * 16, 3)
Granted = list[tuple[Pid, int, bytes]]


class Host:
    incarnation = ME.incarnation

    def __init__(self) -> None:
        self.granted: Granted = []

    def post(self, dest: Pid, kind: int, *, ref: int, meta: bytes, credit: int, source: Pid) -> None:
        assert (kind, credit, source) == (Kind.CREDIT, ALL, ME)
        self.granted.append((dest, ref, meta))


def chunk(kind: int, ref: int, more: bool = True) -> Frame:
    return Frame(kind, SENDER, ME, ref, Flag.MORE if more else 0)


@pytest.mark.parametrize(
    ("frames", "granted"),
    [
        ([], []),
        ([chunk(Kind.SEND, 1, False)], []),
        ([chunk(Kind.SEND, 1), chunk(Kind.SEND, 1)], [(SENDER, 1, pack(Kind.SEND))]),
        ([chunk(Kind.SEND, 1), chunk(Kind.SEND, 1, False)], []),
        ([chunk(Kind.CALL, 2), chunk(Kind.ANSWER, 2)], [(SENDER, 2, pack(Kind.CALL)), (SENDER, 2, pack(Kind.ANSWER))]),
        ([chunk(Kind.RESULT, 1)], []),
    ],
)
def test_the_end_of_a_process_lets_go_who_sends_to_it(frames: list[Frame], granted: Any) -> None:
    host = Host()
    unfinished = Unfinished(cast(Node, host))
    for frame in frames:
        unfinished.arrives(frame)
    unfinished.ended(ME.number)
    unfinished.ended(ME.number)
    assert host.granted == granted


@pytest.mark.parametrize(
    ("frame", "granted"),
    [
        (chunk(Kind.SEND, 1), [(SENDER, 1, pack(Kind.SEND))]),
        (chunk(Kind.SEND, 1, False), []),
        (chunk(Kind.RESULT, 1), []),
    ],
)
def test_what_comes_for_nobody_is_let_go_at_once(frame: Frame, granted: Granted) -> None:
    host = Host()
    Unfinished(cast(Node, host)).nobody(frame)
    assert host.granted == granted
