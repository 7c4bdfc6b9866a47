"""What is particular to Unix sockets: who may connect, and what stands where the socket should."""

# A socket takes its path as a string.
# ruff: noqa: PTH101, PTH108, PTH110, PTH208, PTH211

import asyncio
import gc
import os
import signal
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvloop

from pysh.transports import system, unix
from pysh.transports.base import TransportError

NOBODY = 65534
root_only = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


@pytest.fixture(autouse=True)
def as_the_system_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take no fall-back but where a test asks for it."""
    monkeypatch.delenv("PYSH_OS_FALLBACKS", raising=False)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "n1.sock")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A directory that every user may enter and write to."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        yield Path(folder)


def start_as_nobody(action: Callable[[], object]) -> tuple[int, int]:
    """A process of another user that does `action`: its pid, and where it says what came of it."""
    out, into = os.pipe()
    child = os.fork()
    if not child:
        text = ""
        try:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            action()
        except BaseException as error:
            text = str(error) or type(error).__name__
        os.write(into, text.encode())
        os._exit(0)
    os.close(into)
    return child, out


def as_nobody(action: Callable[[], object]) -> str:
    """What `action` raised in a process of another user, as text; empty if it went well."""
    child, out = start_as_nobody(action)
    with open(out) as report:
        text = report.read()
    os.waitpid(child, 0)
    return text


def failed(action: Callable[[], object]) -> TransportError:
    with pytest.raises(TransportError) as caught:
        action()
    return caught.value


def test_the_socket_is_ours_alone_and_leaves_no_other_name(path: str, tmp_path: Path) -> None:
    before = os.umask(0o000)
    try:
        with unix.listening_socket(path):
            assert stat.S_IMODE(os.lstat(path).st_mode) & 0o077 == 0
            assert os.listdir(tmp_path) == ["n1.sock"]
    finally:
        assert os.umask(before) == 0o000


def test_plain_sockets_talk_without_an_event_loop(path: str) -> None:
    with unix.listening_socket(path) as listener, unix.connected_socket(path) as near:
        far, _ = listener.accept()
        with far:
            assert unix.check_peer(far, path) == os.geteuid()
            near.sendall(b"hello")
            assert far.recv(100) == b"hello"


def test_where_nothing_is_the_error_says_find_and_what_to_type(path: str) -> None:
    error = failed(lambda: unix.connected_socket(path))
    assert error.stage == "find"
    assert path in str(error)
    assert "pysh ls" in str(error)


async def test_a_stream_fails_as_a_socket_does(path: str) -> None:
    with pytest.raises(TransportError) as caught:
        await unix.connect(path)
    assert caught.value.stage == "find"


def test_the_socket_of_a_killed_node_refuses_and_is_replaced(path: str) -> None:
    unix.listening_socket(path).close()
    assert failed(lambda: unix.connected_socket(path)).stage == "tcp"
    with unix.listening_socket(path), unix.connected_socket(path):
        pass


def test_a_listener_that_hangs_is_given_up(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unix, "BACKLOG", 0)
    with unix.listening_socket(path), unix.connected_socket(path):
        error = failed(lambda: unix.connected_socket(path, timeout=0.05))
    assert error.stage == "tcp"
    assert "does not accept" in str(error)


async def test_a_listener_that_was_busy_is_reached_in_time(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unix, "BACKLOG", 0)
    listener = await unix.listen(path)
    first = unix.connected_socket(path)
    second = asyncio.create_task(unix.connect(path))
    streams = [await listener.accept(), await listener.accept(), await second]
    first.close()
    await listener.close()
    for stream in streams:
        await stream.close()


def test_a_file_in_the_way_is_kept(path: str) -> None:
    Path(path).write_text("precious")
    assert "in the way" in str(failed(lambda: unix.listening_socket(path)))
    assert Path(path).read_text() == "precious"


def test_a_link_in_the_way_is_not_followed(path: str, tmp_path: Path) -> None:
    os.symlink(tmp_path / "elsewhere", path)
    assert "in the way" in str(failed(lambda: unix.listening_socket(path)))
    assert not (tmp_path / "elsewhere").exists()


def test_a_listener_is_not_pushed_aside(path: str) -> None:
    with unix.listening_socket(path):
        assert "already" in str(failed(lambda: unix.listening_socket(path)))
        unix.connected_socket(path).close()


def test_a_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    error = failed(lambda: unix.listening_socket(str(tmp_path / "none" / "n1.sock")))
    assert f"ls -ld {tmp_path}/none" in str(error)


@pytest.mark.parametrize("action", [unix.listening_socket, unix.connected_socket])
def test_a_path_too_long_for_some_system_is_refused(action: Callable[[str], socket.socket]) -> None:
    assert "PYSH_RUNTIME_DIR" in str(failed(lambda: action("/" + "x" * 103)))


@root_only
def test_another_user_cannot_connect(open_folder: Path) -> None:
    place = str(open_folder / "n1.sock")
    with unix.listening_socket(place):
        assert "not for us" in as_nobody(lambda: unix.connected_socket(place))
        os.chmod(place, 0o777)  # even then
        assert f"(uid {os.getuid()}), and we are nobody (uid {NOBODY})" in as_nobody(
            lambda: unix.connected_socket(place)
        )


@root_only
def test_a_socket_that_another_user_planted_is_not_talked_to(open_folder: Path) -> None:
    place = str(open_folder / "n1.sock")
    release, hold = os.pipe()

    def plant() -> None:
        os.close(hold)
        with unix.listening_socket(place):
            os.read(release, 1)

    child, out = start_as_nobody(plant)
    while not os.path.exists(place):
        os.sched_yield()
    error = failed(lambda: unix.connected_socket(place))
    for fd in (release, hold, out):
        os.close(fd)
    os.waitpid(child, 0)
    assert f"uid {NOBODY}" in str(error)
    assert "sudo -u" in str(error)


@root_only
async def test_a_stranger_is_hung_up_on_and_the_next_is_served(open_folder: Path) -> None:
    place = str(open_folder / "n1.sock")
    listener = await unix.listen(place)
    os.chmod(place, 0o777)

    def knock() -> None:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(place)

    assert as_nobody(knock) == ""
    near, far = await asyncio.gather(unix.connect(place), listener.accept())
    assert isinstance(listener, unix.UnixListener)
    assert listener.refused == 1
    await near.write(b"hello")
    assert await far.read() == b"hello"
    for end in (near, far, listener):
        await end.close()


def test_without_peer_credentials_a_private_directory_vouches(
    path: str, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYSH_OS_FALLBACKS", "1")
    with unix.listening_socket(path), unix.connected_socket(path) as near:
        assert system.peer_uid(near) is None
        assert unix.check_peer(near, path) is None
    place = str(open_folder / "n1.sock")
    with unix.listening_socket(place):
        assert f"chmod 700 {open_folder}" in str(failed(lambda: unix.connected_socket(place)))


async def test_the_end_of_a_killed_peer_is_noticed(path: str) -> None:
    listener = await unix.listen(path)
    child = os.fork()
    if not child:
        with unix.connected_socket(path) as sock:
            sock.sendall(b"here I am")
            sock.recv(1)
            os._exit(0)
    stream = await listener.accept()
    assert await stream.read() == b"here I am"
    os.kill(child, signal.SIGKILL)
    assert await stream.read() == b""
    os.waitpid(child, 0)
    await stream.close()
    await listener.close()


async def test_a_closed_listener_ends_the_wait_and_takes_its_socket_along(path: str) -> None:
    listener = await unix.listen(path)
    waiting = asyncio.create_task(listener.accept())
    await asyncio.sleep(0)
    await listener.close()
    await listener.close()
    with pytest.raises(TransportError, match="closed on this side"):
        await waiting
    with pytest.raises(TransportError, match="closed on this side"):
        await listener.accept()
    assert not os.path.exists(path)


async def test_a_closed_listener_leaves_the_socket_of_its_successor(path: str) -> None:
    old = await unix.listen(path)
    os.unlink(path)
    new = await unix.listen(path)
    await old.close()
    unix.connected_socket(path).close()
    await new.close()


async def test_a_cancelled_accept_can_be_asked_again(path: str) -> None:
    listener = await unix.listen(path)
    waiting = asyncio.create_task(listener.accept())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    near, far = await asyncio.gather(unix.connect(path), listener.accept())
    for end in (near, far, listener):
        await end.close()


class _Hasty(asyncio.Protocol):
    """Speaks at once, and keeps why that was the end."""

    def __init__(self) -> None:
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(b"hello")  # type: ignore[attr-defined]

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set_result(error)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_connection_that_ends_as_it_begins_closes_its_descriptor_once(run: Callable[..., None]) -> None:
    async def connect() -> None:
        near, far = socket.socketpair()
        far.close()
        number, protocol = near.fileno(), _Hasty()
        await unix.carry(near, protocol)
        assert isinstance(await protocol.lost, BrokenPipeError)
        await asyncio.sleep(0)
        others = [socket.socket() for _ in range(3)]
        assert number in [other.fileno() for other in others]
        del near, protocol
        gc.collect()
        for other in others:
            os.fstat(other.fileno())
            other.close()

    run(connect())
