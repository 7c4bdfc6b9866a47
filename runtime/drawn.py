"""What a node is called that was given no name: drawn before the first prompt stands, so nothing is imported here."""

import os

_WORDS = (
    "amber ash aspen bay birch brook cedar clay cliff cloud coral cove creek dawn dew dune elm ember fern "
    "field finch flint fog frost glen grove hail hawk hazel heron holly iris ivy jade kite lake lark leaf "
    "lily lynx maple marsh mint mist moss oak onyx opal otter owl pearl pine plum pond quartz quill rain "
    "reed ridge river robin rose rowan sage sand shell sky slate snow spruce star stone storm swan teal "
    "thorn tide vale wave willow wren yew"
)


def generated_name() -> str:
    """A short name for a shell that was given none, such as `heron42`."""
    words, drawn = _WORDS.split(), int.from_bytes(os.urandom(4), "big")
    return f"{words[drawn % len(words)]}{drawn // len(words) % 90 + 10}"


def default_node_host() -> str:
    """The host part of a node's name unless one is given: this machine's short name."""
    short = os.uname().nodename.partition(".")[0]
    if is_host(short):
        return short
    cleaned = "".join(char if _is_plain(char, "_-") else "-" for char in short).strip("-_")
    return cleaned or "localhost"


def is_node(text: str) -> bool:
    """Whether `text` may be a node's own name, as `terms.check_node` has it."""
    lower = text == text.lower() and text[:1] not in ("_", ".", "-")
    return 0 < len(text) <= 63 and lower and all(_is_plain(char, "_.-") for char in text)


def is_host(text: str) -> bool:
    """Whether `text` may be the host part of a name, as `terms.check_host` has it."""
    return 0 < len(text) <= 253 and _is_plain(text[0]) and all(_is_plain(char, ".:_-") for char in text)


def _is_plain(char: str, more: str = "") -> bool:
    return (char.isascii() and char.isalnum()) or char in more
