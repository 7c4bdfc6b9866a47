"""The script for fish (3.0 and newer)."""

from collections.abc import Iterator

from pysh.shell.outside.words import Command, Word, commands

FUNCTIONS = r"""# pysh's command line for fish. To have it in every shell:
#   pysh completion fish > ~/.config/fish/completions/pysh.fish

function __pysh_nodes
    set -l folders /run/user/(id -u)/pysh /tmp/pysh-(id -u)
    set -q PYSH_RUNTIME_DIR; and set folders $PYSH_RUNTIME_DIR
    for file in $folders/*.json
        test -O (dirname $file); and test -f $file; or continue  # in /tmp anybody may make such a folder
        echo (string replace -rf '.*"name": "([^"]*)".*' '$1' <$file)
    end
end

function __pysh_hosts
    set -l files ~/.ssh/config
    for pattern in (string replace -irf '^\s*include\s+(.*)$' '$1' <~/.ssh/config 2>/dev/null | string split ' ')
        set pattern (string replace -r '^~/' "$HOME/" -- $pattern)
        string match -q '/*' -- $pattern; or set pattern ~/.ssh/$pattern
        for file in (sh -c 'printf "%s\\n" $1' sh $pattern)
            set -a files $file
        end
    end
    for file in $files
        test -r $file; or continue
        string replace -irf '^\s*host\s+(.*)$' '$1' <$file | string split ' ' | string match -r '^[A-Za-z0-9._-]+$'
    end
end

function __pysh_files
    set -l current (commandline -ct)
    for file in $current*.pysh
        echo $file
    end
    __fish_complete_directories $current
end

function __pysh_reached
    __pysh_nodes
    set -l current (commandline -ct)
    string match -q '*@*' -- $current; or return
    for host in (__pysh_hosts)
        echo (string replace -r '@[^@]*$' '@' -- $current)$host
    end
end
"""

PLACE = r"""
function __pysh_at --description 'whether the cursor is behind so many words of a command'
    set -l command ''
    set -l number 0
    set -l skip no
    for word in (commandline -opc)[2..-1]
        if test $skip = yes
            set skip no
            continue
        end
        switch "$command $word"
            case ' -c' ' -e' ' -m' ' -'
                set command script
            case {valued}
                set skip yes
            case '* -*'
                # an option, which takes nothing
            case {named}
                set command $word
            case ' *'
                set command script
            case '*'
                set number (math $number + 1)
        end
    end
    test "$command" = "$argv[1]"; and begin; test (count $argv) -lt 2; or test $number -eq $argv[2]; end
end

complete -c pysh -f
complete -c pysh -n '__pysh_at script' -F
complete -c pysh -n '__pysh_at "" 0' -a '(__pysh_files)'
"""

EMPTY = '""'
LOOKED_UP = {"node": "-a '(__pysh_reached)'", "host": "-a '(__pysh_hosts)'", "file": "-F", "": ""}


def script() -> str:
    """All of it."""
    known = commands()
    valued = (f"{one.name} {name}" for one in known for option in one.options if option.value for name in option.names)
    place = PLACE.format(
        valued=" ".join(map(quoted, valued)), named=" ".join(quoted(f" {one.name}") for one in known if one.name)
    )
    return FUNCTIONS + place + "\n".join(line for one in known for line in _lines(one)) + "\n"


def _lines(one: Command) -> Iterator[str]:
    place = f"__pysh_at {one.name or EMPTY}"
    if one.name:
        yield f"complete -c pysh -n '__pysh_at {EMPTY} 0' -a {one.name} -d {quoted(one.help)}"
    for number, word in enumerate(one.words):
        yield f"complete -c pysh -n '{place} {number}' {_lookup(word)}"
    for option in one.options:
        names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
        taken = "" if option.value is None else _taken(option.value)
        yield f"complete -c pysh -n '{place}' {names} {taken}-d {quoted(option.help)}"


def _taken(word: Word) -> str:
    return f"{'-r' if word.kind == 'file' else '-x'} {_lookup(word)} "


def _lookup(word: Word) -> str:
    return f"-a {quoted(' '.join(word.choices))}" if word.choices else LOOKED_UP[word.kind]


def quoted(text: str) -> str:
    """`text` as fish reads it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
