from pysh.shell.notices import AT_ONCE, EVERY, KEEP, Notices


def test_a_few_are_shown_at_once() -> None:
    notices = Notices()
    assert notices.due(now=100.0) is None
    notices.put("a")
    notices.put("b")
    assert notices.due(now=100.0) == 100.0
    assert notices.take(now=100.0) == ["a", "b"]
    assert notices.due(now=100.0) is None


def test_of_many_one_follows_the_other_as_there_is_time() -> None:
    notices = Notices()
    for number in range(AT_ONCE + 3):
        notices.put(str(number))
    assert notices.take(now=100.0) == [str(number) for number in range(AT_ONCE)]
    assert notices.take(now=100.0) == []
    assert notices.due(now=100.0) == 100.0 + EVERY
    assert notices.take(now=100.0 + EVERY) == [str(AT_ONCE)]
    assert notices.take(now=101.0) == [str(AT_ONCE + 1), str(AT_ONCE + 2)]


def test_of_too_many_the_oldest_are_counted() -> None:
    notices = Notices()
    for number in range(KEEP + 5):
        notices.put(str(number))
    first, second, *_ = notices.take(now=100.0)
    assert (first, second) == ("… 5 notices not shown", "5")
    rest = notices.take(now=100.0, everything=True)
    assert len(rest) == KEEP - AT_ONCE
    assert rest[-1] == str(KEEP + 4)
