"""`secret`: a text that nobody is to see."""

from pysh.runtime.errors import PyshError
from pysh.runtime.runner.inside import somebody_sits_here


def secret(prompt: str = "secret: ") -> str:
    """Ask whoever sits here for a text that is not shown while it is typed, such as a password or a token; that text.

    A cell that calls it is not kept in the history; neither is one that begins with a space. Raises `PyshError` where
    nobody can be asked.
    """
    if not somebody_sits_here():
        raise PyshError("nobody sits here who could be asked for a secret: call secret() at a prompt", executed="no")
    from getpass import getpass

    return getpass(prompt)
