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

That is the suite `HMAC`, whose PROOF is made with the secret itself: who sees one can try secrets on
it at leisure. Where the channel is not private already the dialler names the suite `SPAKE2`. Then each
HELLO is followed by a SHARE, the two shares and the secret make a key, and the PROOFs are made with
that: both directions, over all of the above and the shares. The names and incarnations are so bound to
the key, and the host key that the dialler saw is, which has to be one of the acceptor's. A wrong secret
makes another key and shows nothing of the right one. The arithmetic is not done here: see `take_work`.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from pysh.runtime.protocol.frames import FrameError, pack, unpack
from pysh.runtime.protocol.hello import (
    HMAC,
    MAX_TEXT,
    SPAKE2,
    WIRE,
    HandshakeError,
    Hello,
    common,
    problem_with,
    read_hello,
    read_refusal,
)  # fmt: skip
from pysh.runtime.protocol.terms import Cookie, printable

__all__ = ["HMAC", "SPAKE2", "WIRE", "Handshake", "HandshakeError", "Hello", "Work"]

PREFACE = b"PYSH\x00\x01\r\n"
HELLO, PROOF, FAIL, SHARE = 1, 2, 3, 4
TYPE_NAMES = {HELLO: "HELLO", PROOF: "PROOF", FAIL: "FAIL", SHARE: "SHARE"}
HEAD = 3  # bytes before a body: its type and its length
MAX_BODY = 4096
MAX_WAITING = 2 * MAX_BODY  # bytes that may come while a computation is under way
SHARE_BYTES = 33  # which side it is of, and a point of the curve
PROOF_BYTES = 34  # an HMAC of 32, as msgpack
ENTROPY_BYTES = 32
SECONDS = 10.0  # for the whole handshake, whatever arrives in between

BAD_COOKIE = "the cookies of {} and {} differ: give both the same, by --cookie-file or --cookie"
BETWEEN = "; or somebody is in between: the host key that was seen there is none of that machine"
NO_HOST_KEY = "the acceptor does not know its machine's host keys, and the one that was seen proves nothing"


class State:
    """What this end waits for."""

    PREFACE, HELLO, SHARE, PROOF, DONE, FAILED = "preface", "hello", "share", "proof", "done", "failed"
    WORKING = "result"  # of our own side's computation; what the peer sends meanwhile waits


# What may come in which state; anything else ends the handshake. No message can come twice, so a peer
# never gets more than four of them read.
ALLOWED: dict[str, tuple[int, ...]] = {
    State.HELLO: (HELLO, FAIL),
    State.SHARE: (SHARE, FAIL),
    State.PROOF: (PROOF, FAIL),
}

# Where a failing end says why, as (dialling, state). Before the preface the peer may be anybody. Once
# the dialler has proved itself, an acceptor that is true reads frames and no more of these messages.
TELLS = {
    (True, State.HELLO), (True, State.SHARE), (True, State.WORKING),
    (False, State.HELLO), (False, State.SHARE), (False, State.WORKING), (False, State.PROOF),
}  # fmt: skip


class Work(NamedTuple):
    """SPAKE2 for one side: its share, and the key too where the other side's share is there."""

    side: Literal["A", "B"]  # A dials, B accepts
    secret: bytes
    entropy: bytes  # all the chance there is in it
    theirs: bytes

    def __repr__(self) -> str:
        return f"<Work of side {self.side}>"  # the secret is for no log


class Handshake:
    """One end of the exchange: bytes and `now` go in, bytes, a peer or an error come out.

    After each call of `receive_data`, `receive_eof`, `tick`, `work_done` or `work_failed` send what
    `data_to_send` returns; then close the stream if `error` is set, and do what `take_work` asks for.
    Nothing is known of the peer, and none of its bytes may be used, until `done`.

    `hello` is this end's own, `secret` what both must hold, `binding` what the channel ties them to (each
    end its own value). The suite is the dialler's: its hello names it, and an acceptor takes those in
    `suites`. With SPAKE2 `entropy` is 32 fresh bytes, `binding` the SHA-256 of the host key that the
    dialler saw, and `host_keys()` those that the acceptor's machine has. `check` is asked
    about a peer that has proved itself and may refuse it by returning `"code: text"`. Raises
    `ValueError` for a secret or a hello that cannot do.
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
        suites: Sequence[int] = (HMAC,),
        entropy: bytes = b"",
        host_keys: Callable[[], Sequence[bytes]] = tuple,
    ) -> None:
        if not secret:
            raise ValueError("an empty secret proves nothing")
        if problem := problem_with(hello._asdict()):
            raise ValueError(f"a hello with {problem}")
        suites = (hello.suite,) if dialling else suites
        if SPAKE2 in suites and (len(entropy) < ENTROPY_BYTES or (dialling and not binding)):
            raise ValueError("SPAKE2 takes fresh entropy, and the dialler's is bound to a host key")
        self.deadline = now + SECONDS
        self.peer: Hello | None = None
        self.version = 0
        self.error: HandshakeError | None = None
        self.rest = b""
        self._hello = hello
        self._secret = secret
        self._key = secret  # what the proofs are made with
        self._dialling = dialling
        self._binding = binding
        self._check = check
        self._suites = suites
        self._entropy = entropy
        self._host_keys = host_keys
        self._work: Work | None = None
        self._greeted = False
        self._state = State.PREFACE
        self._claimed: Hello | None = None  # what the peer says it is, until it has proved it
        self._transcript = hashlib.sha256(PREFACE + PREFACE)
        self._buffer = b""
        self._out = bytearray()
        if dialling and hello.suite == SPAKE2:
            self._ask()
        elif dialling:
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
        self._advance()

    def receive_eof(self) -> None:
        """Note that the peer closed the stream."""
        if not self.done and not self.error:
            self._abort(HandshakeError("closed", f"the stream ended where a {self._state} was expected"))

    def tick(self, now: float) -> None:
        """Fail if `now` is past the deadline."""
        if now >= self.deadline and not self.done and not self.error:
            missing = "we had no result" if self._state == State.WORKING else f"the peer sent no {self._state}"
            self._abort(HandshakeError("timeout", f"{missing} within {SECONDS:g} s"))

    def take_work(self) -> Work | None:
        """What is to be computed now, handed out once; then call `work_done` or `work_failed`."""
        work, self._work = self._work, None
        return work

    def work_done(self, share: bytes, key: bytes, now: float) -> None:
        """Go on with this side's `share`, and the `key` where the work had the other side's."""
        self.tick(now)
        if self._state != State.WORKING:
            return
        self._state = State.PREFACE if self._dialling and not key else State.PROOF
        self._key = key or self._key
        if not (self._dialling and key):
            self._introduce(share)
        else:
            self._prove()
        self._advance()

    def work_failed(self, code: str, text: str) -> None:
        """Give up: what `take_work` asked for cannot be had."""
        if self._state == State.WORKING:
            self._abort(HandshakeError(code, text))

    def data_to_send(self) -> bytes:
        """The bytes to send now; they are handed out once."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def __repr__(self) -> str:
        end = "dialling" if self._dialling else "accepting"
        return f"<Handshake {end} as {self._hello.name}: {self.error or self._state}>"

    def _advance(self) -> None:
        """Take all that the buffer holds and this state lets in."""
        try:
            while self._step():
                pass
            if self._state == State.WORKING and len(self._buffer) > MAX_WAITING:
                raise HandshakeError("too_big", "more than one message came while none was due")
        except HandshakeError as error:
            self._abort(error)
        if self.done:
            self.rest += self._buffer
            self._buffer = b""

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
        self._TAKE[kind](self, message)
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
        if peer.suite == SPAKE2:
            self._state = State.SHARE
            return
        if self._dialling:
            self._prove()
        else:
            self._introduce()
        self._state = State.PROOF

    def _take_share(self, message: bytes) -> None:
        try:
            share = unpack(message[HEAD:])
        except FrameError:
            share = None
        if not isinstance(share, bytes) or len(share) != SHARE_BYTES:
            raise HandshakeError("malformed", f"a SHARE that is no {SHARE_BYTES} bytes")
        self._transcript.update(message)
        self._ask(share)

    def _ask(self, theirs: bytes = b"") -> None:
        self._state = State.WORKING
        self._work = Work("A" if self._dialling else "B", self._secret, self._entropy, theirs)

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
        if peer.suite not in self._suites:
            wanted = " or ".join(map(str, self._suites))
            raise HandshakeError("suite", f"this channel asks for suite {wanted}, not {peer.suite}")
        if peer.suite == SPAKE2 and not self._dialling and not self._host_keys():
            raise HandshakeError("channel_binding", NO_HOST_KEY)
        self.version = version

    def _take_proof(self, message: bytes) -> None:
        assert self._claimed is not None  # a PROOF is only read after a HELLO
        if len(message) != HEAD + PROOF_BYTES:
            raise HandshakeError("malformed", f"a PROOF of {len(message) - HEAD} bytes")
        guarded = self._claimed.suite == SPAKE2
        bindings = self._host_keys() if guarded and not self._dialling else (self._binding,)
        fitting = [one for one in bindings if hmac.compare_digest(message, self._proof(one, not self._dialling))]
        if not fitting:
            text = BAD_COOKIE.format(_who(self._hello), _who(self._claimed))
            raise HandshakeError("bad_cookie", text + BETWEEN * guarded)
        self._binding = fitting[0]
        self._admit(self._claimed)
        if not self._dialling:
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

    def _introduce(self, share: bytes = b"") -> None:
        suite = self._claimed.suite if self._claimed else self._hello.suite
        said = _message(HELLO, pack(self._hello._replace(suite=suite)._asdict()))
        if share:
            said += _message(SHARE, pack(share))
        self._transcript.update(said)
        self._out += PREFACE + said
        self._greeted = True

    def _prove(self) -> None:
        message = self._proof(self._binding, self._dialling)
        self._transcript.update(message)
        self._out += message

    def _proof(self, binding: bytes, dialler: bool) -> bytes:
        """The PROOF that the dialler, or the acceptor, owes at this point."""
        # A key for each direction, so that our own proof, handed back to us, is none (a reflection attack).
        label = b"pysh proof of the " + (b"dialler" if dialler else b"acceptor")
        key = hmac.digest(self._key, label, "sha256")
        tag = hmac.digest(key, self._transcript.digest() + binding, "sha256")
        return _message(PROOF, pack(tag))

    def _abort(self, error: HandshakeError) -> None:
        if error.ours and error.code != "not_pysh" and (self._dialling, self._state) in TELLS:
            body = pack({"code": error.code, "text": error.text[:MAX_TEXT]})
            # A preface goes out with the first message, which may be this one.
            self._out += (b"" if self._greeted else PREFACE) + _message(FAIL, body)
        if error.code == "bad_cookie" and isinstance(self._secret, Cookie):
            error.source = self._secret.source
        # Where it was raised leads back to us: what a stranger sent would be kept until the next collection.
        error.__traceback__ = error.__context__ = None
        self.error = error
        self._state = State.FAILED
        self._buffer = b""
        self._claimed = self._work = None

    _TAKE = {HELLO: _take_hello, SHARE: _take_share, PROOF: _take_proof, FAIL: _take_fail}


def _who(hello: Hello) -> str:
    return hello.name or f"the {hello.role}"  # a terminal has no name of its own


def _range(hello: Hello) -> str:
    return "{}-{}".format(*hello.versions)


def _message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(HEAD - 1) + body
