"""What the nodes' Pythons have installed, side by side."""

import platform
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from pysh.runtime.results import Results, Rows, fold

DIFFERS = "!="
"""How a row begins that is not the same everywhere."""


ERROR = "error"


def installed() -> dict[str, str]:
    """What this Python is, and the version of each package in it; runs on every node."""
    from importlib.metadata import distributions

    packages: dict[str, str] = {}
    for each in distributions():
        if name := each.metadata["Name"]:
            packages.setdefault(name.lower(), each.version)  # the first on the path is what an import finds
    told = {"python": platform.python_version(), "executable": sys.executable, "machine": platform.machine()}
    return told | dict(sorted(packages.items()))


def matrix(told: Results) -> Rows:
    """A row for the Python and for each package, those that differ first; a column for nodes that are all alike."""
    columns: dict[str, dict[str, Any]] = {}
    for labels, environment in _alike(told):
        columns[", ".join(fold(labels))] = environment
    names = dict.fromkeys(name for environment in columns.values() for name in environment)
    rows = [_row(name, columns) for name in names]
    return Rows(["", "package", *columns], sorted(rows, key=lambda row: not row[""]))


def _alike(told: Results) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """The names of nodes with the very same environment, and that."""
    groups: list[tuple[list[str], dict[str, Any]]] = []
    for node, value in told.items():
        environment = value if isinstance(value, dict) else {ERROR: f"{type(value).__name__}: {value}"}
        label = node.name.partition("@")[0]
        if sum(other.name.partition("@")[0] == label for other in told) > 1:
            label = node.name
        known = next((names for names, other in groups if other == environment), None)
        if known is None:
            groups.append(([label], environment))
        else:
            known.append(label)
    yield from groups


def _row(name: str, columns: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    answered = {label: environment for label, environment in columns.items() if ERROR not in environment}
    values = {label: environment.get(name, "-") for label, environment in answered.items()}
    differs = len(set(values.values())) > 1 or name == ERROR
    failed = {label: environment.get(name, "") for label, environment in columns.items() if ERROR in environment}
    return {"": DIFFERS if differs else "", "package": name, **values, **failed}
