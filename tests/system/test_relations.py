"""Processes that watch each other, across nodes: links, monitors, names, and ends of every kind."""

import re
from subprocess import CompletedProcess

import pytest

from tests.system.conftest import CONNECT, Home, ok

pytestmark = pytest.mark.usefixtures("n2")

LOOP = (
    CONNECT
    + """
import os, time
boss = me()
def loop():
    while (message := receive()) != "quit":
        if message == "raise": raise ValueError("bad")
        if message == "die": os._exit(3)
        if message == "link":
            link(receive())
            send(boss, "linked")
        if message == "hang":
            while True: pass
def down(of): return receive(lambda m: isinstance(m, Down) and m.pid == of, timeout=10).reason
"""
)

TOLD = """
import io, sys
class Told(io.StringIO):
    "Keeps what is written to stderr."
    def write(self, text): return sys.__stderr__.write(text) and super().write(text)
sys.stderr = Told()
def told(lines):
    "Wait until there are so many."
    deadline = time.monotonic() + 20
    while sys.stderr.getvalue().count("\\n") < lines:
        assert time.monotonic() < deadline, "it was not told"
        time.sleep(0.01)
"""


def own(done: "CompletedProcess[str]") -> list[str]:
    """The lines that a script printed itself."""
    return [line for line in ok(done).splitlines() if not re.match(r"\S+ \| ", line)]


def test_a_monitor_tells_once_how_a_process_ended(home: Home) -> None:
    code = """
for message in ("quit", "raise", "die"):
    p = spawn(loop, on=n2, monitor=True)
    ref = monitor(p)
    send(p, message)
    first, second = receive(Down, timeout=10), receive(Down, timeout=10)
    print(sorted([first.ref, second.ref]) == sorted([p.ref, ref]), first.pid == second.pid == p, first.reason)
    print(down(p) if monitor(p) else "")
kept = spawn(loop, on=n2)
gone = monitor(kept)
demonitor(gone)
send(kept, "quit")
p = spawn(loop, on=n2, monitor=True); stop(p); print(down(p))
p = spawn(loop, on=n2, monitor=True); send(p, "hang"); t = time.monotonic(); kill(p)
print(down(p), time.monotonic() - t < 1.5, flush())
"""
    assert own(home.script(LOOP + code)) == [
        "True True normal", "noproc", "True True ValueError: bad", "noproc", "True True runner_killed", "noproc",
        "shutdown", "killed True []",
    ]  # fmt: skip


def test_linked_processes_end_together_and_one_that_traps_is_told(home: Home) -> None:
    code = """
a, b = spawn(loop, monitor=True), spawn(loop, on=n2, monitor=True)
send(a, "link"); send(a, b); receive("linked")
send(b, "quit"); print(down(b)); send(a, "raise"); print(down(a))

a, b = spawn(loop, monitor=True), spawn(loop, on=n2, monitor=True)
send(a, "link"); send(a, b); receive("linked")
send(b, "raise"); print(down(b), down(a), sep=" / ")

trap_exits()
c = spawn(loop, on=n2, link=True)
send(c, "raise"); print(receive(Exit, timeout=10))
link(c); print(receive(Exit, timeout=10).reason)
d = spawn(loop, on=n2); link(d); unlink(d)
monitor(d); send(d, "quit"); print(down(d), flush())
"""
    lines = own(home.script(LOOP + code))
    assert lines[:3] == [
        "normal", "ValueError: bad", "ValueError: bad / ValueError: bad",
    ]  # fmt: skip
    assert re.fullmatch(r"Exit\(pid=<n2\.\d+>, reason='ValueError: bad'\)", lines[-3])
    assert lines[-2:] == ["noproc", "normal []"]


def test_a_lost_node_ends_what_was_tied_to_its_processes(home: Home) -> None:
    code = """
trap_exits()
p = spawn(loop, on=n2, link=True, monitor=True)
stop_node(n2)
print(sorted([receive(timeout=10), receive(timeout=10)], key=len) == [Exit(p, "noconnection"), Down(p.ref, p, "noconnection")])
try: stop(p)
except NodeDown as error: print(error.reason)
"""  # noqa: E501
    assert ok(home.script(LOOP + code)) == "True\nnoconnection\n"


def test_a_process_is_known_by_its_name_on_its_node_until_it_ends(home: Home) -> None:
    code = """
p = spawn(loop, on=n2, name="w", monitor=True)
print(whereis("w", on=n2) == p, whereis("w"), pid(str(p)) == p)
for taken in (lambda: spawn(loop, on=n2, name="w"), lambda: register("w", spawn(loop, on=n2, name="x"))):
    try: taken()
    except PyshError as error: print(error)
send(("w", n2), "quit"); print(down(p), whereis("w", on=n2))
register("me"); send("me", 7); print(receive(), call(lambda: whereis("me", on=all_nodes)) == me())
try: register("w", p)
except NoProcess as error: print(type(error).__name__)
"""
    taken = "the name 'w' is taken on n2@localhost, by <n2."
    lines = ok(home.script(LOOP + code)).splitlines()
    assert lines[0] == "True None True"
    assert lines[1].startswith(taken)
    assert lines[2].startswith(taken)
    assert lines[3:] == ["normal None", "7 True", "NoProcess"]


def test_a_message_that_nobody_is_there_for_is_told_once_and_counted(home: Home) -> None:
    code = """
p = spawn(loop, on=n2, monitor=True); send(p, "quit"); down(p)
for number in range(100): send(p, number)
send(("nobody", n2), 1)
told(2)
def elsewhere(): send("nobody", 1); send(boss, me()); receive("told")
t = task(elsewhere)
sender = receive()
told(3); send(sender, "told"); t.result()
told(4)  # once they are counted
"""
    done = home.script(LOOP + TOLD + code)
    assert ok(done) == ""
    told = [re.sub(r"<n2\.\d+>", "<p>", line) for line in done.stderr.splitlines()]
    here = told[2].split(" on ")[1].split(" ")[0]
    assert told == [
        "pysh: a message to <p> was not delivered: there is no such process",
        "pysh: a message to 'nobody' on n2 was not delivered: there is no such process",
        f"pysh: a message to 'nobody' on {here} was not delivered: there is no such process",
        "pysh: 99 more messages were not delivered to <p>: there is no such process",
    ]


def test_large_messages_and_exit_signals_arrive_in_the_order_sent(home: Home) -> None:
    code = """
def collect():
    trap_exits()
    send(boss, "ready")
    got = []
    while not got or got[-1] != "Exit":
        message = receive()
        got.append("Exit" if isinstance(message, Exit) else len(message))
    send(boss, got)
for on in (n2, None):
    p = spawn(collect, on=on)
    receive("ready")
    for size in (3_000_000, 10, 900_000, 5_000_000, 20): send(p, bytes(size))
    stop(p)
    print(receive(list, timeout=20))
    c = spawn(collect, on=on, name="c"); receive("ready")
    try: send(("c", on or node()), bytes(300_000))
    except NotSendable as error: print(error)
    stop(c, "x" * 100_000); receive(list, timeout=20)
"""
    expected = "[3000000, 10, 900000, 5000000, 20, 'Exit']"
    lines = own(home.script(LOOP + code, timeout=60))
    assert lines[::2] == [expected] * 2
    assert all("a message of 300," in line and "goes to a process, and to no name" in line for line in lines[1::2])


def test_a_sender_that_has_ended_has_its_owner_told(home: Home) -> None:
    code = """
p = spawn(lambda: send(("nobody", n2), 1), monitor=True)
down(p)
told(1)
"""
    done = home.script(LOOP + TOLD + code)
    assert own(done) == []
    assert done.stderr == "pysh: a message to 'nobody' on n2 was not delivered: there is no such process\n"


def test_the_end_of_a_script_tells_what_another_node_has_counted_for_it(home: Home) -> None:
    code = """
def sends():
    for number in range(1000): send("nobody", number)
call(sends, on=n2)
"""
    done = home.script(LOOP + code)
    assert own(done) == []
    assert done.stderr.splitlines() == [
        "pysh: a message to 'nobody' on n2 was not delivered: there is no such process",
        "pysh: 999 more messages were not delivered to 'nobody' on n2: there is no such process",
    ]


def test_a_full_mailbox_stops_whoever_sends_to_it_and_nothing_is_lost(home: Home) -> None:
    code = """
def late():
    receive("go")
    for expected in range(20_000):
        assert receive()[0] == expected
    send(boss, "all of it")
def never(): time.sleep(60)
for on in (n2, None):
    p, stuck = spawn(late, on=on), spawn(never, on=on)
    go = task(lambda: time.sleep(1) or send(p, "go"))
    for number in range(20_000): send(p, (number, "x" * 1000))
    print(receive(str, timeout=20))
begun, number = time.monotonic(), 0
try:
    while True: send(stuck, number); number += 1
except MailboxFull as error: print(error)
print(number < 200_000, 5 < time.monotonic() - begun < 20)
kill(stuck)
"""
    lines = own(home.script(LOOP + code, timeout=60))
    assert lines[:2] == ["all of it"] * 2
    assert re.fullmatch(
        r"the mailbox of <\w+\.\d+> is full, and had no room for 5 s; the message was not sent", lines[2]
    )
    assert lines[3:] == ["True True"]


FULL = """
def late():
    receive("go")
    while receive() != "end": pass
p = spawn(late, on=n2, name="w")
def fill(dest):
    sent = 0
    try:
        while True:
            send(dest, 1, full="error")
            sent += 1
            if not sent % 1000: ping(n2)
    except MailboxFull as error: return sent, str(error)
async def fill_in_loop():
    try:
        while True:
            for number in range(1000): await pysh.aio.send(p, 1, full="error")
            await pysh.aio.ping(n2)
    except MailboxFull: return
begun = time.monotonic()
"""
"""A process on n2 that receives nothing, and what sends to it until there is no room.

The answer of a `ping` comes behind the word that there is none, so that no more is sent than has to be.
"""


def test_a_message_without_room_is_refused_at_once_where_that_is_asked_for(home: Home) -> None:
    code = """
for dest in (p, ("w", n2)):
    sent, text = fill(dest)
    print(text, sent <= 11_000)
print([call(fill, p)[0] <= 1000, call(fill, p, on=n2)[0] <= 1000, call(fill_in_loop), call(fill_in_loop, on=n2)])
async def resident():
    await fill_in_loop()
    send(boss, "full")
for on in (n2, node()):
    spawn(resident, on=on)
    print(receive(str, timeout=10))
try: send(p, 1, full="some")
except ValueError as error: print(error)
kill(p)
"""
    lines = own(home.script(LOOP + FULL + code, timeout=60))
    assert re.fullmatch(r"no room for a message to <n2\.\d+>: its mailbox is full; it was not sent True", lines[0])
    assert lines[1].startswith("no room for a message to ('w', ") and lines[1].endswith("it was not sent True")
    assert lines[2:] == [
        "[True, True, None, None]", "full", "full",
        "full= takes \"wait\", \"error\" or \"drop\", not 'some'; nothing was sent",
    ]  # fmt: skip


def test_a_full_mailbox_stops_a_coroutine_that_waits_for_nothing_else(home: Home) -> None:
    code = """
async def flood(to=None):
    verdict = "sent all"
    try:
        for number in range(200_000): await pysh.aio.send(p, b"x" * 100)
    except MailboxFull: verdict = "stopped"
    if to: await pysh.aio.send(to, verdict)
    return verdict
tasks_ = [task(flood, on=on) for on in (n2, node())]
for on in (n2, node()): spawn(flood, boss, on=on)
print([t.result(30) for t in tasks_], receive(str, timeout=30), receive(str, timeout=30), p.info()["queue"] < 200_000)
kill(p)
"""
    assert own(home.script(LOOP + FULL + code, timeout=60)) == ["['stopped', 'stopped'] stopped stopped True"]


def test_a_message_without_room_is_dropped_and_counted_where_that_is_asked_for(home: Home) -> None:
    """Whoever sits there hears of every one, also of those of a task, and at the end; the others arrive."""
    code = """
def drops():
    fill(p)
    for number in range(1000): send(p, 1, full="drop")
def counts():
    while not os.path.exists("go"): time.sleep(0.01)
    got = 0
    while receive() != "end": got += 1
    send(boss, got)
fill(p)
for number in range(1000): p.send(1, full="drop")
told(1)
for on in (node(), n2): call(drops, on=on)
counted = re.compile("pysh: (.*) more m").findall
def more(): return sum(int(number.replace(",", "")) for number in counted(sys.stderr.getvalue()))
while more() < 2999:
    assert time.monotonic() < begun + 30, "it was not told"
    time.sleep(0.01)
print(more())
fill(("w", n2))
send(("w", n2), 1, full="drop")
q = spawn(counts, on=n2)
sent, _ = fill(q)
for number in range(100): send(q, 1, full="drop")
open("go", "x").close()
send(q, "end")
print(receive(int, timeout=10) == sent)
kill(p)
"""
    done = home.script("import re\n" + LOOP + TOLD + FULL + code, timeout=60)
    assert own(done) == ["2999", "True"]
    lines = [re.sub(r"<n2\.\d+>", "<p>", line) for line in done.stderr.splitlines()]
    assert lines[0] == "pysh: a message to <p> was not delivered: its mailbox is full"
    assert lines[-3:] == [
        "pysh: a message to 'w' on n2 was not delivered: its mailbox is full", lines[0],
        "pysh: 99 more messages were not delivered to <p>: its mailbox is full",
    ]  # fmt: skip


def test_the_end_of_a_linked_process_is_shown_and_ends_no_program(home: Home) -> None:
    done = home.script(LOOP + "p = spawn(loop, on=n2, link=True, monitor=True); stop(p, 'bored'); print(down(p))")
    assert ok(done) == "bored\n"
    assert re.fullmatch(r"pysh: exit signal from <n2\.\d+>: bored\n", done.stderr)


SENSELESS = {
    "link(7)": "TypeError: a process is meant, as spawn() and me() return, not 7; nothing was done",
    "send(7, 1)": "TypeError: send() takes a process, a name or (name, node), not 7; nothing was sent",
    "register('a\\nb')": "ValueError: 'a\\nb' is no name: 1 to 255 characters that can be printed; nothing was done",
    "spawn(print, name='')": "ValueError: '' is no name: 1 to 255 characters that can be printed; nothing was done",
    "register(7)": "TypeError: a name is text, not 7; nothing was done",
    "pid('n2')": "ValueError: 'n2' is no pid: one is printed as <n2.17>",
    "pid('n3.17')": "ConnectError: [find] n3 is not connected; known here:",
    "send(('x', 'n3'), 1)": "ConnectError: [find] n3 is not connected; known here:",
    "whereis('x', on='n3')": "ConnectError: [find] n3 is not connected; known here:",
}


def test_what_makes_no_sense_says_so_and_does_nothing(home: Home) -> None:
    code = f"""
for code in {list(SENSELESS)!r}:
    try: eval(code)
    except Exception as error: print(type(error).__name__, error, sep=": ")
"""
    told = ok(home.script(CONNECT + code)).splitlines()
    assert [line.startswith(text) for line, text in zip(told, SENSELESS.values(), strict=True)] == [True] * 9


def test_who_sends_a_large_message_to_a_process_that_dies_meanwhile_goes_on(home: Home) -> None:
    code = """
def unready(): time.sleep(0.3); os._exit(3)
for on in (n2, None):
    p = spawn(unready, on=on)
    print(call(lambda: send(p, bytes(20_000_000)), timeout=20))
    print(call(lambda: send(p, bytes(20_000_000)), timeout=20))
"""
    assert own(home.script(LOOP + code)) == ["None"] * 4
