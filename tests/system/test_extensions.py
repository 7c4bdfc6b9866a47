"""C extensions of the user's own do not travel: real ones, built here, and real nodes, each in a folder of its own."""

import pytest

from tests.extensions import ENDING, build
from tests.system.conftest import Home, ok
from tests.system.test_code import Project

TOLD = """
from pysh.runtime.errors import PyshError
def told(begin):
    try:
        return begin()
    except PyshError as error:
        return type(error).__name__, error.executed, getattr(error, 'install', '')
"""


@pytest.fixture
def project(home: Home) -> Project:
    """A package that uses the C extension in it, beside one alone."""
    project = Project(home)
    build(project.folder / "fast", 7)
    build(project.folder / "shop/_fast", 42)
    project.write("shop/__init__.py", "from shop._fast import answer\ndef price(): return answer()\n")
    return project


def test_P16_without_its_c_extension_nothing_runs_and_the_command_that_helps_is_named(project: Project) -> None:
    project.node("n2")
    build(project.home.folder / "of_n2/fast", 8)
    code = (
        TOLD
        + """
import fast, shop
n2 = connect('n2@localhost')
def late():
    open('ran', 'w').close()
    from shop import _fast
    return _fast.answer()
for fn in (shop.price, lambda: shop.price(), late):
    print(told(task(fn, on=n2).result))
print(told(task(fast.answer, on=n2).result), told(lambda: task('shop:price', on=n2).result())[:2])
put('shop', on=n2), put(fast.__file__, on=n2)
print(call(late, on=n2), call(fast.answer, on=n2), call(lambda: shop.__file__, on=n2) == shop.__file__)
open('shop/__init__.py', 'a').write('unit = 1')
print(call(lambda: (shop.price(), shop.unit), on=n2))
"""
    )
    lacks = f"('NoModule', 'no', \"put('{project.folder}/shop', on='n2@localhost')\")\n"
    assert ok(project.script(code)) == (f"{lacks * 3}('CodeSkew', 'no', '') ('NoModule', 'no')\n42 7 False\n(42, 1)\n")
    assert (project.home.folder / "of_n2/ran").exists()


def test_a_push_says_for_each_node_whether_its_c_extensions_are_there(project: Project) -> None:
    project.node("n2")
    project.node("n3", folder=project.folder)
    project.write(
        "pure/__init__.py", "try:\n    from pure._fast import answer\nexcept ImportError:\n    answer = int\n"
    )
    build(project.folder / "pure/_fast", 1)
    (project.folder / "fast.cpython-399-odd.so").write_bytes((project.folder / f"fast{ENDING}").read_bytes())
    (project.folder / f"fast{ENDING}").rename(project.folder / "shop/elsewhere.cpython-399-odd.so")
    project.write("shop/odd.py", "from shop import elsewhere\n")
    code = (
        TOLD
        + """
nodes = connect('n2@localhost', 'n3@localhost')
def each(what):
    for node, told in sorted(push(what, on=['n2@localhost', 'n3@localhost']).items(), key=str):
        print(node.name[:2], type(told).__name__, told)
each('pure')
each('shop')
print(told(lambda: call('shop:price', on='n2@localhost'))[:2], call('pure:answer', on='n2@localhost'))
"""
    )
    lines = ok(project.script(code)).splitlines()
    assert lines[0].endswith(f"without pure/_fast{ENDING}: C extensions do not travel")
    assert lines[1].startswith("n3 str pure ") and lines[1].endswith(f" in {project.folder}")
    assert "n2@localhost has no module 'shop._fast': shop/_fast" in lines[2]
    odd = "n3@localhost has no module 'shop.elsewhere': shop/elsewhere.cpython-399-odd.so is a C extension for another"
    assert odd in lines[3]
    assert lines[4] == "('NoModule', 'no') 0"
