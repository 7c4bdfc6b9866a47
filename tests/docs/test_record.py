"""The moving picture of the README: what it is made of, and that the one which lies there shows that session."""

from xml.etree import ElementTree

from docs.record import PICTURE, Recorder, Run, Shown, picture

TEXT = "{http://www.w3.org/2000/svg}text"


def line(text: str) -> tuple[Run, ...]:
    return (Run(0, text, "default", bold=False),) if text else ()


def test_a_row_is_remembered_for_as_long_as_it_looked_the_same() -> None:
    recorder = Recorder()
    for now, screen in enumerate((("a", ""), ("a", "b"), ("c", "b"), ("", "b")), 1):
        recorder.add(map(line, screen), now)
    assert recorder.all() == [
        Shown(0, line("a"), 1, 3), Shown(0, line("c"), 3, 4), Shown(1, line("b"), 2, None),
    ]  # fmt: skip


def test_a_picture_shows_each_line_in_its_time_and_only_how_it_ended_where_nothing_moves() -> None:
    shown = [Shown(0, line("1 < 2 & 'x'"), 0, 5), Shown(0, (Run(3, "end", "red", bold=True),), 5, None)]
    text = picture({"node1": shown}, 10)
    drawn = ElementTree.fromstring(text)
    assert ["".join(each.itertext()) for each in drawn.iter(TEXT)] == ["1 < 2 & 'x'", "end"]
    assert [each.get("class") for each in drawn.iter(TEXT)] == ["p0 g", "p1"]
    assert "{0%{opacity:0}0.00%{opacity:1}50.00%{opacity:0}}" in text
    assert "{0%{opacity:0}50.00%{opacity:1}100.00%{opacity:1}}" in text


def test_the_picture_ends_as_the_session_does() -> None:
    drawn = ElementTree.fromstring(PICTURE.read_text())
    last = ["".join(each.itertext()) for each in drawn.iter(TEXT) if " g" not in str(each.get("class"))]
    assert last[-2:] == ["node2 | Received Hello, node2!", "node1@localhost[7]>"]
    assert "25" in last
