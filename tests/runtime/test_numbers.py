"""The process numbers that a runner holds: when more are asked for, and what is spawned with them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pysh.runtime import api
from pysh.runtime.process import spawned_at_once
from pysh.runtime.protocol.flow import NUMBERS
from pysh.runtime.protocol.frames import CHUNK, Kind
from pysh.runtime.protocol.terms import HUB, Pid
from pysh.runtime.runner.numbers import FEWEST, MOST, Numbers
from tests.runtime.hub_end import DEADLINE, HERE, N2, WORKER, HubEnd, hub_end


@pytest.fixture
def hub() -> Iterator[HubEnd]:
    with hub_end() as hub:
        yield hub


def grant(hub: HubEnd, first: int) -> int:
    """Answer the next question for numbers with those from `first` on; how many."""
    asked = hub.expect(Kind.REQUEST)
    assert asked.options()["verb"] == "numbers"
    count: int = asked.options()["count"]
    hub.send(Kind.REPLY, dest=asked.source, ref=asked.ref, meta={"ok": list(range(first, first + count))})
    hub.ping()
    return count


async def child() -> None:
    """What is spawned."""


def test_numbers_are_asked_for_while_the_last_are_in_use_and_more_each_time(hub: HubEnd) -> None:
    numbers, first, counts = Numbers(hub.client), 100, [0]
    assert numbers.take() == 0
    while counts[-1] < MOST:
        counts.append(grant(hub, first))
        assert [numbers.take() for _ in range(counts[-1])] == list(range(first, first + counts[-1]))
        first += counts[-1]
    assert counts[:4] == [0, FEWEST, 2 * FEWEST, 4 * FEWEST]


def test_what_is_asked_for_fits_into_what_a_runner_may_hold_and_fills_it(hub: HubEnd) -> None:
    numbers, first, held, most = Numbers(hub.client), 100, 0, 0
    assert numbers.take() == 0
    for _ in range(12):
        count = grant(hub, first)
        first, held = first + count, held + count
        most = max(most, held)
        while held > count:  # and with the next, more are asked for
            assert numbers.take()
            held -= 1
        assert numbers.take()
        held -= 1
    assert NUMBERS - 1 <= most <= NUMBERS


def test_a_hub_that_grants_none_is_asked_again_with_the_next(hub: HubEnd) -> None:
    numbers = Numbers(hub.client)
    for _ in range(3):
        assert numbers.take() == 0
        asked = hub.expect(Kind.REQUEST)
        hub.send(Kind.REPLY, dest=asked.source, ref=asked.ref, meta={"ok": []})
        hub.ping()


def test_after_a_ctrl_c_that_kept_the_question_from_leaving_it_is_asked_again(
    hub: HubEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    numbers = Numbers(hub.client)
    with monkeypatch.context() as patch:
        patch.setattr(hub.client, "post", interrupted)
        with pytest.raises(KeyboardInterrupt):
            numbers.take()
    assert numbers.take() == 0
    grant(hub, 100)
    assert numbers.take() == 100


def test_a_process_with_a_number_is_there_at_once_and_its_monitor_has_the_ref_of_its_spawn(hub: HubEnd) -> None:
    hub.client.numbers.take()
    grant(hub, 100)
    plain, watched = api.spawn(child), api.spawn(child, monitor=True)
    assert [plain.pid, watched.pid] == [Pid(HERE, 100), Pid(HERE, 101)]
    frames = [hub.expect(Kind.SPAWN) for _ in range(2)]
    assert [frame.dest for frame in frames] == [plain.pid, watched.pid]
    assert (plain.ref, watched.ref) == (0, frames[1].ref)


@pytest.mark.parametrize(
    "options",
    [{"name": "x"}, {"isolate": True}, {"on": N2["name"]}],
    ids=["a name", "isolated", "elsewhere"],
)
def test_what_may_be_refused_is_waited_for(hub: HubEnd, options: dict[str, object]) -> None:
    hub.client.numbers.take()
    grant(hub, 100)
    with ThreadPoolExecutor() as pool:
        spawned = pool.submit(api.spawn, child, **options)  # type: ignore[arg-type]  # any options
        asked = hub.expect(Kind.SPAWN)
        assert asked.dest.number == HUB
        hub.stage(asked, "accepted")
        assert spawned.result(DEADLINE).pid.number == WORKER.number
    assert hub.client.numbers.take() == 100


def test_what_goes_in_chunks_is_waited_for(hub: HubEnd) -> None:
    hub.client.numbers.take()
    grant(hub, 100)
    assert spawned_at_once(hub.client, b"", bytes(CHUNK + 1), monitored=False) is None
    assert hub.client.numbers.take() == 100


def test_for_a_synchronous_process_no_numbers_are_asked_for(hub: HubEnd) -> None:
    hub.serve()
    assert api.spawn(print).pid.number == WORKER.number
    assert hub.client.next_ref() == 2  # which is the next one
