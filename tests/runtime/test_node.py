import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from pysh.runtime.api import call_all, spawn_all
from pysh.runtime.errors import ConnectError
from pysh.runtime.node import Node, On, RoundTrip, all_nodes, choose, find, milliseconds, resolve, select
from pysh.runtime.places import ConfigError
from pysh.runtime.protocol.frames import Kind
from pysh.runtime.protocol.terms import BadName
from tests.runtime.hub_end import DEADLINE, N1, HubEnd, entry, hub_end

W1, W2 = entry("w@web1", b"a" * 16, aliases=["first"], load=3), entry("w@web2", b"b" * 16, rtt=0.0004)


@pytest.fixture
def hub() -> Iterator[HubEnd]:
    with hub_end(nodes=(N1, W1, W2)) as hub:
        yield hub


@pytest.mark.parametrize(
    ("text", "name"), [("w@web1", "w@web1"), ("first", "w@web1"), ("n1", "n1@here"), ("w@web2", "w@web2")]
)
def test_a_node_is_found_by_its_name_an_alias_or_the_unique_part_before_the_at(
    hub: HubEnd, text: str, name: str
) -> None:
    assert find(hub.client, text).name == name


def test_a_node_that_is_not_connected_is_answered_with_what_to_type(hub: HubEnd) -> None:
    with pytest.raises(ConnectError) as caught:
        find(hub.client, "db@x")
    assert str(caught.value) == (
        '[find] db@x is not connected; known here: n1@here, w@web1, w@web2. Nothing ran. Try: connect("db@x")'
    )
    assert caught.value.executed == "no"


def test_a_slip_in_a_name_is_answered_with_the_node_that_is_there(hub: HubEnd) -> None:
    with pytest.raises(ConnectError, match=r"known here: .*w@web2\. Did you mean: 'n1@here'\? Nothing ran"):
        find(hub.client, "n1@her")


def test_a_name_that_several_nodes_share_is_not_guessed(hub: HubEnd) -> None:
    with pytest.raises(ConnectError, match="several nodes are called w: w@web1, w@web2"):
        find(hub.client, "w")


def test_what_on_may_say(hub: HubEnd) -> None:
    def names(on: object) -> list[str]:
        return [info.name for info in resolve(hub.client, on)]  # type: ignore[arg-type]

    assert names(None) == ["n1@here"]
    assert names("first") == names(Node("w@web1")) == ["w@web1"]
    assert names(["w@web2", Node("n1@here"), "n1"]) == ["w@web2", "n1@here"]
    assert names(all_nodes) == ["n1@here", "w@web1", "w@web2"]
    with pytest.raises(ValueError, match="names no node"):
        names([])


def test_sets_are_matched_against_names_aliases_and_hosts(hub: HubEnd, home: Path) -> None:
    config = home / ".config/pysh/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[groups]\nall = "web[1-3]"\nfar = "db[1-9]"\n')

    def names(on: On) -> tuple[list[str], list[str]]:
        infos, absent = select(hub.client, on)
        return [info.name for info in infos], list(absent)

    assert names("web1") == names("@all & first") == (["w@web1"], [])
    assert names("web[1-2]") == names("w & !n1") == (["w@web1", "w@web2"], [])
    assert names("@all") == (["w@web1", "w@web2"], ["web3"])
    assert names("!web1") == (["n1@here", "w@web2"], [])
    assert names(["n1", "web[2-3]"]) == (["n1@here", "w@web2"], ["web3"])
    assert names(["w@web[1-3]", Node("n1@here"), "!web1"]) == (["w@web2", "n1@here"], ["w@web3"])
    assert names([all_nodes, "!web1"]) == (["n1@here", "w@web2"], [])
    assert choose(hub.client, "@all").name == "w@web2"
    for on, said in [
        (
            "web[7-9]",
            "web[7-9] means no node that is connected (web7, web8, web9); known here: n1@here, w@web1, w@web2",
        ),
        ("@far", "@far means no node that is connected (db1, db2, db3, db4, db5, db6, db7, db8, ...); known here: n1@"),
        ("first & web2", "first & web2 means no node that is connected; known here: n1@here, w@web1, w@web2"),
    ]:
        with pytest.raises(ConnectError) as caught:
            select(hub.client, on)
        assert said in str(caught.value) and caught.value.executed == "no"
    with pytest.raises(ConfigError, match="there is no group 'gpu'"):
        select(hub.client, "@gpu")
    with pytest.raises(BadName, match="nothing behind a &"):
        select(hub.client, "w &")


def test_of_a_set_those_that_are_not_connected_have_failed(hub: HubEnd) -> None:
    hub.serve()
    results = call_all(len, "abc", on="web[1-3]", timeout=DEADLINE)
    assert results.ok == {Node("w@web1"): 3, Node("w@web2"): 3}
    assert str(results[Node("web3")]).startswith("[find] web3 is not connected; known here: ")
    assert list(spawn_all(print, on="web[2-3]").failed) == [Node("web3")]


def test_one_of_several_is_the_least_loaded_and_not_a_silent_one(hub: HubEnd) -> None:
    assert choose(hub.client, ["w@web1", "w@web2"]).name == "w@web2"
    for _ in range(4):
        hub.client.view.loads.started(b"b" * 16)
    assert choose(hub.client, ["w@web1", "w@web2"]).name == "w@web1"
    hub.tell_nodes(N1, W1 | {"state": "suspect", "load": 0}, W2 | {"load": 9})
    hub.send(Kind.PING)
    hub.expect(Kind.PONG)
    assert choose(hub.client, ["w@web1", "w@web2"]).name == "w@web2"


def test_a_node_shows_its_state_and_round_trip(hub: HubEnd) -> None:
    assert repr(Node("n1@here")) == "<Node n1@here self>"
    assert repr(Node("w@web2")) == "<Node w@web2 up 0.40 ms>"
    assert repr(Node("db@x")) == "<Node db@x down>"
    assert str(Node("db@x")) == "db@x"


def test_a_node_is_its_name_wherever_it_goes() -> None:
    node = Node("w@web1")
    assert pickle.loads(pickle.dumps(node)) == node and len({node, Node("w@web1"), Node("w@web2")}) == 2
    assert pickle.loads(pickle.dumps(all_nodes)) is all_nodes


def test_its_verbs_act_on_it(hub: HubEnd, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []

    def evaluated(args: dict[str, str]) -> dict[str, str]:
        asked.append(args["source"])
        return {"text": "5", "output": "printed\n"}

    hub.serve(
        eval=evaluated,
        ping=lambda _: 0,
        tasks=lambda _: [{"number": 3, "label": "f"}],
        disconnect=lambda args: args["name"] == "w@web1",
    )
    node = Node("w@web1")
    assert node.call(len, "ab", timeout=DEADLINE) == 2
    assert node.task(len, "abc").result(DEADLINE) == 3
    assert node.spawn(print).pid.incarnation == b"a" * 16
    assert repr(node.eval("2 + 3")) == "5"
    node.run("x = 5")
    with pytest.raises(TypeError, match="source, as text, not 5; nothing was sent"):
        node.eval(5)  # type: ignore[arg-type]
    assert asked == ["2 + 3", "x = 5"] and capsys.readouterr().out == "printed\n" * 2
    assert node.ping() > 0 and node.rtt is not None
    assert node.tasks()[0]["label"] == "f"
    node.disconnect()


@pytest.mark.parametrize(("seconds", "text"), [(0.00021, "0.21 ms"), (0.0099, "9.90 ms"), (0.038, "38 ms")])
def test_round_trips_are_shown_in_milliseconds(seconds: float, text: str) -> None:
    assert milliseconds(seconds) == text
    took = RoundTrip(seconds)
    assert (repr(took), f"{took:.4f}", took + 1) == (text, f"{seconds:.4f}", seconds + 1)
    assert json.dumps(took) == json.dumps(seconds)


def test_a_short_name_is_not_guessed_either_where_one_of_them_was_dialled_by_it(hub: HubEnd) -> None:
    hub.tell_nodes(N1, W1 | {"aliases": ["w"]}, W2)
    hub.ping()
    with pytest.raises(ConnectError, match="several nodes are called w: w@web1, w@web2"):
        find(hub.client, "w")
    hub.tell_nodes(N1, W1 | {"aliases": ["w"]})
    hub.ping()
    assert find(hub.client, "w").name == "w@web1"
