"""What a stack is shown as, and what it tells in words."""

import pytest

from pysh.runtime.dumps import doing, shown_stack

WAITS = """\
Thread 0x01 (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 5 in wait

Current thread 0x02 (most recent call first):
  File "<core>/pysh/runtime/runner/waiting.py", line 90 in block
  File "<core>/pysh/runtime/api.py", line 300 in receive
  File "<n1@here:2>", line 3 in inner
  File "<n1@here:2>", line 6 in outer
  File "<core>/pysh/runtime/runner/execution.py", line 130 in _perform
"""
RUNS = WAITS.replace('  File "<core>/pysh/runtime/runner/waiting.py", line 90 in block\n', "").replace(
    '  File "<core>/pysh/runtime/api.py", line 300 in receive\n', ""
)
HEAD = "Current thread 0x1 (most recent call first):\n"
LED = """\
  File "<core>/pysh/runtime/runner/execution.py", line 130 in _perform
  File "<core>/pysh/runtime/runner/worker.py", line 135 in _do
  File "<string>", line 1 in <module>
"""
REST = """\
  File "<core>/pysh/runtime/runner/reading.py", line 307 in _wait
  File "<core>/pysh/runtime/actor.py", line 160 in next
  File "<core>/pysh/runtime/actor.py", line 125 in serve
"""
BRINGS = '  File "<core>/pysh/runtime/runner/codes.py", line 7 in find\n'
VERB = '  File "<core>/pysh/runtime/api.py", line 300 in receive\n'
OTHER = 'Thread 0x2 (most recent call first):\n  File "<core>/pysh/runtime/runner/wire.py", line 7 in read\n\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RUNS, "runs in inner at <n1@here:2>:3"),
        (WAITS, "runs in inner at <n1@here:2>:3, which waits in receive()"),
        (RUNS.replace("<n1@here:2>", "/usr/lib/python3.11/asyncio/base_events.py"),
         "runs, a coroutine that awaits what has not happened"),
        (HEAD + LED, "runs in a function that is built in, which has no frames of Python's"),
        (HEAD + REST + LED, "is idle, and waits for the next call"),
        (HEAD + BRINGS + LED, "is not begun: code or values that it needs are being brought"),
        (HEAD + VERB + LED, "is in receive() of pysh"),
        ("it has just ended, or is about to begin: ask again\n", "runs"),
        ("", "runs"),
    ],
)  # fmt: skip
def test_a_stack_is_told_by_its_place(text: str, said: str) -> None:
    assert doing(text) == said


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (HEAD + LED, "it is in a function that is built in, which has no frames of Python's\n"),
        (OTHER + HEAD + REST + LED, "it is idle, and waits for the next call\n"),
        ('  File "<n1@here:2>", line 3 in f\n' + VERB, '  File "<n1@here:2>", line 3 in f\n'),
        ("it has ended\n", "it has ended\n"),
    ],
)
def test_no_stack_shows_calls_of_pysh(text: str, shown: str) -> None:
    assert shown_stack(text) == shown


def test_what_led_to_the_code_is_not_shown() -> None:
    text = """\
Thread 0x0000000000000001 (most recent call first):
  File "<n1@here:3>", line 5 in waits

Current thread 0x0000000000000002 (most recent call first):
  File "<n1@here:3>", line 2 in inner
  File "<n1@here:3>", line 8 in outer
  File "/home/me/.cache/pysh/core-1.zip/pysh/runtime/runner/execution.py", line 97 in _perform
  File "/home/me/.cache/pysh/core-1.zip/pysh/runtime/runner/execution.py", line 80 in run
  File "<string>", line 1 in <module>
"""
    assert (
        shown_stack(text)
        == """\
Thread 0x0000000000000001 (most recent call first):
  File "<n1@here:3>", line 5 in waits

Current thread 0x0000000000000002 (most recent call first):
  File "<n1@here:3>", line 2 in inner
  File "<n1@here:3>", line 8 in outer
"""
    )


def test_where_code_waits_in_a_verb_is_not_shown_and_a_prompt_prints_it_as_it_is() -> None:
    head, users = "Current thread 0x1 (most recent call first):\n", '  File "<n1@here:3>", line 2 in waits\n'
    ours = '  File "<core>/pysh/runtime/api.py", line 414 in receive\n'
    assert repr(shown_stack(head + ours + users)) == head + users
