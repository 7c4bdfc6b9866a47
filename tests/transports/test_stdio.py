"""What is particular to file descriptors: a child process at the other end, and what is no pipe."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from pysh.transports import stdio
from pysh.transports.base import Stream, TransportError

ECHO = "import os\nwhile data := os.read(0, 65536): os.write(1, data)"


async def child(code: str) -> tuple[asyncio.subprocess.Process, Stream]:
    """A child process running `code`, and the stream of its standard input and output."""
    (its_input, to_it), (from_it, its_output) = os.pipe(), os.pipe()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdin=its_input, stdout=its_output)
    os.close(its_input)
    os.close(its_output)
    return process, await stdio.connect(from_it, to_it, f"child {process.pid}")


async def test_a_child_is_talked_to_through_its_pipes_and_ends_with_them() -> None:
    process, stream = await child(ECHO)
    await stream.write(b"there and back")
    assert await stream.read() == b"there and back"
    await stream.close()
    assert await process.wait() == 0


async def test_a_killed_child_is_the_end_of_its_stream() -> None:
    process, stream = await child("import time; time.sleep(60)")
    process.kill()
    assert await stream.read() == b""
    with pytest.raises(TransportError, match=f"stdio:child {process.pid} broke"):
        while True:
            await stream.write(b"x" * 100_000)
    await process.wait()
    await stream.close()


async def test_what_a_child_says_is_read_though_it_no_longer_listens() -> None:
    process, stream = await child("import os; os.close(0); input_closed = os.write(1, b'still talking')")
    assert await stream.read() == b"still talking"
    assert await stream.read() == b""
    await process.wait()
    await stream.close()


async def test_the_descriptors_belong_to_the_stream() -> None:
    (source, other), (rest, sink) = os.pipe(), os.pipe()
    stream = await stdio.connect(source, sink)
    await stream.close()
    for fd in (source, sink):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
    os.close(other)
    os.close(rest)


async def test_a_file_is_refused_by_name(tmp_path: Path) -> None:
    source, sink = os.pipe()
    with open(tmp_path / "file", "wb") as file, pytest.raises(TransportError) as caught:
        await stdio.connect(source, file.fileno(), "stdout")
    assert caught.value.stage == "find"
    assert str(caught.value).startswith("a file cannot carry a connection (stdout: ")
    os.close(source)
    os.close(sink)


async def test_a_descriptor_that_is_not_open_is_named() -> None:
    source, sink = os.pipe()
    os.close(source)
    with pytest.raises(TransportError, match=f"{source} is not open"):
        await stdio.connect(source, sink)
    os.close(sink)
