"""The command line on nodes of another machine: no node runs here for it."""

import json
from pathlib import Path

from tests.system.conftest import Machines, Screens, until


def test_nodes_there_are_listed_asked_and_stopped(both: Machines) -> None:
    both.sshd(AllowStreamLocalForwarding="no")
    here = both.here
    assert here.pysh("ls", "db1").stdout == f"no node runs on db1 (looked in {both.there.runtime})\n"
    both.there.node("w1@ip-10-0-0-3")
    [node] = json.loads(here.pysh("ls", "db1", "--json").stdout)
    assert node["node"] == "w1@ip-10-0-0-3"
    assert here.pysh("rpc", "w1@db1", "-c", "x = 20").returncode == 0
    done = here.pysh("rpc", "w1@db1", "-c", "print('hello'); x * 2")
    assert (done.stdout, done.returncode) == ("hello\n40\n", 0)
    assert here.pysh("rpc", "w1@db1", "-c", "1/0").returncode == 1
    assert here.pysh("tasks", "w1@db1").stdout == "no tasks\n"
    assert here.pysh("stop", "w1@db1").returncode == 0
    assert both.there.nodes() == []
    assert here.nodes() == []


def test_a_terminal_attaches_to_a_shell_there(both: Machines) -> None:
    both.sshd()
    both.there.node("w1@db1")
    both.there.pysh("rpc", "w1", "-c", "x = 41")
    with Screens(both.here) as screens:
        terminal = screens.open("attach", "w1@db1")
        terminal.wait_for_end("w1@db1[1]>")
        terminal.type("x + 1\r")
        terminal.wait_for("w1@db1[1]> x + 1", "42", "w1@db1[2]>")
        terminal.type("\x04")
        assert terminal.wait_exit() == 0
    assert [node["node"] for node in both.there.nodes()] == ["w1@db1"]


def test_what_cannot_be_reached_is_3_and_what_lets_nobody_in_is_4(both: Machines) -> None:
    server = both.sshd()
    done = both.here.pysh("stop", "w1@db1")
    assert done.returncode == 3
    assert "no node w1 runs on db1" in done.stderr
    assert both.here.pysh("ls", "no-such-host.invalid").returncode == 3
    assert both.here.pysh("ls", "-oProxyCommand=x").returncode == 2
    assert both.here.pysh("ls", "a;b").returncode == 3
    both.there.node("w1@db1")
    assert both.here.pysh("stop", "w1@db1", "--cookie", "another").returncode == 4
    server.authorized.write_text("")
    assert both.here.pysh("ls", "db1").returncode == 4


def test_a_host_that_nobody_vouches_for_is_told_nothing(both: Machines) -> None:
    server = both.sshd(known=False)
    done = both.here.pysh("ls", "db1")
    assert done.returncode == 3
    assert "SHA256:" in done.stderr
    assert "accept it by hand: ssh db1" in done.stderr
    assert "Starting session" not in server.log


def test_a_command_that_refuses_a_strange_host_key_writes_it_down_when_told_to(both: Machines) -> None:
    both.sshd(known=False)
    both.there.node("w1@db1")
    for words in (
        ("ls", "db1"), ("doctor", "db1"), ("logs", "w1@db1"), ("cookie", "copy", "db1", "--force"),
        ("node", "--on", "db1", "--name", "w2", "--detach"),
    ):  # fmt: skip
        refused = both.here.pysh(*words)
        assert refused.returncode == 3, words
        assert "or have it written down: --hostkey accept-new" in refused.stderr
        assert "host key" not in both.here.pysh(*words, "--hostkey", "accept-new").stderr
        assert "w1@db1" in both.here.pysh("ls", "db1").stdout
        forget(both)
    both.there.pysh("stop", "w2@db1")


def test_a_command_on_a_node_there_writes_its_host_key_down_when_told_to(both: Machines) -> None:
    both.sshd(known=False)
    both.there.node("w1@db1")
    for words in (("rpc", "w1@db1", "-c", "1"), ("tasks", "w1@db1"), ("stop", "w1@db1")):
        assert both.here.pysh(*words).returncode == 4  # the cookie is proved over that key, which is none of its own
        done = both.here.pysh(*words, "--hostkey", "accept-new")
        assert done.returncode == 0, done.stderr
        assert both.here.pysh("ls", "db1").returncode == 0
        forget(both)


def forget(both: Machines) -> None:
    """Remove the host keys that were written down."""
    Path(both.here.environ["XDG_STATE_HOME"], "pysh/known_hosts").unlink()


def test_a_host_key_is_written_down_by_a_node_or_script_that_connects_at_its_start(both: Machines) -> None:
    both.sshd(known=False)
    both.there.node("w1@db1")
    way = ("--connect", "w1@db1", "--hostkey", "accept-new")
    assert both.here.pysh(*way, "-c", "print(nodes()[1])").stdout == "w1@db1\n"
    (both.place.home.path / "state/pysh/known_hosts").unlink()
    both.here.node("n1@localhost", *way)
    until(lambda: both.here.pysh("rpc", "n1", "-c", "len(nodes())").stdout == "2\n", "the connection")
    assert both.here.pysh("ls", "db1").returncode == 0


def test_the_full_name_of_a_node_here_is_never_looked_for_elsewhere(both: Machines) -> None:
    server = both.sshd()
    both.here.node("w1@db1")
    assert both.here.pysh("rpc", "w1@db1", "-c", "40 + 2").stdout == "42\n"
    assert both.here.script("print(connect('w1@db1').call(lambda: 42))").stdout == "42\n"
    assert "Connection from" not in server.log


def test_the_doctor_shows_each_stage_of_the_way_and_which_node_takes_the_cookie(both: Machines) -> None:
    both.sshd()
    both.there.node("w1@db1")
    done = both.here.pysh("doctor", "db1")
    assert done.returncode == 0, done.stderr
    stages = [line.split()[0] for line in done.stdout.splitlines()]
    assert stages == ["carrier", "resolve", "tcp", "hostkey", "sshauth", "find", "logout", "cookie"]
    assert "w1@db1 (pid " in done.stdout
    done = both.here.pysh("doctor", "db1", "--cookie", "another")
    assert done.returncode == 4
    assert "the cookies of w1@db1 and the terminal differ" in done.stdout
    both.place.home.known_hosts.write_text("")
    done = both.here.pysh("doctor", "db1")
    assert done.returncode == 3
    assert "sshauth" in done.stdout
    assert "nobody vouches for the host key" in done.stderr


def test_the_doctor_shows_what_a_node_here_would_be_made_of(both: Machines) -> None:
    done = both.here.pysh("doctor")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "pysh", "python", "name", "runtime", "nodes", "cookie", "logout", "ssh",
    ]  # fmt: skip
    done = both.here.pysh("doctor", "--python", "/no/python")
    assert done.returncode == 1
    assert "/no/python" in done.stdout
