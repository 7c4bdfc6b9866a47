"""What stands under the cursor in Python that is being typed: from text alone, nothing is looked up.

Only simple expressions are understood, `a.b["c"].d`: to follow a call it would have to be made.
"""

import re
from ast import literal_eval
from typing import Any, NamedTuple

LONGEST = 100_000
"""Characters before the cursor that are looked at."""

_TOKEN = re.compile(
    r"""
    (?P<space> [ \t\f]+ | \\\r?\n )
  | (?P<newline> \r?\n )
  | (?P<comment> \#[^\n]* )
  | (?P<string> (?i:[rbu]|br|rb|f|fr|rf)? (?: \"{3}(?:[^\\]|\\.)*?\"{3} | '{3}(?:[^\\]|\\.)*?'{3}
                                         | (?!\"{3}|'{3}) (?: "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' ) ) )
  | (?P<begun> (?i:[rbu]|br|rb|f|fr|rf)? (?: \"{3} | '{3} | " | ' ) )
  | (?P<number> \d[\w.]* )
  | (?P<name> [^\W\d]\w* )
  | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_CLOSES = {")": "(", "]": "[", "}": "{"}
_OPENS = frozenset(_CLOSES.values())
_STATEMENTS = frozenset(("import", "from"))


class Token(NamedTuple):
    """A piece of the text, from `start` on."""

    kind: str
    text: str
    start: int


class Step(NamedTuple):
    """One step of a simple expression: a `name`, an `attribute`, or an `item` with its key."""

    kind: str
    value: Any


Expression = tuple[Step, ...]
"""Empty for what is not simple."""


class Call(NamedTuple):
    """The innermost call that is still open: what is called, and the argument that is typed.

    `position` counts those before it, `keyword` is its name if it has one, `given` are the names of those before it.
    """

    function: Expression
    position: int
    keyword: str
    given: tuple[str, ...]
    begins: bool
    """Whether a name of a keyword argument may stand there."""


class Cursor(NamedTuple):
    """What is typed: `prefix` of it, from `start` on.

    `kind` is `name`, `attribute` (of `target`), `key` (a text that is a key of `target`), `item` (any key of it),
    `text`, `module` (of an import), `member` (of module `module`), or empty where nothing can be completed.
    """

    kind: str
    prefix: str
    start: int
    target: Expression = ()
    module: str = ""
    quote: str = ""
    call: Call | None = None


def under(text: str, position: int) -> Cursor:
    """What stands under the cursor at `position` of `text`."""
    before = text[max(0, position - LONGEST) : position]
    if text.lstrip().startswith("!"):  # a command, whose words are paths
        start = max(before.rfind(" "), before.rfind("!")) + 1
        return Cursor("text", before[start:], start + position - len(before))
    tokens, begun = _tokens(before)
    shift = position - len(before)
    found = _in_string(tokens, begun, before) if begun is not None else _in_code(tokens, before)
    return found._replace(start=found.start + shift)


def _tokens(text: str) -> tuple[list[Token], Token | None]:
    """The tokens without spaces, and the string that is not closed, if the text ends in one."""
    tokens: list[Token] = []
    at = depth = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        assert match is not None  # any character is `other`
        kind = match.lastgroup or ""
        token = Token(kind, match.group(), at)
        at = match.end()
        if kind == "begun":
            if len(token.text.lstrip("rRbBuUfF")) == 1 and "\n" in text[at:]:
                continue  # a quote that was forgotten, on an earlier line
            return tokens, token
        if kind == "comment":
            if at == len(text):
                return [], Token("begun", "#", token.start)
        elif kind != "space" and not (kind == "newline" and depth):
            tokens.append(token)
            depth = max(0, depth + (token.text in _OPENS) - (token.text in _CLOSES))
    return tokens, None


def _in_string(tokens: list[Token], begun: Token, text: str) -> Cursor:
    if begun.text == "#":
        return Cursor("", "", len(text))
    start = begun.start + len(begun.text)
    quote = begun.text.lstrip("rRbBuUfF")
    call = _call(tokens, at_start=False)
    if tokens and tokens[-1].text == "[" and (target := _expression_before(tokens[:-1])):
        return Cursor("key", text[start:], start, target, quote=quote, call=call)
    return Cursor("text", text[start:], start, quote=quote, call=call)


def _in_code(tokens: list[Token], text: str) -> Cursor:
    prefix, start = "", len(text)
    if tokens and tokens[-1].kind == "name" and tokens[-1].start + len(tokens[-1].text) == len(text):
        prefix, start = tokens[-1].text, tokens[-1].start
        tokens = tokens[:-1]
    elif tokens and tokens[-1].kind == "number" and tokens[-1].start + len(tokens[-1].text) == len(text):
        return Cursor("", "", len(text), call=_call(tokens, at_start=False))
    if (found := _in_import(_statement(tokens), prefix, start)) is not None:
        return found
    if tokens and tokens[-1].text == ".":
        target = _expression_before(tokens[:-1])
        return Cursor("attribute" if target else "", prefix, start, target, call=_call(tokens, at_start=False))
    call = _call(tokens, at_start=True)
    if tokens and tokens[-1].text == "[" and (target := _expression_before(tokens[:-1])):
        return Cursor("item", prefix, start, target, call=call)
    return Cursor("name", prefix, start, call=call)


def _statement(tokens: list[Token]) -> list[Token]:
    """The tokens of the statement that the text ends in, if it is an import."""
    begin = 0
    depth = 0
    for index, token in enumerate(tokens):
        if token.text in _OPENS:
            depth += 1
        elif token.text in _CLOSES:
            depth = max(0, depth - 1)
        elif (token.kind == "newline" and not depth) or token.text == ";" or (token.text == ":" and not depth):
            begin = index + 1
    statement = [token for token in tokens[begin:] if token.kind != "newline"]
    return statement if statement and statement[0].text in _STATEMENTS else []


def _in_import(statement: list[Token], prefix: str, start: int) -> Cursor | None:
    """What is imported; None if nothing is."""
    if not statement:
        return None
    words = [token.text for token in statement]
    if words[0] == "from" and "import" in words:
        module = "".join(words[1 : words.index("import")])
        ready = words[-1] in ("import", ",", "(")
        return Cursor("member" if ready else "", prefix, start, module=module)
    path = []
    while words and words[-1] == ".":
        path.append(words.pop())
        if len(words) > 1 and words[-1] not in (".", "import", "from", ","):
            path.append(words.pop())
    begins = words[-1] in (("import", ",") if words[0] == "import" else ("from",))
    return Cursor("module" if begins else "", prefix, start, module="".join(reversed(path)))


def _expression_before(tokens: list[Token]) -> Expression:
    """The simple expression that the tokens end in."""
    steps: list[Step] = []
    index = len(tokens) - 1
    while index >= 0:
        token = tokens[index]
        if token.kind == "name":
            if index and tokens[index - 1].text == ".":
                steps.append(Step("attribute", token.text))
                index -= 2
                continue
            return (Step("name", token.text), *reversed(steps))
        if token.text == "]" and index > 1 and tokens[index - 2].text == "[":
            try:
                steps.append(Step("item", literal_eval(tokens[index - 1].text)))
            except (ValueError, SyntaxError):
                return ()
            index -= 3
            continue
        if token.kind == "string" and token.text[:1] not in "fF":
            try:
                return (Step("value", literal_eval(token.text)), *reversed(steps))
            except (ValueError, SyntaxError):
                return ()
        return ()
    return ()


def _call(tokens: list[Token], *, at_start: bool) -> Call | None:
    """The innermost call that the tokens leave open; `at_start`: an argument may begin behind them."""
    depth = position = 0
    given: list[str] = []
    keyword = ""
    inside, grouped = True, False  # the argument that is typed; a bracket in it
    for index in range(len(tokens) - 1, -1, -1):
        text = tokens[index].text
        if text in _CLOSES:
            depth += 1
        elif text in _OPENS:
            if depth:
                depth -= 1
            elif text == "(" and (function := _expression_before(tokens[:index])):
                begins = at_start and not grouped and tokens[-1].text in ("(", ",")
                return Call(function, position, keyword, tuple(reversed(given)), begins)
            else:  # a list among the arguments, or a group
                inside, grouped, position, given, keyword = True, True, 0, [], ""
        elif depth:
            continue
        elif text == ",":
            position += 1
            inside = False
        elif text == "=" and index and tokens[index - 1].kind == "name" and _names(tokens, index):
            if inside:
                keyword = keyword or tokens[index - 1].text
            else:
                given.append(tokens[index - 1].text)
    return None


def _names(tokens: list[Token], index: int) -> bool:
    """Whether the `=` there gives an argument its name."""
    before = tokens[index - 2].text if index > 1 else ""
    after = tokens[index + 1].text if index + 1 < len(tokens) else ""
    return before in ("(", ",") and after != "="
