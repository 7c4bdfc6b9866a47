"""Stacks as workers write them down, innermost call first: what of them is the user's, and what that does."""

import re
from typing import NamedTuple

_FRAME = re.compile(r'  File "(.+)", line (\d+) in (.+)')
_CORE = re.compile(r"<core>/pysh/|.*\.zip/pysh/")
_LED_BY = re.compile(r'  File ".*pysh/runtime/runner/execution\.py", line \d+ in _perform')
"""What calls the code of a job."""
_BRINGING = ("codes.py", "fetched.py", "supplied.py")
_LOOP = ("/asyncio/", "selectors.py")

BUILT_IN = "in a function that is built in, which has no frames of Python's"
IDLE = "idle, and waits for the next call"
BROUGHT = "code or values that it needs are being brought"


class Frame(NamedTuple):
    """One call; `line` is how it is shown."""

    line: str
    file: str
    place: str
    name: str

    @property
    def ours(self) -> bool:
        """Whether it is pysh's own."""
        return _CORE.match(self.file) is not None


class Thread(NamedTuple):
    """What one thread does: `lines` as they were written, and `frames` those of them that tell of a call.

    Of the one that runs the job these are what the job calls, without what led to it.
    """

    head: list[str]
    lines: list[str]
    runs_the_job: bool

    @property
    def frames(self) -> list[Frame]:
        """Its calls."""
        found = ((line, _FRAME.fullmatch(line)) for line in self.lines)
        return [Frame(line, *match.groups()) for line, match in found if match]

    @property
    def of_users(self) -> list[str]:
        """Its lines but for the calls of pysh's own; empty where there is no other."""
        ours = {frame.line for frame in self.frames if frame.ours}
        lines = [line for line in self.lines if line not in ours]
        return lines if any(_FRAME.fullmatch(line) for line in lines) else []


def threads(text: str) -> list[Thread]:
    """Those of a stack; none if it tells in words why there is none."""
    made = []
    for block in text.strip("\n").split("\n\n"):
        lines = block.split("\n")
        head = [] if _FRAME.fullmatch(lines[0]) else [lines.pop(0)]  # a shell writes down one thread alone
        if lines:
            led = next((at for at, line in enumerate(lines) if _LED_BY.fullmatch(line)), None)
            made.append(Thread(head, lines[:led], led is not None))
    return made


def shown_stack(text: str) -> str:
    """A stack without pysh's own calls: what led to the code, and where that waits in a verb."""
    from pysh.runtime.node import Shown

    blocks = []
    for thread in threads(text):
        if lines := thread.of_users:
            blocks.append("\n".join([*thread.head, *lines]))
        elif thread.runs_the_job:
            blocks.append(f"it is {_without(thread.frames)}")
    return Shown("\n\n".join(blocks) + "\n" if blocks else text)


def doing(text: str) -> str:
    """What code does, by its stack: in which function of the user's it is, and what that waits in."""
    found = threads(text)
    job = next((thread for thread in found if thread.runs_the_job), found[-1] if found else None)
    if job is None:
        return "runs"
    verb = ""
    for frame in job.frames:
        if any(part in frame.file for part in _LOOP) and not frame.ours:
            return "runs, a coroutine that awaits what has not happened"
        if not frame.ours:
            waits = f", which waits in {verb}()" if verb else ""
            return f"runs in {frame.name} at {frame.file}:{frame.place}{waits}"
        verb = frame.name
    if not job.runs_the_job:
        return "runs"
    how = _without(job.frames)
    return f"runs {how}" if how == BUILT_IN else f"is {how}"


def _without(frames: list[Frame]) -> str:
    """What the code does that has only these calls, of pysh's own."""
    if any(frame.file.endswith(_BRINGING) for frame in frames):
        return f"not begun: {BROUGHT}"
    if not frames:
        return BUILT_IN
    last = frames[-1]
    if last.name == "serve" and last.file.endswith("/actor.py"):
        return IDLE
    return f"in {last.name}() of pysh"
