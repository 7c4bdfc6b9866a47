"""Machines with networks between them: network namespaces and cables, each with a home of its own.

What is silent on a real network is silent here: a packet to a host whose cable is out gets no answer.
"""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import sshd
from tests.sshd import Sshd, alive, descendants, public
from tests.system.conftest import Home, until


def missing() -> str:
    """Why there can be no networks here; in CI that is a failure and no reason to skip."""
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    if shutil.which("ip") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs ip")
        return "there is no ip here"
    return sshd.missing()


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Host:
    """One machine: namespaces, a home with a runtime directory, and perhaps an sshd at port 22.

    The home may be that of `another` machine as well, as on a cluster.
    """

    def __init__(self, lab: "Lab", name: str, another: "Host | None" = None) -> None:
        self.name = name
        self.namespace = f"{lab.tag}-{name}"
        self.addresses: dict[str, str] = {}
        self.server: Sshd | None = None
        self.client = another.client if another else sshd.Home(lab.folder / name)
        named = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', name]
        self.home = Home(self.client.path, ["ip", "netns", "exec", self.namespace, *named])
        self.home.environ |= self.client.environ | {"PYSH_COOKIE_FILE": str(lab.cookie)}
        ip("netns", "add", self.namespace)
        ip("-n", self.namespace, "link", "set", "lo", "up")

    def serve(self, *clients: "Host", **options: str) -> None:
        """Run an sshd that lets `clients` in, each of which knows its host key at every address."""
        given = ("HOME", "XDG_STATE_HOME", "PYSH_RUNTIME_DIR", "PYSH_COOKIE_FILE")
        env = {name: self.home.environ[name] for name in given}
        options = {"Port": "22", "ListenAddress": "0.0.0.0", **options}
        folder = self.home.folder / f"sshd-{self.name}"
        self.server = Sshd(folder, self.client.key, options, env=env, prefix=self.home.prefix)
        self.server.authorized.write_text("".join(f"{public(host.client.key)}\n" for host in clients))
        for host in clients:
            with host.client.known_hosts.open("a") as file:
                file.writelines(f"{address} {public(self.server.host_key)}\n" for address in self.addresses.values())
        self.server.start()

    def knows(self, alias: str, other: "Host", network: str, **options: str) -> None:
        """Call `other`, at its address in `network`, by an alias of this one's ssh configuration."""
        self.client.host(alias, {"HostName": other.addresses[network], **options})

    def unplug(self, network: str) -> None:
        """Pull the cable: from now on nothing comes and goes, and nobody is told."""
        ip("-n", self.namespace, "link", "set", network, "down")

    def plug(self, network: str) -> None:
        """Put the cable in again."""
        ip("-n", self.namespace, "link", "set", network, "up")

    def move(self, network: str) -> None:
        """Have another address there from now on; what goes to the old one, or comes from it, is lost silently."""
        old = self.addresses[network]
        self.addresses[network] = f"{old}0"
        ip("-n", self.namespace, "addr", "del", f"{old}/24", "dev", network)
        ip("-n", self.namespace, "addr", "add", f"{old}0/24", "dev", network)

    def end(self) -> None:
        """Stop its nodes and its sshd; nothing of them may be left."""
        self.home.end()
        if self.server is not None and self.server.process is not None:
            pid = self.server.process.pid
            until(lambda: not any(map(alive, descendants(pid))), "the end of what sshd runs", 5)


class Lab:
    """Hosts by name, on networks by name."""

    def __init__(self, folder: Path) -> None:
        self.tag = f"pysh{secrets.token_hex(3)}"
        self.folder = folder
        self.cookie = folder / "cookie"
        self.cookie.touch(0o600)
        self.cookie.write_text("a_cookie_for_all\n")
        self._networks: dict[str, int] = {}
        self._hosts: list[Host] = []

    def host(self, name: str, *networks: str, another: Host | None = None) -> Host:
        """A machine with a cable into each of `networks`, which are made with their first machine.

        It has the home of `another`, if that is given.
        """
        made = Host(self, name, another)
        self._hosts.append(made)
        for network in networks:
            if network not in self._networks:
                self._switch(network)
            number, last = self._networks[network], len(self._hosts)
            made.addresses[network] = f"10.77.{number}.{last}"
            ip("link", "add", network, "netns", made.namespace, "type", "veth",
               "peer", "name", name, "netns", f"{self.tag}-{network}")  # fmt: skip
            ip("-n", f"{self.tag}-{network}", "link", "set", name, "master", "switch", "up")
            ip("-n", made.namespace, "addr", "add", f"{made.addresses[network]}/24", "dev", network)
            made.plug(network)
        return made

    def _switch(self, network: str) -> None:
        self._networks[network] = len(self._networks) + 1
        space = f"{self.tag}-{network}"
        ip("netns", "add", space)
        ip("-n", space, "link", "add", "switch", "type", "bridge")
        ip("-n", space, "link", "set", "switch", "up")

    def end(self) -> None:
        """Take it all down."""
        for host in self._hosts:
            host.end()

    def remove(self) -> None:
        """Leave no namespace, whatever the test did."""
        for host in self._hosts:
            if host.server is not None:
                host.server.stop()
        for space in (*(host.namespace for host in self._hosts), *(f"{self.tag}-{name}" for name in self._networks)):
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)


@contextmanager
def lab_in(folder: Path) -> Iterator[Lab]:
    """A lab that is empty at the end."""
    if reason := missing():
        pytest.skip(reason)
    lab = Lab(folder)
    try:
        yield lab
        lab.end()
    finally:
        lab.remove()
