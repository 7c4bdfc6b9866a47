"""The handshake over a blocking socket, for runners and for commands that dial a hub."""

from socket import socket
from time import monotonic

from pysh.runtime.protocol.handshake import Handshake
from pysh.runtime.protocol.hello import Hello


def greet(sock: socket, hello: Hello, secret: bytes) -> tuple[Hello, bytes]:
    """Dial: the proven hello of the peer, and the bytes of its frames that came with it.

    Raises `HandshakeError`, at the handshake's own deadline at the latest.
    """
    handshake = Handshake(hello, secret, dialling=True, now=monotonic())
    while not handshake.done:
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
