"""Nodes with different Pythons, and what tells so."""

import subprocess
import sys
from pathlib import Path

from tests.pythons import python
from tests.system.conftest import Home
from tests.system.test_relations import own


def test_the_pythons_and_packages_of_all_nodes_stand_side_by_side(home: Home) -> None:
    other = python("3.12" if sys.version_info[:2] != (3, 12) else "3.11")
    venv = home.folder / "env"
    subprocess.run([other, "-m", "venv", "--without-pip", str(venv)], check=True)
    package = next((venv / "lib").glob("*")) / "site-packages" / "mine-2.5.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 2.5\n")
    home.node("n2@localhost")
    home.node("n3@localhost")
    home.node("n4@localhost", "--python", str(venv / "bin/python"))
    code = """
connect("n2@localhost", "n3@localhost", "n4@localhost")
table = doctor(on=["n2@localhost", "n3@localhost", "n4@localhost"])
print(table.columns)
found = {row["package"]: list(row.values()) for row in table}
print(found["python"][0], [version.rpartition(".")[0] for version in found["python"][2:]], found["mine"])
print(found["pytest"][0], found["pytest"][-1])
print([row[""] for row in table] == sorted((row[""] for row in table), reverse=True))
"""
    minors = [f"{sys.version_info[0]}.{sys.version_info[1]}", Path(other).name.removeprefix("python")]
    assert own(home.script(code)) == [
        "['', 'package', 'n[2-3]', 'n4']", f"!= {minors} ['!=', 'mine', '-', '2.5']", "!= -", "True",
    ]  # fmt: skip
