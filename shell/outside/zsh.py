"""The script for zsh."""

from pysh.shell.outside.lookup import functions
from pysh.shell.outside.words import commands

HEAD = """\
#compdef pysh
# pysh's command line for zsh. To have it in every shell, with FOLDER in $fpath before compinit:
#   pysh completion zsh > FOLDER/_pysh

"""

COMPLETE = r"""
_pysh() {
    local -a before described
    local current=${words[CURRENT]} line
    before=("${(@)words[2,CURRENT-1]}")
    if [[ $current == --*=* ]]; then
        before+=("${current%%=*}")
        current=${current#*=}
        compset -P '*='
    fi
    for line in "${(@f)$(emulate -L sh; _pysh_offer "$current" "${before[@]}")}"; do
        case $line in
        '') ;;
        @file) _files ;;
        @script) _files -g '*.pysh' ;;
        *$'\t'*) described+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
        *) described+=("${line//:/\\:}") ;;
        esac
    done
    (($#described)) && _describe pysh described
}

if [[ $funcstack[1] == _pysh ]]; then
    _pysh "$@"
else
    compdef _pysh pysh
fi
"""


def script() -> str:
    """All of it."""
    return HEAD + functions(commands()) + COMPLETE
