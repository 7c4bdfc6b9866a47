"""How far a `connect` came: each stage with its milliseconds, and how we know."""

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pysh.transports.control import Facts


class Trace:
    """Stages that were passed, in order: `rows` of stage, milliseconds and evidence."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float, str]] = []
        self._since = time.monotonic()

    def lap(self, stage: str, evidence: str) -> None:
        """`stage` is passed now."""
        self.rows.append((stage, self._took(), evidence))

    def connected(self, facts: "Facts", *, shared: bool) -> None:
        """An SSH connection is there; it knows what its stages took, unless it was there before."""
        took, where = self._took(), f"{facts.user}@{facts.host} port {facts.port}"
        if shared:
            self.rows.append(("sshauth", took, f"{where}, over the SSH connection that is there"))
            return
        said = {
            "resolve": where,
            "tcp": facts.address or "through another host",
            "hostkey": f"{facts.algorithm} {facts.fingerprint}, {facts.verified}",
            "sshauth": f"by {facts.means}",
        }
        self.rows.append(("carrier", max(0.0, took - sum(facts.milliseconds.values())), "the process that speaks SSH"))
        self.rows += [(stage, took, said.get(stage, "")) for stage, took in facts.milliseconds.items()]

    def _took(self) -> float:
        """Milliseconds since the last call."""
        now = time.monotonic()
        took, self._since = (now - self._since) * 1000, now
        return took
