"""The script for bash (3.2 and newer)."""

from pysh.shell.outside.lookup import functions
from pysh.shell.outside.words import commands

HEAD = """\
# pysh's command line for bash. To have it in every shell:
#   mkdir -p ~/.local/share/bash-completion/completions
#   pysh completion bash > ~/.local/share/bash-completion/completions/pysh
# (without the package bash-completion: source that file in ~/.bashrc)

"""

COMPLETE = r"""
_pysh() {
    local words=() current= before rest=$COMP_LINE piece word help cut index
    # bash cuts words at @, : and =; what stood together is put together again.
    for ((index = 0; index <= COMP_CWORD; index++)); do
        piece=${COMP_WORDS[index]}
        before=${rest%%"$piece"*}
        rest=${rest#*"$piece"}
        [[ -n $piece || ${COMP_LINE:0:COMP_POINT} != *[[:space:]] ]] || before=' '
        if ((index == 0)); then
            continue
        elif ((index == 1)) || [[ -n $before ]]; then
            ((index == 1)) || words+=("$current")
            current=$piece
        else
            current+=$piece
        fi
    done
    if [[ $current == --*=* ]]; then
        words+=("${current%%=*}")
        current=${current#*=}
    fi
    cut=${current%"${current##*[@:=]}"}
    cut=${cut%@} # which bash takes as the beginning of a word, and the other two as its end
    COMPREPLY=()
    compopt +o default 2>/dev/null
    while IFS=$'\t' read -r word help; do
        case $word in
        @file) compopt -o default 2>/dev/null ;;
        @script)
            compopt -o default 2>/dev/null
            for word in "$current"*.pysh; do
                [[ ! -e $word || $word == *[^A-Za-z0-9._/-]* ]] || COMPREPLY+=("$word")
            done
            ;;
        "$current"*) COMPREPLY+=("${word#"$cut"}") ;;
        esac
    done < <(_pysh_offer "$current" "${words[@]}")
}
complete -o default -F _pysh pysh
"""


def script() -> str:
    """All of it."""
    return HEAD + functions(commands()) + COMPLETE
