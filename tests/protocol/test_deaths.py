"""What the owner of processes sees of the death of their worker."""

from typing import Any, cast

import pytest

from pysh.runtime.protocol.deaths import NAMED, explained, tell
from pysh.runtime.protocol.jobs import Job
from pysh.runtime.protocol.terms import Pid, Ref
from pysh.runtime.protocol.work import Work

SHELL, OTHER = Pid(b"h" * 16, 1), Pid(b"t" * 16, 1)


class Shown(list[tuple[int, str]]):
    """Stands for the work of node n1: what it showed, as of which process."""

    name = "n1@here"

    @property
    def node(self) -> "Shown":
        return self

    def show(self, job: Job, data: bytes) -> None:
        self.append((job.number, data.decode()))


def job(number: int, owner: Pid = SHELL, kind: str = "process", label: str = "work") -> Job:
    return Job(number, Ref(owner, number), owner, {"kind": kind, "label": label}, b"", 0.0)


def told(death: dict[str, Any], *dead: Job) -> list[tuple[int, str]]:
    shown = Shown()
    tell(cast(Work, shown), dead, death)
    return list(shown)


@pytest.mark.parametrize(
    ("death", "how"),
    [
        ({"signal": None, "status": 3}, "the worker died with exit status 3"),
        ({"signal": 11, "status": None}, "the worker died of SIGSEGV"),
        ({"signal": 99}, "the worker died of signal 99"),
        ({"signal": None, "status": None}, "the worker died"),
        ({"signal": 9, "text": "it lost its connection"}, "it lost its connection"),
    ],
)
def test_it_says_which_process_it_was_and_how_it_died(death: dict[str, Any], how: str) -> None:
    assert told(death, job(7)) == [(7, f"<n1.7> work: {how}\n")]


def test_each_owner_is_told_once_of_all_that_are_his() -> None:
    dead = [job(number, OTHER if number == 3 else SHELL) for number in range(1, NAMED + 4)]
    names = ", ".join(f"<n1.{number}>" for number in range(1, NAMED + 2) if number != 3)
    assert told({"signal": 9}, *dead) == [
        (1, f"{names}, 2 more: the worker died of SIGKILL\n"),
        (3, "<n1.3> work: the worker died of SIGKILL\n"),
    ]


def test_tasks_answer_for_themselves_and_who_was_ended_is_no_news() -> None:
    ended = job(8)
    ended.cancel = 2.0
    assert told({"signal": 9}, job(7, kind="task"), ended) == []


def test_it_begins_a_line_of_its_own_and_is_kept_with_the_output() -> None:
    one = job(7)
    one.keep_output(b"no end")
    assert told({"signal": 9}, one) == [(7, "\n<n1.7> work: the worker died of SIGKILL\n")]
    assert b"".join(one.output or ()).endswith(b"SIGKILL\n")


def test_who_dies_of_his_limit_is_told_which_it_was() -> None:
    one = Job(7, Ref(SHELL, 7), SHELL, {"cpu": 0.5}, b"", 0.0)
    text = "the worker on n1@here died of SIGXCPU: cpu=0.5 were the seconds allowed to it"
    assert explained(one, "n1@here", {"signal": 24}) == {"signal": 24, "text": text}
    assert explained(one, "n1@here", {"signal": 9}) == {"signal": 9}
    assert explained(job(7), "n1@here", {"signal": 24}) == {"signal": 24}
