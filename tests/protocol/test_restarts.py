"""What a supervisor does, as tables: what happens, and what it does about it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysh.runtime.protocol.restarts import (
    ONE_FOR_ALL,
    ONE_FOR_ONE,
    PERMANENT,
    REST_FOR_ONE,
    RESTARTS,
    STRATEGIES,
    TEMPORARY,
    TRANSIENT,
    Action,
    Exit,
    Kill,
    Restarts,
    Rule,
    Start,
)

BAD = "ValueError: bad"
GAVE_UP = "gave up after 3 restarts within 5 s; 'b' ended last: ValueError: bad"


class World:
    """A supervisor of children that start when told, and end when told unless they are stubborn."""

    def __init__(
        self, *rules: Rule, strategy: str = ONE_FOR_ONE, intensity: tuple[int, float] = (3, 5.0), broken: str = "",
        stubborn: str = "",
    ) -> None:  # fmt: skip
        self.core = Restarts(rules, strategy, intensity)
        self.broken, self.stubborn = broken, stubborn
        self.alive: list[str] = []
        self.now = 0.0
        self.done: list[str] = []
        self.do(self.core.begin(self.now))

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Exit):
                assert not self.alive
                self.done.append(f"exit {action.reason}")
                continue
            name = action.name
            self.done.append(f"{type(action).__name__.lower()} {name}")
            if isinstance(action, Start):
                assert name not in self.alive
                if name in self.broken:
                    self.do(self.core.ended(name, "OSError: no", self.now))
                else:
                    self.alive.append(name)
                    self.do(self.core.started(name, self.now))
            elif isinstance(action, Kill) or name not in self.stubborn:
                self.end(name, "killed" if isinstance(action, Kill) else "shutdown")

    def end(self, name: str, reason: str = BAD) -> None:
        if name in self.alive:
            self.alive.remove(name)
            self.do(self.core.ended(name, reason, self.now))

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.core.next_deadline()) <= end:
            self.now = due
            self.do(self.core.tick(due))
        self.now = end

    def took(self) -> str:
        done, self.done = self.done, []
        return ", ".join(done)


def abc(restart: str = PERMANENT, shutdown: float | None = 5.0) -> list[Rule]:
    return [Rule(name, restart, shutdown) for name in "abc"]


def test_children_start_in_order_and_stop_in_the_reverse() -> None:
    world = World(*abc())
    assert world.took() == "start a, start b, start c"
    world.do(world.core.shut_down("shutdown", 1.0))
    assert world.took() == "stop c, stop b, stop a, exit shutdown"
    assert world.core.shut_down("again", 2.0) == []


@pytest.mark.parametrize(
    ("strategy", "ends", "done"),
    [
        (ONE_FOR_ONE, "b", "start b"),
        (ONE_FOR_ALL, "b", "stop c, stop a, start a, start b, start c"),
        (REST_FOR_ONE, "b", "stop c, start b, start c"),
        (REST_FOR_ONE, "a", "stop c, stop b, start a, start b, start c"),
        (REST_FOR_ONE, "c", "start c"),
    ],
)
def test_who_is_started_again(strategy: str, ends: str, done: str) -> None:
    world = World(*abc(), strategy=strategy)
    world.took()
    world.end(ends)
    assert world.took() == done
    assert world.core.restarted == {ends: 1}


@pytest.mark.parametrize(
    ("strategy", "names", "done"),
    [
        (ONE_FOR_ONE, "ca", "stop a, start a, stop c, start c"),
        (ONE_FOR_ALL, "b", "stop c, stop b, stop a, start a, start b, start c"),
        (REST_FOR_ONE, "cb", "stop c, stop b, start b, start c"),
        (ONE_FOR_ALL, "", ""),
        (ONE_FOR_ONE, "x", ""),
    ],
)
def test_who_is_renewed_as_often_as_is_liked(strategy: str, names: str, done: str) -> None:
    world = World(*abc(), strategy=strategy)
    for _ in range(10):
        world.took()
        world.do(world.core.renew(names, world.now))
        assert world.took() == done
        assert not world.core.busy
    assert world.alive
    assert not world.core.restarted


def test_one_that_is_renewed_is_killed_if_it_does_not_end_and_counts_no_failure_meanwhile() -> None:
    world = World(*abc(), stubborn="a")
    world.took()
    world.do(world.core.renew("ab", world.now))
    assert world.took() == "stop a"
    assert world.core.busy
    world.end("b")  # by itself, before it is its turn
    world.wait(6)
    assert world.took() == "kill a, start a, start b"
    assert not world.core.restarted


def test_one_that_was_done_before_its_turn_is_not_started_anew() -> None:
    world = World(*abc(TRANSIENT), stubborn="a")
    world.took()
    world.do(world.core.renew("ab", world.now))
    assert world.took() == "stop a"
    world.end("b", "normal")
    world.wait(6)
    assert world.took() == "kill a, start a"


def test_one_that_does_not_come_back_is_not_renewed() -> None:
    world = World(*abc(TEMPORARY))
    world.end("a")
    world.took()
    world.do(world.core.renew("abc", world.now))
    assert world.took() == ""
    ended = World(*abc())
    ended.do(ended.core.shut_down("shutdown", 0.0))
    assert ended.core.renew("abc", 0.0) == []


@pytest.mark.parametrize(
    ("restart", "reason", "comes_back"),
    [
        (PERMANENT, "normal", True),
        (PERMANENT, "shutdown", True),
        (PERMANENT, BAD, True),
        (TRANSIENT, "normal", False),
        (TRANSIENT, "shutdown", False),
        (TRANSIENT, "killed", True),
        (TRANSIENT, "runner_killed", True),
        (TRANSIENT, BAD, True),
        (TEMPORARY, BAD, False),
        (TEMPORARY, "normal", False),
    ],
)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_whose_end_matters(strategy: str, restart: str, reason: str, comes_back: bool) -> None:
    world = World(*abc(restart), strategy=strategy)
    world.took()
    world.end("c", reason)
    assert ("start c" in world.took()) is comes_back


def test_a_temporary_child_is_stopped_with_the_others_and_not_started_again() -> None:
    world = World(Rule("a"), Rule("b", TEMPORARY), Rule("c", TRANSIENT), strategy=ONE_FOR_ALL)
    world.end("c", "normal")
    world.took()
    world.end("a")
    assert world.took() == "stop b, start a, start c"


@pytest.mark.parametrize(
    ("pause", "ends", "last"),
    [(0.0, 4, GAVE_UP), (1.6, 4, GAVE_UP), (1.7, 40, ""), (5.0, 40, "")],
)
def test_too_many_restarts_in_its_seconds_and_it_gives_up(pause: float, ends: int, last: str) -> None:
    world = World(*abc())
    for _ in range(ends - 1):
        world.end("b")
        world.wait(pause)
    world.took()
    world.end("b")
    assert world.took() == (f"stop c, stop a, exit {last}" if last else "start b")


def test_the_restarts_of_all_children_count() -> None:
    world = World(*abc(), intensity=(1, 5.0))
    world.end("a")
    world.took()
    world.end("b")
    assert world.took() == "stop c, stop a, exit gave up after 1 restarts within 5 s; 'b' ended last: ValueError: bad"


@pytest.mark.parametrize(
    ("shutdown", "done"),
    [
        (5.0, {4.9: "stop c, stop b", 5.1: "kill b, stop a, exit shutdown"}),
        (0, {0.0: "kill c, kill b, kill a, exit shutdown"}),
        (None, {1e9: "stop c, stop b"}),
    ],
)
def test_who_does_not_end_in_its_seconds_is_killed(shutdown: float | None, done: dict[float, str]) -> None:
    world = World(*abc(shutdown=shutdown), stubborn="b")
    world.took()
    world.do(world.core.shut_down("shutdown", world.now))
    for until, expected in done.items():
        world.wait(until - world.now)
        assert world.took() == expected


def test_a_child_that_does_not_start_at_first_ends_all() -> None:
    world = World(*abc(), broken="c")
    assert world.took() == "start a, start b, start c, stop b, stop a, exit 'c' did not start: OSError: no"


def test_a_child_that_does_not_start_again_is_tried_until_it_gives_up() -> None:
    world = World(*abc())
    world.took()
    world.broken = "b"
    world.end("b")
    assert world.took() == (
        "start b, start b, start b, stop c, stop a, exit gave up after 3 restarts within 5 s; "
        "'b' ended last: OSError: no"
    )


def test_what_ends_while_it_waits_to_be_stopped_is_started_with_the_others() -> None:
    world = World(*abc(), strategy=ONE_FOR_ALL, stubborn="c")
    world.took()
    world.end("b")
    world.end("a")
    assert world.took() == "stop c"
    world.end("c")
    assert (world.took(), world.core.restarted) == ("start a, start b, start c", {"b": 1})


def test_what_ends_while_others_are_stopped_has_its_turn_after_them() -> None:
    world = World(*abc(), strategy=REST_FOR_ONE, stubborn="c")
    world.took()
    world.end("b")
    world.end("a")
    world.stubborn = ""
    world.end("c")
    assert world.took() == "stop c, start b, start c, stop c, stop b, start a, start b, start c"


@pytest.mark.parametrize(
    ("rules", "options", "text"),
    [
        (abc(), {"strategy": "all"}, "strategy='all' is none of one_for_one, one_for_all, rest_for_one"),
        (abc(), {"intensity": (-1, 5)}, "intensity=(-1, 5) is no (restarts, seconds)"),
        (abc(), {"intensity": (3, 0)}, "intensity=(3, 0) is no (restarts, seconds)"),
        ([Rule("a"), Rule("a")], {}, "2 children are called 'a'"),
        (abc("always"), {}, "a: restart='always' is none of permanent, transient, temporary"),
        (abc(), {"intensity": 5}, "intensity=5 is no (restarts, seconds)"),
        (abc(shutdown=-1), {}, "a: shutdown=-1 is no number of seconds"),
        ([Rule("a", shutdown="kill")], {}, "a: shutdown='kill' is no number of seconds"),  # type: ignore[arg-type]
    ],
)
def test_what_makes_no_sense_is_said(rules: list[Rule], options: dict[str, str], text: str) -> None:
    with pytest.raises(ValueError) as caught:
        World(*rules, **options)  # type: ignore[arg-type]
    assert str(caught.value) == f"{text}; nothing was started"


EVENTS = st.lists(st.tuples(st.sampled_from("abcd!"), st.sampled_from(["normal", BAD]), st.floats(0, 9)), max_size=20)
RULES = st.tuples(*(st.builds(Rule, st.just(name), st.sampled_from(RESTARTS), st.just(1.0)) for name in "abcd"))


@given(RULES, st.sampled_from(STRATEGIES), st.sampled_from(["", "b", "abcd"]), EVENTS)
def test_it_never_gets_stuck(
    rules: tuple[Rule, ...], strategy: str, stubborn: str, events: list[tuple[str, str, float]]
) -> None:
    world = World(*rules, strategy=strategy, stubborn=stubborn)
    over = False
    for name, reason, pause in events:
        if name == "!":
            world.do(world.core.shut_down("shutdown", world.now))
            over = True
        else:
            world.end(name, reason)
        world.wait(pause)
    world.wait(20)
    over = over or any(done.startswith("exit") for done in world.done)
    assert world.done[-1].startswith("exit") is over
    if over:
        assert not world.alive
    else:
        assert {rule.name for rule in rules if rule.restart == PERMANENT} <= set(world.alive)
