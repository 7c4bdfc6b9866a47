"""What two ends tell each other first: who they are and what they speak, or why there is no trust.

All of it is read before anything is proved, so each field is bounded and checked against a table.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from pysh.runtime.protocol.terms import INCARNATION_BYTES, BadName, printable, split_name
from pysh.runtime.vendor import msgpack  # type: ignore[attr-defined]  # found at run time

NONCE_BYTES = 32
MAX_TEXT = 256

WIRE = (1, 2)
"""The oldest and the newest version of the wire that are spoken here."""

HMAC = 1
"""The suite for a channel that is private already: challenge and answer under the shared secret."""
SPAKE2 = 2
"""The suite for any other: the secret makes a fresh key, and a guess at it costs a whole handshake."""

ROLES = ("node", "evaluator", "worker", "apartment", "program", "terminal")


class Hello(NamedTuple):
    """Who one end is. `incarnation` (16 bytes) and `nonce` (32 bytes, fresh each time) are entropy."""

    role: str
    name: str
    incarnation: bytes
    nonce: bytes
    python: str = ""
    versions: tuple[int, int] = WIRE
    pid: int = 0
    suite: int = HMAC
    features: tuple[str, ...] = ()


class HandshakeError(Exception):
    """The handshake ended without trust; `code` is for programs, `text` for people.

    Codes: `not_pysh version suite malformed too_big timeout closed bad_cookie channel_binding self_connect`,
    those that an acceptor's `check` gives, such as `name_taken`, and those of whoever computes SPAKE2: `busy`
    and `no_spake2`. `ours` tells whether this end or the peer says so, `source` from where our cookie was, if that
    is what was wrong; no peer is told that.
    """

    def __init__(self, code: str, text: str, ours: bool = True) -> None:
        super().__init__(code, text, ours)
        self.code = code
        self.text = text
        self.ours = ours
        self.source = ""

    def __str__(self) -> str:
        said = self.text if self.ours else f"the peer refused: {self.text}"
        return f"{said}; here it is that of {self.source}" if self.source else said


def common(ours: tuple[int, int], theirs: tuple[int, int]) -> int | None:
    """The highest version in both ranges, each the oldest and the newest; None where they do not meet."""
    newest = min(ours[1], theirs[1])
    return newest if newest >= max(ours[0], theirs[0]) else None


def read_hello(body: bytes) -> Hello:
    """The Hello that a peer sent. Raises `HandshakeError`."""
    fields = _read_map(body)
    if problem := problem_with(fields):
        raise HandshakeError("malformed", f"a HELLO with {problem}")
    # What a newer peer adds is left out here; it still counts in the transcript.
    known = {name: fields[name] for name in Hello._fields}
    known.update(versions=tuple(known["versions"]), features=tuple(known["features"]))
    return Hello(**known)


def read_refusal(body: bytes) -> HandshakeError:
    """The error that a peer sent, made safe to show: it has proved nothing. Raises `HandshakeError`."""
    fields = _read_map(body)
    code, text = fields.get("code"), fields.get("text")
    if not _is_word(code) or not isinstance(text, str):
        raise HandshakeError("malformed", "a FAIL without code and text")
    shown = "".join(c if c.isprintable() else "?" for c in text[:MAX_TEXT])
    return HandshakeError(str(code), shown, ours=False)


def _read_map(body: bytes) -> dict[str, Any]:
    """The map that `body` holds. The bounds keep its length fields from allocating anything."""
    try:
        value = msgpack.unpackb(body, max_array_len=64, max_map_len=64)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise HandshakeError("malformed", f"malformed msgpack: {printable(error)}") from None
    if not isinstance(value, dict):
        raise HandshakeError("malformed", "a message that is no map")
    return value


def _is_text(value: Any, most: int) -> bool:
    return isinstance(value, str) and len(value) <= most and value.isascii() and value.isprintable()


def _is_word(value: Any) -> bool:
    return _is_text(value, 32) and value.replace("_", "a").isalnum()


def _is_number(value: Any, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _is_bytes(value: Any, size: int) -> bool:
    return isinstance(value, bytes) and len(value) == size


def _is_versions(value: Any) -> bool:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return False
    return _is_number(value[0], 1, 0xFFFF) and _is_number(value[1], value[0], 0xFFFF)


def _is_features(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) <= 64 and all(_is_text(v, 32) for v in value)


FIELDS: dict[str, Callable[[Any], bool]] = {
    "role": lambda value: value in ROLES,
    "name": lambda value: _is_text(value, 320),
    "incarnation": lambda value: _is_bytes(value, INCARNATION_BYTES),
    "nonce": lambda value: _is_bytes(value, NONCE_BYTES),
    "python": lambda value: _is_text(value, 32),
    "versions": _is_versions,
    "pid": lambda value: _is_number(value, 0, 0xFFFFFFFF),
    "suite": lambda value: _is_number(value, 0, 255),
    "features": _is_features,
}


def problem_with(fields: dict[str, Any]) -> str | None:
    """What keeps `fields` from being a Hello, in words; None when nothing does."""
    for name, holds in FIELDS.items():
        if name not in fields:
            return f"no {name}"
        if not holds(fields[name]):
            return f"a bad {name}: {_shown(fields[name])}"
    return _misnamed(fields["name"]) if fields["role"] == "node" else None


def _misnamed(name: str) -> str | None:
    try:
        split_name(name)
    except BadName as error:
        return f"a bad name: {error}"
    return None


def _shown(value: Any) -> str:
    # Never the inside of a container: `str` of a deep one raises RecursionError.
    return printable(value, 64) if isinstance(value, str | bytes | int) else f"a {type(value).__name__}"
