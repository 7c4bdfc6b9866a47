"""Processes that somebody lists: what their apartments say of them, in time or not."""

from typing import Any

import pytest

from pysh.runtime.protocol import census
from pysh.runtime.protocol.frames import Frame, FrameError, Kind, pack
from pysh.runtime.protocol.terms import HUB, Pid
from tests.protocol.test_tenancy import HERE, Building


class Listed(Building):
    """A building whose program lists who lives there."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        super().__init__()

    def _written(self, link: int, frame: Frame) -> None:
        super()._written(link, frame)
        if frame.kind == Kind.REPLY:
            self.answers.append(frame.options()["ok"])

    def lists(self, verb: str = "processes", **asked: Any) -> None:
        """The program asks."""
        meta = pack({"verb": verb, **asked})
        self.hear(1, Frame(Kind.REQUEST, Pid(HERE, self.program), Pid(HERE, HUB), 900, meta=meta))

    @property
    def census(self) -> list[Frame]:
        """What the apartment was asked of those who live there."""
        return [frame for frame in self.said if frame.kind == Kind.CENSUS]

    def tells(self, *stands: Any) -> None:
        """The apartment answers the last question."""
        self.says(Kind.CENSUS, ref=self.census[-1].ref, meta=pack(stands))

    def told(self) -> list[tuple[int, str, int]]:
        """Of each process in the last answer: its number, its state, and what waits for it."""
        return [(row["number"], row["state"], row["queue"]) for row in self.answers[-1] if row["kind"] != "program"]


@pytest.fixture
def building() -> Listed:
    return Listed()


def test_who_lists_async_processes_is_answered_once_their_apartment_has_said_how_they_stand(building: Listed) -> None:
    one, two = building.spawn(), building.spawn()
    building.up()
    building.lists()
    assert building.answers == []
    assert [frame.options() for frame in building.census] == [[one, two]]
    building.tells((one, "waiting", 3), (two, "running", 0))
    assert building.told() == [(one, "waiting", 3), (two, "running", 0)]
    building.lists("process", number=two)
    building.tells((two, "waiting", 1))
    assert (building.answers[-1]["state"], building.answers[-1]["queue"]) == ("waiting", 1)


def test_one_whose_arguments_are_on_their_way_starts_whatever_its_apartment_knows_of_it(building: Listed) -> None:
    one = building.spawn(more=True)
    building.up()
    building.lists()
    building.tells()
    assert building.told() == [(one, "starting", 0)]


def test_nobody_is_asked_of_those_that_wait_for_their_apartment(building: Listed) -> None:
    one = building.spawn()
    building.lists()
    assert building.told() == [(one, "starting", 0)]
    building.up()
    assert building.census == []


def test_only_those_are_asked_about_that_the_answer_has_room_for(building: Listed) -> None:
    made = [building.spawn() for _ in range(600)]
    building.up()
    building.lists()
    asked = building.census[-1].options()
    assert asked == made[: len(asked)]
    assert len(asked) < len(made)


def test_an_apartment_that_does_not_answer_is_waited_for_once_and_asked_again_when_it_has(building: Listed) -> None:
    one = building.spawn()
    building.up()
    building.ask(Kind.SEND, one)
    building.lists()
    building.wait(census.PATIENCE - 0.01)
    assert building.answers == []
    building.wait(0.02)
    assert building.told() == [(one, "running", 1)]
    building.lists()
    assert len(building.answers) == 2
    building.tells((one, "waiting", 0))
    assert len(building.answers) == 2
    building.lists()
    building.tells((one, "waiting", 0))
    assert building.told() == [(one, "waiting", 0)]


def test_an_apartment_that_dies_meanwhile_keeps_nobody_waiting(building: Listed) -> None:
    one = building.spawn()
    building.up()
    building.lists()
    building.dies()
    building.wait(census.PATIENCE)
    assert building.told() == [(one, "running", 0)]


def test_of_a_process_that_has_ended_meanwhile_the_rest_is_told(building: Listed) -> None:
    one, two = building.spawn(), building.spawn()
    building.up()
    building.lists()
    building.says(Kind.RESULT, one)
    building.tells((two, "waiting", 0))
    assert building.told() == [(one, "running", 0), (two, "waiting", 0)]


@pytest.mark.parametrize(
    "stands",
    [None, 3, {"a": 1}, [3], [[3, "waiting"]], [["3", "waiting", 0]], [[3, "dancing", 0]], [[3, "waiting", -1]]],
)
def test_what_an_apartment_says_of_them_is_looked_at(building: Listed, stands: object) -> None:
    building.spawn()
    building.up()
    building.lists()
    with pytest.raises(FrameError, match="census"):
        building.says(Kind.CENSUS, ref=building.census[-1].ref, meta=pack(stands))
