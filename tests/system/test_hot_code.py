"""Code that is swapped while nodes run: `reload`, `push` and `upgrade`, on real nodes in folders of their own."""

import pytest

from tests.system.conftest import Home, ok
from tests.system.test_code import CONNECT, WRITE, Project


@pytest.fixture
def project(home: Home) -> Project:
    return Project(home)


def test_what_is_reloaded_here_goes_along_with_the_next_call(project: Project) -> None:
    for name in ("n2", "n3"):
        project.node(name)
    code = (
        CONNECT
        + WRITE
        + """
from shop import price
connect('n3@localhost')
def everywhere():
    return sorted(call_all(price, on=all_nodes).values())
print(everywhere())
write('shop/prices.py', 'def price(): return 2\\n')
print(reload(shop) is shop, price(), everywhere())
write('shop/prices.py', 'def price(: return 3\\n')
try:
    reload(shop.prices)
except SyntaxError as error:
    print(price(), error.__notes__)
"""
    )
    assert ok(project.script(code)) == (
        "[1, 1, 1]\nTrue 2 [2, 2, 2]\n2 ['shop.prices is as it was before: nothing was reloaded']\n"
    )
