"""A command for each of what its argument names, and what it says of those that do not answer."""

import argparse
from pathlib import Path

import pytest

from pysh.runtime.protocol.terms import BadName
from pysh.shell import codes, several
from pysh.shell.cli import explain


def told(argument: str, text: str, command: str, **more: object) -> tuple[int, list[str]]:
    """The exit code of a command that fails at web2, and for what it was done."""
    done: list[str] = []

    def do(asked: argparse.Namespace) -> int:
        one = getattr(asked, argument)
        done.append(one)
        if one.endswith("web2"):
            raise BadName("no way there")
        return codes.OK

    return several.run(command, do, argparse.Namespace(**{argument: text, "json": False} | more), explain), sorted(done)


def test_it_goes_on_where_one_does_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert told("node", "w@web[1-3]", "stop") == (codes.CANNOT_CONNECT, ["w@web1", "w@web2", "w@web3"])
    assert capsys.readouterr() == ("", "w@web2: pysh: no way there\n")


def test_what_prints_is_headed_by_where_it_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert told("host", "web[3-4]", "doctor") == (codes.OK, ["web3", "web4"])
    assert capsys.readouterr().out == "web3:\nweb4:\n"


def test_one_alone_is_done_as_ever(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BadName):
        told("host", "web2", "doctor")
    assert capsys.readouterr().out == ""


def test_nodes_on_several_hosts_have_one_name_and_run_in_the_background() -> None:
    asked = {"detach": True, "name": None}
    assert told("on", "web[1,3]", "node", **asked) == (codes.OK, ["web1", "web3"])
    with pytest.raises(SystemExit):
        told("on", "web[1,3]", "node", detach=False, name=None)


def test_a_group_is_that_of_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "pysh").mkdir()
    (tmp_path / "pysh/config.toml").write_text('[groups]\ngpu = "web[3-4]"\n')
    assert told("node", "w@@gpu", "logs") == (codes.OK, ["w@web3", "w@web4"])


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("", []), ("n1", ["n1"]), ("n1,n2@db1,", ["n1", "n2@db1"]), ("unix:/a b,n1", ["unix:/a b", "n1"]),
        ("w@web[1,3],n2", ["w@web1", "w@web3", "n2"]),
    ],
)  # fmt: skip
def test_nodes_to_connect_to_may_be_a_set(text: str, nodes: list[str]) -> None:
    assert several.addresses(text) == nodes
