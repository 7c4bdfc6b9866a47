"""What is told of actors that were asked to change their code, also of those that have not answered yet."""

from typing import Any

import pytest

from pysh.runtime.actor import Reply
from pysh.runtime.changing import Asked, Changes, answered
from pysh.runtime.codechange import CHANGED, CURRENT, KEPT, Fate
from pysh.runtime.errors import MailboxFull, NoProcess
from pysh.runtime.protocol.terms import Pid
from pysh.runtime.runner.view import NodeInfo
from pysh.runtime.runner.waiting import Waiter

INFO = NodeInfo("n2", b"2" * 16, "up")


class Client:
    """Answers nothing by itself."""

    incarnation = b"1" * 16
    pid = Pid(incarnation, 1)

    def __init__(self) -> None:
        self.unseen: dict[int, Any] = {}
        self.asked: dict[str, Waiter] = {}
        self._refs = 0

    def next_ref(self) -> int:
        self._refs += 1
        return self._refs

    def ask_later(self, verb: str, **options: Any) -> Waiter:
        client: Any = self
        self.asked[verb] = Waiter(client)
        return self.asked[verb]


@pytest.fixture
def client() -> Any:
    return Client()


def reply(client: Any, fate: Fate | Exception | None = None) -> Reply:
    made = Reply(client, Pid(b"2" * 16, 5), "change")
    if fate is not None:
        ends(made, fate)
    return made


def ends(made: Reply, fate: Fate | Exception) -> None:
    made._error, made._value = (fate, None) if isinstance(fate, Exception) else (None, tuple(fate))
    made.waiter.set()


def waited(steps: Any) -> Waiter | None:
    """What a verb waits for next; None where it has ended."""
    waiter: Waiter | None = next(steps, None)
    return waiter


def outcome(steps: Any, rows: list[Any], old: int, new: int) -> Changes:
    """What `steps` come to where a node tells of these processes, all on one page."""
    next(steps)
    steps.send([rows, old, new])
    with pytest.raises(StopIteration) as end:
        steps.send([[], old, new])
    told: Changes = end.value.value
    return told


def test_the_wait_ends_with_the_last_answer_or_when_it_is_time(client: Any) -> None:
    first, second = reply(client), reply(client, Fate(CHANGED))
    asked = [Asked(INFO, {}, {"a": first, "b": second, "c": MailboxFull("c")})]
    waiter = waited(answered(client, asked))
    assert waiter is not None
    assert not waiter.done
    ends(first, Fate(CURRENT))
    assert waiter.done
    assert waited(answered(client, asked)) is None
    late = waited(answered(client, [Asked(INFO, {}, {"a": reply(client)})]))
    assert late is not None
    client.asked["pause"].set()
    assert late.done


def test_each_is_told_of_and_what_cannot_be_asked_is_counted(client: Any) -> None:
    replies = {
        "<n2.1> A": reply(client, Fate(CHANGED)), "<n2.2> A": reply(client, Fate(CHANGED, "as before")),
        "<n2.3> B": reply(client, Fate(KEPT, "no reason")), "<n2.4> C": reply(client, Fate(CURRENT)),
        "<n2.5> D": reply(client), "<n2.6> E": reply(client, NoProcess("<n2.6>")), "<n2.7> F": MailboxFull("<n2.7>", 5),
    }  # fmt: skip
    rows = [[number, "actor", label] for number, label in enumerate("AABCD", 1)] + [[7, "actor", "F"]]
    before = Asked(INFO, {}, {"<n2.9> G": reply(client, Fate(CHANGED))})
    told = outcome(Asked(INFO, {"shop": "1" * 64}, replies).outcome(client, before), rows, 2, 1)
    assert told.changed == ("<n2.1> A", "<n2.2> A (as before)")
    assert [who for who, _ in told.kept] == ["<n2.3> B", "<n2.5> D", "<n2.7> F"]
    assert told.ended == ("<n2.9> G", "<n2.6> E")
    assert "changes after its present call" in told.kept[1][1]
    assert str(told).startswith("changed <n2.1> A, <n2.2> A (as before); <n2.3> B keeps its old code: no reason; ")
    assert str(told).endswith("; <n2.9> G has ended; <n2.6> E has ended; 2 processes of the old code")
    assert str(Changes()) == Changes().back == ""
    assert Changes(("a",), (("b", "so"),)).back == "changed back a; b keeps the new code: so"
    assert Changes(old=3, new=1).back == "1 process of the new code"
