"""`python -m pysh.runtime.hub FD`: be a node's hub; who started it speaks first, on FD."""

import gc
import json
import os
import secrets
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

from pysh.runtime.hub import logs
from pysh.runtime.hub.core_zip import core_zip
from pysh.runtime.hub.discovery import Claim, NameTaken, claim
from pysh.runtime.hub.runners import Runners
from pysh.transports.base import TransportError

SELDOM = 50_000, 20, 20
"""How seldom it is looked for garbage: a hub makes little that refers to itself, and may have very much to look at."""


def read_line(sock: socket.socket) -> bytes:
    """One line of `sock`, byte by byte: what follows belongs to the handshake."""
    line = bytearray()
    while not line.endswith(b"\n") and len(line) < 65536:
        byte = sock.recv(1)
        if not byte:
            sys.exit("the hub's starter went away before it said what to be")
        line += byte
    return bytes(line)


def say(sock: socket.socket, **status: Any) -> None:
    """Tell the starter how it went, in one line."""
    with suppress(OSError):
        sock.sendall(json.dumps(status).encode() + b"\n")


def main(fd: int) -> None:
    """Read the configuration from `fd`, claim the name, start the evaluator, then serve."""
    starter = socket.socket(fileno=fd)
    config: dict[str, Any] = json.loads(read_line(starter))
    config.setdefault("incarnation", secrets.token_hex(16))
    os.environ.update(config.pop("env", None) or {})
    try:
        held = claim(config["name"])
    except (NameTaken, OSError, ValueError) as error:
        say(starter, error=type(error).__name__, text=str(error))
        sys.exit(3)
    logs.begin(config["name"])
    runners = Runners(config, str(core_zip()))
    if config["role"] == "shell":
        runners.evaluator.begin()
    run(config, held, runners, starter)


def run(config: dict[str, Any], held: Claim, runners: Runners, starter: socket.socket) -> None:
    """The loop, from here to the end of the node."""
    import asyncio

    from pysh.runtime.hub.server import Server

    gc.set_threshold(*SELDOM)

    async def serve() -> str:
        server = Server(config, held, runners)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            loop.add_signal_handler(number, stop, server, number)
        try:
            await server.listen()
        except TransportError as error:
            say(starter, error=error.stage, text=str(error))
            server.ended.set_result("it cannot listen")
            return await server.serve()
        say(
            starter,
            ready=True,
            pid=os.getpid(),
            socket=str(held.socket),
            incarnation=config["incarnation"],
            name=config["name"],
            listen=server.listens,
        )
        if config["role"] == "program":
            await server.entrance.adopt(starter, bytes.fromhex(config["secret"]), vital=True)
        elif config.get("leashed"):
            loop.add_reader(starter, unleash, server)
        else:
            starter.close()
        return await server.serve()

    def unleash(server: Server) -> None:
        """The starter has its answer, or is gone before it had."""
        try:
            kept = starter.recv(64) == b"keep\n"
        except OSError:
            kept = False
        server.loop.remove_reader(starter)
        starter.close()
        if not kept:
            server.core.stop("who started it went away")
            server.carry_out()

    def stop(server: Server, number: int) -> None:
        server.core.stop(signal.Signals(number).name)
        server.carry_out()

    try:
        import uvloop

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    except ImportError:
        runner = asyncio.Runner()
    with runner:
        runner.run(serve())
    if temporary := config.get("temporary"):
        with suppress(OSError):
            os.unlink(temporary)
    os._exit(0)  # nothing is left to tidy, and nothing may delay the end


if __name__ == "__main__":
    main(int(sys.argv[1]))
