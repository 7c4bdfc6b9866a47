"""cloudpickle and msgpack under names of ours.

A runner lives in the user's Python, where another version of either may stand, or none. Under our
own names the user's copies are neither used nor hidden, and a pickle made on one node names the
same module on every other. In the core's zip the two lie in this package; in an installed pysh they
are found among its dependencies, and are loaded from there under this package's name.
"""

from importlib.machinery import PathFinder

NAMES = ("cloudpickle", "msgpack")


def _beside(name: str) -> list[str]:
    """The folder that holds the installed package `name`, as a list of none or one."""
    spec = PathFinder.find_spec(name)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return [places[0].rpartition("/")[0]] if places else []


if PathFinder.find_spec(f"{__name__}.{NAMES[0]}", __path__) is None:
    __path__ = [*__path__, *(place for name in NAMES for place in _beside(name))]
