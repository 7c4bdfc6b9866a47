"""The part that bash and zsh share: what may stand at the cursor, in the words of both.

`_pysh_offer CURRENT WORD...` prints it, given the word under the cursor and those before it: `WORD<tab>HELP` a line, or
`@file` and `@script` where any file may stand, or a `.pysh` one.
"""

from collections.abc import Iterable, Iterator
from shlex import quote

from pysh.shell.outside.words import Command, Word

FUNCTIONS = r"""_pysh_nodes() {
    local folder file text mark='"name": "' end='"'
    set -- "/run/user/${EUID:-$(id -u)}/pysh" "/tmp/pysh-${EUID:-$(id -u)}"
    [ -z "$PYSH_RUNTIME_DIR" ] || set -- "$PYSH_RUNTIME_DIR"
    for folder in "$@"; do
        [ -O "$folder" ] || continue  # in /tmp anybody may make one
        for file in "$folder"/*.json; do
            [ -f "$file" ] && [ -r "$file" ] || continue
            IFS= read -r text < "$file"
            text=${text#*"$mark"}
            printf '%s\n' "${text%%"$end"*}"
        done
    done
}

_pysh_hosts() {
    local key rest word file
    [ -r "$1" ] && [ "$2" -lt 4 ] || return 0
    while read -r key rest || [ -n "$key" ]; do
        case $key in
        [Hh]ost)
            set -f
            for word in $rest; do
                case $word in *[!A-Za-z0-9._-]*) ;; *) printf '%s\n' "$word" ;; esac
            done
            set +f
            ;;
        [Ii]nclude)
            for word in $rest; do
                case $word in
                '~/'*) word=$HOME/${word#??} ;;
                /*) ;;
                *) word=$HOME/.ssh/$word ;;
                esac
                for file in $word; do _pysh_hosts "$file" $(($2 + 1)); done
            done
            ;;
        esac
    done < "$1"
}

_pysh_reached() {
    local before= name
    case $1 in *,*) before=${1%,*}, ;; esac
    _pysh_nodes | while read -r name; do printf '%s\n' "$before$name"; done
    case $1 in *@*) _pysh_hosts ~/.ssh/config 0 | while read -r name; do printf '%s\n' "${1%@*}@$name"; done ;; esac
}
"""

LOOKED_UP = {"node": '_pysh_reached "$current"', "host": "_pysh_hosts ~/.ssh/config 0", "file": "printf '%s\\n' @file"}

OFFER = r"""
_pysh_offer() {{
    local current=$1 command= option= word number=0 script=
    shift
    for word in "$@"; do
        if [ -n "$option" ]; then
            option=
            continue
        fi
        case "$command $word" in
        ' -c' | ' -e' | ' -m' | ' -') script=yes ;;
        {valued}) option=$word ;;
        *' -'*) ;;
        {named}) command=$word ;;
        ' '*) script=yes ;;
        *) number=$((number + 1)) ;;
        esac
        if [ -n "$script" ]; then
            printf '%s\n' @file
            return
        fi
    done
    if [ -n "$option" ]; then
        case "$command $option" in
{values}
        esac
        return
    fi
    case $current in
    -*)
        case $command in
{options}
        esac
        ;;
    *)
        case "$command $number" in
{words}
        esac
        ;;
    esac
}}
"""


def functions(known: Iterable[Command]) -> str:
    """All of the shared part, for these commands."""
    known = list(known)
    values = [
        (f"{one.name} {name}", option.value)
        for one in known
        for option in one.options
        if option.value is not None
        for name in option.names
    ]
    return FUNCTIONS + OFFER.format(
        valued=" | ".join(quote(place) for place, _ in values),
        named=" | ".join(quote(f" {one.name}") for one in known if one.name),
        values="\n".join(_case(place, _lookup(word)) for place, word in values if word != Word()),
        options="\n".join(_case(one.name, _lines(_options(one))) for one in known),
        words="\n".join(_words(known)),
    )


def _options(one: Command) -> list[tuple[str, str]]:
    return [(name, option.help) for option in one.options for name in option.names]


def _words(known: list[Command]) -> Iterator[str]:
    named = [(one.name, one.help) for one in known if one.name]
    yield _case(" 0", f"{_lines(named)}; printf '%s\\n' @script")
    for one in known:
        for number, word in enumerate(one.words):
            yield _case(f"{one.name} {number}", _lookup(word))


def _case(place: str, does: str) -> str:
    return f"        {quote(place)}) {does} ;;"


def _lookup(word: Word) -> str:
    return _lines([(choice, "") for choice in word.choices]) if word.choices else LOOKED_UP[word.kind]


def _lines(lines: list[tuple[str, str]]) -> str:
    shown = (quote(f"{word}\t{help}" if help else word) for word, help in lines)
    return f"printf '%s\\n' {' '.join(shown)}"
