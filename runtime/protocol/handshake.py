"""Two ends prove to each other that they hold the same secret, before anything else is read.

    dialler                                acceptor
    preface, HELLO        ───────────►
                          ◄───────────     preface, HELLO
    PROOF                 ───────────►     the peer is proven: `check` may still refuse it
    the peer is proven    ◄───────────     PROOF
    ... frames ...        ◄──────────►     ... frames ...

Each message is `type (1 byte) | length (2) | body`, the body msgpack of at most `MAX_BODY` bytes.
Either end may send FAIL in place of its next message; nothing follows it. A PROOF is an HMAC under a
key of its sender's direction, over every byte that was exchanged so far (so a changed version or
name breaks it as much as a wrong secret does) and over what the channel binds the two ends to. The
dialler proves first: each guess at a secret costs a stranger a connection that fails.
"""

import hashlib
import hmac
from collections.abc import Callable

from pysh.runtime.protocol.frames import pack
from pysh.runtime.protocol.hello import (
    HMAC,
    MAX_TEXT,
    WIRE,
    HandshakeError,
    Hello,
    common,
    problem_with,
    read_hello,
    read_refusal,
)  # fmt: skip
from pysh.runtime.protocol.terms import printable

__all__ = ["HMAC", "WIRE", "Handshake", "HandshakeError", "Hello"]

PREFACE = b"PYSH\x00\x01\r\n"
HELLO, PROOF, FAIL = 1, 2, 3
TYPE_NAMES = {HELLO: "HELLO", PROOF: "PROOF", FAIL: "FAIL"}
HEAD = 3  # bytes before a body: its type and its length
MAX_BODY = 4096
SECONDS = 10.0  # for the whole handshake, whatever arrives in between

BAD_COOKIE = "the cookies of {} and {} differ: give both the same, by --cookie-file or --cookie"


class State:
    """What this end waits for."""

    PREFACE, HELLO, PROOF, DONE, FAILED = "preface", "hello", "proof", "done", "failed"


# What may come in which state; anything else ends the handshake. No message can come twice, so a peer
# never gets more than three of them read.
ALLOWED: dict[str, tuple[int, ...]] = {
    State.HELLO: (HELLO, FAIL),
    State.PROOF: (PROOF, FAIL),
}

# Where a failing end says why, as (dialling, state). Before the preface the peer may be anybody. Once
# the dialler has proved itself, an acceptor that is true reads frames and no more of these messages.
TELLS = {(True, State.HELLO), (False, State.HELLO), (False, State.PROOF)}


class Handshake:
    """One end of the exchange: bytes and `now` go in, bytes, a peer or an error come out.

    After each call of `receive_data`, `receive_eof` or `tick` send what `data_to_send` returns; then
    close the stream if `error` is set. Nothing is known of the peer, and none of its bytes may be used,
    until `done`.

    `hello` is this end's own, `secret` what both must hold, `binding` what the channel ties them to (each
    end its own value). `check`, for an acceptor, is asked about a peer that has proved itself and may
    refuse it by returning `"code: text"`. Raises `ValueError` for a secret or a hello that cannot do.
    """

    def __init__(
        self,
        hello: Hello,
        secret: bytes,
        *,
        dialling: bool,
        now: float,
        binding: bytes = b"",
        check: Callable[[Hello], str | None] | None = None,
    ) -> None:
        if not secret:
            raise ValueError("an empty secret proves nothing")
        if problem := problem_with(hello._asdict()):
            raise ValueError(f"a hello with {problem}")
        self.deadline = now + SECONDS
        self.peer: Hello | None = None
        self.version = 0
        self.error: HandshakeError | None = None
        self.rest = b""
        self._hello = hello
        self._secret = secret
        self._dialling = dialling
        self._binding = binding
        self._check = check
        self._state = State.PREFACE
        self._claimed: Hello | None = None  # what the peer says it is, until it has proved it
        self._transcript = hashlib.sha256(PREFACE + PREFACE)
        self._buffer = b""
        self._out = bytearray()
        if dialling:
            self._introduce()

    @property
    def done(self) -> bool:
        """Whether both ends are proven, as far as this end can know."""
        return self._state == State.DONE

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes as they came, cut anywhere. Raises nothing: look at `error` and `done`."""
        self.tick(now)
        if self.error:
            return
        self._buffer += data
        try:
            while self._step():
                pass
        except HandshakeError as error:
            self._abort(error)
        if self.done:
            self.rest += self._buffer
            self._buffer = b""

    def receive_eof(self) -> None:
        """Note that the peer closed the stream."""
        if not self.done and not self.error:
            self._abort(HandshakeError("closed", f"the stream ended where a {self._state} was expected"))

    def tick(self, now: float) -> None:
        """Fail if `now` is past the deadline."""
        if now >= self.deadline and not self.done and not self.error:
            self._abort(HandshakeError("timeout", f"the peer sent no {self._state} within {SECONDS:g} s"))

    def data_to_send(self) -> bytes:
        """The bytes to send now; they are handed out once."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def __repr__(self) -> str:
        end = "dialling" if self._dialling else "accepting"
        return f"<Handshake {end} as {self._hello.name}: {self.error or self._state}>"

    def _step(self) -> bool:
        """Take one thing off the buffer; False when more bytes are needed for it."""
        if self._state == State.PREFACE:
            return self._take_preface()
        if self._state not in ALLOWED or len(self._buffer) < HEAD:
            return False
        kind, size = self._buffer[0], int.from_bytes(self._buffer[1:HEAD])
        if kind not in ALLOWED[self._state]:
            name = TYPE_NAMES.get(kind, f"message {kind}")
            raise HandshakeError("malformed", f"a {name} where a {self._state} was expected")
        if size > MAX_BODY:
            raise HandshakeError("too_big", f"a {TYPE_NAMES[kind]} of {size} bytes; the limit is {MAX_BODY}")
        if len(self._buffer) < HEAD + size:
            return False
        message, self._buffer = self._buffer[: HEAD + size], self._buffer[HEAD + size :]
        {HELLO: self._take_hello, PROOF: self._take_proof, FAIL: self._take_fail}[kind](message)
        return True

    def _take_preface(self) -> bool:
        start = self._buffer[: len(PREFACE)]
        if not PREFACE.startswith(start):
            seen = printable(self._buffer[:64].decode("latin-1"))
            raise HandshakeError("not_pysh", f"no pysh answers there: the first bytes are {seen}")
        if len(start) < len(PREFACE):
            return False
        self._buffer = self._buffer[len(PREFACE) :]
        self._state = State.HELLO
        return True

    def _take_hello(self, message: bytes) -> None:
        peer = read_hello(message[HEAD:])
        self._compare(peer)
        self._claimed = peer
        self._transcript.update(message)
        if self._dialling:
            self._prove()
        else:
            self._introduce()
        self._state = State.PROOF

    def _compare(self, peer: Hello) -> None:
        """Raise if no honest peer of this end can have said so."""
        ours = self._hello
        if peer.nonce == ours.nonce:
            raise HandshakeError("not_pysh", "no pysh answers there: it sends our own bytes back")
        if peer.role == ours.role == "node" and peer.incarnation == ours.incarnation:
            raise HandshakeError("self_connect", f"{ours.name} is this node itself")
        version = common(ours.versions, peer.versions)
        if version is None:
            raise HandshakeError(
                "version",
                f"{_who(ours)} speaks wire versions {_range(ours)}, {_who(peer)} speaks {_range(peer)}: "
                "upgrade the older one",
            )
        if peer.suite != ours.suite:
            raise HandshakeError("suite", f"this channel asks for suite {ours.suite}, not {peer.suite}")
        self.version = version

    def _take_proof(self, message: bytes) -> None:
        assert self._claimed is not None  # a PROOF is only read after a HELLO
        expected = self._proof(dialler=not self._dialling)
        if len(message) != len(expected):
            raise HandshakeError("malformed", f"a PROOF of {len(message) - HEAD} bytes")
        if not hmac.compare_digest(message, expected):
            raise HandshakeError("bad_cookie", BAD_COOKIE.format(_who(self._hello), _who(self._claimed)))
        if not self._dialling:
            self._admit(self._claimed)
            self._transcript.update(message)
            self._prove()
        self.peer = self._claimed
        self._state = State.DONE

    def _take_fail(self, message: bytes) -> None:
        raise read_refusal(message[HEAD:])

    def _admit(self, peer: Hello) -> None:
        refusal = self._check(peer) if self._check else None
        if refusal:
            code, _, text = refusal.partition(": ")
            raise HandshakeError(code, text)

    def _introduce(self) -> None:
        message = _message(HELLO, pack(self._hello._asdict()))
        self._transcript.update(message)
        self._out += PREFACE + message

    def _prove(self) -> None:
        message = self._proof(dialler=self._dialling)
        self._transcript.update(message)
        self._out += message

    def _proof(self, *, dialler: bool) -> bytes:
        """The PROOF that the dialler, or the acceptor, owes at this point."""
        # A key for each direction, so that our own proof, handed back to us, is none (a reflection attack).
        label = b"pysh proof of the " + (b"dialler" if dialler else b"acceptor")
        key = hmac.digest(self._secret, label, "sha256")
        tag = hmac.digest(key, self._transcript.digest() + self._binding, "sha256")
        return _message(PROOF, pack(tag))

    def _abort(self, error: HandshakeError) -> None:
        if error.ours and error.code != "not_pysh" and (self._dialling, self._state) in TELLS:
            body = pack({"code": error.code, "text": error.text[:MAX_TEXT]})
            # An acceptor's preface goes out with its first message, which may be this one.
            preface = PREFACE if not self._dialling and self._state == State.HELLO else b""
            self._out += preface + _message(FAIL, body)
        self.error = error
        self._state = State.FAILED
        self._buffer = b""
        self._claimed = None


def _who(hello: Hello) -> str:
    return hello.name or f"the {hello.role}"  # a terminal has no name of its own


def _range(hello: Hello) -> str:
    return "{}-{}".format(*hello.versions)


def _message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(HEAD - 1) + body
