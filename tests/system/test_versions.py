"""Yesterday's pysh and today's on one machine: they talk, or say why they cannot."""

import sys
from pathlib import Path

import pytest

from pysh.runtime.protocol.hello import WIRE
from tests.system.conftest import Home, Screens, until

RELEASE = [sys.executable, str(Path(__file__).with_name("release.py"))]
YESTERDAY = f"{WIRE[1] - 1}-{WIRE[1] - 1}"
TODAY = "{}-{}".format(*WIRE)
LATER = f"{WIRE[1] + 1}-{WIRE[1] + 2}"


def release(versions: str, *words: str) -> list[str]:
    """The command line of `pysh WORDS` of a release that speaks `versions`."""
    return [*RELEASE, versions, "-m", "pysh", *words]


def node(home: Home, name: str, versions: str) -> None:
    """Start a node whose hub speaks `versions`."""
    python = home.folder / f"python-{versions}"
    python.write_text(f'#!/bin/sh\nexec {" ".join(RELEASE)} {versions} "$@"\n')
    python.chmod(0o755)
    assert home.pysh("node", "--name", name, "--detach", PYSH_HUB_PYTHON=str(python)).returncode == 0


@pytest.mark.parametrize(("hub", "command"), [(YESTERDAY, TODAY), (TODAY, YESTERDAY)])
def test_a_node_one_version_away_is_listed_attached_and_stopped(
    home: Home, screens: Screens, hub: str, command: str
) -> None:
    node(home, "n1@localhost", hub)
    listed = home.run(release(command, "ls", "--json")).stdout
    assert '"n1@localhost"' in listed
    assert home.run(release(command, "rpc", "n1", "-c", "x = 42")).returncode == 0
    terminal = screens.run(release(command, "attach", "n1"))
    terminal.wait_for_end("n1@localhost[1]>")
    terminal.type("x\r")
    terminal.wait_for_end("42", "n1@localhost[2]>")
    terminal.type("\x04")
    assert terminal.wait_exit() == 0
    assert home.run(release(command, "stop", "n1")).returncode == 0
    until(lambda: not home.processes(), "the end of the node", 3)


@pytest.mark.parametrize(("near", "far"), [(YESTERDAY, TODAY), (TODAY, YESTERDAY)])
def test_nodes_one_version_apart_run_code_on_each_other(home: Home, near: str, far: str) -> None:
    node(home, "n1@localhost", near)
    node(home, "n2@localhost", far)
    code = "connect('n2@localhost'); x = 6; call(lambda: x * 7, on='n2')"
    assert home.pysh("rpc", "n1", "-c", code).stdout == "42\n"


@pytest.mark.parametrize("words", [("attach", "n1"), ("rpc", "n1", "-c", "x = 1"), ("stop", "n1")])
def test_a_node_without_a_common_version_refuses_and_says_what_both_speak(home: Home, words: tuple[str, ...]) -> None:
    node(home, "n1@localhost", LATER)
    assert [listed["node"] for listed in home.nodes()] == ["n1@localhost"]
    done = home.pysh(*words)
    assert done.returncode == 3
    versions = f"n1@localhost speaks wire versions {LATER}, the terminal speaks {TODAY}"
    assert f"{versions}: upgrade the older one" in done.stderr
    assert [listed["node"] for listed in home.nodes()] == ["n1@localhost"]
    assert home.run(release(LATER, "stop", "n1")).returncode == 0


def test_connecting_to_a_node_without_a_common_version_fails_at_stage_version(home: Home) -> None:
    node(home, "n1@localhost", LATER)
    code = "try:\n    connect('n1@localhost')\nexcept ConnectError as e:\n    print(e.stage, e.executed); print(e)"
    done = home.script(code)
    assert done.stdout.startswith("version no\n"), done.stderr
    assert LATER in done.stdout
    assert TODAY in done.stdout
    assert home.run(release(LATER, "stop", "n1")).returncode == 0
