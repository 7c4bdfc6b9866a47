import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pysh.runtime.protocol.cleaning import clean
from pysh.runtime.protocol.terms import Pid
from pysh.shell import output
from pysh.shell.output import (
    BATCH,
    CALM,
    GATHER,
    HOLD,
    KEEP,
    LIVE,
    PAUSE,
    REPAINT,
    SOURCES,
    STALE,
    STALE_BAR,
    TOLD,
    WIDTH,
    Output,
    Tagged,
)


def lines(out: Output, now: float) -> list[str]:
    """What is printed at `now`, as it looks."""
    return [f"{line.label} | {line.text}" for line in out.take(now).lines]


def live(out: Output, now: float) -> list[str] | None:
    shown = out.take(now).live
    return None if shown is None else [f"{line.label} | {line.text}" for line in shown]


def test_lines_are_put_together_from_pieces() -> None:
    out = Output()
    out.feed(1, "n2", b"one\ntw", 0)
    out.feed(2, "n3", b"three\n", 0)
    out.feed(1, "n2", b"o\n\xc3", 0)
    out.feed(1, "n2", b"\xa4\r\n", 0)
    assert lines(out, 0) == ["n2 | one", "n3 | three", "n2 | two", "n2 | ä"]


def test_lines_gather_between_two_batches() -> None:
    out = Output()
    out.feed(1, "n2", b"a\n", 0)
    assert lines(out, 0) == ["n2 | a"]
    out.feed(1, "n2", b"b\n", 0.001)
    assert out.due() == pytest.approx(GATHER)
    assert lines(out, 0.001) == []
    out.feed(1, "n2", b"c\n", 0.002)
    assert lines(out, GATHER) == ["n2 | b", "n2 | c"]
    assert out.due() is None


def test_an_unfinished_line_is_shown_after_a_hold() -> None:
    out = Output()
    out.feed(1, "n2", b"Load", 0)
    assert live(out, 0) is None
    assert out.due() == pytest.approx(HOLD)
    out.feed(1, "n2", b"ing", 0.1)
    assert live(out, HOLD) == ["n2 | Loading"]
    out.feed(1, "n2", b" done\n", 1)
    batch = out.take(1)
    assert (batch.lines, batch.live) == ([Tagged("n2", "Loading done")], [])


def test_a_silent_line_is_taken_for_finished() -> None:
    out = Output()
    out.feed(1, "n2", b"Loading", 0)
    out.feed(2, "n3", b"\r50%", 0)
    out.take(HOLD)
    assert out.due() == pytest.approx(STALE)
    assert lines(out, STALE) == ["n2 | Loading"]
    assert lines(out, STALE_BAR) == ["n3 | 50%"]
    assert out.due() is None


def test_the_end_of_a_node_finishes_the_lines_of_all_that_ran_there() -> None:
    out = Output()
    here, there = b"h" * 16, b"t" * 16
    for number, incarnation in ((1, there), (2, there), (3, here)):
        out.feed((Pid(incarnation, number), 1), f"n{number}", b"94%", 0)
    out.feed("own", "", b"95%", 0)
    out.end_of(there)
    assert lines(out, GATHER) == ["n1 | 94%", "n2 | 94%"]


def test_the_end_of_a_process_finishes_its_line() -> None:
    out = Output()
    out.feed(1, "n2", b"last words", 0)
    out.end(1)
    out.end(1)
    assert lines(out, 0) == ["n2 | last words"]


def test_a_bar_is_one_live_line_and_its_last_state_one_line() -> None:
    out = Output()
    out.feed(1, "n2", b"\r10%", 0)
    assert live(out, 0) == ["n2 | 10%"]
    for percent in range(11, 100):
        out.feed(1, "n2", b"\r%d%%" % percent, 0.001)
    assert live(out, 0.01) is None
    assert out.due() == pytest.approx(REPAINT)
    assert live(out, REPAINT) == ["n2 | 99%"]
    out.feed(1, "n2", b"\r100%\n", 1)
    batch = out.take(1)
    assert (batch.lines, batch.live) == ([Tagged("n2", "100%")], [])


def test_bars_are_repainted_ten_times_a_second_at_most() -> None:
    out = Output()
    repaints = 0
    for tick in range(1000):
        for node in range(4):
            out.feed(node, f"n{node}", b"\r%d" % tick, tick / 1000)
        repaints += out.take(tick / 1000).live is not None
    assert repaints <= 11


@pytest.mark.parametrize(
    ("written", "seen"),
    [("ab\rcd", "cd"), ("ab\r", "ab"), ("ab\r\r", "ab"), ("ab\r\rc", "c"), ("\r", ""), ("50%\r   \r", "   ")],
)
def test_a_carriage_return_begins_the_line_again(written: str, seen: str) -> None:
    out = Output()
    for char in written:
        out.feed(1, "n", char.encode(), 0)
    out.feed(1, "n", b"\n", 0)
    assert out.take(0).lines == [Tagged("n", seen)]


def test_only_some_live_lines_are_shown_and_the_rest_counted() -> None:
    out = Output()
    for node in range(LIVE + 3):
        out.feed(node, "n", b"\r1%", 0)
    shown = out.take(0).live
    assert shown is not None
    assert (len(shown), shown[-1].text) == (LIVE + 1, "… and 3 more")
    assert out.due() == pytest.approx(STALE_BAR)


def test_a_line_without_an_end_is_cut() -> None:
    out = Output()
    out.feed(1, "n2", b"x" * (3 * WIDTH + 5), 0)
    assert [len(line.text) for line in out.take(0).lines] == [WIDTH] * 3
    out.feed(1, "n2", b"\r" * 100_000, 0)
    assert lines(out, 1) == []


def test_credit_comes_when_all_that_waits_is_shown() -> None:
    out = Output()
    many = b"0123456\n" * 20_000
    out.feed(1, "n2", many, 0)
    now, shown, batches = 0.0, 0, 0
    credit: dict[object, int] = {}
    while not credit:
        batch = out.take(now)
        shown, credit, now, batches = shown + len(batch.lines), dict(batch.credit), now + REPAINT, batches + 1
    assert (shown, credit, batches) == (20_000, {1: len(many)}, 5)


def test_a_bar_gets_its_credit_at_once() -> None:
    out = Output()
    out.feed(1, "n2", b"\r10%", 0)
    assert out.take(0).credit == {1: 4}


def test_one_line_is_told_as_one() -> None:
    out = Output()
    for _ in range(KEEP // 1024 + 2):
        out.feed(1, "n2", b"x" * 1023 + b"\n", 0)
    assert out.take(0, everything=True).lines[-1] == Tagged("", "… 1 line not shown")


def test_who_does_not_keep_to_the_credit_is_dropped_and_counted() -> None:
    out = Output()
    line = b"x" * 1023 + b"\n"
    for _ in range(KEEP // 1024 + 10):
        out.feed(1, "n2", line, 0)
    batch = out.take(0, everything=True)
    assert batch.lines[-1] == Tagged("", "… 9 lines not shown")
    out.feed(1, "n2", b"again\n", 1)
    assert lines(out, 1) == ["n2 | again"]


def test_too_many_processes_are_not_remembered() -> None:
    out = Output()
    for number in range(SOURCES + 1):
        out.feed(number, "n", b"%d" % number, number / 1000)
    assert lines(out, 1) == ["n | 0"]


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        ("plain ä 漢 👩‍💻", "plain ä 漢 👩‍💻"),
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x\x1b]8;;http://x\x1b\\y", "xy"),
        ("\x1b[2J\x1b[H\x1bc\x1b(0x", "x"),
        ("\x1bP1$r\x1b\\x", "x"),
        ("\x1b", "?"),
        ("\x1b[", "?["),
        ("\x07\x08\x7f\x9b\x00", "?????"),
        ("a\u202eb\u2028c", "a?b?c"),
    ],
)
def test_text_from_elsewhere_cannot_control_the_terminal(text: str, harmless: str) -> None:
    assert clean(text) == harmless


def test_colours_may_stay() -> None:
    assert clean("\x1b[31mred\x1b[2J\x1b[0m", colours=True) == "\x1b[31mred\x1b[0m\x1b[0m"
    assert clean("plain\x1b[K", colours=True) == "plain"


@settings(deadline=None)
@given(st.text())
def test_no_text_keeps_an_escape(text: str) -> None:
    assert not set(clean(text)) & {"\x1b", "\x07", "\r", "\x9b"}


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=12), min_size=1, max_size=20), st.integers(1, 9))
def test_however_bytes_are_cut_the_lines_are_the_same(parts: list[bytes], size: int) -> None:
    whole, cut = Output(), Output()
    data = b"".join(parts)
    whole.feed(1, "n", data, 0)
    for start in range(0, len(data), size):
        cut.feed(1, "n", data[start : start + size], 0)
    assert whole.take(0, everything=True) == cut.take(0, everything=True)


def test_the_limits_fit_together() -> None:
    assert output.BATCH < KEEP
    assert WIDTH < output.BATCH


def test_lines_in_between_do_not_repaint_the_bars_more_often() -> None:
    out = Output()
    states = []
    for tick in range(101):
        now = tick / 100
        out.feed(1, "n1", b"\r%d%%" % tick, now)
        out.feed(2, "n2", b"line\n", now)
        live = out.take(now).live
        if live is not None:
            states.append(live)
    assert 9 <= len(states) <= 11


def test_little_is_shown_at_once_while_somebody_types() -> None:
    out = Output()
    out.feed(1, "n2", b"0123456\n" * 20_000, 0)
    assert len(out.take(0, calm=True).lines) * 8 == CALM
    assert len(out.take(1).lines) * 8 == BATCH


def test_of_a_flood_that_is_skipped_only_the_number_of_lines_is_shown_until_it_pauses() -> None:
    out = Output()
    out.feed(1, "n2", b"x\n" * BATCH, 0)
    shown = len(out.take(0).lines)
    assert 0 < shown < BATCH
    out.skip(0)
    batch = out.take(REPAINT)
    assert (batch.lines, batch.credit) == ([], {1: 2 * BATCH})  # so it goes on, and nothing of it waits
    out.feed(1, "n2", b"x\n" * 10, PAUSE - 0.01)
    out.feed(2, "n3", b"other\n", PAUSE)
    assert out.take(PAUSE).lines == [Tagged("n3", "other"), Tagged("", f"… {BATCH - shown + 10:,} lines not shown")]
    out.feed(1, "n2", b"x\n" * 7, 2 * PAUSE - 0.02)
    assert out.take(2 * PAUSE).lines == []
    assert out.due() == pytest.approx(PAUSE + TOLD)
    assert out.take(PAUSE + TOLD).lines == [Tagged("", "… 7 lines not shown")]
    out.feed(1, "n2", b"again\n", 4 * PAUSE + TOLD)
    assert out.take(4 * PAUSE + TOLD).lines == [Tagged("n2", "again")]
    assert out.due() is None


def test_nothing_is_skipped_where_nothing_waits() -> None:
    out = Output()
    out.feed(1, "n2", b"a\n", 0)
    out.take(0)
    out.skip(0.01)
    out.feed(1, "n2", b"b\n", 0.02)
    assert out.take(1).lines == [Tagged("n2", "b")]


def test_the_end_of_a_flood_that_is_skipped_is_counted_too() -> None:
    out = Output()
    out.feed(1, "n2", b"x\n" * BATCH, 0)
    out.skip(0)
    out.feed(1, "n2", b"last words", 0.01)
    out.end(1)
    assert out.take(0.05).lines == [Tagged("n2", "last words")]
    assert out.take(PAUSE).lines == [Tagged("", f"… {BATCH:,} lines not shown")]
