"""Links for a terminal: each leads to what it says, and to nothing else."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysh.runtime.protocol.cleaning import clean
from pysh.runtime.protocol.linking import file_uri, linked, with_frames, with_urls

LINK = re.compile(r"\x1b\]8;;([^\x1b]*)\x1b\\([^\x1b]*)\x1b\]8;;\x1b\\")


def links(text: str) -> list[tuple[str, str]]:
    """The links in `text`: address and what is shown."""
    return LINK.findall(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://docs.python.org/3/.", ["https://docs.python.org/3/"]),
        ("(http://a.b/x?y=1&z=2#top)", ["http://a.b/x?y=1&z=2#top"]),
        ("https://en.wikipedia.org/wiki/Erlang_(unit)", ["https://en.wikipedia.org/wiki/Erlang_(unit)"]),
        ("'https://a.b/c', https://d.e!", ["https://a.b/c", "https://d.e"]),
        ("ftp://a.b javascript://x file:///etc/passwd x://y", []),
        ("nothing", []),
    ],
)
def test_addresses_of_the_web_are_links_without_what_ends_the_sentence(text: str, found: list[str]) -> None:
    assert links(with_urls(text)) == [(url, url) for url in found]


@given(st.text() | st.from_regex(r"(?s).*https?://.{0,20}[\x00-\x1f)].*", fullmatch=True))
def test_a_link_shows_where_it_leads_and_without_links_the_text_is_the_same(text: str) -> None:
    text = clean(text)
    shown = with_urls(text)
    assert all(address == seen and address.isascii() for address, seen in links(shown))
    assert clean(shown) == text


TRACE = """Traceback (most recent call last):
  File "/home/me/a b.py", line 3, in f
    g()
  File "/home/me/a b.py", line 3, in f, on n2
  File "<n1@here:3>", line 4, in g
  File "/elsewhere/x.py", line 4, in g, on n2
  + Exception Group Traceback (most recent call last):
  |   File "/usr/lib/ü.py", line 9, in h
ValueError: see   File "/home/me/a b.py", line 1
"""


def test_of_a_traceback_the_files_of_this_machine_are_links() -> None:
    shown = with_frames(TRACE, ["/home/me/a b.py", "/usr/lib/ü.py"], "my host")
    spaced = "file://my%20host/home/me/a%20b.py", "/home/me/a b.py"
    assert links(shown) == [spaced, ("file://my%20host/usr/lib/%C3%BC.py", "/usr/lib/ü.py")]
    assert clean(shown) == TRACE
    assert with_frames(TRACE, [], "h") == TRACE


def test_nothing_that_a_terminal_would_obey_is_put_into_a_link() -> None:
    assert linked("a\x1b\\b", "file:///a") == "a\x1b\\b"
    assert linked("a", "file:///\x07") == "a"
    assert file_uri("/a\x1b;\x07%\udc80", "h") == "file://h/a%1B%3B%07%25%80"
