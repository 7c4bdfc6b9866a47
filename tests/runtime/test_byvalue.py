"""The pickler by value and what its pickles call: classes, code, and the limit."""

import functools
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pysh.runtime import byvalue
from pysh.runtime.errors import VersionSkew
from pysh.runtime.protocol.terms import Parts
from tests.runtime.elsewhere import Prompt


def dumped(value: Any, limit: int = 2**20, **options: bool) -> byvalue.Sink:
    sink = byvalue.Sink(limit)
    byvalue.Pickler(sink, **options).dump(value)
    return sink


def test_code_of_another_python_is_refused_before_it_can_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    data = dumped((lambda: 1).__code__).getvalue()
    monkeypatch.setattr(byvalue, "_PYTHON", 0x030E)
    with pytest.raises(VersionSkew) as caught:
        pickle.loads(data)
    assert caught.value.here == "3.14"
    assert caught.value.there.startswith("3.")


def test_a_sink_measures_what_it_does_not_keep() -> None:
    sink = dumped([bytes(100_000), bytes(200_000)], limit=150_000)
    assert sink.size > 300_000
    assert sink.getvalue() == b""


def test_large_bytes_are_sent_from_where_they_lie_and_what_could_change_is_copied() -> None:
    large, mutable = bytes(byvalue.WHOLE), bytearray(byvalue.WHOLE)
    sink = dumped([1, large, "between", mutable, large])
    mutable[0] = 1
    payload = sink.payload()
    assert isinstance(payload, Parts) and len(payload) == sink.size
    assert sum(buffer is large for buffer in payload.buffers) == 1
    assert all(buffer is not mutable for buffer in payload.buffers)
    assert pickle.loads(payload.join()) == [1, large, "between", bytearray(byvalue.WHOLE), large]
    assert sink.getvalue() == payload.join()


def test_a_sink_without_large_bytes_is_one_buffer() -> None:
    sink = dumped([bytes(byvalue.WHOLE - 1)])
    assert isinstance(sink.payload(), bytes) and sink.payload() == sink.getvalue()


def test_a_sink_forgets_large_bytes_as_well_past_its_limit() -> None:
    sink = dumped([bytes(byvalue.WHOLE), bytes(byvalue.WHOLE)], limit=byvalue.WHOLE + 1000)
    assert sink.size > 2 * byvalue.WHOLE
    assert sink.getvalue() == b""


def test_a_pickler_tells_what_went_by_value() -> None:
    shell = Prompt()
    shell("n = [1]\ndef f(): return n")
    pickler = byvalue.Pickler(byvalue.Sink(2**20))
    pickler.dump([len, pickle.PickleError, 1])
    assert not pickler.carries_code
    pickler.dump(shell["f"])
    assert pickler.carries_code
    assert pickler.captured == [(shell["f"], {"n": [1]})]


def test_no_second_class_is_made_of_one_that_is_known() -> None:
    shell = Prompt()
    shell("made = []\nclass Base:\n    def __init_subclass__(cls): made.append(cls)")
    shell("class Child(Base): pass")
    for calling in (False, True):
        assert pickle.loads(dumped(shell["Child"], calling=calling).getvalue()) is shell["Child"]
    assert shell["made"] == [shell["Child"]]


def test_a_cached_function_typed_here_travels_by_value_with_an_empty_cache() -> None:
    shell = Prompt()
    shell("import functools")
    shell("@functools.lru_cache(maxsize=7)\ndef fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)")
    assert shell["fib"](10) == 55
    again = pickle.loads(dumped(shell["fib"]).getvalue())
    assert again is not shell["fib"]
    assert again.cache_info().currsize == 0
    assert again(20) == 6765
    assert again.cache_info().maxsize == 7
    assert again.__wrapped__.__globals__["fib"] is again


def test_an_importable_cached_function_goes_by_name() -> None:
    assert pickle.loads(dumped(importable).getvalue()) is importable


@functools.cache
def importable() -> None: ...


def test_two_threads_that_load_one_class_both_get_all_of_it() -> None:
    shell = Prompt()
    shell("class Point:\n    " + "\n    ".join(f"def m{n}(self): return {n}" for n in range(50)))
    data = dumped(shell["Point"]).getvalue()
    identity = byvalue.cloudpickle._get_or_create_tracker_id(shell["Point"])  # type: ignore[attr-defined]
    elsewhere = data.replace(identity.encode(), b"0" * len(identity))  # a class that is not known here
    with ThreadPoolExecutor(4) as pool:
        classes = list(pool.map(pickle.loads, [elsewhere] * 4))
    assert {cls().m49() for cls in classes} == {49}
    assert len(set(classes)) == 1
