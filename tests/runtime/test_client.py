import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pysh.runtime.errors import ConnectError, NodeDown, NotSendable
from pysh.runtime.payload import dumps
from pysh.runtime.protocol.flow import WINDOW
from pysh.runtime.protocol.frames import LOCAL, Flag, Frame, Kind
from pysh.runtime.protocol.handshake import HandshakeError
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.terms import Pid
from pysh.runtime.runner import outbox
from pysh.runtime.runner.client import LATE, Client
from pysh.runtime.runner.waiting import Waiter
from tests.runtime.hub_end import DEADLINE, HERE, ME, N1, N2, SECRET, THERE, WORKER, HubEnd, entry, hub_end, hub_of

BIG = bytes(range(256)) * 8192 + b"end"


@pytest.fixture
def hub() -> Iterator[HubEnd]:
    with hub_end() as hub:
        yield hub


@pytest.fixture
def worker() -> Iterator[HubEnd]:
    with hub_end("worker", thread=False) as hub:
        yield hub


def in_thread(what: Callable[..., Any], *args: Any) -> threading.Thread:
    thread = threading.Thread(target=what, args=args)
    thread.start()
    return thread


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


# opening


def test_the_hub_tells_the_client_who_it_is(hub: HubEnd) -> None:
    client = hub.client
    assert (client.name, client.pid, client.incarnation) == ("n1@here", ME, HERE)
    assert [info.name for info in client.view.nodes] == ["n1@here", "n2@there"]
    assert repr(client) == "<Client program 7 of n1@here: 0 tasks>"


def test_a_hub_with_another_secret_is_refused() -> None:
    ours, theirs = socket.socketpair()
    hello = Hello("program", "n1@here", bytes(16), bytes(32))
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 400 Bad Request\r\n")
        with pytest.raises(HandshakeError) as caught:
            Client(ours, hello, SECRET)
    assert caught.value.code == "not_pysh"


def test_a_hub_that_is_gone_before_it_answers_is_told() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours, pytest.raises(HandshakeError) as caught:
        Client(ours, Hello("program", "n1@here", bytes(16), bytes(32)), SECRET)
    assert caught.value.code == "closed"


def test_frames_behind_the_welcome_wait_for_their_handlers(worker: HubEnd) -> None:
    worker.send(Kind.CANCEL, ref=3)
    arrived = Waiter(worker.client)
    worker.client.handlers[Kind.CANCEL] = lambda frame: arrived.set(frame.ref)
    assert worker.client.pump(arrived, DEADLINE) and arrived.get() == 3


# sending and asking


def test_a_frame_arrives_as_it_was_posted(hub: HubEnd) -> None:
    hub.client.post(Kind.SEND, WORKER, ref=4, meta={"a": 1}, payload=b"hello")
    frame = hub.expect(Kind.SEND)
    assert (frame.source, frame.dest, frame.ref, frame.options()) == (ME, WORKER, 4, {"a": 1})
    assert frame.payload == b"hello"


def test_a_request_gets_the_value_of_its_reply(hub: HubEnd) -> None:
    hub.serve(double=lambda asked: asked["n"] * 2)
    assert hub.client.ask("double", n=21, timeout=DEADLINE) == 42


def test_a_request_raises_the_error_of_its_reply(hub: HubEnd) -> None:
    waiter = hub.client.ask_later("connect", addr="n9@x")
    asked = hub.expect(Kind.REQUEST)
    hub.send(Kind.REPLY, ref=asked.ref, meta={"error": "ConnectError", "stage": "tcp", "address": "n9@x"})
    assert waiter.wait(DEADLINE)
    with pytest.raises(ConnectError) as caught:
        waiter.get()
    assert caught.value.stage == "tcp"


def test_a_request_without_an_answer_times_out(hub: HubEnd) -> None:
    with pytest.raises(TimeoutError, match=r"no answer to 'info' within 0\.01 s"):
        hub.client.ask("info", timeout=0.01)


def test_a_request_that_would_end_the_connection_is_refused(hub: HubEnd) -> None:
    with pytest.raises(NotSendable, match=r"takes 70,\d+ bytes, arguments apart; the limit is 65,536\. Nothing ran"):
        hub.client.ask("eval", source="x" * 70_000)
    hub.serve(info=lambda _: 1)
    assert hub.client.ask("info") == 1


def test_a_large_payload_goes_on_as_credit_comes(hub: HubEnd) -> None:
    hub.client.post(Kind.SPAWN, hub_of(THERE), ref=9, payload=BIG)
    assert hub.whole(Kind.SPAWN) == BIG


def test_a_worker_sends_a_large_payload_before_post_returns(worker: HubEnd) -> None:
    thread = in_thread(lambda: worker.client.post(Kind.SEND, WORKER, ref=1, payload=BIG))
    assert worker.whole(Kind.SEND) == BIG
    thread.join(DEADLINE)
    assert not thread.is_alive()


def test_a_small_frame_does_not_wait_for_the_credit_of_a_large_one(
    hub: HubEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "ROOM", WINDOW)
    hub.client.post(Kind.SEND, WORKER, ref=1, payload=bytes(3 * WINDOW))
    thread = in_thread(lambda: hub.client.post(Kind.REQUEST, hub_of(THERE), ref=2))
    assert hub.expect(Kind.REQUEST).ref == 2
    thread.join(DEADLINE)


def test_a_large_answer_of_a_worker_needs_no_credit(worker: HubEnd) -> None:
    thread = in_thread(lambda: worker.client.post(Kind.RESULT, ME, ref=1, payload=BIG))
    payload = b""
    while True:
        frame = worker.expect(Kind.RESULT)
        payload += bytes(frame.payload)
        if not frame.flags & Flag.MORE:
            break
    thread.join(DEADLINE)
    assert payload == BIG


def test_a_large_payload_comes_whole_and_its_sender_gets_credit(hub: HubEnd) -> None:
    got = Waiter(hub.client)
    hub.client.handlers[Kind.RESULT] = lambda frame: got.set(frame)
    for start in range(0, len(BIG), 100_000):
        more = Flag.MORE if start + 100_000 < len(BIG) else 0
        hub.send(Kind.RESULT, ref=5, flags=more, meta=1.5, payload=BIG[start : start + 100_000])
    assert got.wait(DEADLINE)
    frame: Frame = got.get()
    assert (frame.payload, frame.flags, frame.options()) == (BIG, 0, 1.5)
    granted = 0
    while granted < len(BIG):
        credit = hub.expect(Kind.CREDIT)
        assert (credit.source, credit.dest, credit.ref, credit.options()) == (ME, WORKER, 5, Kind.RESULT)
        granted += credit.credit
    assert granted == len(BIG)


def test_many_threads_send_whole_frames(hub: HubEnd) -> None:
    def send(number: int) -> None:
        for count in range(100):
            hub.client.post(Kind.SEND, WORKER, ref=number * 1000 + count, payload=bytes([number]) * 3000)

    threads = [in_thread(send, number) for number in range(4)]
    seen: list[Frame] = [hub.expect(Kind.SEND) for _ in range(400)]
    for thread in threads:
        thread.join(DEADLINE)
    for number in range(4):
        mine = [frame for frame in seen if frame.ref // 1000 == number]
        assert [frame.ref % 1000 for frame in mine] == list(range(100))
        assert all(frame.payload == bytes([number]) * 3000 for frame in mine)


def test_results_are_acknowledged_together(hub: HubEnd) -> None:
    for ref in (1, 2, 3):
        hub.send(Kind.RESULT, ref=ref, payload=dumps(0))
    fetched: list[int] = []
    while len(fetched) < 3:
        frame = hub.expect(Kind.FETCHED)
        assert (frame.source, frame.dest) == (ME, hub_of(THERE))
        payload = bytes(frame.payload)
        fetched += [int.from_bytes(payload[at : at + 8]) for at in range(0, len(payload), 8)]
    assert fetched == [1, 2, 3]


def test_a_ping_is_answered(hub: HubEnd) -> None:
    hub.send(Kind.PING, source=LOCAL, dest=LOCAL, ref=8)
    assert hub.expect(Kind.PONG).ref == 8


def test_a_handler_that_fails_does_not_end_the_reading(hub: HubEnd, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_: Frame) -> None:
        raise RuntimeError("a mistake")

    hub.client.handlers[Kind.CANCEL] = fail
    hub.send(Kind.CANCEL)
    hub.send(Kind.PING, source=LOCAL, dest=LOCAL)
    hub.expect(Kind.PONG)
    assert "a mistake" in capsys.readouterr().err


def test_the_thread_that_reads_refuses_to_wait(hub: HubEnd) -> None:
    refused = Waiter(hub.client)

    def ask(_: Frame) -> None:
        try:
            hub.client.ask("info")
        except RuntimeError as error:
            refused.set(str(error))

    hub.client.handlers[Kind.CANCEL] = ask
    hub.send(Kind.CANCEL)
    assert refused.wait(DEADLINE)
    assert "must not wait" in refused.get()


# waiting without a thread of its own


def test_threads_of_a_worker_take_turns_at_reading(worker: HubEnd) -> None:
    waiters = [worker.client.ask_later("n", n=number) for number in range(6)]
    refs = [worker.expect(Kind.REQUEST).ref for _ in waiters]
    threads = [in_thread(waiter.wait, DEADLINE) for waiter in waiters]
    for number in (3, 0, 5, 1, 4, 2):
        worker.send(Kind.REPLY, ref=refs[number], meta={"ok": number})
        until(lambda number=number: waiters[number].done)  # type: ignore[misc]
    for thread in threads:
        thread.join(DEADLINE)
        assert not thread.is_alive()
    assert [waiter.get() for waiter in waiters] == list(range(6))


def test_a_leader_notices_what_another_thread_sets(worker: HubEnd) -> None:
    waiter = Waiter(worker.client)
    thread = in_thread(waiter.wait, DEADLINE)
    worker.client.pump(None, 0.005)
    waiter.set()
    thread.join(DEADLINE)
    assert not thread.is_alive()


def test_a_worker_tells_when_its_job_waits_for_long(worker: HubEnd) -> None:
    told: list[str] = []
    worker.client.on_blocked.append(lambda: told.append("blocked"))
    waiter = Waiter(worker.client)
    thread = in_thread(waiter.wait, DEADLINE)
    assert worker.expect(Kind.BLOCKED).source == ME
    waiter.set()
    worker.expect(Kind.UNBLOCKED)
    thread.join(DEADLINE)
    assert told == ["blocked"]


def test_a_short_wait_of_a_worker_is_not_told(worker: HubEnd) -> None:
    waiter = worker.client.ask_later("n")
    worker.send(Kind.REPLY, ref=worker.expect(Kind.REQUEST).ref, meta={"ok": 1})
    assert waiter.wait(DEADLINE)
    worker.client.post(Kind.SEND, WORKER)
    worker.expect(Kind.SEND)
    assert worker.frames == []


def test_another_job_has_another_mailbox(worker: HubEnd) -> None:
    client = worker.client
    worker.message("for the first")
    client.pump(None, 0.01)
    assert len(client.mailbox) == 1
    client.begin(Pid(HERE, 8))
    assert len(client.mailbox) == 0


def test_mailboxes_of_jobs_that_are_over_do_not_pile_up(worker: HubEnd) -> None:
    client = worker.client
    for number in range(8, 8 + 3 * LATE):
        worker.send(Kind.SEND, dest=Pid(HERE, number), payload=dumps("late, or early"))
    until(lambda: client.pump(None, 0.001) or len(client._mailboxes) == 3 * LATE)
    client.begin(Pid(HERE, 7 + 3 * LATE))
    assert (len(client.mailbox), len(client._mailboxes)) == (1, 1)


INTERRUPTED = """
import os, signal, socket, sys
from pysh.runtime.protocol.frames import Kind
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.runner.client import LATE, Client
from pysh.runtime.runner.waiting import Waiter
caught, seen, client = 0, [], None

def interrupt(number, frame):
    global caught
    if client is None or arrived.done:
        return
    if client.shielded:
        client.interrupt_pending = True
        return
    while frame is not None:
        if frame.f_code is Client.pump.__code__:
            caught += 1
            raise KeyboardInterrupt
        frame = frame.f_back

def handle(frame):
    seen.append(frame.ref)
    if frame.ref == COUNT:
        arrived.set()

signal.signal(signal.SIGINT, interrupt)
hello = Hello("worker", "n1@here", bytes(16), bytes(32), pid=os.getpid())
connected = Client(socket.socket(fileno=int(sys.argv[1])), hello, b"s" * 32)
connected.handlers[Kind.CANCEL] = handle
arrived, client = Waiter(connected), connected
while not arrived.done:
    try:
        client.pump(arrived)
    except KeyboardInterrupt:
        pass
assert seen == list(range(1, COUNT + 1)), len(seen)
print(caught)
""".replace("COUNT", "3000")


def test_a_worker_interrupted_while_it_reads_loses_nothing() -> None:
    hub = HubEnd.__new__(HubEnd)
    hub.sock, theirs = socket.socketpair()
    command = [sys.executable, "-c", INTERRUPTED, str(theirs.fileno())]
    with subprocess.Popen(command, pass_fds=[theirs.fileno()], stdout=subprocess.PIPE) as child:
        theirs.close()
        hub._greet([N1])
        for ref in range(1, 3001):
            hub.send(Kind.CANCEL, ref=ref, payload=bytes(ref % 1000))
            if ref % 20 == 0:
                os.kill(child.pid, signal.SIGINT)
        assert child.stdout is not None
        caught = int(child.stdout.read())
    hub.sock.close()
    assert child.returncode == 0
    assert caught > 10


# what is lost


def test_a_handler_that_is_set_while_a_program_waits_stays(hub: HubEnd) -> None:
    def mine(_number: int, _frame: object) -> None:
        """Ours."""

    before = signal.getsignal(signal.SIGINT)
    alarm = signal.signal(signal.SIGALRM, lambda *_: signal.signal(signal.SIGINT, mine))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        assert not hub.client.wait(Waiter(hub.client), 0.1)
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGALRM, alarm)


def test_a_hub_that_is_gone_ends_every_wait(hub: HubEnd) -> None:
    asked, lost = hub.client.ask_later("info"), Waiter(hub.client)
    hub.client.on_lost.append(lambda: lost.set())
    hub.hang_up()
    assert lost.wait(DEADLINE)
    with pytest.raises(NodeDown, match="its hub is gone"):
        asked.get()
    with pytest.raises(NodeDown) as caught:
        hub.client.post(Kind.SEND, WORKER)
    assert caught.value.executed == "no"


def test_what_the_hub_sent_before_it_died_still_arrives(worker: HubEnd) -> None:
    asked = worker.client.ask_later("info")
    worker.send(Kind.REPLY, ref=worker.expect(Kind.REQUEST).ref, meta={"ok": "last words"})
    worker.hang_up()
    with pytest.raises(NodeDown):
        worker.client.post(Kind.SEND, WORKER, payload=bytes(100_000))
    assert asked.get() == "last words"


def test_a_hub_that_talks_nonsense_is_left(hub: HubEnd) -> None:
    hub.sock.sendall(b"\xff" * 200)
    until(lambda: hub.client.lost)
    assert "no frame" in hub.client.lost


def test_a_node_that_is_gone_ends_the_waits_for_it_and_no_others(hub: HubEnd) -> None:
    there, here = hub.client.ask_later("tasks", dest=hub_of(THERE)), hub.client.ask_later("tasks")
    hub.tell_nodes(N1, reason="restarted")
    assert there.wait(DEADLINE) and not here.done
    with pytest.raises(NodeDown, match=r"n2@there is down \(restarted\)"):
        there.get()


def test_a_list_of_nodes_that_comes_in_parts_counts_when_it_is_whole(hub: HubEnd) -> None:
    waiter = hub.client.ask_later("tasks", dest=hub_of(THERE))
    hub.send(Kind.NODES, source=LOCAL, dest=LOCAL, meta={"nodes": [N1], "event": {"reason": "x"}, "more": True})
    hub.ping()
    assert not waiter.done
    hub.send(Kind.NODES, source=LOCAL, dest=LOCAL, meta={"nodes": [N2]})
    hub.ping()
    assert not waiter.done and [info.name for info in hub.client.view.nodes] == ["n1@here", "n2@there"]


def test_who_comes_knows_all_nodes_before_anything_else_however_many_there_are() -> None:
    others = [{**N2, "name": f"{'n' * 63}@h{number}", "incarnation": number.to_bytes(16)} for number in range(1000)]
    with HubEnd(nodes=(N1, *others)) as hub:
        assert len(hub.client.view.nodes) == 1001
        assert (hub.client.name, hub.client.pid) == ("n1@here", ME)


def test_a_result_goes_on_to_its_hub_when_whoever_asked_for_it_is_gone() -> None:
    with hub_end("worker") as hub:
        hub.client.post(Kind.RESULT, WORKER, ref=1, payload=bytes(64 * WINDOW))
        hub.tell_nodes(N1)
        hub.send(Kind.PING, source=LOCAL, dest=LOCAL)
        assert len(hub.whole(Kind.RESULT)) == 64 * WINDOW


def test_a_stream_to_a_node_that_is_gone_is_dropped(hub: HubEnd) -> None:
    hub.client.post(Kind.SPAWN, hub_of(THERE), ref=1, payload=bytes(2 * WINDOW))
    hub.tell_nodes(N1)

    def dropped() -> bool:
        if select.select([hub.sock], [], [], 0)[0]:
            hub.read()  # the chunks that were on their way already
        return not hub.client._outbox.size

    until(dropped)
    assert sum(len(frame.payload) for frame in hub.frames) < 2 * WINDOW


def test_closing_it_ends_the_waits(hub: HubEnd) -> None:
    waiter = hub.client.ask_later("info")
    hub.client.close()
    with pytest.raises(NodeDown, match="it was left"):
        waiter.get()


def test_a_forked_child_has_no_hub_and_its_parent_keeps_it(hub: HubEnd) -> None:
    child = os.fork()
    if not child:
        code = 1
        try:
            hub.client.close()
            hub.client.ask("info")
        except NodeDown:
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    hub.serve(info=lambda _: "alive")
    assert hub.client.ask("info", timeout=DEADLINE) == "alive"


def test_the_view_follows_what_the_hub_tells(hub: HubEnd) -> None:
    hub.tell_nodes(N1, entry("n3@x", b"3" * 16, "suspect", load=4, aliases=["three"]))
    until(lambda: b"3" * 16 in hub.client.view)
    info = hub.client.view.nodes[1]
    assert (info.name, info.state, info.load, list(info.aliases)) == ("n3@x", "suspect", 4, ["three"])
    assert hub.client.view.name_of(THERE) == "n2@there"


def test_what_is_posted_in_a_row_leaves_in_order_also_where_nothing_follows(hub: HubEnd) -> None:
    for rows in range(20):
        for number in range(100):
            hub.client.post(Kind.SEND, WORKER, ref=number, in_a_row=True)
        assert [hub.expect(Kind.SEND).ref for _ in range(100)] == list(range(100)), rows


def test_who_asks_behind_a_row_is_answered_without_waiting_for_more_of_it(hub: HubEnd) -> None:
    hub.serve(nodes=lambda _: [])
    for _ in range(200):
        for number in range(20):
            hub.client.post(Kind.FETCHED, WORKER, ref=number, in_a_row=True)
        assert hub.client.ask("nodes", timeout=DEADLINE) == []
