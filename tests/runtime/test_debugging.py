"""Whoever types `debug` talks to what waits, or is told why nothing does."""

import builtins
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import pysh
from pysh.runtime import api, debugging, raised
from pysh.runtime.actor import Reply
from pysh.runtime.errors import PyshError
from pysh.runtime.payload import dumps, loads
from pysh.runtime.protocol.frames import Flag, Frame, Kind
from pysh.runtime.protocol.terms import Pid
from pysh.runtime.runner.parking import LEFT
from tests.runtime.hub_end import DEADLINE, ME, THERE, HubEnd, hub_end

PARKED = Pid(THERE, 7)


@pytest.fixture
def hub() -> Iterator[HubEnd]:
    with hub_end() as hub:
        yield hub


class Parked:
    """Process 7 of n2, which waits: it answers each line with what `says` has for it, and is over after a `c`."""

    def __init__(self, hub: HubEnd, says: dict[str | None, str], parked: bool = True) -> None:
        self.lines: list[Any] = []
        self._hub, self._says, self._parked = hub, says, parked
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self.lines or self.lines[-1] not in ("c", "continue", "!", LEFT):
            self._hub.read(DEADLINE)
            frames, self._hub.frames = self._hub.frames, []
            for frame in frames:
                self._answer(frame)

    def _answer(self, frame: Frame) -> None:
        to = {"source": frame.dest, "dest": frame.source, "ref": frame.ref}
        if frame.kind == Kind.REQUEST:
            self._hub.send(Kind.REPLY, **to, meta={"ok": self._told(frame)})  # type: ignore[arg-type]
        elif frame.kind == Kind.CALL:
            (line,), _ = loads(frame.payload)
            self.lines.append(line)
            if line == "!":
                gone = {"error": "NoProcess", "pid": "<n2.7>", "executed": "yes"}
                self._hub.send(Kind.ANSWER, **to, flags=Flag.FAILED, meta=gone)  # type: ignore[arg-type]
                return
            over = line in ("c", "continue")
            self._hub.send(Kind.ANSWER, **to, payload=dumps((self._says.get(line, ""), over)))  # type: ignore[arg-type]

    def _told(self, frame: Frame) -> Any:
        here = frame.dest.incarnation == THERE and self._parked
        if frame.options()["verb"] == "parked":
            return [{"number": 7, "label": "f", "at": "f.py:3"}] if here else []
        return {"number": 7, "state": "running", "queued": 0.1, "working": 1.0, "parked": "f.py:3", "shared": True,
                "owner": "n1@here"}  # fmt: skip

    def end(self) -> None:
        self._thread.join(DEADLINE)


def types(monkeypatch: pytest.MonkeyPatch, *lines: str | type[BaseException]) -> list[str]:
    """Have these lines typed, each at a prompt; the prompts."""
    left, prompts = list(lines), []

    def typed(prompt: str = "") -> str:
        prompts.append(prompt)
        line = left.pop(0)
        if isinstance(line, str):
            return line
        raise line

    monkeypatch.setattr(builtins, "input", typed)
    return prompts


@pytest.mark.parametrize("asked", [(), ("n2.7",)])
def test_what_is_typed_goes_there_and_what_is_said_is_shown(
    hub: HubEnd, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], asked: tuple[str, ...]
) -> None:
    prompts = types(monkeypatch, "p k", "c")
    parked = Parked(hub, {None: "> f.py(3)f()\n-> k += 1\n(Pdb) ", "p k": "\x1b[2J10\n(Pdb) "})
    pysh.debug(*asked)
    parked.end()
    assert parked.lines == [None, "p k", "c"]
    assert prompts == ["(Pdb) "] * 2
    assert capsys.readouterr().out == "> f.py(3)f()\n-> k += 1\n?[2J10\n"


def test_the_end_of_input_lets_it_go_on(hub: HubEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    types(monkeypatch, EOFError)
    parked = Parked(hub, {None: "(Pdb) "})
    pysh.debug()
    parked.end()
    assert parked.lines == [None, "continue"]


def test_ctrl_c_leaves_it_waiting(
    hub: HubEnd, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    types(monkeypatch, KeyboardInterrupt, "c")
    parked = Parked(hub, {None: "(Pdb) "})
    pysh.debug()
    assert capsys.readouterr().out == '\n<n2.7> goes on waiting: debug("n2.7")\n'
    pysh.debug()
    parked.end()
    assert parked.lines == [None, None, "c"]


def test_ctrl_c_while_it_runs_leaves_it_running_and_lets_it_know(
    hub: HubEnd, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def result(reply: Any, **how: Any) -> Any:
        waits.append(reply)
        if len(waits) == 1:
            return before(reply, **how)
        raise KeyboardInterrupt

    before, waits = Reply.result, list[Reply]()
    monkeypatch.setattr(Reply, "result", result)
    types(monkeypatch, "n")
    parked = Parked(hub, {None: "(Pdb) "})
    pysh.debug()
    parked.end()
    assert capsys.readouterr().out == "\n<n2.7> goes on running; a line says so if it stops again\n"
    assert parked.lines == [None, "n", LEFT]


def test_nodes_that_do_not_say_soon_that_they_let_go_are_named(
    hub: HubEnd, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(debugging, "SOON", 0.05)
    pysh.debug(keep=False)
    assert capsys.readouterr().out.startswith("n1@here, n2@there did not say so within 0.05 s")


def test_without_a_hub_there_are_no_frames_to_let_go_of(hub: HubEnd, capsys: pytest.CaptureFixture[str]) -> None:
    hub.hang_up()
    pysh.debug(keep=False)
    assert capsys.readouterr().out == ""


def test_one_that_ended_meanwhile_says_so(
    hub: HubEnd, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    types(monkeypatch, "!")
    parked = Parked(hub, {None: "(Pdb) "})
    pysh.debug()
    parked.end()
    assert "there is no process <n2.7>" in capsys.readouterr().out


def test_what_does_not_wait_is_said_to_do_what_it_does(hub: HubEnd) -> None:
    told = {"number": 7, "state": "running", "queued": 0.1, "working": 1.0, "shared": True, "parked": "", "owner": ""}
    hub.serve(times=lambda _: told, process=lambda _: {"state": "waiting", "queue": 0})
    with pytest.raises(PyshError, match=r"it waits in no breakpoint; <n2.7>: waits, in receive"):
        pysh.debug("n2.7")


def test_without_anything_to_look_at_that_is_said(hub: HubEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys, "last_value", raising=False)
    hub.serve(parked=lambda _: [])
    with pytest.raises(PyshError, match="nothing was raised in this shell yet"):
        pysh.debug()


def test_of_an_error_of_another_node_it_is_said_how_to_get_its_frames(
    hub: HubEnd, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = raised.loads(raised.dumps(ValueError("far"), 1 << 20, "yes"), "n2@there")
    monkeypatch.setattr(sys, "last_value", error, raising=False)
    hub.serve(parked=lambda _: [])
    pysh.debug()
    shown = capsys.readouterr().out
    assert "ValueError: far" in shown
    assert shown.endswith("its frames on n2@there are not kept: it is an actor's answer, or was no task's\n")


def test_tasks_are_asked_to_wait_where_they_raise_as_long_as_that_is_wanted(hub: HubEnd) -> None:
    wanted = []
    for on in (True, False):
        pysh.debug(on)
        api.task(len, "")
        wanted.append(hub.expect(Kind.SPAWN).options().get("debug", False))
    assert wanted == [True, False]


def test_the_ctrl_c_of_a_call_does_not_cancel_what_waits_in_a_debugger(
    hub: HubEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(task: Any, _: float | None) -> None:
        spawn = hub.expect(Kind.SPAWN)
        hub.send(Kind.STAGE, source=PARKED, dest=ME, ref=spawn.ref, meta={"stage": "parked", "at": "f.py:3"})
        hub.ping()
        raise KeyboardInterrupt

    monkeypatch.setattr(pysh.Task, "end", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        api.call(len, "", on="n2")
    [note] = caught.value.__notes__
    assert note.startswith("waits in a debugger at f.py:3: <Task 7 len on n2") and note.endswith("debug() gets there")
    hub.ping()
    assert not [frame for frame in hub.frames if frame.kind == Kind.CANCEL]
