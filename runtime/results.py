"""What verbs return that act on many nodes: values by node, and tables."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pysh.runtime.node import Node, milliseconds, via
from pysh.runtime.protocol.durations import lasting

if TYPE_CHECKING:
    from pysh.runtime.live.tree import Tree

_NUMBER = re.compile(r"\d+")
_ITSELF = "\0"
"""Stands for the name of a node in an error of its own."""


class Results(dict[Node, Any]):
    """Node to value, or to the exception of one that failed; printed with equal values on one line."""

    _seen: Callable[[], object] | None = None

    def watch(self, seen: Callable[[], object]) -> None:
        """Have `seen` called when somebody looks at what they are."""
        self._seen = seen

    def _look(self) -> None:
        if (seen := self._seen) is not None:
            self._seen = None
            seen()

    def __getitem__(self, node: Any) -> Any:
        self._look()
        return super().__getitem__(node)

    def __iter__(self) -> Iterator[Node]:
        self._look()
        return super().__iter__()

    def get(self, node: Any, default: Any = None) -> Any:
        self._look()
        return super().get(node, default)

    def values(self) -> Any:
        self._look()
        return super().values()

    def items(self) -> Any:
        self._look()
        return super().items()

    def __reduce__(self) -> Any:
        return Results, (dict(self.items()),)

    def __missing__(self, name: object) -> Any:
        """Of a name that of its node: the whole one, or what stands before the @ where only one is called so."""
        found = [node for node in self if name in (node.name, node.name.partition("@")[0])]
        if len(found) != 1:
            error = KeyError(name)
            error.add_note(f"{'several are' if found else 'none is'} called so; {self._whose()}")
            raise error
        return self[found[0]]

    def _whose(self) -> str:
        return f"there are results of {', '.join(fold(node.name for node in self))}" if self else "there are no results"

    @property
    def ok(self) -> "Results":
        """Those that have a value."""
        return Results({node: value for node, value in self.items() if not isinstance(value, BaseException)})

    @property
    def failed(self) -> "Results":
        """Those that have an exception."""
        return Results({node: value for node, value in self.items() if isinstance(value, BaseException)})

    def raise_first(self) -> "Results":
        """Raise the first exception, if there is one; else these results."""
        for value in self.values():
            if isinstance(value, BaseException):
                raise value
        return self

    def and_absent(self, absent: Mapping[str, Exception]) -> "Results":
        """These, and last those that a set names and that are not connected: nothing was sent there."""
        self.update({Node(name): why for name, why in absent.items()})
        return self

    def __repr__(self) -> str:
        if not self:
            return "no results"
        return "\n".join(_line(names, text) for names, text, _ in self._folded())

    def _repr_html_(self) -> str | None:
        from pysh.runtime import html

        rows = self._folded()
        failed = [number for number, row in enumerate(rows) if row[2]]
        return html.table(["node", ""], [row[:2] for row in rows], failed) if rows else None

    def _folded(self) -> list[tuple[str, str, bool]]:
        """Equal values on one line: whose they are, their text, and whether they are failures."""
        names = labels([node.name for node in self])
        same: dict[tuple[str, bool], list[tuple[str, str]]] = {}
        for label, (node, value) in zip(names, self.items(), strict=True):
            text, failed = _shown(value), isinstance(value, BaseException)
            same.setdefault((text.replace(node.name, _ITSELF) if failed else text, failed), []).append(
                (label, node.name)
            )
        folded = []
        for (text, failed), alike in same.items():
            short, whole = (", ".join(fold(each)) for each in zip(*alike, strict=True))
            folded.append((short, text.replace(_ITSELF, whole), failed))
        return folded


class Unattended(NamedTuple):
    """Results with failures, which a script has asked for and not looked at."""

    verb: str
    results: Results

    def __str__(self) -> str:
        failed, all_of_them = len(self.results.failed), len(self.results)
        return f"{self.verb} on {failed} of {all_of_them} node{'s' * (all_of_them > 1)}"

    def exception(self) -> BaseException:
        """The first of the failures."""
        return next(iter(self.results.failed.values()))  # type: ignore[no-any-return]  # of any kind


def labels(names: list[str]) -> list[str]:
    """What stands before the @, if that tells them apart."""
    short = [name.partition("@")[0] for name in names]
    return short if len(set(short)) == len(names) else names


def _shown(value: object) -> str:
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}".rstrip(": ")
    return str(value) if isinstance(value, str) else repr(value)


def _line(names: str, text: str) -> str:
    return f"{names}:\n{text}" if "\n" in text else f"{names}: {text}"


def fold(names: Iterable[str]) -> list[str]:
    """Names that differ in one number only, as one each: `web1 web2 web3 db` gives `web[1-3] db`."""
    folded: dict[str, None] = dict.fromkeys(names)
    for place in range(4):
        folded = dict.fromkeys(_fold_at(place, list(folded)))
    return list(folded)


def _fold_at(place: int, names: list[str]) -> Iterator[str]:
    """Fold at the number that stands at `place` in each name."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name in names:
        found = list(_NUMBER.finditer(name))
        if "[" in name or place >= len(found):
            groups[name, ""] = []
        else:
            number = found[place]
            groups.setdefault((name[: number.start()], name[number.end() :]), []).append(number[0])
    for (before, after), numbers in groups.items():
        if len(numbers) > 1:
            yield f"{before}[{','.join(_ranges(numbers))}]{after}"
        else:
            yield before + "".join(numbers) + after


def _ranges(numbers: list[str]) -> Iterator[str]:
    """`1 2 3 7` as `1-3` and `7`; numbers of different width, such as 08 and 9, do not run on."""
    runs: list[list[str]] = []
    for number in sorted(numbers, key=lambda text: (int(text), len(text))):
        last = runs[-1][-1] if runs else ""
        follows = last and int(number) == int(last) + 1 and number == str(int(last) + 1).zfill(len(last))
        if follows:
            runs[-1].append(number)
        else:
            runs.append([number])
    for run in runs:
        yield run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}"


class Rows(list[dict[str, Any]]):
    """Plain data, one dict a row: a table at the prompt, where `empty` says what it means that there is none."""

    def __init__(self, columns: Sequence[str], rows: Iterable[dict[str, Any]] = (), empty: str = "") -> None:
        super().__init__(rows)
        self.columns = list(columns)
        self.empty = empty

    def __pysh_table__(self) -> tuple[list[str], list[list[str]]]:
        return self.columns, [[field(row.get(column), column) for column in self.columns] for row in self]

    def __repr__(self) -> str:
        return table(*self.__pysh_table__()) if self or not self.empty else self.empty

    def _repr_html_(self) -> str | None:
        from pysh.runtime import html

        return html.table(*self.__pysh_table__()) if self or not self.empty else None


class Nodes(list[Node]):
    """Nodes as they were when asked for, this one first: a table at the prompt."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        super().__init__(Node(row["name"]) for row in rows)
        self._rows = rows

    def __pysh_table__(self) -> tuple[list[str], list[list[str]]]:
        rows = [
            [
                row["name"],
                row["state"],
                "" if row.get("rtt") is None else milliseconds(row["rtt"]),
                load(row),
                field(row.get("tasks")),
            ]
            for row in self._rows
        ]
        return ["node", "state", "rtt", "load", "tasks"], rows

    def __pysh_rows__(self) -> list[dict[str, Any]]:
        """The same as plain data; `rtt` in seconds."""
        return [
            {
                "node": row["name"],
                "state": row["state"],
                "rtt": row.get("rtt"),
                "load": load(row),
                "tasks": row.get("tasks"),
            }
            for row in self._rows
        ]

    def tree(self) -> "Tree":
        """The nodes that this one is connected to, below it, each with its state and by what host it was reached."""
        from pysh.runtime.live.tree import Tree

        own, *others = self._rows or [{"name": "no node", "state": ""}]
        below = [
            f"{row['name']}{via(row['name'], row.get('aliases') or ())}  {row['state']}"
            f"{'' if row.get('rtt') is None else '  ' + milliseconds(row['rtt'])}"
            for row in others
        ]
        return Tree(f"{own['name']}  {own['state']}", below)

    def __repr__(self) -> str:
        return table(*self.__pysh_table__())

    def _repr_html_(self) -> str:
        from pysh.runtime import html

        return html.table(*self.__pysh_table__())


def load(row: dict[str, Any]) -> str:
    """How busy a node is: 0, or how many of its workers run tasks, and how many tasks wait: `2/2 +3`.

    `cordoned` stands behind it while the node is being upgraded.
    """
    pool = row.get("pool")
    if not pool:
        return field(row.get("load"))
    busy = f"{pool['busy']}/{pool['size']}" if pool["busy"] or pool["waiting"] else "0"
    return busy + (f" +{pool['waiting']}" if pool["waiting"] else "") + (" cordoned" if "cordoned" in pool else "")


def megabytes(value: float) -> str:
    """So many of them as people read it."""
    return f"{value:.1f} MB"


UNITS: dict[str, Callable[[float], str]] = {"age": lasting, "memory": megabytes}
"""How numbers are shown that stand in a column of that name; to code they are seconds, and megabytes."""


def field(value: object, column: str = "") -> str:
    """A value as a field of a table shows it, with its unit if the `column` has one."""
    if value is None:
        return ""
    if column in UNITS and isinstance(value, int | float):
        return UNITS[column](value)
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def table(columns: list[str], rows: list[list[str]]) -> str:
    """A table in plain text."""
    from pysh.runtime.live.text import fit, width

    lines = [columns, *rows]
    widths = [max(width(line[index]) for line in lines) for index in range(len(columns))]
    return "\n".join("  ".join(map(fit, line, widths)).rstrip() for line in lines)
