"""What `ssh -G` prints, understood; and asyncssh's parser where there is no ssh."""

import asyncio
import os
import socket
from pathlib import Path

import psutil
import pytest

from pysh.transports import sshconfig
from pysh.transports.base import TransportError
from pysh.transports.destination import Destination, parse
from tests.sshd import Place, until

PRINTED = """host db1
user deploy
hostname 10.0.0.7
port 2222
addressfamily inet6
identitiesonly yes
identityfile ~/.ssh/id_%h
identityfile /keys/%r@%n
certificatefile none
userknownhostsfile ~/.ssh/known_hosts ${PYSH_TEST_HOSTS}/more
globalknownhostsfile /etc/ssh/ssh_known_hosts
proxyjump ssh://root@bastion:22,inner
stricthostkeychecking accept-new
connecttimeout 4
identityagent none
hostkeyalias cluster
controlpath none
"""


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(sshconfig, "home", lambda: str(tmp_path))
    monkeypatch.setenv("PYSH_TEST_HOSTS", "/shared")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/agent")
    return tmp_path


def test_each_option_is_where_it_belongs(home: Path) -> None:
    settings = sshconfig.parse(PRINTED, Destination("db1"))
    assert (settings.host, settings.port, settings.user) == ("10.0.0.7", 2222, "deploy")
    assert settings.identities == (f"{home}/.ssh/id_10.0.0.7", "/keys/deploy@db1")
    assert settings.known_hosts == (f"{home}/.ssh/known_hosts", "/shared/more", "/etc/ssh/ssh_known_hosts")
    assert settings.jump == ("root@bastion:22", "inner")
    assert (settings.family, settings.identities_only) == (socket.AF_INET6, True)
    assert (settings.strict, settings.timeout, settings.key_alias) == ("accept-new", 4, "cluster")
    assert (settings.certificates, settings.control_path) == ((), "")
    assert settings.needs_binary == ""


@pytest.mark.parametrize(
    ("line", "agent"),
    [("", "/agent"), ("identityagent SSH_AUTH_SOCK", "/agent"), ("identityagent $PYSH_TEST_HOSTS", "/shared"),
     ("identityagent /run/%u", f"/run/{sshconfig.pwd.getpwuid(sshconfig.os.getuid()).pw_name}")],
)  # fmt: skip
def test_the_agent_is_the_configured_one_or_the_environments(home: Path, line: str, agent: str) -> None:
    assert sshconfig.parse(f"hostname h\n{line}\n", Destination("h")).agent == agent


@pytest.mark.parametrize("option", sshconfig.NEEDS_BINARY)
def test_options_that_only_ssh_knows_ask_for_it(home: Path, option: str) -> None:
    assert sshconfig.parse(f"{option} nc %h %p\n", Destination("h")).needs_binary == option
    assert sshconfig.parse(f"{option} none\n", Destination("h")).needs_binary == ""


@pytest.mark.parametrize(
    ("destination", "name"), [("h", "h"), ("h:22", "h"), ("h:23", "[h]:23"), ("[::1]:23", "[::1]:23")]
)
def test_a_host_key_goes_by_its_port_unless_it_is_the_usual_one(destination: str, name: str) -> None:
    found = parse(destination)
    assert sshconfig.Settings(found.host, found.port or 22, "u").key_name == name


async def test_a_configuration_that_ssh_cannot_read_is_told_with_its_line(there: Place) -> None:
    there.home.config.write_text("Host db1\n  NoSuchOption yes\n")
    with pytest.raises(TransportError) as caught:
        await sshconfig.resolve(Destination("db1"))
    assert caught.value.stage == "resolve"
    assert "line 2" in caught.value.evidence


async def test_without_ssh_asyncssh_reads_the_same(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".ssh").mkdir()
    (home / ".ssh" / "config").write_text(
        "Host db1\n  HostName 10.0.0.7\n  Port 2222\n  User deploy\n  IdentitiesOnly yes\n  IdentityFile ~/.ssh/id_%h\n"
        "  AddressFamily inet6\n  ProxyJump root@bastion,inner\n  UserKnownHostsFile ~/.ssh/a ~/.ssh/b\n"
    )
    monkeypatch.setenv("PATH", "/nonexistent")
    settings = await sshconfig.resolve(Destination("db1"))
    assert (settings.host, settings.port, settings.user) == ("10.0.0.7", 2222, "deploy")
    assert settings.identities == (f"{home}/.ssh/id_10.0.0.7",)
    assert settings.known_hosts == (f"{home}/.ssh/a", f"{home}/.ssh/b", "/etc/ssh/ssh_known_hosts")
    assert (settings.family, settings.identities_only) == (socket.AF_INET6, True)
    assert settings.jump == ("root@bastion", "inner")
    assert (await sshconfig.resolve(Destination("other"))).identities[0] == f"{home}/.ssh/id_rsa"


async def test_a_configuration_that_is_not_waited_for_any_more_leaves_no_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ssh").write_text("#!/bin/sh\nexec sleep 1000\n")
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    resolving = asyncio.ensure_future(sshconfig.resolve(Destination("db1")))
    here = psutil.Process()
    await until(lambda: [child for child in here.children() if child.name() == "sleep"])
    resolving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await resolving
    assert not [child for child in here.children() if child.name() == "sleep"]
