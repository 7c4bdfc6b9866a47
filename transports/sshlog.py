"""What the ssh binary says on standard error with `-v`, understood: how far it came, and why no further."""

import re
from collections.abc import Sequence

from pysh.transports.base import TransportError, cleaned
from pysh.transports.means import ASKED, BROKE, DROPPED, NO_SSH, NeedsPerson
from pysh.transports.sshconfig import Stopwatch

PROGRESS = (
    ("resolve", r"Connecting to .+ \[(?P<address>[^]]+)\] port \d+"),
    ("tcp", r"Connection established|Executing proxy command"),
    ("hostkey", r"Server host (key|certificate): (?P<algorithm>\S+) (?P<fingerprint>SHA256:[^\s,]+)"),
    ("sshauth", r"Authenticated to "),
)
"""Which line ends which stage, and what it tells."""

NO_TOUCH = "a security key of ours is to be touched, and was not"
TOUCH = r"debug1: Server accepts key: .* \S+-SK "
"""What is said of a key that signs next, unless nobody touches it."""
NO_PIN = "a token, which may hold our key, wants its PIN"

FAILURES = (
    ("resolve", r"Could not resolve hostname", "the host name is not known", "check the name: ssh -G {name}"),
    ("hostkey", r"IDENTIFICATION HAS CHANGED", "the host key changed", "if it was set up anew: ssh-keygen -R '{name}'"),
    ("hostkey", r"REVOKED HOST KEY|is marked as revoked", "the host key is revoked", "ask {name}'s administrator"),
    ("hostkey", r"requested strict checking", "the host key is unknown", 'accept it: hostkey="accept-new"'),
    ("hostkey", r"key verification failed", "the host key cannot be trusted", "see: ssh -v {name}"),
    ("hostkey", r"kex_exchange_identification: .*(closed|reset)", DROPPED, "does it let more in (MaxStartups)?"),
    ("hostkey", r"banner exchange|kex_exchange|Unable to negotiate", NO_SSH, "see: ssh -v {name}"),
    ("tcp", r"connect to host .+ port \d+: ", "the connection failed", "is sshd running there, is the port right?"),
    (
        "sshauth",
        r"^PKCS#11 login failed",
        "the token refuses the PIN",
        "connect again; some lock after a few wrong ones",
    ),
    ("sshauth", r"^pin required", NO_PIN, ""),
    ("sshauth", r"signing failed for \S+-SK ", "the security key did not sign", "connect again, and touch it in time"),
    ("sshauth", r"Permission denied|Too many authentication", "the server does not let us in", "see: ssh -v {name}"),
    ("sshauth", f"^{TOUCH}", NO_TOUCH, ""),
)
"""What a complaint means: stage, pattern, text, hint. The first that fits any line counts."""

SERVER = r"debug1: Remote protocol version \S+, remote software version (?P<server>\S+)"
"""What the server calls itself."""
STAGES = [stage for stage, _ in PROGRESS]
_DEBUG = r"debug[123]: "
COMPLAINTS = 24
"""Lines that are kept of what is no debugging output."""


class Log:
    """Reads the lines of one login."""

    def __init__(self, name: str, known: Sequence[str] = (), host: str = "") -> None:
        self.watch = Stopwatch()
        self.found: dict[str, str] = {}
        self._name, self._known, self._host = name, known, host or name
        self._complaints: list[str] = []

    def read(self, line: str) -> None:
        """Take the next line."""
        for stage, pattern in PROGRESS:
            if stage not in self.watch.milliseconds and (found := re.match(f"({_DEBUG})?{pattern}", line)):
                self.watch.lap(stage)
                self.found |= found.groupdict()
                return
        if found := re.match(SERVER, line):
            self.found |= found.groupdict()
        elif re.match(TOUCH, line) or not re.match(_DEBUG, line):
            self._complaints = [*self._complaints, cleaned(line)][-COMPLAINTS:]

    def failure(self, otherwise: str) -> TransportError:
        """Why the login failed; where no line says it, `otherwise` is how it ended."""
        text = "\n".join(self._complaints)
        for stage, pattern, what, hint in FAILURES:
            if found := re.search(pattern, text, re.MULTILINE):
                start = text.rfind("\n", 0, found.start()) + 1
                line = text[start:].split("\n", 1)[0]
                if asks := [method for method in sorted(ASKED) if stage == "sshauth" and method in line]:
                    what = f"the server wants a person's answer ({' or '.join(asks)})"
                if asks or what in (NO_PIN, NO_TOUCH):
                    return NeedsPerson(what, f"{self._name}: {line}", self._host)
                return TransportError(stage, what, self._evidence(stage, line), hint.format(name=self._name))
        reached = [stage in self.watch.milliseconds for stage in STAGES]
        stage = STAGES[reached.index(False)] if False in reached else "sshauth"
        what, said = {"hostkey": DROPPED, "sshauth": BROKE}.get(stage, otherwise), cleaned(text) or "it said nothing"
        evidence = said if what == otherwise else f"{otherwise}; {said}"
        return TransportError(stage, what, evidence, f"see: ssh -v {self._name}")

    def _evidence(self, stage: str, line: str) -> str:
        """The line itself; for a host key both fingerprints, which the line lacks."""
        if stage != "hostkey" or "fingerprint" not in self.found:
            return line
        known = " or ".join(self._known) or "nothing of it"
        return f"{self._name} shows {self.found['algorithm']} {self.found['fingerprint']}, and known_hosts has {known}"
