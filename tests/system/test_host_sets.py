"""Sets of hosts wherever hosts are named: over real sshds, with groups of the user's own configuration."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machines import DIRECT, Network, network

CONFIG = '[groups]\nfleet = "web[1-2]"\nbad = "web[2-1]"\n'


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Network]:
    """Two machines, which are a group."""
    with network(tmp_path) as made:
        for alias in ("web1", "web2"):
            made.machine(alias, path=DIRECT)
        config = made.home.folder / ".config/pysh/config.toml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(CONFIG)
        yield made


def test_a_set_names_hosts_to_start_on_and_nodes_to_run_on(net: Network) -> None:
    told = net.script(
        "print([str(n) for n in start_nodes('@fleet & !web2', name='w', persist=True)])\n"
        "print([str(n) for n in start_nodes('@fleet, !web1', name='w', persist=True)])\n"
        "print(call_all(lambda: 6 * 7, on='web[1-3]'))\n"
        "print(call(lambda: node().name, on='@fleet & web2'))\n"
        "for on in ('web[7-8]', '@bad', '@nobody'):\n"
        "    try:\n"
        "        call(print, on=on)\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__, error)\n"
        "leave()\n"
        "print(sorted(str(n) for n in connect('w@@fleet')))\n"
        "print(connect('w@web[1-2] & !w@web2'))\n"
    )
    here = told.splitlines()[3].split("known here: ")[1].split(",")[0]
    config = net.home.folder / ".config/pysh/config.toml"
    known = f"known here: {here}, w@web1, w@web2. Nothing ran."
    assert told.splitlines()[:8] == [
        "['w@web1']",
        "['w@web2']",
        "w@web[1-2]: 42",
        f"web3: ConnectError: [find] web3 is not connected; {known}" + ' Try: connect("NAME@web3")',
        "w@web2",
        f"ConnectError [find] web[7-8] means no node that is connected (web7, web8); {known}",
        f"BadGroup {config}:3: @bad: '2-1' is no range of at most 1000 numbers, the smaller one first",
        told.splitlines()[7],
    ]
    assert told.splitlines()[7].startswith(f"ConfigError there is no group 'nobody' ({config} has fleet, bad; ")
    assert told.splitlines()[8] == "['w@web1', 'w@web2']"
    assert told.splitlines()[9].startswith("w: <Node w@web1 up ")
    assert net.home.pysh("stop", "w@@fleet").returncode == 0


def test_commands_take_sets_and_go_on_where_one_does_not_answer(net: Network) -> None:
    pysh = net.home.pysh
    assert pysh("node", "--on", "@fleet").returncode == 2
    assert pysh("node", "--on", "@fleet", "--name", "w", "--detach").returncode == 0
    done = pysh("ls", "web[1-2],nowhere.invalid", "--json")
    assert [row["node"] for row in json.loads(done.stdout)] == ["w@web1", "w@web2"]
    assert done.returncode == 3 and json.loads(done.stderr)["of"] == "nowhere.invalid"
    assert pysh("rpc", "w@@fleet", "-c", "6 * 7").stdout == "w@web1:\n42\nw@web2:\n42\n"
    assert pysh("tasks", "w@web[1-2]", "--json").stdout == "[]\n"
    assert "w@web1 (pid " in pysh("doctor", "@fleet").stdout
    done = pysh("stop", "w@web[1-3]")
    assert done.returncode == 3 and done.stderr.startswith("w@web3: pysh: ")
    assert pysh("ls", "@fleet").stdout.splitlines() == [
        f"no node runs on {machine.alias} (looked in {machine.runtime})" for machine in net.machines
    ]
    assert pysh("ls", "@nobody").returncode == 3
    assert pysh("ls", "web1 &").returncode == 3


def test_a_configuration_with_a_mistake_stops_nothing_that_asks_for_no_group(net: Network) -> None:
    (net.home.folder / ".config/pysh/config.toml").write_text("[groups\n")
    assert net.script("print(call_all(lambda: 1, on=all_nodes).raise_first().popitem()[1])") == "1\n"
    done = net.home.pysh("ls", "@fleet")
    assert done.returncode == 3 and "config.toml:1: " in done.stderr
