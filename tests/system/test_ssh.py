"""Nodes of two machines, which see each other through a real sshd alone."""

import os
import re
import shutil
import signal
from pathlib import Path

import pytest

from tests.sshd import Sshd, free_port, keygen, public
from tests.system.conftest import Home, Machines, Screens, until
from tests.system.session import run_session

OPTIONS = ("--cookie", "my_secret_cookie", "--rm", "--sname")


def refused(home: Home, code: str, stage: str, *words: str) -> str:
    """Run `code`, which is to end with a `ConnectError` of `stage`, soon; its text."""
    done = home.script(f"nodes()\n{code}")  # so that no node has to start while it counts
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if "ConnectError: " in line] or [done.stderr]
    assert f"[{stage}]" in line
    assert "Nothing ran." in line
    for word in words:
        assert word in line
    assert float(done.stdout) < 4
    return line


def connecting(address: str, *options: str) -> str:
    """A script that connects and says what it got and how long that took."""
    return f"""
import time
begun = time.monotonic()
try:
    n = connect({", ".join([repr(address), *options])})
finally:
    print(f"{{time.monotonic() - begun:.3f}}")
print(repr(n), call(lambda: 6 * 7, on=n))
"""


def connects(both: Machines, address: str, *options: str) -> str:
    """Connect from here, and have something run there; how the node shows itself."""
    done = both.here.script(connecting(address, *options))
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.endswith(" 42")
    return last.removesuffix(" 42")


def test_the_session_of_the_design_runs_through_an_sshd(both: Machines) -> None:
    both.sshd("host7")
    with Screens(both.here) as here, Screens(both.there) as there:
        one, two = here.open(*OPTIONS, "node1@host7"), there.open(*OPTIONS, "node2@host7")
        run_session(one, two, "host7")
        assert [node["node"] for node in both.here.nodes()] == ["node1@host7"]
        assert [node["node"] for node in both.there.nodes()] == ["node2@host7"]
        for terminal in (one, two):
            terminal.type("\x04")
            assert terminal.wait_exit() == 0


def test_what_was_dialled_names_the_node_as_its_own_name_does(both: Machines) -> None:
    both.sshd()
    both.there.node("w1@ip-10-0-0-3")
    done = both.here.script("""
n = connect("w1@db1")
print(repr(n))
print([call(lambda: 1, on=on) for on in (n, "w1@db1", "w1@ip-10-0-0-3", "w1")])
print(ping("w1@db1") > 0, connect("w1@db1") == n == connect("w1@ip-10-0-0-3") == connect("w1"))
disconnect("w1@db1")
print(len(nodes()))
print(connect("w1@db1") == n)
""")
    assert done.returncode == 0, done.stderr
    shown, *others = done.stdout.splitlines()
    assert re.fullmatch(r"<Node w1@ip-10-0-0-3 via db1 up [\d.]+ ms>", shown)
    assert others == ["[1, 1, 1, 1]", "True True", "1", "True"]


def test_a_trace_shows_each_stage_with_its_time_and_evidence(both: Machines) -> None:
    server = both.sshd()
    both.there.node("w1@db1")
    done = both.here.script('connect("w1@db1", trace=True)')
    rows = [re.fullmatch(r"(\w+) +([\d.]+) ms  (.+)", line) for line in done.stdout.splitlines()]
    assert all(rows), done.stdout
    told = {row[1]: row[3] for row in rows if row}
    assert list(told) == ["carrier", "resolve", "tcp", "hostkey", "sshauth", "find", "cookie"]
    assert told["resolve"].endswith(f"@127.0.0.1 port {server.port}")
    assert "SHA256:" in told["hostkey"]
    assert told["find"].startswith("w1@db1, pid ")
    failed = both.here.script('connect("w2@db1", trace=True)')
    assert failed.stdout.splitlines()[-1].startswith("sshauth")


def test_the_names_of_two_connections_over_one_ssh_connection_are_apart(both: Machines) -> None:
    server = both.sshd()
    both.there.node("w1@db1")
    both.there.node("w2@db1")
    done = both.here.script("""
found = connect("w1@db1", "w2@db1", "w3@db1")
print(len(found.ok), len(found.failed), [call(lambda: 1, on=n) for n in found.ok])
disconnect("w1@db1")
print(call(lambda: 2, on="w2"))
""")
    assert done.stdout.splitlines() == ["2 1 [1, 1]", "2"], done.stderr
    assert server.log.count("Accepted publickey") == 1


@pytest.mark.parametrize("transport", ["asyncssh", "openssh"])
@pytest.mark.parametrize("options", [{}, {"AllowStreamLocalForwarding": "no"}, {"DisableForwarding": "yes"}])
def test_a_server_that_forwards_nothing_is_gone_through_all_the_same(
    both: Machines, transport: str, options: dict[str, str]
) -> None:
    both.sshd(**options)
    both.there.node("w1@db1")
    assert connects(both, "w1@db1", f"transport={transport!r}").startswith("<Node w1@db1 up")


def test_a_hop_is_gone_through(both: Machines) -> None:
    both.sshd()
    hop = both.place.sshd("bastion")
    both.there.node("w1@db1")
    connects(both, "w1@db1", 'via="bastion"')
    assert "Accepted publickey" in hop.log
    wrong = both.here.script('connect("w1@db1", via="-x")')
    assert "BadName: '-x' is no machine to go to" in wrong.stderr


# What the login there may be like


def through(both: Machines, script: str, **options: str) -> Sshd:
    """An sshd whose login shell is `script`, which finds the command in $SSH_ORIGINAL_COMMAND."""
    shell = both.place.folder / "shell"
    shell.write_text(f"#!/bin/sh\n{script}\n")
    shell.chmod(0o755)
    return both.sshd(ForceCommand=str(shell), **options)


ASKED = 'exec sh -c "$SSH_ORIGINAL_COMMAND"'
NOISE = "seq 9999; echo pysh-0123456789abcdef:{}; echo oops >&2; printf '\\033[2J'\n"


@pytest.mark.parametrize(
    ("script", "forwarding"),
    [
        (NOISE + ASKED, "yes"), (NOISE + ASKED, "no"), ("sleep 2\n" + ASKED, "no"),
        ('exec csh -c "$SSH_ORIGINAL_COMMAND"', "no"), ('exec fish -c "$SSH_ORIGINAL_COMMAND"', "no"),
    ],
    ids=["noisy", "noisy without forwarding", "slow", "csh", "fish"],
)  # fmt: skip
def test_whatever_the_login_shell_is_a_node_behind_it_is_found(both: Machines, script: str, forwarding: str) -> None:
    if "csh" in script + "fish" and not shutil.which(script.split()[1]) and script.startswith("exec"):
        pytest.skip(f"there is no {script.split()[1]} here")
    through(both, script, AllowStreamLocalForwarding=forwarding)
    both.there.node("w1@db1")
    connects(both, "w1@db1")


def test_a_banner_is_no_hindrance(both: Machines) -> None:
    banner = both.place.folder / "banner"
    banner.write_text("Authorised use only\n\x1b[2Jpysh-0123456789abcdef:{}\n")
    both.sshd(Banner=str(banner))
    both.there.node("w1@db1")
    connects(both, "w1@db1")


def test_six_connections_at_once_come_in_where_two_may(both: Machines) -> None:
    server = both.sshd(MaxStartups="2")
    for number in range(6):
        both.place.home.host(f"a{number}", {"HostName": "127.0.0.1", "Port": server.port})
    both.there.node("w1@db1")
    done = both.here.script("""
found = connect(*[f"w1@a{number}" for number in range(6)])
print(len(found.failed), call(lambda: 42, on="w1"), [ping(f"w1@a{number}") > 0 for number in range(6)].count(True))
""")
    assert done.stdout == "0 42 6\n", done.stdout + done.stderr
    assert server.log.count("Accepted publickey") == 6


def test_an_address_of_ip_version_6_is_dialled(both: Machines) -> None:
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("there is no IP version 6 here")
    server = both.sshd(known=False, ListenAddress="::1")
    with both.place.home.known_hosts.open("a") as file:
        file.write(f"[::1]:{server.port} {public(server.host_key)}\n")
    both.there.node("w1@db1")
    assert " via [::1]:" in connects(both, f"w1@[::1]:{server.port}")


# What is refused


def test_a_name_that_nobody_has_there_lists_who_runs_there(both: Machines) -> None:
    both.sshd()
    refused(both.here, connecting("w1@db1"), "find", "no node runs there; looked in " + str(both.there.runtime))
    both.there.node("w2@db1")
    refused(both.here, connecting("w1@db1"), "find", "there runs w2@db1 (pid ", "see who runs there: pysh ls db1")


def test_a_bare_name_is_never_ssh_but_shows_what_to_type(both: Machines) -> None:
    server = both.sshd()
    refused(both.here, connecting("db1"), "find", "no node", "; db1 is an ssh host; see who runs there: pysh ls db1")
    assert "Connection from" not in server.log


def test_what_is_no_address_is_refused_before_it_is_used(both: Machines) -> None:
    server = both.sshd()
    wrong = ["-w@db1", "w1@-oProxyCommand=x", "w1@a;b", "w1@$(x)", "w1@db1:99999", "W@db1", "unix:x"]
    done = both.here.script(f"""
for error in connect(*{wrong}).values():
    print(error.stage, error.executed)
""")
    assert done.stdout.splitlines() == ["resolve no"] * len(wrong), done.stderr
    assert "Connection from" not in server.log


def test_local_causes_are_told_within_three_seconds(both: Machines) -> None:
    both.sshd()
    both.place.home.host("closed", {"HostName": "127.0.0.1", "Port": free_port()})
    both.place.home.host("nowhere", {"HostName": "no-such-host.invalid"})
    done = both.here.script("""
import time
for address in ("w1@closed", "w1@nowhere", "w1@db1", "w1@localhost", "w1"):
    begun = time.monotonic()
    try:
        connect(address)
    except ConnectError as error:
        print(error.stage, error.executed, "; " in error.text, time.monotonic() - begun < 3)
""")
    assert done.stdout.splitlines() == [f"{stage} no True True" for stage in ("tcp", "resolve", "find", "find", "find")]


def test_a_key_that_is_not_let_in_is_shown_once(both: Machines) -> None:
    server = both.sshd()
    server.authorized.write_text(public(keygen(both.place.folder / "other")) + "\n")
    both.there.node("w1@db1")
    refused(both.here, connecting("w1@db1"), "sshauth", "id_test")
    assert server.log.count("Connection from") == 1


def test_who_proves_the_cookie_over_a_strange_host_key_has_it_written_down(both: Machines) -> None:
    server = both.sshd(known=False)
    both.there.environ["PYSH_HOST_KEYS"] = f"{server.host_key}.pub"
    both.there.node("w1@db1")
    connects(both, "w1@db1")
    [line] = (both.place.home.path / "state/pysh/known_hosts").read_text().splitlines()
    assert line == f"{server.name} {public(server.host_key)}"


def test_a_host_key_that_is_none_of_the_machines_is_refused_and_not_written_down(both: Machines) -> None:
    both.sshd(known=False)
    both.there.environ["PYSH_HOST_KEYS"] = f"{keygen(both.place.folder / 'other')}.pub"
    both.there.node("w1@db1")
    refused(both.here, connecting("w1@db1"), "cookie", "somebody is in between")
    assert not (both.place.home.path / "state/pysh/known_hosts").exists()


def test_a_host_key_is_accepted_when_the_user_says_so(both: Machines) -> None:
    both.sshd(known=False)
    both.there.node("w1@db1")
    connects(both, "w1@db1", 'hostkey="accept-new"')
    connects(both, "w1@db1")


def test_a_host_key_that_changed_or_was_revoked_is_refused(both: Machines) -> None:
    server = both.sshd(known=False)
    home = both.place.home
    home.know(server, keygen(both.place.folder / "other"))
    refused(both.here, connecting("w1@db1", 'hostkey="accept-new"'), "hostkey", "changed")
    home.known_hosts.write_text("")
    home.know(server)
    home.know(server, marker="@revoked")
    refused(both.here, connecting("w1@db1", 'hostkey="accept-new"'), "hostkey", "revoked")
    assert "Starting session" not in server.log


def test_without_a_python_there_it_is_said_what_was_tried(both: Machines) -> None:
    server = through(both, 'exec sh -c "$(echo "$SSH_ORIGINAL_COMMAND" | sed s/python/nopython/g)"')
    refused(both.here, connecting("w1@db1"), "find", "no Python 3 runs on", "tried /usr/bin/python3, python3", "none")
    assert server.log.count("Starting session") == 1


def test_a_forced_command_is_named_as_what_it_is(both: Machines) -> None:
    through(both, "echo this account runs backups")
    refused(both.here, connecting("w1@db1"), "find", "forced command", "this account runs backups")


def test_another_cookie_is_refused_there(both: Machines) -> None:
    both.sshd()
    both.there.node("w1@db1", "--cookie", "another")
    refused(both.here, connecting("w1@db1"), "cookie", "differ: give both the same")
    both.there.pysh("stop", "w1", "--cookie", "another")


# What ends


def test_a_killed_carrier_is_a_pause_and_another_one_starts(both: Machines) -> None:
    both.sshd()
    both.there.node("w1@db1")
    done = both.here.script("""
import os, signal, time
connect("w1@db1")
hub = os.popen(f"pgrep -P {os.getpid()} -f pysh.runtime.hub").read().split()[0]
os.kill(int(os.popen(f"pgrep -P {hub} -f pysh.transports.carrier").read()), signal.SIGKILL)
print(call(lambda: 42, on="w1@db1"), len(nodes()))
""")
    assert done.stdout == "42 2\n", done.stderr


@pytest.mark.parametrize("forwarding", ["yes", "no"])
def test_nothing_stays_of_a_hub_that_was_killed(both: Machines, forwarding: str) -> None:
    server = both.sshd(AllowStreamLocalForwarding=forwarding)
    both.there.node("w1@db1")
    both.here.node("n1@localhost", "--connect", "w1@db1")
    [node] = both.here.nodes()
    until(lambda: both.there.pysh("rpc", "w1", "-c", "len(nodes())").stdout == "2\n", "the connection")
    assert server.sessions()
    os.kill(node["pid"], signal.SIGKILL)
    until(lambda: not both.here.processes(), "the end of its processes", 5)
    until(lambda: not server.sessions(), "the end of what sshd ran for it", 5)


def test_a_node_that_was_killed_there_lets_go_of_its_ssh_connection(both: Machines) -> None:
    server = both.sshd()
    both.there.node("w1@db1")
    both.here.node("n1@localhost", "--connect", "w1@db1")
    [node] = both.there.nodes()
    until(lambda: both.here.pysh("rpc", "n1", "-c", "len(nodes())").stdout == "2\n", "the connection")
    os.kill(node["pid"], signal.SIGKILL)
    until(lambda: both.here.pysh("rpc", "n1", "-c", "len(nodes())").stdout == "1\n", "its end")
    until(lambda: not server.sessions(), "the end of the ssh connection", 5)


def test_a_node_that_stops_says_so_through_ssh_before_the_carrier_ends(both: Machines) -> None:
    server = both.sshd()
    with Screens(both.there) as screens:
        terminal = screens.open("--rm", "--name", "w1@db1")
        terminal.wait_for_end("w1@db1[1]>")
        both.here.node("n1@localhost", "--connect", "w1@db1")
        until(lambda: both.here.pysh("rpc", "n1", "-c", "len(nodes())").stdout == "2\n", "the connection")
        both.here.pysh("stop", "n1")
        terminal.wait(lambda: any("n1@localhost is down: shutdown" in line for line in terminal.lines), "the news")
        until(lambda: not server.sessions(), "the end of the connection", 5)
        terminal.type("\x04")
        assert terminal.wait_exit() == 0


def test_a_node_that_is_disconnected_leaves_no_ssh_connection(both: Machines) -> None:
    server = both.sshd(AllowStreamLocalForwarding="no")
    both.there.node("w1@db1")
    both.here.node("n1@localhost", "--connect", "w1@db1")
    until(lambda: both.there.pysh("rpc", "w1", "-c", "len(nodes())").stdout == "2\n", "the connection")
    both.here.pysh("rpc", "n1", "-c", "disconnect('w1@db1')")
    until(lambda: not server.sessions(), "the end of the connection", 5)
    assert len(both.there.nodes()) == 1


def test_an_ssh_connection_that_leads_nowhere_is_replaced_and_not_shared(both: Machines) -> None:
    server = both.sshd()
    both.there.node("w1@db1")
    both.there.node("w2@db1")
    done = both.here.script(f"""
import os, signal, time
n = connect("w1@db1")
pids = open("/proc/{server.pid}/task/{server.pid}/children").read().split()
for pid in pids:
    os.kill(int(pid), signal.SIGSTOP)
disconnect(n)
begun = time.monotonic()
print(call(lambda: 42, on=connect("w2@db1")), time.monotonic() - begun < 15)
for pid in pids:
    os.kill(int(pid), signal.SIGCONT)
""")
    assert done.stdout == "42 True\n", done.stdout + done.stderr
    assert server.log.count("Accepted publickey") == 2


def test_a_node_that_hangs_does_not_disturb_another_one_on_its_machine(both: Machines) -> None:
    server = both.sshd()
    for name in ("w1@db1", "w2@db1"):
        both.there.node(name)
    pid = next(node["pid"] for node in both.there.nodes() if node["node"] == "w1@db1")
    done = both.here.script(f"""
import os, signal, time
found = connect("w1@db1", "w2@db1")
os.kill({pid}, signal.SIGSTOP)
disconnect("w1@db1")
until = time.monotonic() + 4
while time.monotonic() < until:
    assert call(lambda: 42, on="w2@db1") == 42
print(len(nodes()))
os.kill({pid}, signal.SIGCONT)
""")
    assert done.stdout == "2\n", done.stdout + done.stderr
    assert server.log.count("Accepted publickey") == 1
