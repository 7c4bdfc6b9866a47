"""A node's evaluator, as its hub starts, watches and ends it: a child of ours on a pty that we hold."""

import fcntl
import os
import pty
import signal
import struct
import termios
import time
from typing import TYPE_CHECKING, Any

from pysh.runtime import system
from pysh.runtime.hub.children import Child, in_words, launch, read_some
from pysh.runtime.protocol.cleaning import shown
from pysh.runtime.protocol.console import Console

if TYPE_CHECKING:
    from pysh.runtime.hub.server import Server

POLL = 0.01
_LFLAG, _LINES = 3, termios.ISIG | termios.ICANON
PATIENCE = 1.0
"""Seconds from the end of its socket until it is killed, if it does not end."""


class Evaluator:
    """The process of shell number `shell`, and its terminal.

    It may be begun before there is a loop; `attach` then serves it.
    """

    def __init__(self, config: dict[str, Any], core: str, environ: dict[str, str], shell: int = 0) -> None:
        self.shell = shell
        self.number = -shell
        """What the server calls it where it calls workers by their numbers from 1."""
        self.worked = False
        self._former = False  # there was one before it
        self._config = config
        self._core = core
        self._environ = environ
        self._first = {name: config[name] for name in ("rc", "project") if config.get(name)}
        self._server: Server | None = None
        self._child: Child | None = None
        self._master = -1
        self._reading = False
        self._size = (24, 80)
        self._typed = bytearray()

    @property
    def child(self) -> Child | None:
        """Its process, if there is one."""
        return self._child

    def begin(self) -> None:
        """Start the process; nobody listens to it yet."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *self._size, 0, 0))
        config = {
            "role": "evaluator", "name": self._config["name"], "incarnation": self._config["incarnation"],
            "pty": True, **self._code_to_begin_with(), "shell": self.shell,
        }  # fmt: skip
        if self._server is not None and (console := self._console) is not None:
            core = self._server.core
            config |= {
                "cell": console.cell, "former": not core.work.code.empty, "placed": core.work.placed.digests,
                "first_job": core.shells.first_job(console),
            }  # fmt: skip
        self._former = True
        environ = {**self._environ, "TERM": self._config.get("term") or "xterm-256color"}
        streams = {"stdin": slave, "stdout": slave, "stderr": slave, "start_new_session": True}
        cwd = self._config.get("cwd")
        try:
            self._child = launch(self._config["python"], self._core, config, env=environ, cwd=cwd, **streams)
        except OSError:
            os.close(master)
            raise
        finally:
            os.close(slave)
        os.set_blocking(master, False)
        self._master = master

    def _code_to_begin_with(self) -> dict[str, str]:
        """The paths of what it runs first: not again what the one before it died in."""
        if (console := self._console) is None or not self._first:
            return self._first
        if self._former:
            if not console.begun:
                left = " and ".join(map(shown, self._first.values()))
                console.notice(f"{left} is left out from now on: the shell died in it", "error")
                self._first = {}
            console.begun = False
        return {} if console.bare else self._first

    @property
    def _console(self) -> Console | None:
        """Its shell, if that has not ended."""
        return self._server.core.shells.get(self.shell) if self._server is not None else None

    def attach(self, server: "Server") -> None:
        """The loop runs: serve what was begun before it did."""
        self._server = server
        if self._child is not None:
            self._serve()

    def start(self) -> None:
        """Start and serve the evaluator, if there is none; whoever wants it is told if it cannot be started."""
        if self._child is not None:
            return
        assert self._server is not None
        try:
            self.begin()
        except OSError as error:
            self._server.loop.call_soon(self._not_begun, f"it cannot be started: {error}")
        else:
            self._serve()

    def _not_begun(self, why: str) -> None:
        assert self._server is not None
        self._server.core.evaluator_died(why, self.shell)
        self._server.carry_out()

    def _serve(self) -> None:
        assert self._server is not None and self._child is not None
        adopting = self._server.entrance.adopt(self._child.sock, self._child.secret, worker=self.number)
        self._server.loop.create_task(adopting)
        self._read(True)

    # its terminal

    def _read(self, on: bool) -> None:
        if self._server is None or self._master < 0 or on == self._reading:
            return
        self._reading = on
        if on:
            self._server.loop.add_reader(self._master, self._ready)
        else:
            self._server.loop.remove_reader(self._master)

    def _ready(self) -> None:
        assert self._server is not None
        data = read_some(self._master)
        if data:
            self._server.printed(self.number, data)
            self._server.carry_out()
        elif data is not None:
            self._read(False)

    def printed(self) -> bytes | None:
        """Some of what it wrote and nobody has read yet; never waits."""
        return read_some(self._master) if self._master >= 0 else None

    def pause(self, on: bool) -> None:
        """Stop reading a flood, or go on."""
        self._read(not on)

    def type(self, data: bytes) -> None:
        """Bytes for whoever reads the terminal."""
        if self._master >= 0:
            self._typed += data
            self._type_on()

    def _type_on(self) -> None:
        assert self._server is not None
        self._server.loop.remove_writer(self._master)
        size = 0
        try:
            size = os.write(self._master, self._typed)
        except BlockingIOError:
            pass
        except OSError:
            size = len(self._typed)  # nobody will read it
        if size:
            del self._typed[:size]
            if (console := self._console) is not None:
                console.taken(size)
            self._server.carry_out()
        if self._typed:
            self._server.loop.add_writer(self._master, self._type_on)

    def resize(self, rows: int, columns: int) -> None:
        """The terminal's size; the kernel tells the evaluator with SIGWINCH."""
        self._size = (max(1, min(rows, 9999)), max(1, min(columns, 9999)))
        if self._master >= 0:
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", *self._size, 0, 0))

    def interrupt(self) -> None:
        """SIGINT to the evaluator."""
        if self._child is not None:
            self._child.popen.send_signal(signal.SIGINT)

    @property
    def interrupts(self) -> bool:
        """Whether Ctrl-C on its terminal is a signal, and no program there reads keys, as a pager does."""
        if self._master < 0:
            return True
        try:
            return bool(termios.tcgetattr(self._master)[_LFLAG] & _LINES == _LINES)
        except termios.error:
            return True

    # its end

    def kill(self) -> None:
        """End it, with what it started, whatever it does; `lost` follows."""
        if self._child is not None:
            system.kill_tree(self._child.pid)

    def lost(self) -> None:
        """Its socket ended: wait for the process, then say how it died."""
        if self._child is not None:
            self._reap(self._child, time.monotonic() + PATIENCE)

    def _reap(self, child: Child, until: float) -> None:
        assert self._server is not None
        status = child.popen.poll()
        if status is None:
            if time.monotonic() > until:
                child.popen.kill()
            self._server.loop.call_later(POLL, self._reap, child, until)
        elif child is self._child:
            self._server.drain(self.number)
            self._close_master()
            self._child = None
            self._server.evaluator_died(self, in_words(status))

    def end(self) -> Child | None:
        """Kill what it runs; the process, to be waited for."""
        child, self._child = self._child, None
        if child is not None:
            child.sock.close()
            system.kill_tree(child.pid)
        self._close_master()
        return child

    def _close_master(self) -> None:
        if self._master >= 0:
            self._read(False)
            if self._server is not None:
                self._server.loop.remove_writer(self._master)
            os.close(self._master)
            self._master = -1
