"""What other shells know of our command line: a script each, printed by `pysh completion`.

They are made of the tables of `shell.options`, and ask nobody at a Tab: the nodes that run here are read from the
runtime directory, hosts from the configuration of ssh, by the shell itself.
"""

from importlib import import_module


def script(shell: str) -> str:
    """The script for `bash`, `zsh` or `fish`."""
    return str(import_module(f"pysh.shell.outside.{shell}").script())
