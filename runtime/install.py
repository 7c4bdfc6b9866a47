"""The command that would install a module elsewhere, as it is installed here."""

from importlib import metadata

from pysh.runtime.modules import folder_of_own


def command(module: str, python: str) -> str:
    """For the Python at that path; empty where nothing here says what the module is part of."""
    top = module.partition(".")[0]
    if folder_of_own(top) is not None:
        return f"push({top})"
    found = metadata.packages_distributions().get(top, [])
    return f"{python or 'python3'} -m pip install {found[0]}=={metadata.version(found[0])}" if found else ""
