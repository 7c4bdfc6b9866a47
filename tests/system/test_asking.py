"""Servers that want a password or a code: a person is asked at the terminal that he sits at, and nobody else."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests import pam
from tests.shell.terminal import Terminal
from tests.sshd import Sshd
from tests.system.conftest import Home, Machines, Screens, until

PASSWORD = "correct.horse"
PAM = {"UsePAM": "yes", "KbdInteractiveAuthentication": "yes"}
SHELL = ("--rm", "--name", "me@here")


@pytest.fixture
def program(tmp_path: Path) -> Iterator[str]:
    """An sshd that asks for the password."""
    with pam.service(tmp_path, PASSWORD) as made:
        yield made


@pytest.fixture
def server(both: Machines, program: str) -> Sshd:
    """A server that no key opens, with a node behind it."""
    made = both.sshd(program=program, **PAM)
    made.authorized.write_text("")
    both.there.node("w1@db1")
    return made


def text(terminal: Terminal) -> str:
    """All that the screen shows, as if no line had been too long for it."""
    return "".join(terminal.screen.display)


def shows(terminal: Terminal, *words: str, times: int = 1, seconds: float = 15) -> None:
    """Wait until the screen shows each of `words`, so many times."""
    terminal.wait(lambda: all(text(terminal).count(word) >= times for word in words), f"{words}", seconds)


def log_in(terminal: Terminal, *words: str, times: int = 1) -> None:
    """Type the password once the screen asks for it with `words`."""
    shows(terminal, *words, times=times)
    terminal.type(f"{PASSWORD}\r")


def leave(terminal: Terminal) -> None:
    """Ctrl-D at the prompt."""
    terminal.type("\x04")
    assert terminal.wait_exit() == 0


def unseen(home: Home, secret: str = PASSWORD) -> bool:
    """Whether `secret` is in no command line and no environment of what runs here."""
    return not any(secret in " ".join([*p.cmdline(), *p.environ().values()]) for p in home.processes())


def test_a_password_is_asked_for_at_the_prompt_and_shown_nowhere(both: Machines, server: Sshd) -> None:
    with Screens(both.here) as screens:
        terminal = screens.open(*SHELL)
        terminal.type('n = connect("w1@db1")\r')
        log_in(terminal, "w1@db1: (", "Password:")
        shows(terminal, "me@here[2]>")
        assert unseen(both.here)
        terminal.type("call(lambda: 6 * 7, on=n)\r")
        shows(terminal, "42")
        terminal.type('connect("w1@db1") == n\r')
        shows(terminal, "True")
        assert PASSWORD not in text(terminal)
        leave(terminal)
    assert server.log.count("Accepted keyboard-interactive") == 1


def test_a_wrong_password_is_asked_for_again_and_then_the_login_has_failed(both: Machines, server: Sshd) -> None:
    with Screens(both.here) as screens:
        terminal = screens.open(*SHELL)
        terminal.type('connect("w1@db1")\r')
        for time in range(1, 4):
            shows(terminal, "Password:", times=time)
            terminal.type("wrong\r")
        shows(terminal, "ConnectError", "[sshauth]")
        shows(terminal, "me@here[2]>")
        leave(terminal)


@pytest.mark.parametrize(
    ("methods", "questions"),
    [("publickey,keyboard-interactive", ["Password:"]), ("password,keyboard-interactive", ["password:", "Password:"])],
)
def test_two_factors_are_asked_for_one_after_the_other(
    both: Machines, program: str, methods: str, questions: list[str]
) -> None:
    both.sshd(program=program, AuthenticationMethods=methods, PasswordAuthentication="yes", **PAM)
    both.there.node("w1@db1")
    with Screens(both.here) as screens:
        terminal = screens.open(*SHELL)
        terminal.type('connect("w1@db1")\r')
        for question in questions:
            log_in(terminal, question)
        shows(terminal, "<Node w1@db1 up")
        leave(terminal)


def test_ctrl_c_at_the_question_ends_the_login_and_no_more(both: Machines, server: Sshd) -> None:
    with Screens(both.here) as screens:
        terminal = screens.open(*SHELL)
        terminal.type('connect("w1@db1")\r')
        shows(terminal, "Password:")
        terminal.type("\x03")
        shows(terminal, "KeyboardInterrupt")
        until(lambda: not ssh_of(both.here), "the end of ssh")
        terminal.type("6 * 7\r")
        shows(terminal, "42")
        terminal.type('connect("w1@db1")\r')
        log_in(terminal, "Password:", times=2)
        shows(terminal, "<Node w1@db1 up")
        leave(terminal)


def ssh_of(home: Home) -> list[psutil.Process]:
    """The ssh processes of a home."""
    return [process for process in home.processes() if process.name() == "ssh"]


def test_where_there_is_no_terminal_the_error_says_what_to_do(both: Machines, server: Sshd) -> None:
    for transport in ("auto", "asyncssh", "openssh"):
        done = both.here.script(f'connect("w1@db1", transport="{transport}")')
        [line] = [line for line in done.stderr.splitlines() if "ConnectError: " in line]
        for word in ("[sshauth]", "keyboard-interactive", "connect at a terminal", "ssh-copy-id", "Nothing ran."):
            assert word in line
    done = both.here.pysh("ls", "db1")
    assert (done.returncode, "connect at a terminal" in done.stderr) == (4, True)
    both.here.node("me@here")
    done = both.here.pysh("attach", "me@here", stdin='connect("w1@db1")\n')
    assert (done.returncode, "connect at a terminal" in done.stdout) == (1, True)


def test_nobody_is_asked_for_an_eval_of_somebody_else(both: Machines, server: Sshd) -> None:
    with Screens(both.here) as screens:
        terminal = screens.open(*SHELL)
        terminal.type("40 + 2\r")
        shows(terminal, "42", "me@here[2]>")
        done = both.here.pysh("rpc", "me@here", "-c", 'connect("w1@db1")')
        assert (done.returncode, "[sshauth]" in done.stderr) == (1, True)
        assert "Password:" not in text(terminal)
        leave(terminal)


def test_a_command_asks_at_its_own_terminal(both: Machines, server: Sshd) -> None:
    with Screens(both.here) as screens:
        terminal = screens.open("rpc", "w1@db1", "-c", "6 * 7")
        log_in(terminal, "Password:")
        shows(terminal, "42")
        assert terminal.wait_exit() == 0
        assert PASSWORD not in text(terminal)
        interrupted = screens.open("ls", "db1")
        shows(interrupted, "Password:")
        interrupted.type("\x03")
        assert interrupted.wait_exit() == 130


def test_a_node_is_started_where_a_password_is_asked_for(both: Machines, server: Sshd) -> None:
    with Screens(both.here) as screens:
        terminal = screens.open(*SHELL)
        terminal.type('n = start_node("w2", host="db1")\r')
        log_in(terminal, "db1: (", "Password:")
        shows(terminal, "me@here[2]>", seconds=30)
        terminal.type("n.name\r")
        shows(terminal, "'w2@db1'")
        leave(terminal)


def test_a_master_that_a_person_opened_is_used_without_another_question(both: Machines, server: Sshd) -> None:
    both.place.home.host("db1", {"ControlPath": str(both.place.sockets / "control")})
    with Screens(both.here) as screens:
        terminal = screens.run(["ssh", "-M", "-N", "db1"])
        log_in(terminal, "Password:")
        until((both.place.sockets / "control").exists, "the user's master")
        assert both.here.script('print(connect("w1@db1").call(lambda: 42))').stdout == "42\n"
        assert server.log.count("Accepted keyboard-interactive") == 1
        terminal.type("\x03")
        terminal.wait_exit()


def test_no_answer_goes_to_a_host_that_nobody_vouches_for(both: Machines, program: str) -> None:
    server = both.sshd(known=False, program=program, **PAM)
    server.authorized.write_text("")
    both.there.node("w1@db1")
    with Screens(both.here) as screens:
        terminal = screens.open(*SHELL)
        terminal.type('connect("w1@db1")\r')
        shows(terminal, "[hostkey]", "nobody vouches for the host key")
        assert "Password:" not in text(terminal)
        terminal.type('connect("w1@db1", hostkey="accept-new")\r')
        log_in(terminal, "Password:")
        shows(terminal, "<Node w1@db1 up")
        leave(terminal)


def test_what_a_server_asks_cannot_paint_on_the_terminal(both: Machines, tmp_path: Path) -> None:
    (tmp_path / "said").write_bytes(b"a \x1b]0;new title\x07\x1b[31mred\x1b[5A notice\n")
    with pam.service(tmp_path, PASSWORD, f"auth optional pam_echo.so file={tmp_path / 'said'}") as program:
        both.sshd(program=program, **PAM).authorized.write_text("")
        both.there.node("w1@db1")
        with Screens(both.here) as screens:
            terminal = screens.open("rpc", "w1@db1", "-c", "6 * 7")
            shows(terminal, "Password:")
            assert b"\x1b]0;new title" not in terminal.raw
            assert b"\x1b[31mred" not in terminal.raw
            assert "notice" in text(terminal)
            terminal.type(f"{PASSWORD}\r")
            shows(terminal, "42")
            assert terminal.wait_exit() == 0
