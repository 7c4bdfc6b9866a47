"""Imports that a person waits for."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collecting() -> Iterator[None]:
    """Do not look for garbage within: a third of an import's time is looking for some that is not there."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
