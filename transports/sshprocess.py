"""Processes of the ssh binary: started so that they end with us, read with bounds, ended for sure."""

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pysh.transports import system
from pysh.transports.base import CLOSE_GRACE, TransportError, cleaned
from pysh.transports.means import Bounded
from pysh.transports.sshconfig import output_of, ssh_binary

_PIECE = 64 * 1024


def given(options: Mapping[str, object]) -> list[str]:
    """`options` as the ssh binary takes them."""
    return [word for name, value in options.items() for word in ("-o", f"{name}={value}")]


async def start(words: Sequence[str], **ends: Any) -> Process:
    """Start ssh with `words`; its output comes by pipes unless `ends` says otherwise.

    In a session of its own it has no terminal, so by itself it can ask nobody. Raises `TransportError` with
    the stage `resolve` when there is no ssh binary.
    """
    binary = ssh_binary()
    if binary is None:
        hint = 'install OpenSSH\'s client, or go without: transport="asyncssh"'
        raise TransportError("resolve", "there is no ssh binary", "ssh is not in PATH", hint)
    ends = {"stdin": DEVNULL, "stdout": PIPE, "stderr": PIPE} | ends
    return await asyncio.create_subprocess_exec(
        binary, *words, start_new_session=True, preexec_fn=system.dies_with_us(), **ends
    )


async def end(process: Process) -> None:
    """End it, by force if it does not within a grace, and wait until it is gone."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(CLOSE_GRACE):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def feed(sink: asyncio.StreamWriter, data: bytes) -> None:
    """Write `data` and close; a process that does not read it all is no error."""
    with suppress(OSError, RuntimeError):  # the latter is uvloop's, of a pipe whose reader is gone
        sink.write(data)
        await sink.drain()
        sink.close()
        await sink.wait_closed()


async def collect(source: asyncio.StreamReader, kept: Bounded) -> None:
    """Read to the end, and keep what there is room for."""
    while data := await source.read(_PIECE):
        kept.add(data)


async def each_line(source: asyncio.StreamReader, take: Callable[[str], None]) -> None:
    """Call `take` with each line until the end; one that is too long is passed over."""
    while True:
        try:
            line = await source.readline()
        except ValueError:
            continue
        if not line:
            return
        take(line.decode(errors="replace").rstrip())


async def ask_master(path: str, request: str, *words: str) -> bool:
    """Have the master at the control path `path` answer `request`; whether it did, and said yes."""
    process = await start(
        ["-F", "none", "-S", path, "-O", request, *words, "--", "host"], stdout=DEVNULL, stderr=DEVNULL
    )
    return await process.wait() == 0


async def printed(words: Sequence[str]) -> str:
    """What a command that ends soon prints on standard output; nothing if it cannot be run."""
    try:
        process = await asyncio.create_subprocess_exec(*words, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)
    except OSError:
        return ""
    output, _ = await output_of(process)
    return cleaned_lines(output)


def cleaned_lines(output: bytes) -> str:
    """`output` as text whose lines hold no control characters."""
    return "\n".join(cleaned(line) for line in output.decode(errors="replace").splitlines())
