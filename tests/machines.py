"""Other machines for a test, all on this one: an sshd each, with a home and a runtime directory of its own."""

import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.sshd import Place, Sshd, place
from tests.system.conftest import Home, until

DIRECT = f"{sys.base_prefix}/bin:/usr/bin:/bin"
"""A PATH with our own Python first, so that code by value can go there."""


class Machine:
    """What a login finds: nothing of pysh, and the Pythons that `path` leads to (default: the system's)."""

    def __init__(self, folder: Path, sshd: Sshd, alias: str) -> None:
        self.alias = alias
        self.folder = folder
        self.sshd = sshd
        self.home, self.runtime = folder / "home", folder / "run"
        self.log = self.home / ".local/state/pysh/logs"

    def processes(self) -> list[psutil.Process]:
        """Every living process that a login there started."""
        return [p for p in psutil.process_iter() if self._ours(p)]

    def _ours(self, process: psutil.Process) -> bool:
        try:
            ours = process.environ().get("PYSH_RUNTIME_DIR") == str(self.runtime)
            return ours and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def sockets(self) -> list[str]:
        """What lies in its runtime directory but the directory's own lock and the logs."""
        return [file.name for file in self.runtime.glob("*") if file.name not in (".lock", "logs")]

    def check_clean(self, seconds: float = 5.0) -> None:
        """Nothing of any node is left there within `seconds`: no process, socket or temporary file."""
        try:
            until(lambda: not self.processes() and not self.sockets(), f"nothing left on {self.alias}", seconds)
        except AssertionError:
            left = [(process.pid, process.cmdline()) for process in self.processes()]
            raise AssertionError(f"left on {self.alias}: {left}, {self.sockets()}") from None
        assert not list(self.home.glob(".cache/pysh/*.zip.*"))

    def end(self) -> None:
        """End what runs there, and the sshd."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.sshd.stop()


class Network:
    """A home of ours, with an `~/.ssh/config` that knows the machines by name."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.home = Home(place.home.path)
        self.home.environ |= place.home.environ
        self.machines: list[Machine] = []

    def machine(
        self, alias: str = "db1", *, path: str = "/usr/bin:/bin", known: bool = True,
        shell: str = "", environ: Mapping[str, str] | None = None, **options: str,
    ) -> Machine:  # fmt: skip
        """A machine called `alias`; `shell` is its login shell, where it is not this user's own."""
        folder = self.place.folder / alias
        (folder / "home").mkdir(parents=True)
        told = {"HOME": folder / "home", "PYSH_RUNTIME_DIR": folder / "run", "PATH": path, **(environ or {})}
        setenv = " ".join(f'"{name}={value}"' for name, value in told.items())
        if shell:
            # sshd gives the command line to the login shell in the very same way.
            line = f'exec {shlex.quote(shell)} -c "$SSH_ORIGINAL_COMMAND"'
            options["ForceCommand"] = line
        sshd = self.place.sshd(alias, known=known, SetEnv=setenv, **options)
        made = Machine(folder, sshd, alias)
        self.machines.append(made)
        return made

    def script(self, code: str, timeout: float = 30.0) -> str:
        """What the `.pysh` script `code` prints here."""
        done = self.home.script(code, timeout=timeout)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextmanager
def network(folder: Path) -> Iterator[Network]:
    """Machines that leave nothing behind."""
    with place(folder) as made:
        os.environ.pop("PYSH_RUNTIME_DIR", None)
        net = Network(made)
        try:
            yield net
            net.home.end()
            for machine in net.machines:
                machine.check_clean()
        finally:
            for machine in net.machines:
                machine.end()
