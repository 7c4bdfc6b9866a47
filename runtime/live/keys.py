"""What was pressed, from the bytes that a terminal sends."""

ESCAPE = "escape"
_NAMES = {
    b"\x1b[A": "up", b"\x1bOA": "up", b"\x1b[B": "down", b"\x1bOB": "down", b"\x1b[C": "right", b"\x1bOC": "right",
    b"\x1b[D": "left", b"\x1bOD": "left", b"\x1b[5~": "page-up", b"\x1b[6~": "page-down", b"\x1b[H": "home",
    b"\x1bOH": "home", b"\x1b[1~": "home", b"\x1b[F": "end", b"\x1bOF": "end", b"\x1b[4~": "end", b"\x1b[Z": "back-tab",
    b"\t": "tab", b"\r": "enter", b"\n": "enter", b"\x03": "ctrl-c", b"\x0e": "down", b"\x10": "up",
}  # fmt: skip
_LONGEST = 16
"""Bytes of a sequence that is waited for."""


def parse(data: bytes) -> tuple[list[str], bytes]:
    """The keys in `data`, and the beginning of one that is not all there. What is unknown is no key."""
    keys = []
    while data:
        size = _sequence(data) if data[:1] == b"\x1b" else 1
        if not size and len(data) < _LONGEST:
            break
        key, data = data[: size or 1], data[size or 1 :]
        if (name := _NAMES.get(key)) is not None:
            keys.append(name)
        elif key.isascii() and key.decode("ascii").isprintable():
            keys.append(key.decode("ascii"))
    return keys, data


def finished(rest: bytes) -> list[str]:
    """The keys that a beginning was after all, as nothing has followed: Escape alone."""
    return [ESCAPE] if rest == b"\x1b" else []


def _sequence(data: bytes) -> int:
    """How long the escape sequence is that `data` begins with; 0 if its end is not there."""
    if data[1:2] == b"O":
        return 3 if len(data) > 2 else 0
    if data[1:2] != b"[":
        return 1 if len(data) > 1 else 0
    for index in range(2, len(data)):
        if 0x40 <= data[index] <= 0x7E:
            return index + 1
    return 0
