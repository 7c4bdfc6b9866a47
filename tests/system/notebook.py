"""A Jupyter notebook over a real kernel: cells in, what is shown under them out."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty
from typing import Any, NamedTuple

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.system.conftest import Home

DEADLINE = 30.0
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Cell(NamedTuple):
    """What one cell showed."""

    value: str = ""
    html: str = ""
    printed: str = ""
    error: str = ""
    """The name of the exception."""
    traceback: str = ""
    bars: tuple[tuple[str, ...], ...] = ()
    """Of each display that is written anew, the states in HTML."""


class Notebook:
    """One kernel and its frontend."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self._client = client

    def __call__(self, code: str, then: Callable[[str], None] | None = None) -> Cell:
        """Run a cell to its end; `then` gets all that it has printed, each time that something is."""
        request = self._client.execute(code)
        cell, bars = Cell(), dict[str, list[str]]()
        for kind, content in self._shown(request):
            if kind == "stream":
                cell = cell._replace(printed=cell.printed + content["text"])
                if then is not None:
                    then(cell.printed)
            elif kind == "execute_result":
                data = content["data"]
                cell = cell._replace(value=data["text/plain"], html=data.get("text/html", ""))
            elif kind in ("display_data", "update_display_data"):
                bars.setdefault(content["transient"]["display_id"], []).append(content["data"]["text/html"])
            elif kind == "error":
                text = _COLOURS.sub("", "\n".join(content["traceback"]))
                cell = cell._replace(error=content["ename"], traceback=text)
        return cell._replace(bars=tuple(map(tuple, bars.values())))

    def interrupted(self, code: str, begun: str) -> Cell:
        """Run a cell, press its stop button when it has printed `begun`."""
        pressed: list[bool] = []

        def press(printed: str) -> None:
            if begun in printed and not pressed:
                pressed.append(True)
                self.manager.interrupt_kernel()

        return self(code, press)

    def restart(self, *, now: bool) -> None:
        """Start the kernel anew; `now` kills the old one."""
        self.manager.restart_kernel(now=now)
        self._client.wait_for_ready(timeout=DEADLINE)

    def value(self, code: str) -> str:
        """What a cell that must not fail ends with."""
        cell = self(code)
        assert not cell.error, cell.traceback
        return cell.value

    def _shown(self, request: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The messages under a cell until the kernel is idle."""
        end = time.monotonic() + DEADLINE
        while True:
            try:
                message = self._client.get_iopub_msg(timeout=max(0.0, end - time.monotonic()))
            except Empty:
                raise AssertionError(f"the cell did not end within {DEADLINE:g} s") from None
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return
            yield kind, content


@contextmanager
def opened(home: Home) -> Iterator[Notebook]:
    """A notebook in `home`, over Unix sockets; its kernel is shut down as a frontend does it."""
    sockets = str(home.folder / "kernel")
    manager = KernelManager(transport="ipc", ip=sockets, connection_file=f"{sockets}.json")
    manager.start_kernel(env={**home.environ, "IPYTHONDIR": str(home.folder / "ipython")}, cwd=str(home.folder))
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=DEADLINE)
        yield Notebook(manager, client)
    finally:
        client.stop_channels()
        if manager.is_alive():
            manager.shutdown_kernel()
        manager.cleanup_resources()
