import os
import socket
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pysh.runtime.protocol.frames import Kind, pack
from pysh.runtime.protocol.handshake import HandshakeError
from pysh.shell.console import TYPED_AHEAD, Console, HubLost, Refused
from tests.shell.hub import COOKIE, INCARNATION, NAME, TERMINAL, Hub


class Pair:
    """A console, and its hub in a thread of its own."""

    def __init__(self, hub: Hub, cookie: bytes = COOKIE) -> None:
        self.hub = hub
        self.console = Console(hub.end, cookie)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self.console.close()
        self._thread.join()
        self.hub.close()

    def _serve(self) -> None:
        import select

        while not self.hub.gone:
            select.select([self.hub], [], [])
            try:
                self.hub.receive()
            except OSError:
                return


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair(Hub())
    pair.console.open()
    yield pair
    pair.close()


def test_opening_proves_the_cookie_and_tells_who_the_node_is(pair: Pair) -> None:
    assert pair.console.name == NAME


def test_a_wrong_cookie_is_told() -> None:
    pair = Pair(Hub(), b"another")
    with pytest.raises(HandshakeError) as caught:
        pair.console.open()
    pair.close()
    assert caught.value.code in ("bad_cookie", "closed")


def test_a_peer_that_is_no_pysh_is_told() -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
    console = Console(ours, COOKIE)
    with pytest.raises(HandshakeError, match="no pysh answers there"):
        console.open()
    console.close()
    theirs.close()


def test_a_request_is_answered_and_what_came_before_is_kept(pair: Pair) -> None:
    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        pair.hub.notice("first", suspects=["n2"])
        return {"echo": asked["value"]}

    pair.hub.answers["info"] = answer
    assert pair.console.ask("info", value=7) == {"echo": 7}
    pair.console.wait((), None)  # which is not for more than this
    (notice,) = pair.console.take()
    assert notice.options() == {"text": "first", "level": "info", "suspects": ["n2"]}
    assert pair.console.suspects == ["n2"]
    assert pair.console.take() == []


def test_a_key_is_waited_for_however_much_the_hub_says_meanwhile(pair: Pair) -> None:
    keys, key = os.pipe()
    for number in range(3):
        pair.hub.notice(str(number))
    began = time.monotonic()
    pair.console.wait_for(keys, 0.2)
    assert time.monotonic() - began >= 0.2
    os.write(key, b"s")
    pair.console.wait_for(keys, None)
    assert [frame.options()["text"] for frame in pair.console.take()] == ["0", "1", "2"]
    os.close(keys)
    os.close(key)


def test_what_comes_right_behind_the_answer_to_an_attach_is_newer(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    hear, read, both = pair.hub.receive, pair.console.receive, threading.Event()

    def answer() -> None:
        hear()
        if pair.hub.asked and not both.is_set():
            pair.hub.notice("w1 is suspect", suspects=["w1"])
            both.set()

    def read_both() -> None:
        assert both.wait(10)
        read()

    monkeypatch.setattr(pair.hub, "receive", answer)
    monkeypatch.setattr(pair.console, "receive", read_both)
    pair.console.ask("attach")
    assert pair.console.suspects == ["w1"]


def test_a_refusal_is_raised_with_its_text(pair: Pair) -> None:
    pair.hub.answers["attach"] = {"error": "PyshError", "text": "there is a terminal already"}
    with pytest.raises(Refused, match="there is a terminal already"):
        pair.console.ask("attach")


def test_a_hub_that_says_goodbye_says_why(pair: Pair) -> None:
    pair.hub.send(Kind.BYE, {"reason": "it was told to stop"})
    pair.hub.stop()
    with pytest.raises(HubLost, match="it was told to stop"):
        pair.console.wait((), 10)
        pair.console.wait((), 10)


SHORT = NAME.partition("@")[0]


@pytest.mark.parametrize(
    ("given", "command"),
    [
        ({}, f"pysh attach {SHORT}"),
        ({"address": "n1@db1"}, "pysh attach n1@db1"),
        ({"given": True}, f"pysh attach {SHORT} (with the same --cookie)"),
    ],
)
def test_the_way_back_is_the_one_that_led_here(given: dict[str, Any], command: str) -> None:
    near, far = socket.socketpair()
    with near, far:
        console = Console(near, b"cookie", **given)
        console.name = NAME
        assert console.again() == command


def test_a_terminal_whose_shell_was_taken_is_told_how_to_take_it_back(pair: Pair) -> None:
    pair.hub.send(Kind.BYE, {"reason": "taken_over"})
    pair.hub.stop()
    with pytest.raises(Refused, match=f"took over the shell of {NAME}; take it back: pysh attach --force {SHORT}"):
        pair.console.wait((), 10)
        pair.console.wait((), 10)


def test_every_frame_says_who_sends_it_and_credit_whom_it_is_for(pair: Pair) -> None:
    pair.console.shown(Kind.OUTPUT, 10, TERMINAL._replace(number=3), 4)
    pair.console.cell(b"1")
    pair.hub.answers["info"] = {}
    pair.console.ask("info")
    credit, cell = pair.hub.frames
    assert (credit.source, credit.dest, credit.ref) == (TERMINAL, (INCARNATION, 3), 4)
    assert (credit.meta, credit.credit) == (pack(Kind.OUTPUT), 10)
    assert (cell.source, cell.dest, bytes(cell.payload)) == (TERMINAL, (INCARNATION, 0), b"1")


def test_a_hub_that_does_not_read_stops_nobody() -> None:
    hub = Hub()
    console = Console(hub.end, COOKIE)
    opened = threading.Thread(target=console.open)
    opened.start()
    while opened.is_alive():
        hub.receive_some()
        opened.join(0.01)
    while not console.full:
        console.type(b"x" * 65536)
    hub.answers["info"] = {}
    asking = threading.Thread(target=console.ask, args=("info",))
    asking.start()
    while asking.is_alive():
        hub.receive_some()
        asking.join(0.01)
    assert not console.full
    console.close()
    hub.close()


def test_who_types_waits_while_the_cell_does_not_read(pair: Pair) -> None:
    pair.hub.answers["info"] = {}
    for _ in range(TYPED_AHEAD // 65536 - 1):
        pair.console.type(b"x" * 65536)
    pair.console.ask("info")  # so that all of it is sent
    assert not pair.console.full
    pair.console.type(b"x" * 65536)
    pair.console.ask("info")
    assert pair.console.full
    pair.hub.send(Kind.CREDIT, int(Kind.INPUT), credit=2)
    pair.console.ask("info")
    assert not pair.console.full
    pair.console.type(b"xx")
    pair.console.ask("info")
    assert pair.console.full
    pair.console.take_back()  # that cell is over, read or not
    assert not pair.console.full


def test_a_hub_that_ended_with_something_unread_is_gone_all_the_same(pair: Pair) -> None:
    def reset(_: int) -> bytes:
        raise ConnectionResetError

    real, pair.console._sock = pair.console._sock, cast(Any, SimpleNamespace(recv=reset))
    with pytest.raises(HubLost, match="its hub is gone"):
        pair.console.receive()
    pair.console._sock = real


@pytest.mark.parametrize("how", [{"own": True}, {"shell": 2}])
def test_a_node_that_has_one_shell_alone_is_not_taken_for_another(pair: Pair, how: dict[str, Any]) -> None:
    text = "node1@localhost has one shell alone: what runs there is older. Be there with: pysh attach node1"
    with pytest.raises(Refused, match=text):
        pair.console.attach((24, 80), how)
    assert pair.console.attach((24, 80), {"shell": 0})["cell"] == 1


def test_where_one_is_is_known_from_the_answer_and_said_where_it_matters(pair: Pair) -> None:
    console = pair.console
    pair.hub.answers["attach"] = {"shell": 2, "cell": 1, "suspects": ["w1"], "alone": [3]}
    told = console.attach((24, 80), {"own": True})
    assert (console.title, console.suspects) == (f"{NAME}#2", ["w1"])
    assert console.alone(told) == [
        "shell 3 of node1@localhost is still here, with nobody at it: pysh attach --shell 3 node1"
    ]
    assert (console.again(), console.again(0)) == ("pysh attach --shell 2 node1", "pysh attach node1")
    pair.hub.answers["complete"] = {"shell": 9}
    console.ask("complete")
    assert console.shell == 2, "only an attach says where one is"
