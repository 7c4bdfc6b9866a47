"""The handshake over a blocking socket, for runners and for commands that dial a hub."""

from collections.abc import Callable
from os import urandom
from socket import socket
from time import monotonic

from pysh.runtime.protocol.handshake import HMAC, SPAKE2, Handshake, Work
from pysh.runtime.protocol.hello import Hello

Compute = Callable[[Work], tuple[bytes, bytes]]


def greet(
    sock: socket, hello: Hello, secret: bytes, *, host_key: bytes = b"", compute: Compute | None = None
) -> tuple[Hello, bytes]:
    """Dial: the proven hello of the peer, and the bytes of its frames that came with it.

    Over a host key that nobody vouches for `host_key` is its SHA-256, and `compute` does SPAKE2: the share
    of one side and the key. Raises `HandshakeError`, at the handshake's own deadline at the latest.
    """
    hello = hello._replace(suite=SPAKE2 if host_key else HMAC)
    handshake = Handshake(hello, secret, dialling=True, now=monotonic(), binding=host_key, entropy=urandom(32))
    while not handshake.done:
        if (work := handshake.take_work()) is not None:
            assert compute is not None
            handshake.work_done(*compute(work), monotonic())
            continue
        sock.settimeout(max(0.001, handshake.deadline - monotonic()))
        try:
            sock.sendall(handshake.data_to_send())
            _feed(handshake, sock.recv(65536))
        except TimeoutError:
            handshake.tick(handshake.deadline)
        except OSError:
            handshake.receive_eof()
        if handshake.error is not None:
            _say_why(sock, handshake)
            raise handshake.error
    sock.settimeout(None)
    assert handshake.peer is not None
    return handshake.peer, handshake.rest


def _feed(handshake: Handshake, data: bytes) -> None:
    if data:
        handshake.receive_data(data, monotonic())
    else:
        handshake.receive_eof()


def _say_why(sock: socket, handshake: Handshake) -> None:
    try:
        sock.sendall(handshake.data_to_send())
    except OSError:
        pass  # it is gone, and why is known here
