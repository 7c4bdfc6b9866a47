"""What is done for many hosts side by side, and told as if it had been done for one after the other."""

import os
import signal
import sys
import threading

import pytest

from pysh.shell import abreast
from pysh.shell.abreast import AT_ONCE
from pysh.shell.way import interrupted_by, mine
from pysh.transports.asking import Question

NAMES = [f"web{number}" for number in range(2 * AT_ONCE)]


def test_it_is_told_in_the_order_of_the_set_whoever_is_first(capsys: pytest.CaptureFixture[str]) -> None:
    last_is_done = threading.Event()

    def act(one: str) -> int:
        if one == "web2":
            last_is_done.set()
        assert last_is_done.wait(10)
        print(one)
        print(f"{one} failed", file=sys.stderr)
        return 3

    told = [(done.one, done.outcome.result(), capsys.readouterr()) for done in abreast.each(NAMES[:3], act)]
    assert told == [(one, 3, (f"{one}\n", f"{one} failed\n")) for one in NAMES[:3]]


def test_a_bounded_number_is_done_at_a_time() -> None:
    together, running, most = threading.Barrier(AT_ONCE, timeout=10), 0, 0
    lock = threading.Lock()

    def act(_: str) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait()
        with lock:
            running -= 1
        together.wait()
        return 0

    assert len(list(abreast.each(NAMES, act))) == len(NAMES)
    assert most == AT_ONCE


def test_one_that_raises_stops_no_other() -> None:
    def act(one: str) -> int:
        raise ValueError(one)

    assert [str(done.outcome.exception()) for done in abreast.each(NAMES, act)] == NAMES


def test_a_person_is_asked_one_question_at_a_time_in_the_main_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, bool]] = []

    def ask(destination: str, question: Question) -> str:
        asked.append((destination, threading.current_thread() is threading.main_thread()))
        return f"{question.text}{destination}"

    def act(one: str) -> int:
        assert mine.way is not None
        return int(mine.way.run(mine.way.ask(one, Question("4", True))))

    monkeypatch.setattr(abreast, "ask_here", ask)
    assert [done.outcome.result() for done in abreast.each(["1", "2", "3"], act)] == [41, 42, 43]
    assert sorted(asked) == [("1", True), ("2", True), ("3", True)]


def test_an_interrupt_is_passed_on_and_leaves_nothing() -> None:
    begun, told = threading.Barrier(3, timeout=10), threading.Event()

    def act(_: str) -> int:
        with interrupted_by(told.set):
            begun.wait()
            assert told.wait(10)
        return 0

    def interrupt() -> None:
        begun.wait()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        list(abreast.each(["a", "b"], act))
    assert told.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name == "pysh-abreast"]
