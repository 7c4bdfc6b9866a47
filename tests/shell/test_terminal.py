import re
import signal
from collections.abc import Callable

import pytest

from pysh.runtime.protocol.frames import Kind
from tests.shell.conftest import Shell
from tests.shell.hub import NAME, Hub

PROMPT = f"{NAME}[{{}}]> "
Open = Callable[..., Shell]


def test_the_seed_session_looks_as_printed(shell: Shell) -> None:
    hub = shell.hub
    shell.run('connect("node2@localhost")')
    hub.done("<Node node2@localhost up 0.4 ms>")
    shell.prompt(2)
    shell.run("nodes()")
    columns = ["node", "state", "rtt", "load", "tasks"]
    rows = [["node1@localhost", "self", "-", "0.1", "0"], ["node2@localhost", "up", "0.4 ms", "0.2", "0"]]
    hub.done("", kind="table", table={"columns": columns, "rows": rows, "more": 0})
    shell.prompt(3)
    shell.run("def compute(value):\rtime.sleep(2)\rreturn value * value\r")
    hub.done()
    shell.prompt(4)
    hub.output("node2", b"Received Hello, node2!\n")
    shell.wait_for_end("node2 | Received Hello, node2!", PROMPT.format(4).rstrip())
    assert shell.lines == [
        'node1@localhost[1]> connect("node2@localhost")',
        "<Node node2@localhost up 0.4 ms>",
        "node1@localhost[2]> nodes()",
        " node             state  rtt     load  tasks",
        " node1@localhost  self   -       0.1   0",
        " node2@localhost  up     0.4 ms  0.2   0",
        "node1@localhost[3]> def compute(value):",
        "                ...     time.sleep(2)",
        "                ...     return value * value",
        "node2 | Received Hello, node2!",
        "node1@localhost[4]>",
    ]
    assert hub.cells[-1] == "def compute(value):\n    time.sleep(2)\n    return value * value"


def test_lines_typed_before_anything_is_ready_run_in_order(open_shell: Open) -> None:
    shell = open_shell()
    shell.wait(lambda: b"]> " in shell.raw)
    shell.type("2+2\rx = 'ä'\r")
    shell.wait(lambda: shell.hub.cells == ["2+2"], "first cell")
    shell.hub.done("4")
    shell.wait(lambda: shell.hub.cells == ["2+2", "x = 'ä'"], "second cell")
    shell.hub.done()
    shell.prompt(3)
    assert shell.lines == [PROMPT.format(1) + "2+2", "4", PROMPT.format(2) + "x = 'ä'", "node1@localhost[3]>"]


def test_a_paste_typed_ahead_is_one_cell(open_shell: Open) -> None:
    shell = open_shell()
    shell.wait(lambda: b"]> " in shell.raw)
    shell.paste("def f():\n\n    return 1\n")
    shell.type("\r")
    shell.wait(lambda: shell.hub.cells, "cell")
    assert shell.hub.cells == ["def f():\n\n    return 1"]


def test_half_typed_text_survives_what_arrives(shell: Shell) -> None:
    shell.type("half_ty")
    shell.prompt(1, "half_ty")
    shell.hub.notice("node2@localhost is down", "warn")
    shell.hub.output("node2", b"one\ntwo\n")
    shell.hub.screen(b"from a background task\r\n")
    shell.prompt(1, "half_ty")
    shell.wait(lambda: len(shell.lines) == 5)
    assert shell.lines == [
        "node2@localhost is down",
        "node2 | one",
        "node2 | two",
        "from a background task",
        PROMPT.format(1) + "half_ty",
    ]
    shell.type("ped\r")
    shell.wait(lambda: shell.hub.cells == ["half_typed"])


def test_what_was_printed_before_a_notice_stands_above_it(shell: Shell) -> None:
    shell.prompt(1)
    for n in range(1, 9):
        shell.hub.screen(b"%d\r\n" % n)
        shell.hub.notice(f"job {n} done")
        shell.wait_for_end(f"{n}", f"job {n} done", PROMPT.format(1).rstrip())


def test_bars_of_four_nodes_are_four_live_lines_above_the_prompt(shell: Shell) -> None:
    shell.type("typ")
    for percent in (10, 60, 100):
        for node in range(4):
            shell.hub.output(f"n{node}", b"\r%d%%" % percent, job=node)
        shell.wait_for(*(f"n{node} | {percent}%" for node in range(4)), PROMPT.format(1) + "typ")
    assert len(shell.lines) == 5
    for node in range(4):
        shell.hub.output(f"n{node}", b"\n", job=node)
    shell.type("ing")
    # Each line is finished before it is no longer a live one, in two writes.
    done = [*(f"n{node} | 100%" for node in range(4)), PROMPT.format(1) + "typing"]
    shell.wait(lambda: shell.lines == done, "finished bars and the prompt")


def test_bars_stand_below_what_the_cell_prints(shell: Shell) -> None:
    shell.run("work()")
    shell.hub.output("n2", b"\r10%")
    shell.wait_for_end(PROMPT.format(1) + "work()", "n2 | 10%")
    shell.hub.screen(b"mine\r\n")
    shell.wait_for_end("mine", "n2 | 10%")
    shell.hub.output("n2", b"\r90%")
    shell.wait_for_end(PROMPT.format(1) + "work()", "mine", "n2 | 90%")
    shell.hub.done("7")
    shell.prompt(2)
    assert shell.lines == [PROMPT.format(1) + "work()", "mine", "7", "n2 | 90%", PROMPT.format(2).rstrip()]


def test_tagged_lines_begin_on_a_fresh_line(shell: Shell) -> None:
    shell.run("work()")
    shell.hub.screen(b"Name? ")
    shell.wait_for_end("Name?")
    shell.hub.output("n2", b"hello\n")
    shell.wait_for_end("Name?", "n2 | hello")


def test_the_last_line_of_a_task_is_finished_with_it(shell: Shell) -> None:
    shell.hub.output("n2", b"no end", job=1)
    shell.hub.output("n2", b"", job=1, end=True)
    shell.hub.output("n3", b"another", job=2)
    shell.hub.output("n3", b" line\n", job=2)
    shell.wait_for("n2 | no end", "n3 | another line")


def test_a_full_screen_program_is_left_alone(shell: Shell) -> None:
    shell.run("edit()")
    shell.hub.screen(b"\x1b[?1049h\x1b[H\x1b[2Jmenu\r\n")
    shell.wait(lambda: "menu" in shell.lines)
    shell.hub.output("n2", b"hello\n")
    shell.hub.screen(b"end\r\n")
    shell.wait(lambda: "end" in shell.lines)
    shell.hub.notice("n3 is down")
    shell.hub.screen(b"really\r\n")
    shell.wait(lambda: "really" in shell.lines)
    assert shell.lines[-2:] == ["end", "really"]
    shell.hub.screen(b"\x1b[?1049l")
    shell.wait_for("n2 | hello", "n3 is down")


def test_keys_go_to_the_cell_as_they_are_while_it_runs(shell: Shell) -> None:
    shell.run("input()")
    shell.type("ab\x03\x04\r\x1b[A")
    shell.wait(lambda: shell.hub.typed == b"ab\x03\x04\r\x1b[A")
    shell.hub.unread = b""
    shell.hub.done("'ab'")
    shell.prompt(2)


def test_what_a_cell_did_not_read_is_at_the_next_prompt(shell: Shell) -> None:
    shell.run("sleep()")
    shell.type("next")
    shell.wait(lambda: shell.hub.typed == b"next")
    shell.hub.done()
    shell.prompt(2, "next")


def test_a_line_a_cell_did_not_read_runs(shell: Shell) -> None:
    shell.run("sleep()")
    shell.type("1+1\rleft")
    shell.wait(lambda: shell.hub.typed == b"1+1\rleft")
    shell.hub.unread = b"1+1\nleft"
    shell.hub.done()
    shell.wait(lambda: shell.hub.cells == ["sleep()", "1+1"])
    shell.hub.done("2")
    shell.prompt(3, "left")


def test_nothing_is_typed_to_a_cell_that_has_not_arrived(shell: Shell) -> None:
    shell.hub.accepts = False
    shell.run("work()")
    shell.type("\x03")
    shell.send_signal(signal.SIGINT)
    shell.settle(0.2)
    assert (shell.hub.typed, shell.hub.of(Kind.INTERRUPT)) == (b"", [])
    shell.hub.accept()
    shell.wait(lambda: shell.hub.typed == b"\x03" and shell.hub.of(Kind.INTERRUPT))


def test_lines_typed_at_once_run_in_order_and_the_rest_is_kept(shell: Shell) -> None:
    shell.type("one\rtwo\rthree\x1b")
    for cell, source in enumerate(("one", "two")):
        shell.wait(lambda source=source: shell.hub.cells[-1:] == [source])
        shell.hub.done(str(cell))
    shell.type("[Dx")
    shell.wait(lambda: shell.lines[-1] == PROMPT.format(3) + "threxe")


def test_a_prompt_begins_on_a_line_of_its_own(shell: Shell) -> None:
    shell.run("print('x', end='')")
    shell.hub.screen(b"\x1b[31mx\x1b[0m")
    shell.hub.done()
    shell.prompt(2)
    assert shell.lines == [PROMPT.format(1) + "print('x', end='')", "x", PROMPT.format(2).rstrip()]


def test_everything_shown_is_credited(shell: Shell) -> None:
    shell.run("work()")
    shell.hub.screen(b"x" * 1000)
    shell.hub.output("n2", b"y" * 10 + b"\n")
    shell.hub.output("n2", b"\r50%")
    shell.wait(lambda: shell.hub.credit(Kind.SCREEN) == 1000)
    shell.wait(lambda: shell.hub.credit(Kind.OUTPUT) == 15)
    shell.hub.done()
    shell.prompt(2)
    shell.hub.screen(b"z" * 500)
    shell.wait(lambda: shell.hub.credit(Kind.SCREEN) == 1500)
    (credit, *_) = [frame for frame in shell.hub.of(Kind.CREDIT) if frame.options() == Kind.OUTPUT]
    assert (credit.dest.incarnation, credit.dest.number, credit.ref) == (bytes(range(16, 32)), 1, 1)


def test_a_new_size_reaches_the_cell(shell: Shell) -> None:
    shell.run("work()")
    shell.resize(30, 100)
    shell.wait(lambda: [f.options() for f in shell.hub.of(Kind.RESIZE)] == [{"rows": 30, "cols": 100}])
    shell.hub.done()
    shell.prompt(2)
    shell.resize(20, 70)
    shell.run("again()")
    shell.wait(lambda: shell.hub.of(Kind.RESIZE)[-1].options() == {"rows": 20, "cols": 70})


def test_sigint_from_elsewhere_interrupts_the_cell_and_not_the_prompt(shell: Shell) -> None:
    shell.send_signal(signal.SIGINT)
    shell.run("work()")
    shell.send_signal(signal.SIGINT)
    shell.wait(lambda: shell.hub.of(Kind.INTERRUPT))
    shell.hub.done("KeyboardInterrupt", kind="error")
    shell.prompt(2)


def test_a_hub_that_goes_ends_the_terminal_with_5(shell: Shell) -> None:
    shell.type("half")
    shell.prompt(1, "half")
    shell.others.clear()
    shell.hub.close()
    assert shell.wait_exit() == 5
    assert shell.lines[-1] == "node1@localhost: connection lost: its hub is gone"
    assert shell.modes == shell.found


def test_a_hub_that_goes_during_a_cell_ends_the_terminal_with_5(shell: Shell) -> None:
    shell.run("work()")
    shell.hub.screen(b"partial")
    shell.wait_for_end("partial")
    shell.others.clear()
    shell.hub.close()
    assert shell.wait_exit() == 5
    assert shell.lines[-2:] == ["partial", "node1@localhost: connection lost: its hub is gone"]
    assert shell.modes == shell.found


def test_ctrl_d_leaves_when_nothing_runs(shell: Shell) -> None:
    shell.type("\x04")
    assert shell.wait_exit() == 0
    assert shell.hub.asked[-1] == {"verb": "leave"}
    assert shell.modes == shell.found


def test_ctrl_d_asks_when_something_runs(shell: Shell) -> None:
    def leave(asked: dict[str, object]) -> dict[str, object]:
        return {"stop": bool(asked.get("stop")), "reasons": ["2 tasks running here"], "persistent": False}

    shell.hub.answers["leave"] = leave
    shell.type("\x04")
    shell.wait_for_end(
        "node1@localhost: 2 tasks running here", "s: stop it, l: leave it running, any other key: stay here"
    )
    shell.type("x")
    shell.prompt(1)
    shell.type("\x04l")
    assert shell.wait_exit() == 0
    assert shell.lines[-1] == "back to it with: pysh attach node1"
    assert [asked["verb"] for asked in shell.hub.asked] == ["attach", "leave", "leave"]


def test_ctrl_d_can_stop_what_runs(shell: Shell) -> None:
    shell.hub.answers["leave"] = lambda asked: {"stop": bool(asked.get("stop")), "reasons": ["a task"]}
    shell.type("\x04s")
    assert shell.wait_exit() == 0
    assert shell.hub.asked[-1] == {"verb": "leave", "stop": True}


def test_exit_in_a_cell_leaves_with_its_code(shell: Shell) -> None:
    shell.run("exit(3)")
    shell.hub.done(exit=3)
    assert shell.wait_exit() == 3


def test_ctrl_c_at_the_prompt_clears_the_line(shell: Shell) -> None:
    shell.type("half")
    shell.prompt(1, "half")
    shell.type("\x03")
    shell.prompt(1)
    shell.type("\x03")
    shell.run("1")
    assert shell.hub.cells == ["1"]


def test_an_attached_terminal_sees_what_it_missed_and_the_cell_that_runs(open_shell: Open) -> None:
    hub = Hub()
    missed = {"evaluator": 1, "cell": 3, "busy": True, "missed": b"before\r\n", "dropped": 1234}
    hub.answers["attach"] = missed
    shell = open_shell(hub)
    shell.wait_for_end("… 1,234 bytes not shown", "before")
    hub.screen(b"now\r\n")
    shell.wait_for_end("before", "now")
    hub.cell = 3
    hub.done("4")
    shell.prompt(4)
    assert shell.lines == ["… 1,234 bytes not shown", "before", "now", "4", PROMPT.format(4).rstrip()]


def test_a_busy_shell_shows_no_prompt(open_shell: Open) -> None:
    hub = Hub()
    hub.answers["attach"] = {"evaluator": 1, "cell": 3, "busy": True, "missed": b"", "dropped": 0}
    shell = open_shell(hub)
    shell.wait(lambda: hub.asked)
    hub.screen(b"now\r\n")
    shell.wait(lambda: shell.lines == ["now"])


def test_a_refused_attach_says_why(open_shell: Open) -> None:
    hub = Hub()
    hub.answers["attach"] = {"error": "PyshError", "text": "node1 has a terminal already"}
    shell = open_shell(hub)
    assert shell.wait_exit() == 1
    assert shell.lines == ["pysh: node1 has a terminal already"]
    assert shell.modes == shell.found


def test_another_cookie_is_refused_and_the_terminal_restored(open_shell: Open) -> None:
    shell = open_shell(cookie=b"another")
    assert shell.wait_exit() == 1
    assert "the cookies of node1@localhost and the terminal differ" in shell.raw.decode()
    assert f"{NAME}[1]>" not in "".join(shell.lines)
    assert shell.modes == shell.found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_it_restores_the_terminal(shell: Shell, number: signal.Signals) -> None:
    shell.run("work()")
    shell.send_signal(number)
    assert shell.wait_exit() == -number
    assert shell.modes == shell.found
    assert shell.raw.endswith(b"\x1b[?2004l")


def test_a_flood_leaves_the_keys_alone(shell: Shell) -> None:
    shell.hub.output("n2", b"".join(b"line %d\n" % n for n in range(20_000)))
    for char in "typing":
        shell.type(char)
    shell.wait_for("n2 | line 19999")
    shell.prompt(1, "typing")
    assert shell.hub.credit(Kind.OUTPUT) > 0


def flood(shell: Shell) -> None:
    """Twenty thousand lines come."""
    shell.hub.output("n2", b"".join(b"line %d\n" % n for n in range(20_000)))


def counted(shell: Shell) -> int:
    """How many lines are said to be not shown."""
    return sum(int(n.replace(b",", b"")) for n in re.findall(rb"\xe2\x80\xa6 ([\d,]+) lines not shown", shell.raw))


def test_ctrl_c_at_the_prompt_counts_what_waits_of_a_flood_instead_of_showing_it(shell: Shell) -> None:
    flood(shell)
    shell.wait(lambda: b"line 100" in shell.raw)
    shell.type("\x03half")
    shell.wait(lambda: counted(shell) > 0)
    shell.prompt(1, "half")
    assert counted(shell) + shell.raw.count(b" line ") == 20_000
    assert shell.hub.credit(Kind.OUTPUT) > 0


def test_ctrl_c_in_a_cell_counts_what_waits_of_a_flood_too(shell: Shell) -> None:
    shell.run("call(f)")
    flood(shell)
    shell.wait(lambda: b"line 100" in shell.raw)
    shell.type("\x03")
    shell.wait(lambda: shell.hub.typed == b"\x03")
    shell.hub.done()
    shell.prompt(2)
    assert counted(shell) + shell.raw.count(b" line ") == 20_000


def test_remote_text_cannot_control_the_terminal(shell: Shell) -> None:
    shell.hub.output("n\x1b[2J2", b"a\x1b]0;title\x07b\x1b[31mc\xc2\x9b2Jd\x08\n")
    shell.hub.notice("down\x1b[2J\nup")
    shell.wait_for("n2 | abc?2Jd?")
    shell.wait_for("down up")


def test_a_suspect_node_is_marked_at_the_prompt_while_it_is_one_and_no_key_is_pressed(shell: Shell) -> None:
    plain = PROMPT.format(1).rstrip()
    shell.hub.notice("w1@db1 is suspect: nothing comes from it", "warn", ["w1"])
    shell.wait_for_end("w1@db1 is suspect: nothing comes from it", f"(w1 suspect) {plain}")
    shell.hub.notice("w2@db2 is suspect: nothing comes from it", "warn", ["w1", "w2"])
    shell.wait_for_end(f"(w1, w2 suspect) {plain}")
    shell.hub.notice("w1@db1 is back", suspects=["w2"])
    shell.hub.notice("w2@db2 is down: unreachable for 900 s")
    shell.wait_for_end("w1@db1 is back", "w2@db2 is down: unreachable for 900 s", plain)


def test_the_mark_of_a_suspect_moves_half_typed_text_and_leaves_it_whole(shell: Shell) -> None:
    shell.type("if x:\rhalf_ty")
    shell.wait(lambda: shell.lines[-1:] == ["                ...     half_ty"])
    shell.hub.notice("w1@db1 is suspect: nothing comes from it", "warn", ["w1"])
    shell.wait_for_end("(w1 suspect) " + PROMPT.format(1) + "if x:", "                             ...     half_ty")
    shell.type("ped")
    shell.hub.notice("w1@db1 is back")
    shell.wait_for_end("w1@db1 is back", PROMPT.format(1) + "if x:", "                ...     half_typed")


def test_who_attaches_and_who_ends_a_cell_finds_the_marks(open_shell: Open) -> None:
    hub = Hub()
    hub.answers["attach"]["suspects"] = ["a", "b", "c", "d"]
    shell = open_shell(hub)
    shell.wait_for_end("(4 nodes suspect) " + PROMPT.format(1).rstrip())
    shell.run("1")
    shell.hub.notice("d@d is back", suspects=["a", "b", "c"])
    hub.done("1")
    shell.wait_for_end("(a, b, c suspect) " + PROMPT.format(2).rstrip())


def test_what_a_cell_offers_is_at_the_next_prompt(shell: Shell) -> None:
    shell.run("edit(f)")
    shell.hub.done(offer="def f():\n    return 2")
    shell.wait_for_end(f"{NAME}[2]> def f():", "                ...     return 2")
    shell.type("0\r\r")
    shell.wait(lambda: len(shell.hub.cells) == 2, "cell")
    assert shell.hub.cells[1] == "def f():\n    return 20"
    shell.hub.done()
    shell.prompt(3)


def test_how_long_a_cell_took_stands_beside_the_next_prompt_until_that_is_used(shell: Shell) -> None:
    shell.run("work()")
    shell.hub.done("7", took=75.2)
    shell.prompt(2)
    shell.wait(lambda: shell.asides == ["took 1 min 15 s"])
    shell.type("half")
    shell.prompt(2, "half")
    assert shell.asides == ["took 1 min 15 s"]
    shell.hub.notice("job 1 done: await work()")
    shell.wait_for_end("job 1 done: await work()", PROMPT.format(2) + "half")
    shell.type("\r")
    shell.wait(lambda: len(shell.hub.cells) == 2)
    shell.hub.done("8")
    shell.prompt(3)
    assert (shell.lines[-3:], shell.asides) == ([PROMPT.format(2) + "half", "8", PROMPT.format(3).rstrip()], [])


def test_ctrl_z_reaches_the_cell_at_once(shell: Shell) -> None:
    shell.run("await work()")
    shell.type("\x1a")
    shell.wait(lambda: shell.hub.typed == b"\x1a", "the key")
    shell.hub.done("job 1 goes on: await work(); fg(1) brings it back", kind="job")
    shell.wait_for_end("job 1 goes on: await work(); fg(1) brings it back", PROMPT.format(2).rstrip())


def test_messages_that_wait_are_counted_at_the_right_of_the_prompt(shell: Shell) -> None:
    shell.type("half")
    shell.prompt(1, "half")
    shell.hub.send(Kind.NOTICE, {"text": "", "level": "info", "suspects": [], "unread": 3})
    shell.wait(lambda: shell.asides == ["3 unread"], "badge")
    shell.prompt(1, "half")
    shell.run("")
    shell.hub.done(unread=1, took=2.0)
    shell.prompt(2)
    shell.wait(lambda: shell.asides == ["1 unread, took 2.0 s"], "badge and time")
    shell.run("flush()")
    shell.hub.done()
    shell.prompt(3)
    assert shell.asides == []


def test_who_comes_is_told_of_messages_that_wait(open_shell: Open) -> None:
    hub = Hub()
    hub.answers["attach"] |= {"unread": 2}
    shell = open_shell(hub)
    shell.prompt(1)
    shell.wait(lambda: shell.asides == ["2 unread"], "badge")
