"""Frames of every kind, in good form, that no runner sends: what they say is of another type, or about others."""

from pysh.runtime.protocol.frames import KIND_NAMES, pack
from pysh.runtime.protocol.terms import Pid
from pysh.runtime.runner.client import Client

KINDS = sorted(KIND_NAMES)
METAS = (
    [], {}, 5, "text", None, {"owner": 5}, {"owner": [b"", {}]}, {"grace": "x"}, {"name": []}, {"stage": {}}, {"fn": 5},
    {"kind": "process", "name": "x" * 9999}, {"limit": "x"}, {"nodes": [5]}, {"verb": 5}, {"to": [], "reason": 7},
)  # fmt: skip


def write(kind: int) -> str:
    """Each meta to its hub, to itself and to nobody, with a payload that is no pickle."""
    client = Client.current
    assert client is not None
    for pid in (client.hub, client.pid, Pid(bytes(16), 2**63), Pid(b"\xff" * 16, 0)):
        for meta in METAS:
            client.post(kind, pid, ref=2**40, meta=pack(meta), payload=b"\xc1" * 9, source=pid)
    client.flush(1)
    return "written"
