"""The text of a prompt as a person configured it: a template with fields such as `{node}`.

The first paint comes before the configuration can be parsed, so its line is looked for by hand.
"""

from pysh.shell.boot import FIELDS

TYPE_CHECKING = False
if TYPE_CHECKING:  # this may be imported before the first paint
    from collections.abc import Mapping

LONGEST = 200
"""Characters of a template."""
_SEEN = 64 * 1024
"""How much of the configuration is looked through."""


def why_not(template: object) -> str:
    """Why `template` cannot be that of a prompt; empty if it can."""
    if not isinstance(template, str) or not template.strip() or len(template) > LONGEST:
        return f"prompt is a text of up to {LONGEST} characters"
    if not template.isprintable():
        return "prompt is one line, without control characters"
    for part in template.split("{")[1:]:
        field, closed, _ = part.partition("}")
        if not closed or field not in FIELDS:
            return f"prompt has no field {{{field[:40]}}}; it has {', '.join(f'{{{name}}}' for name in FIELDS)}"
    return ""


def glimpsed(environ: "Mapping[str, str]") -> str:
    """The template of the user's configuration, if it stands there plainly; empty if not, or if it cannot be used."""
    base = environ.get("XDG_CONFIG_HOME", "")
    base = base if base.startswith("/") else f"{environ.get('HOME', '')}/.config"
    try:
        with open(f"{base}/pysh/config.toml", encoding="utf-8") as file:
            text = file.read(_SEEN)
    except (OSError, ValueError):
        return ""
    table = found = ""
    for line in map(str.strip, text.split("\n")):
        name, _, value = line.partition("=")
        if line.startswith("["):
            table = line.partition("#")[0].rstrip()
        elif table == "[shell]" and name.rstrip() == "prompt":
            found = _value(value.strip())
    return "" if why_not(found) else found


def _value(value: str) -> str:
    """The text that `value` is in TOML, if it is one line without escapes."""
    text, _, behind = value[1:].partition(value[:1] or '"')
    plain = value[:1] in ('"', "'") and "\\" not in text and (not behind.strip() or behind.lstrip().startswith("#"))
    return text if plain else ""
