"""The private homes of the system tests, and the sshds of the transports'."""

from tests.system.conftest import home
from tests.transports.conftest import carrier, there

__all__ = ["carrier", "home", "there"]
