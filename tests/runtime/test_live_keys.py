import pytest

from pysh.runtime.live.keys import finished, parse


@pytest.mark.parametrize(
    ("data", "keys", "rest"),
    [
        (b"", [], b""),
        (b"qk", ["q", "k"], b""),
        (b"\x1b[A\x1bOB", ["up", "down"], b""),
        (b"\x0e\x10", ["down", "up"], b""),
        (b"\x1b[5~\x1b[6~", ["page-up", "page-down"], b""),
        (b"\t\x1b[Z\r", ["tab", "back-tab", "enter"], b""),
        (b"\x03", ["ctrl-c"], b""),
        (b"j\x1b", ["j"], b"\x1b"),
        (b"\x1b[", [], b"\x1b["),
        (b"\x1b[1;5", [], b"\x1b[1;5"),
        (b"\x1b[1;5Cq", ["q"], b""),
        (b"\x1bxq", ["x", "q"], b""),
        ("ä\x00".encode(), [], b""),
        (b"\x1b[" + b"1" * 40 + b"q", [], b""),
        (b"\x1b[" + b"1" * 40, ["[", *"1" * 40], b""),
    ],
)
def test_bytes_are_read_as_keys(data: bytes, keys: list[str], rest: bytes) -> None:
    assert parse(data) == (keys, rest)


def test_a_key_may_come_in_parts() -> None:
    keys, rest = parse(b"\x1b")
    assert (keys, rest) == ([], b"\x1b")
    assert parse(rest + b"[B") == (["down"], b"")


def test_an_escape_that_nothing_follows_is_a_key() -> None:
    assert finished(b"\x1b") == ["escape"]
    assert finished(b"") == finished(b"\x1b[") == []
