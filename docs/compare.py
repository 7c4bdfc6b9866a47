"""Tries each prompt of the comparison at a terminal, and writes down what came of it: `make comparison`.

`python -m docs.compare` tries all rows of `probes.toml`; words after it choose those whose subject has one of them,
and names of prompts, as `iex`, whom to try; `tasks` tries instead what others type in `tasks.md`. What is not tried,
or not installed, stays as it stands on the page.
"""

import os
import re
import shlex
import shutil
import sys
import tomllib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from docs.scene import NO, NONE, PROMPTS, Broken, Probe, of, scene, search_path

PAGE = Path(__file__).with_name("comparison.md")
PROBES = Path(__file__).with_name("probes.toml")
TASKS = Path(__file__).with_name("task_probes.toml")
AT_A_TIME = 3


def trial(probe: Probe, prompt: str) -> str:
    """What the page says of a prompt in the row of a probe."""
    steps = of(probe.keys, prompt)
    if steps is None:
        return NONE
    outcome = performed(probe, prompt, steps)
    if outcome != NO or not (options := of(probe.options, prompt)):
        return outcome
    outcome = performed(probe, prompt, steps, options)
    return outcome if outcome == NO else f"with `{options}`"


def performed(probe: Probe, prompt: str, steps: list[Any], options: str = "") -> str:
    """What came of the steps at a prompt with these options. Raises `Broken` where they could not be done."""
    with scene(probe, prompt, options) as made:
        for step in steps:
            for each in typed(step, prompt) if isinstance(step, dict) and "task" in step else [step]:
                made.do(each)
        outcome = made.outcome()
        if os.environ.get("SHOW"):
            shown = "".join(f"  | {line}\n" for line in made.terminal.lines)
            print(f"{probe.what}: {prompt}\n{shown}", flush=True)
        return outcome


def typed(step: dict[str, Any], prompt: str) -> list[Any]:
    """The steps of a prompt in a task of the other page, and what is waited behind each."""
    section = PAGE.with_name("tasks.md").read_text().split("\n## ")[step["task"]]
    lines = re.findall(r"`([^`]+)`", section.partition(f"\n| {prompt} | ")[2].partition("\n")[0])
    keys = [line + "\r" * (1 + line.startswith("def ")) for line in lines]
    return [each for key in keys for each in (key, {"wait": step.get("wait", 0)})]


def probes(file: Path = PROBES) -> list[Probe]:
    """The rows, in their order."""
    return [Probe(**each) for each in tomllib.loads(file.read_text())["probe"]]


def rows(page: str) -> dict[str, list[str]]:
    """The outcomes on a page, by the subjects of their rows."""
    table = re.findall(r"^\| (.*) \|$", page.partition("\n|---")[2], re.MULTILINE)
    cells = [re.split(r" \| ", row) for row in table]
    return {row[0]: row[1 : 1 + len(PROMPTS)] for row in cells if len(row) == len(PROMPTS) + 2}


def write(page: str, outcomes: dict[str, list[str]]) -> str:
    """The page with the table of these outcomes."""
    head = f"| | {' | '.join(PROMPTS)} | tried |"
    lines = [head, "|---" * (len(PROMPTS) + 2) + "|"]
    for probe in probes():
        tests = " ".join(f"`{test}`" for test in probe.tests)
        cells = outcomes.get(probe.what, ["?"] * len(PROMPTS))
        lines.append(f"| {probe.what} | {' | '.join(cells)} | {probe.how}{' ' * bool(tests)}{tests} |")
    return re.sub(r"^\| \| pysh(.*\n)(\|.*\n)*", lambda _: "\n".join(lines) + "\n", page, count=1, flags=re.MULTILINE)


def tried(pair: tuple[Probe, str]) -> str | None:
    """The outcome of a probe at a prompt; None, with a word, where it could not be tried."""
    try:
        return trial(*pair)
    except Broken as error:
        print(f"{pair[0].what}: {pair[1]}: {error}", flush=True)
        return None


def main(words: list[str]) -> None:
    """Try what `words` choose, and write it down."""
    there = [name for name in PROMPTS if shutil.which(shlex.split(PROMPTS[name].command)[0], path=search_path())]
    for name in PROMPTS.keys() - there:
        print(f"{name} is not installed: what the page says of it stays")
    chosen = [name for name in there if name in words] or there
    subjects = [word for word in words if word not in PROMPTS and word != "tasks"]
    file = TASKS if "tasks" in words else PROBES
    pairs = [
        (probe, name)
        for probe in probes(file) if not subjects or any(word in probe.what for word in subjects)
        for name in chosen
    ]  # fmt: skip
    outcomes = rows(PAGE.read_text())
    with ProcessPoolExecutor(AT_A_TIME) as pool:
        for (probe, name), outcome in zip(pairs, pool.map(tried, pairs), strict=True):
            if outcome is not None:
                print(f"{probe.what}: {name}: {outcome}", flush=True)
                outcomes.setdefault(probe.what, ["?"] * len(PROMPTS))[list(PROMPTS).index(name)] = outcome
    if file == PROBES:
        PAGE.write_text(write(PAGE.read_text(), outcomes))


if __name__ == "__main__":
    main(sys.argv[1:])
