"""The node of this process, started by the first verb that needs one."""

from pysh.runtime.runner.client import Client


def current() -> Client:
    """This process's connection to its node; a program that has none yet starts one."""
    client = Client.current
    if client is not None:
        return client
    from pysh.runtime.program import start

    start()
    assert Client.current is not None
    return Client.current
