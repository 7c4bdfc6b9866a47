"""What is said of a C extension that is missing: decided from names and hashes alone."""

import pytest

from pysh.runtime.errors import CodeSkew, NoModule
from pysh.runtime.extensions import built, fitting, is_extension, refusal

ENDINGS = (".cpython-311-x86_64-linux-gnu.so", ".abi3.so", ".so")
MINE, OLD, ANY = (f"shop/_fast{ending}" for ending in (ENDINGS[0], ".cpython-310-x86_64-linux-gnu.so", ".so"))
FILES = dict.fromkeys((MINE, OLD, "shop/__init__.py", "shop/_faster.so"), "1" * 64)


@pytest.mark.parametrize(("path", "is_one"), [(MINE, True), (OLD, True), ("x.py", False), ("x.so.py", False)])
def test_a_c_extension_is_known_by_its_name_whatever_it_is_built_for(path: str, is_one: bool) -> None:
    assert is_extension(path) == is_one


@pytest.mark.parametrize(
    ("files", "name", "all_builds", "taken"),
    [
        (FILES, "shop._fast", [OLD, MINE], MINE),
        ([OLD, ANY], "shop._fast", [OLD, ANY], ANY),
        ([OLD], "shop._fast", [OLD], ""),
        (FILES, "shop", [], ""),
        (["shop.abi3.so"], "shop", ["shop.abi3.so"], "shop.abi3.so"),
    ],
)
def test_an_import_takes_the_one_that_is_built_for_its_python(
    files: list[str], name: str, all_builds: list[str], taken: str
) -> None:
    assert built(files, name) == all_builds
    assert fitting(files, name, ENDINGS) == taken


def test_what_is_no_extension_is_refused_by_others() -> None:
    assert refusal("shop.prices", FILES, "/here", "n2@there") is None


def test_one_that_is_not_there_is_named_with_the_command_that_takes_it_there() -> None:
    told = refusal("shop._fast", FILES, "/here", "n2@there", endings=ENDINGS)
    assert isinstance(told, NoModule)
    assert told.install == "put('/here/shop', on='n2@there')"
    assert str(told) == (
        f"n2@there has no module 'shop._fast': {MINE} is not there, and C extensions do not travel; where Python and "
        "system are the same: put('/here/shop', on='n2@there'). Nothing ran."
    )


def test_one_for_another_python_or_system_is_told_from_that_by_its_name() -> None:
    told = refusal("shop._fast", {OLD: "1" * 64}, "/here", "n2@there", endings=ENDINGS)
    assert isinstance(told, NoModule)
    assert not told.install
    assert f"{OLD} is a C extension for another Python or system, and n2@there takes *{ENDINGS[0]}; " in str(told)


def test_another_one_there_is_a_skew_with_both_hashes() -> None:
    told = refusal("shop._fast", FILES, "/here", "n2@there", ("/there", "2" * 64), ENDINGS)
    assert isinstance(told, CodeSkew)
    assert (told.here, told.there, told.here_path, told.there_path) == ("1" * 64, "2" * 64, "/here", "/there")
    assert f"{MINE} differs: {'1' * 12} in /here here, {'2' * 12} in /there on n2@there" in str(told)
