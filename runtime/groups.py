"""Groups of hosts, from `~/.config/pysh/config.toml`, else by a `Tag` of the ssh configuration. These are read when one
is asked for, and not before.

[groups]
gpu = "web[1-4], db1"
all = ["@gpu", "root@old1:2222"]
"""

from pysh.runtime import configuration, tagged
from pysh.runtime.configuration import config_file
from pysh.runtime.places import ConfigError
from pysh.runtime.protocol.hostsets import Group
from pysh.runtime.protocol.terms import printable

MOST_NAMED = 20


def group(name: str) -> Group:
    """What the group `name` says. Raises `ConfigError`, with file and line where there is one to blame."""
    path = config_file()
    text = configuration.read(path)
    groups = configuration.parsed(path, text).get("groups", {})
    if not isinstance(groups, dict):
        evidence = f"{path}:{configuration.line_of(text, 'groups')}: groups is no table"
        raise ConfigError(
            "the groups of hosts cannot be read", evidence, f'write [groups], and below it {name} = "..."'
        )
    if name not in groups:
        there = ", ".join([*groups][:MOST_NAMED]) or "none"
        return _tagged(name, f"{path} has {there}" if text else f"there is no {path}")
    said = groups[name]
    said = [said] if isinstance(said, str) else said
    where = f"{path}:{configuration.line_of(text, 'groups', name)}"
    if not isinstance(said, list) or not all(isinstance(one, str) for one in said):
        raise ConfigError(f"the group {name} is neither text nor a list of texts", where, _hint(name))
    return Group(tuple(said), where)


def _tagged(name: str, evidence: str) -> Group:
    """What is no group of ours may be a tag of ssh's."""
    hosts, where = tagged.tagged(name)
    if not hosts:
        evidence += f"; no Host of {tagged.config_file()} has it as its Tag"
        raise ConfigError(f"there is no group {printable(name)}", evidence, _hint(name))
    return Group(tuple(hosts), where)


def _hint(name: str) -> str:
    return f'write in {config_file()}, below [groups]: {name} = "web[1-4], db1"'
