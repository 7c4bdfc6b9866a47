"""`python relay.py PATH`: be a wire between standard input and output and a Unix socket."""

import os
import socket
import sys
import threading


def up(sock: socket.socket) -> None:
    """Pass on what comes in, and its end."""
    try:
        while data := os.read(0, 65536):
            sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        os._exit(1)


def down(sock: socket.socket) -> None:
    """Pass on what comes back, until it ends."""
    try:
        while data := sock.recv(65536):
            written = 0
            while written < len(data):
                written += os.write(1, data[written:])
    finally:
        os._exit(0)


if __name__ == "__main__":
    connected = socket.socket(socket.AF_UNIX)
    connected.connect(sys.argv[1])
    threading.Thread(target=up, args=(connected,), daemon=True).start()
    down(connected)
