"""What a hub says of its start, and what is made of its silence."""

import socket

import pytest

from pysh.runtime.launch import HubFailed, status


@pytest.mark.parametrize("unread", [b"", b"its settings"])
def test_a_hub_that_ends_before_it_is_up_is_told_whether_it_read_its_settings_or_not(unread: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        ours.sendall(unread)
        theirs.close()
        with pytest.raises(HubFailed, match="the hub ended before it was up; nothing was run"):
            status(ours)


def test_what_it_says_is_read_and_why_it_failed_is_raised() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b'{"pid": 5}\n{"error": "NameTaken", "text": "it is taken"}\n')
        assert status(ours) == {"pid": 5}
        with pytest.raises(HubFailed, match="it is taken"):
            status(ours)
