"""Two machines in one: two homes with a runtime directory each, and an sshd between them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.sshd import Place, Sshd, alive, descendants, place
from tests.system.conftest import Home, until


class Machines:
    """`here` goes by ssh to where `there` lives; each sees its own nodes alone."""

    def __init__(self, folder: Path, made: Place) -> None:
        cookie = folder / "cookie"
        cookie.touch(0o600)
        cookie.write_text("a_cookie_for_both\n")
        (folder / "there").mkdir()
        self.place = made
        self.here, self.there = Home(made.home.path), Home(folder / "there")
        self.here.environ |= made.home.environ
        for home in (self.here, self.there):
            home.environ["PYSH_COOKIE_FILE"] = str(cookie)

    def sshd(self, alias: str = "db1", *, known: bool = True, env: str = "", **options: str) -> Sshd:
        """A server that leads to `there`; `env` has more of its environment, as sshd's SetEnv."""
        given = f"PYSH_RUNTIME_DIR={self.there.runtime} {env}"
        return self.place.sshd(alias, known=known, SetEnv=given.strip(), **options)

    def end(self) -> None:
        """Stop every node of both; nothing of them may be left behind an sshd either."""
        for home in (self.here, self.there):
            home.end()
        for server in self.place.servers:
            if server.process:
                pid = server.process.pid
                until(lambda pid=pid: not any(map(alive, descendants(pid))), "the end of what sshd runs", 5)  # type: ignore[misc]


@contextmanager
def machines(folder: Path) -> Iterator[Machines]:
    """Two machines, empty again at the end."""
    with place(folder / "here") as made:
        both = Machines(folder, made)
        yield both
        both.end()
