"""Where every runner that a hub starts begins: read what it is to be, and become that.

The hub runs `USER_PYTHON -c STAGE0 CORE FD`. What is secret comes over the socket `FD`, as one line
of JSON, never by argv or the environment.
"""

import json
import sys
from importlib import import_module
from socket import socket
from typing import NoReturn

OLDEST = (3, 11)
ROLES = ("evaluator", "forkserver")


def main(fd: int) -> NoReturn:
    """Become the runner that the hub at the other end of `fd` asks for."""
    if sys.version_info < OLDEST:
        version = ".".join(map(str, sys.version_info[:3]))
        sys.exit(f"{sys.executable} is Python {version}; pysh runs code in 3.11 and newer")
    sock = socket(fileno=fd)
    sock.set_inheritable(False)
    config = json.loads(_line(sock))
    config["core"] = sys.argv[1]
    sys.argv[:] = [""]  # as in any interactive Python; ours are nobody's business
    if config["role"] not in ROLES:
        sys.exit(f"a runner cannot be a {config['role']!r}")
    role = import_module(f"pysh.runtime.runner.{config['role']}")
    # Only now may the current folder be searched first: a json.py there is not ours to import.
    sys.path.insert(0, "")
    role.main(sock, config)
    raise AssertionError("a runner ends by itself")


def _line(sock: socket) -> bytes:
    """The first line, and not a byte more: the rest of the stream belongs to the runner."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = sock.recv(1)
        if not byte:
            sys.exit(0)  # the hub is gone: nobody is there to be told
        line += byte
    return bytes(line)
