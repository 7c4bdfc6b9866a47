"""A stream over two file descriptors: the pipes of a child process, or of the process we are."""

import asyncio
import os
import socket
import stat
from io import FileIO

from pysh.transports.base import Address, Peer, Stream, TransportError
from pysh.transports.streams import LoopStream


async def connect(source: int, sink: int, place: str = "stdio") -> Stream:
    """A stream that reads from `source` and writes to `sink`; `place` names it in errors.

    Both may be pipes or sockets, or one and the same socket (an sshd gives its command such a
    one). The stream owns them from then on and closes them. Raises `TransportError` with the stage
    `find` for anything else, a file for instance, which no event loop can wait for.
    """
    from_socket, to_socket = _is_socket(source, place), _is_socket(sink, place)
    stream = LoopStream(Peer(Address("stdio", place)))
    if from_socket and os.path.samestat(os.fstat(source), os.fstat(sink)):
        await _connect_socket(stream, source)
        if sink != source:
            os.close(sink)
        return stream
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: stream, FileIO(source, "rb"))
    if to_socket:
        await _connect_socket(_Sink(stream), sink)
    else:
        await loop.connect_write_pipe(lambda: stream, FileIO(sink, "wb"))
    return stream


class _Sink(asyncio.Protocol):
    """The writing side of a stream on a socket of its own, deaf to what comes back on it.

    As a pipe such a socket would not do: a loop watches a pipe for the end of its reader, and takes
    the first byte that comes back for that.
    """

    def __init__(self, stream: LoopStream) -> None:
        self._stream = stream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._stream.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stream.connection_lost(exc)

    def pause_writing(self) -> None:
        self._stream.pause_writing()

    def resume_writing(self) -> None:
        self._stream.resume_writing()

    def eof_received(self) -> bool:
        return True


async def _connect_socket(protocol: asyncio.Protocol, fd: int) -> None:
    sock = socket.socket(fileno=fd)
    sock.setblocking(False)
    await asyncio.get_running_loop().connect_accepted_socket(lambda: protocol, sock)


def _is_socket(fd: int, place: str) -> bool:
    """Whether `fd` is a socket and no pipe or terminal; raises for what cannot be waited for."""
    try:
        mode = os.fstat(fd).st_mode
    except OSError as error:
        raise TransportError("find", "no such file descriptor", f"{place}: {fd} is not open") from error
    if not (stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
        hint = "connect a pipe: cat FILE | COMMAND | cat"
        raise TransportError("find", "a file cannot carry a connection", f"{place}: {fd} is no pipe", hint)
    return stat.S_ISSOCK(mode)
