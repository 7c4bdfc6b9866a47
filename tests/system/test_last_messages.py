"""What a script or a shell sends last arrives, or is told."""

import re

import pytest

from tests.system.conftest import CONNECT, Home, until

SENDS = """
n2 = connect('n2@localhost')
def sink(file, count):
    import pathlib
    pathlib.Path(file).write_text(str(sum(len(receive(timeout=20)) for _ in range(count))))

p = spawn(sink, "{file}", {count}, on=n2)
for _ in range({count}): send(p, bytes({size}))
"""
"""A process there counts the bytes of so many messages."""


def arrived(home: Home) -> int:
    file = home.folder / "count"
    return int(until(lambda: file.exists() and file.read_text(), "the last message"))


def test_P14_what_a_script_sends_last_arrives_however_much_it_is(home: Home, n2: str) -> None:
    done = home.script(SENDS.format(file=home.folder / "count", count=100, size=300_000))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert arrived(home) == 30_000_000


def test_P14_what_a_shell_sends_last_arrives_too(home: Home, n2: str) -> None:
    done = home.pysh(stdin=SENDS.format(file=home.folder / "count", count=100, size=100_000) + "\nexit()\n")
    assert (done.returncode, "may not have arrived" in done.stderr) == (0, False)
    assert arrived(home) == 10_000_000


def test_P14_a_last_message_to_nobody_is_told(home: Home, n2: str) -> None:
    done = home.script(CONNECT + "send(('nobody', n2), 1)\nsend(('nobody', n2), 2)")
    assert re.findall(r"not delivered", done.stderr) == ["not delivered"] * 2


WAITS = """
n2 = connect('n2@localhost')
def slow():
    import time
    print('begun')
    time.sleep(60)
def waits(file):
    import pathlib, pysh
    try:
        told = pysh.task(slow).result()
    except pysh.TaskCancelled as error:
        told = error.reason
    part = pathlib.Path(file + '.part')
    part.write_text(told)
    part.rename(file)
t = {start}(waits, "{file}", on=n2{more})
while not any(row['label'] == 'slow' and row['status'] == 'running' for row in tasks(on=n2)):
    pass
"""


@pytest.mark.parametrize(("start", "more"), [("spawn", ""), ("task", ", detach=True")])
def test_P5_whoever_goes_on_and_waits_for_a_task_of_a_script_that_ends_is_told(
    home: Home, n2: str, start: str, more: str
) -> None:
    file = home.folder / "told"
    done = home.script(WAITS.format(start=start, file=file, more=more))
    assert done.returncode == 0, done.stderr
    assert until(lambda: file.exists() and file.read_text(), "the end of the wait") == "owner"
