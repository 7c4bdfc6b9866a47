import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysh.shell.history import Entry
from pysh.shell.recall import Place, Scope, place_of, search, shown, suggested

HERE = Place("n1@here", "/srv")
HISTORY = [
    Entry("import numpy as np", "n1@here", "/srv"),
    Entry("call(compute, 5, on='n2')", "n1@here", "/srv"),
    Entry("def compute(value):\n    return value * value", "n2@there", "/home"),
    Entry("result = compute(7)", "n2@there", "/srv"),
    Entry("plot(np.mean(x))", "n1@here", "/tmp"),
    Entry("@cached\ndef f(): pass", "n1@here", "/tmp"),
]


def found(asked: str, scope: Scope = Scope.ALL) -> list[str]:
    return [entry.source.partition("\n")[0] for entry in search(HISTORY, asked, HERE, scope)]


NEWEST_FIRST = [entry.source.partition("\n")[0] for entry in reversed(HISTORY)]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("", NEWEST_FIRST),
        ("compute", ["result = compute(7)", "def compute(value):", "call(compute, 5, on='n2')"]),
        ("call", ["call(compute, 5, on='n2')", "def compute(value):"]),  # scattered: c a l l
        ("np", ["plot(np.mean(x))", "import numpy as np"]),  # the start of a word: the newest first
        ("umpy", ["import numpy as np"]),
        ("cmpt", ["result = compute(7)", "def compute(value):", "call(compute, 5, on='n2')"]),
        ("compute def", ["def compute(value):"]),
        ("COMPUTE", []),
        ("@there", ["result = compute(7)", "def compute(value):"]),
        ("@there def", ["def compute(value):"]),
        ("@cached", ["@cached"]),
        ("xyz", []),
    ],
)
def test_what_fits_best_comes_first_then_what_is_newest(asked: str, expected: list[str]) -> None:
    assert found(asked) == expected


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("mean(x)", "x = mean"),  # at the start, where a word begins
        ("x = mean", "x = demeaned"),  # within a word
        ("x = demeaned", "m = e[a:n]"),  # its characters near to each other
        ("m = e[a:n]", "many words one after another: n"),  # far apart
    ],
)
def test_a_better_fit_wins_over_a_newer_one(better: str, worse: str) -> None:
    assert [entry.source for entry in search([Entry(better), Entry(worse)], "mean", HERE)] == [better, worse]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Scope.ALL, ["result = compute(7)", "def compute(value):", "call(compute, 5, on='n2')"]),
        (Scope.NODE, ["call(compute, 5, on='n2')"]),
        (Scope.FOLDER, ["result = compute(7)", "call(compute, 5, on='n2')"]),
    ],
)
def test_the_list_can_be_narrowed(scope: Scope, expected: list[str]) -> None:
    assert found("compute", scope) == expected


def test_the_scopes_go_round() -> None:
    assert [Scope.ALL.next, Scope.NODE.next, Scope.FOLDER.next] == [Scope.NODE, Scope.FOLDER, Scope.ALL]


def test_a_source_is_listed_once_where_it_was_typed_last() -> None:
    twice = [Entry("x", "n1"), Entry("y", "n1"), Entry("x", "n2")]
    assert search(twice, "", HERE) == [Entry("x", "n2"), Entry("y", "n1")]


@given(st.lists(st.text(max_size=20).filter(str.strip)), st.text(max_size=5))
def test_all_that_is_found_has_the_characters_in_this_order(sources: list[str], asked: str) -> None:
    for entry in search([Entry(source) for source in sources], asked, HERE):
        text = entry.source if asked != asked.lower() else entry.source.lower()
        for word in asked.split():
            rest = iter(text)
            assert all(char in rest for char in word)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("call", "(compute, 5, on='n2')"),
        ("imp", "ort numpy as np"),
        ("def c", "ompute(value):"),
        ("x\ndef f", "(): pass"),
        ("    ret", "urn value * value"),
        ("", ""),
        ("    ", ""),
        ("x\n", ""),
        ("nothing", ""),
        ("import numpy as np", ""),
    ],
)
def test_the_rest_of_a_line_is_suggested(text: str, rest: str) -> None:
    assert suggested(HISTORY, text, HERE) == rest


@pytest.mark.parametrize(
    ("places", "chosen"),
    [
        ([("n1@here", "/srv"), ("n1@here", "/tmp"), ("n2", "/srv")], 0),
        ([("n1@here", "/tmp"), ("n2", "/srv"), ("n2", "/tmp")], 0),
        ([("n2", "/srv"), ("n2", "/tmp")], 0),
        ([("n2", "/tmp"), ("n3", "/tmp")], 1),
        ([("n1@here", "/srv"), ("n1@here", "/srv")], 1),
    ],
)
def test_suggested_is_what_was_typed_at_this_node_then_in_this_folder_then_last(
    places: list[tuple[str, str]], chosen: int
) -> None:
    entries = [Entry(f"call({number})", *place) for number, place in enumerate(places)]
    assert suggested(entries, "call(", HERE) == f"{chosen})"


def test_an_entry_is_shown_in_one_line() -> None:
    assert shown(Entry("x = 1"), 20) == "x = 1"
    assert shown(Entry("def f():\n    pass\n    pass"), 20) == "def f(): … +2 lines"
    assert shown(Entry("def f():\n    pass"), 20) == "def f(): … +1 line"
    assert shown(Entry("a" * 30), 10) == "a" * 9 + "…"
    assert shown(Entry("print('\x1b[2J')"), 30) == "print(' [2J')"


def test_a_place_is_a_node_and_a_folder() -> None:
    assert place_of(Entry("x", "n1@here", "/home/me/app"), "/home/me") == "n1@here ~/app"
    assert place_of(Entry("x", "n1@here", "/home/mean"), "/home/me") == "n1@here /home/mean"
    assert place_of(Entry("x", "", "/home/me"), "/home/me") == "~"
    assert place_of(Entry("x"), "") == ""
