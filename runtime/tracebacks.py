"""Errors as plain data: frames with the node they ran on, what led to what, the members of groups.

So an error travels, and is shown at a prompt as one traceback whatever nodes it went through. Nothing here is
longer than its bounds: a recursion is folded, and of what finds no room the count is told.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pysh.runtime.errors import RemoteError, RemoteTraceback
from pysh.runtime.guesses import guess

FRAMES = 50
"""Of one error; of more than that the first and the last are kept."""
FILES = 50
"""Of those that a traceback names, how many may be links."""
PERIOD = 12
"""Functions that call each other in a circle, of which the repetitions are folded."""
DEPTH = 24
"""Errors that led one to the other, and groups in groups."""
MEMBERS = 15
"""Of one group."""
LINE = 400
"""Characters of a line of source, and of a name."""
TEXT = 16 * 1024
"""Characters of what one error says."""
ROOM = 64 * 1024
"""Characters of it all."""

CAUSED = "\nThe above exception was the direct cause of the following exception:\n\n"
MEANWHILE = "\nDuring handling of the above exception, another exception occurred:\n\n"
PACKAGE = "pysh."
_MISTAKES = (AssertionError, AttributeError, LookupError, NameError)


class Frame(NamedTuple):
    """One frame: `source` has its line, and what marks the place in it; a `file` of "" says what is left out."""

    file: str
    line: int = 0
    name: str = ""
    source: str = ""
    node: str = ""
    """Where it ran; empty: where the error was raised."""
    ours: bool = False
    """Whether the code is pysh's own."""

    @property
    def is_on_purpose(self) -> bool:
        """Whether an error that was raised there was meant to be: an attribute or a key that is refused."""
        return self.name == "__getattr__" or self.source.lstrip().startswith("raise ")

    def __str__(self) -> str:
        if not self.file:
            return self.source
        on = f", on {self.node}" if self.node else ""
        return f'  File "{self.file}", line {self.line}, in {self.name}{on}\n{self.source}'


class Told(NamedTuple):
    """One error, with what led to it and what is in it."""

    text: str
    """Type, message and notes, in whole lines."""
    frames: tuple[Frame, ...] = ()
    before: "Told | None" = None
    """What it was raised from, where it is `caused`; else what was handled when it was raised."""
    caused: bool = True
    members: "tuple[Told, ...]" = ()
    mistake: bool = False
    """Whether it is one of those by which Python tells a mistake in the code: its own frames are of interest then."""

    def __str__(self) -> str:
        return "".join(_lines(self, 0))

    def on(self, node: str) -> "Told":
        """The same as seen from elsewhere: frames without a node ran on `node`."""
        return self._mapped(lambda frames: tuple(f if f.node or not f.file else f._replace(node=node) for f in frames))

    def of_users(self) -> "Told":
        """The same without pysh's own frames, unless the last one raised what looks like a mistake there."""
        last = next((frame for frame in reversed(self.frames) if frame.file), None)
        blamed = self.mistake and last is not None and last.ours and not last.is_on_purpose
        return self._replace(
            frames=self.frames if blamed else tuple(frame for frame in self.frames if not frame.ours),
            before=self.before and self.before.of_users(),
            members=tuple(member.of_users() for member in self.members),
        )

    def without_way(self, *, whole: bool = False) -> "Told":
        """The same without those of pysh's frames that led to the user's; `whole`: also if there are no others."""
        none = len(self.frames) if whole else 0
        first = next((at for at, frame in enumerate(self.frames) if not frame.ours), none)
        return self._replace(
            frames=self.frames[first:],
            before=self.before and self.before.without_way(),
            members=tuple(member.without_way() for member in self.members),
        )

    def _mapped(self, change: Any) -> "Told":
        return self._replace(
            frames=change(self.frames),
            before=self.before and self.before._mapped(change),
            members=tuple(member._mapped(change) for member in self.members),
        )

    def packed(self) -> list[Any]:
        """Plain data, of which `read` makes this again."""
        before = self.before.packed() if self.before is not None else None
        members = [member.packed() for member in self.members]
        return [self.text, [list(frame) for frame in self.frames], before, self.caused, members, self.mistake]


def read(data: Any, depth: int = 0) -> Told:
    """The inverse of `packed`. Raises `ValueError` for what that did not make."""
    try:
        text, frames, before, caused, members, mistake = data
        if depth > 4 * DEPTH or not isinstance(text, str):
            raise ValueError("no error")
        return Told(
            text, tuple(_frame(*each) for each in frames), None if before is None else read(before, depth + 1),
            bool(caused), tuple(read(each, depth + 1) for each in members), bool(mistake),
        )  # fmt: skip
    except TypeError as error:
        raise ValueError(f"no error: {error}") from None


def _frame(file: str, line: int, name: str, source: str, node: str, ours: bool) -> Frame:
    return Frame(str(file), int(line), str(name), str(source), str(node), bool(ours))


def of(error: BaseException) -> Told:
    """What there is to tell of `error`, whatever code of its own it has."""
    from traceback import TracebackException  # costs 5 ms, and most tasks end well

    try:
        return fitted(_told(TracebackException.from_exception(error, compact=True), error, 0), ROOM)
    except Exception as failure:
        return Told(f"{type(error).__name__} [its traceback cannot be formatted: {type(failure).__name__}]\n")


def files(told: Told) -> list[str]:
    """The files of this machine that the traceback of `told` names: those of frames that ran here, and are there."""
    found: dict[str, None] = {}
    waiting = [told]
    while waiting:
        part = waiting.pop()
        found |= {frame.file: None for frame in part.frames if not frame.node and frame.file.startswith("/")}
        waiting += [*part.members, *([part.before] if part.before is not None else [])]
    return [file for file in list(found)[:FILES] if os.path.isfile(file)]  # noqa: PTH113


def _told(made: Any, error: BaseException, depth: int) -> Told:
    lines = [f"{error}\n"] if isinstance(error, RemoteTraceback) else list(made.format_exception_only())
    kind = type(error)
    if lines and kind.__module__.startswith(PACKAGE):
        lines[0] = lines[0].replace(f"{kind.__module__}.", "", 1)
    if (meant := guess(error, "".join(lines))) and lines:
        lines[0] = f"{lines[0].rstrip()}. {meant}\n"
    own = Told(
        _cut("".join(lines), TEXT), tuple(_frames(made.stack)),
        mistake=issubclass(kind, _MISTAKES) and not kind.__module__.startswith(PACKAGE),
    )  # fmt: skip
    cause, context = error.__cause__, error.__context__
    if isinstance(cause, RemoteTraceback) and isinstance(cause.told, Told):
        return _joined(own, cause.told.on(cause.node), error, cause.node)
    if depth >= DEPTH:
        return own
    if made.exceptions is not None:
        own = own._replace(members=tuple(_members(made, error, depth)))
    if made.__cause__ is not None and cause is not None:
        return own._replace(before=_told(made.__cause__, cause, depth + 1))
    if made.__context__ is not None and context is not None and not made.__suppress_context__:
        return own._replace(before=_told(made.__context__, context, depth + 1), caused=False)
    return own


def _members(made: Any, error: Any, depth: int) -> Iterator[Told]:
    for each, member in list(zip(made.exceptions, error.exceptions, strict=False))[:MEMBERS]:
        yield _told(each, member, depth + 1)
    if (more := len(error.exceptions) - MEMBERS) > 0:
        yield Told(f"and {more:,} more exception{'s' * (more > 1)}\n")


def _joined(own: Told, there: Told, error: BaseException, node: str) -> Told:
    """An error that came from another node, as one: our frames lead to those there."""
    text = own.text
    seen = any(frame.file and not frame.ours for frame in there.frames)
    if not type(error).__module__.startswith(PACKAGE):
        text = there.text  # which has what it may have meant
        text += "".join(f"{note}\n" for note in getattr(error, "__notes__", ()) if f"{note}\n" not in text)
        if not seen and not there.members:
            text += f"(raised on {node})\n"
    elif (meant := there.text.partition(". Did you ")[2]) and isinstance(error, RemoteError):
        text = f"{text.rstrip()}. Did you {meant}"
    ours = tuple(frame for frame in own.frames if not frame.ours)
    return there._replace(text=text, frames=ours + there.frames)


def _frames(stack: Any) -> Iterator[Frame]:
    ours = in_between([is_ours(each.filename) for each in stack], [is_pythons(each.filename) for each in stack])
    frames = [
        Frame(each.filename, each.lineno or 0, each.name, ours=own) for each, own in zip(stack, ours, strict=True)
    ]
    by_place = {frame[:3]: each for frame, each in zip(frames, stack, strict=True)}
    for frame in bounded(folded(frames)):
        if not frame.file:
            yield frame
            continue
        _, _, source = stack.format_frame_summary(by_place[frame[:3]]).partition("\n")
        lines = "".join(f"{_cut(line, LINE)}\n" for line in source.splitlines())
        yield frame._replace(file=_cut(frame.file, LINE), name=_cut(frame.name, LINE), source=lines)


def in_between(ours: Sequence[bool], pythons: Sequence[bool]) -> list[bool]:
    """Which frames count as pysh's own: also those of Python's library by which some of these call others."""
    counted, at = list(ours), 0
    while at < len(counted):
        end = at
        while end < len(counted) and pythons[end]:
            end += 1
        if 0 < at < end < len(counted) and ours[at - 1] and ours[end]:
            counted[at:end] = [True] * (end - at)
        at = end + 1
    return counted


def folded(frames: Sequence[Frame]) -> list[Frame]:
    """`frames` without the repetitions of a recursion, also of functions that call each other in turn."""
    kept: list[Frame] = []
    at = 0
    while at < len(frames):
        period, times = _repetition(frames, at)
        shown = 3 if period == 1 else 2
        if times <= shown:
            kept.append(frames[at])
            at += 1
            continue
        kept += frames[at : at + period * shown]
        what = "frame" if period == 1 else f"{period} frames"
        kept.append(Frame("", source=f"  [Previous {what} repeated {times - shown:,} more times]\n"))
        at += period * times
    return kept


def _repetition(frames: Sequence[Frame], at: int) -> tuple[int, int]:
    """How many frames from `at` on are repeated, and how often they stand there; the fewest that are."""
    for period in range(1, PERIOD + 1):
        first, times = frames[at : at + period], 1
        while frames[at + times * period : at + (times + 1) * period] == first:
            times += 1
        if times > 2:
            return period, times
    return 1, 1


def bounded(frames: Sequence[Frame]) -> list[Frame]:
    """The first and the last of more than `FRAMES`."""
    if len(frames) <= FRAMES:
        return list(frames)
    head, tail = FRAMES * 2 // 5, FRAMES * 3 // 5
    left_out = Frame("", source=f"  [… {len(frames) - head - tail:,} frames left out …]\n")
    return [*frames[:head], left_out, *frames[-tail:]]


def fitted(told: Told, room: int) -> Told:
    """`told` in about `room` characters: its own frames and words first, then its members, then what led to it."""
    return _fitted(told, room)[0]


def _fitted(told: Told, room: int) -> tuple[Told, int]:
    room -= len(told.text) + sum(len(frame.file) + len(frame.name) + len(frame.source) + 40 for frame in told.frames)
    if room < 0:
        frames = (Frame("", source=f"  [… {len(told.frames)} frames left out …]\n"),) if told.frames else ()
        return Told(_cut(told.text, LINE), frames, mistake=told.mistake), 0
    members = []
    for member in told.members:
        member, room = _fitted(member, room)
        members.append(member)
    before = told.before
    if before is not None:
        before, room = _fitted(before, room)
    return told._replace(members=tuple(members), before=before), room


def _cut(text: str, limit: int) -> str:
    """`text`, of a longer one the beginning and the end, in characters that any encoder takes."""
    if len(text) > limit:
        left_out = f"[... {len(text) - limit:,} characters left out ...]"
        text = f"{text[: limit // 2]}{left_out}{text[-limit // 2 :]}"
    return text.encode("utf-8", "backslashreplace").decode()


def _lines(told: Told, depth: int) -> Iterator[str]:
    """`told` as Python prints it; in a group `depth` groups deep it has a margin."""
    chain: list[tuple[str, Told]] = []
    this: Told | None = told
    while this is not None:
        chain.append((CAUSED if this.caused else MEANWHILE, this))
        this = this.before
    for at, (_, part) in enumerate(reversed(chain)):
        if at:
            link = chain[len(chain) - at - 1][0]
            yield from _within(link, depth)
        yield from _part(part, depth)


def _part(told: Told, depth: int) -> Iterator[str]:
    if not told.members:
        yield from _within("Traceback (most recent call last):\n" if told.frames else "", depth)
        yield from _own(told, depth)
        return
    inner = max(depth, 1)
    if told.frames:
        head = "Exception Group Traceback (most recent call last):\n"
        yield from [f"  + {head}"] if not depth else _within(head, depth)
    yield from _own(told, inner)
    for at, member in enumerate(told.members):
        title = f" {at + 1} " if member.frames or at < MEMBERS else " ... "
        yield f"{'  ' * inner}{'+-' if not at else '  '}+----------------{title}----------------\n"
        yield from _lines(member, inner + 1)
    if not told.members[-1].members:
        yield f"{'  ' * inner}  +------------------------------------\n"


def _own(told: Told, depth: int) -> Iterator[str]:
    for frame in told.frames:
        yield from _within(str(frame), depth)
    yield from _within(told.text, depth)


def _within(text: str, depth: int) -> Iterator[str]:
    margin = f"{'  ' * depth}| " if depth else ""
    for line in text.splitlines(keepends=True):
        yield margin + line


def is_ours(filename: str) -> bool:
    """Whether the code in that file belongs to pysh itself."""
    return filename.startswith(_OURS)


def is_pythons(filename: str) -> bool:
    """Whether the code in that file belongs to Python's library."""
    return filename.startswith(_PYTHONS) and "-packages" not in filename


_OURS = is_ours.__code__.co_filename.removesuffix("runtime/tracebacks.py")
"""How the file names of pysh's own frames begin: another way than `__file__`, where the core is a zip."""
_PYTHONS = os.__file__.removesuffix("os.py")
