"""What a row of the table of hostile programs says."""

from collections.abc import Callable
from typing import Any, NamedTuple

GRACE = 0.05
"""Seconds that a program has which is cancelled."""


class End(NamedTuple):
    """How a task ends: with a result, or with an error of this type that has these attributes."""

    kind: str
    attributes: dict[str, Any]

    def matches(self, report: dict[str, Any]) -> bool:
        """Whether the client saw this end; a text has to begin as it does here."""
        told = report["attributes"]
        return bool(self.kind == report["kind"]) and all(
            told.get(name, "").startswith(value) if isinstance(value, str) else told.get(name) == value
            for name, value in self.attributes.items()
        )


class Program(NamedTuple):
    """One hostile program: what runs on the node, and how that ends."""

    name: str
    run: Callable[..., Any]
    ends: tuple[End, ...]
    args: tuple[Any, ...] = ()
    killed: bool = False
    """It ends when it is cancelled, and not before."""
    storm: bool = False
    """It wants more processors than there are."""

    @property
    def begins(self) -> bool:
        """Whether its code ever runs."""
        return not any(end.attributes.get("executed") == "no" for end in self.ends)


def returns(value: Any) -> End:
    """It returns `value`."""
    return End("result", {"value": value})


def raises(kind: str, **attributes: Any) -> End:
    """It raises an exception of the type called `kind`."""
    return End(kind, attributes)


def dies(signal: int | None = None, *, status: int | None = None) -> End:
    """Its worker dies."""
    return End("WorkerDied", {"signal": signal, "status": status, "executed": "yes"})


def ended(name: str, run: Callable[..., Any], *ends: End, args: tuple[Any, ...] = (), storm: bool = False) -> Program:
    """A program that ends by itself, in one of these ways."""
    return Program(name, run, ends, args, storm=storm)


def killed(
    name: str, run: Callable[..., Any], *, args: tuple[Any, ...] = (), executed: str = "yes", storm: bool = False
) -> Program:
    """A program that has to be ended."""
    return Program(name, run, (raises("TaskCancelled", reason="cancel", executed=executed),), args, True, storm)
