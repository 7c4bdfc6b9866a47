"""Groups of hosts as the user's configuration has them, and what is said of one that cannot be used."""

from pathlib import Path

import pytest

from pysh.runtime.configuration import LARGEST
from pysh.runtime.groups import group
from pysh.runtime.places import ConfigError
from pysh.runtime.protocol.hostsets import expand
from pysh.runtime.protocol.terms import BadName
from pysh.runtime.tagged import aliases

CONFIG = """\
# what I call them

[groups]
gpu = "web[1-2], db1"
"my hosts" = ["@gpu", "root@old1:2222"]
empty = []
number = 4
mixed = ["a", 4]
bad = "web[3-1]"
circle = "web1 & @circle"
"""


@pytest.fixture
def config(home: Path) -> Path:
    path = home / ".config/pysh/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(CONFIG)
    return path


def test_a_group_is_a_set_or_a_list_of_them(config: Path) -> None:
    assert group("gpu").said == ("web[1-2], db1",)
    assert group("gpu").where == f"{config}:4"
    assert group("my hosts").said == ("@gpu", "root@old1:2222")
    assert group("empty").said == ()
    assert expand("@gpu & !db1", group) == ["web1", "web2"]


REFUSED = [
    ("number", "the group number is neither text nor a list of texts ({}:7); write in {}, below [groups]: "),
    ("mixed", "neither text nor a list of texts ({}:8); "),
    ("nobody", "there is no group 'nobody' ({} has gpu, my hosts, empty, number, mixed, bad, circle; no Host of "),
]


@pytest.mark.parametrize(("name", "said"), REFUSED, ids=[row[0] for row in REFUSED])
def test_a_group_that_cannot_be_used_is_told_with_file_and_line(config: Path, name: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        group(name)
    assert said.format(config, config) in str(caught.value)


@pytest.mark.parametrize(("name", "said"), [("bad", "{}:9: @bad: '3-1' is no range"), ("circle", "{}:10: @circle: ")])
def test_what_a_group_says_is_told_with_file_and_line_too(config: Path, name: str, said: str) -> None:
    with pytest.raises(BadName) as caught:
        expand(f"@{name}", group)
    assert str(caught.value).startswith(said.format(config))


UNREADABLE = [
    (b'[groups]\ngpu = "a\n', "is no TOML ({}:2: "),
    (b"\n\ngroups = 4\n", "cannot be read ({}:3: groups is no table); "),
    (b"# \n# \xff\n", "is no UTF-8 ({}:2)"),
    (b"#" * (LARGEST + 1), "is larger than 1 MiB ({})"),
]


@pytest.mark.parametrize(("data", "said"), UNREADABLE, ids=[row[1] for row in UNREADABLE])
def test_a_configuration_that_cannot_be_read_is_told_when_a_group_is_asked_for(
    config: Path, data: bytes, said: str
) -> None:
    config.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        group("gpu")
    assert said.format(config, config) in str(caught.value)


def test_without_a_configuration_there_is_no_group_and_it_is_told_how_to_make_one(home: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        group("gpu")
    assert str(caught.value) == (
        f"there is no group 'gpu' (there is no {home}/.config/pysh/config.toml; no Host of {home}/.ssh/config "
        f'has it as its Tag); write in {home}/.config/pysh/config.toml, below [groups]: gpu = "web[1-4], db1"'
    )


SSH = """\
Include extra/*.conf nothing
Tag nobody
Host web1 web? !web9 "web2"
    # Tag db
    tag=gpu
    Tag db
Host db1
    Tag "db"  # the first that is said
Match host db2
    Tag db
Host web1 db3
  TAG   db
"""


def test_a_group_may_be_a_tag_of_the_ssh_configuration(home: Path) -> None:
    ssh = home / ".ssh"
    (ssh / "extra").mkdir(parents=True)
    (ssh / "config").write_text(SSH)
    (ssh / "extra/one.conf").write_text("Host far1\nTag gpu\nInclude ~/.ssh/config\n")  # in a circle
    assert group("gpu").said == ("far1", "web1", "web2")
    assert group("gpu").where == f"{ssh}/extra/one.conf:2"
    assert group("db").said == ("db1", "db3")
    assert expand("@gpu & !web2", group) == ["far1", "web1"]
    for name in ("nobody", "web1"):
        with pytest.raises(ConfigError, match="there is no group"):
            group(name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Host = a\nTag = gpu\n", ("a",)),
        ("Host a\nInclude inc\nTag gpu\n", ("a",)),  # after an Include the block around it goes on
        ("Host inner\nInclude inc\n", ("inner",)),
        ("Host in* !inner\nInclude inc\n", ("inside",)),
        ("Host *\nInclude inc\nInclude inc\n", ("inner", "inside")),
        ("Match user me\nInclude inc\nTag gpu\n", ()),
    ],
)
def test_tags_are_read_as_ssh_does(home: Path, text: str, said: tuple[str, ...]) -> None:
    (home / ".ssh").mkdir()
    (home / ".ssh/config").write_text(text)
    (home / ".ssh/inc").write_text("Host inner inside\nTag gpu\n")
    if text.startswith("Host a\nInclude"):
        (home / ".ssh/inc").write_text("Host other\n")
    if said:
        assert group("gpu").said == said
    else:
        with pytest.raises(ConfigError):
            group("gpu")


def test_a_group_of_ours_comes_before_a_tag(config: Path, home: Path) -> None:
    (home / ".ssh").mkdir()
    (home / ".ssh/config").write_text("Host a\nTag gpu\nHost b\nTag other\n")
    assert group("gpu").said == ("web[1-2], db1",)
    assert group("other").said == ("b",)


def test_the_hosts_that_the_ssh_configuration_names_are_known_without_patterns(home: Path) -> None:
    folder = home / ".ssh"
    folder.mkdir()
    (folder / "config").write_text("Host db1 web* !x db2\n  User me\nInclude more circle\nHost db1\nMatch host y\n")
    (folder / "more").write_text("Host=bastion\n")
    (folder / "circle").write_text("Include circle\nHost last\n")
    assert aliases() == ["db1", "db2", "bastion", "last"]


def test_without_a_configuration_of_ssh_no_host_is_known(home: Path) -> None:
    assert aliases() == []
