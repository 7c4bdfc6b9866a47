"""What a worker that speaks nonsense costs its node: its connection."""

from tests.hostile.conftest import ROOT
from tests.system.conftest import Home, home

__all__ = ("home",)
SCRIPT = """
import os
import time
from tests.hostile.nonsense import KINDS, write
n2 = connect("n2@localhost")
for kind in KINDS:
    print(kind, task(write, kind, on=n2).exception(10))
    assert all(call(os.path.basename, "a/well", on=n2, timeout=10) == "well" for _ in range(3)), kind
    until = time.monotonic() + 5  # that a result was fetched is told right behind it
    while tasks(on=n2):
        assert time.monotonic() < until, (kind, tasks(on=n2))
print("well")
"""


def test_p9_frames_of_no_sense_cost_a_worker_its_connection(home: Home) -> None:
    home.environ["PYTHONPATH"] = str(ROOT)
    home.node("n2@localhost")
    [before] = home.nodes()
    done = home.script(SCRIPT, timeout=50)
    assert done.stdout.splitlines()[-1:] == ["well"], done.stderr
    assert [node["pid"] for node in home.nodes()] == [before["pid"]]
