"""Modules of the user's own go along with what uses them: real nodes, each started in a folder of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.conftest import PYSH, Home, ok, until
from tests.system.test_relations import own

CONNECT = "import shop, time\nn2 = connect('n2@localhost')\n"
WRITE = """
def write(name, text):
    with open(name, 'w') as file:
        file.write(text)
"""


class Project:
    """A folder with a package `shop`, in which scripts run; nodes run elsewhere."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.folder = home.folder / "project"
        self.write("shop/__init__.py", "from shop.prices import price\nimport money\n")
        self.write("shop/prices.py", "def price(): return 1\n")
        self.write("money.py", "unit = 'euro'\n")

    def write(self, path: str, text: str) -> None:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def node(self, name: str, *words: str, folder: Path | None = None, **env: str) -> str:
        """Start a node in a folder of its own."""
        place = folder or self.home.folder / f"of_{name}"
        place.mkdir(exist_ok=True)
        full = f"{name}@localhost"
        ok(self.home.run([*_in(place), *PYSH, "node", "--name", full, "--detach", *words], **env))
        return full

    def script(self, code: str, *, timeout: float = 30.0) -> "subprocess.CompletedProcess[str]":
        """Run `code` as a script in the project's folder."""
        self.write("script.pysh", code)
        return self.home.run([*_in(self.folder), *PYSH, "script.pysh"], timeout=timeout)


def _in(folder: Path) -> list[str]:
    return ["sh", "-c", 'cd "$0" && exec "$@"', str(folder)]


@pytest.fixture
def project(home: Home) -> Project:
    return Project(home)


@pytest.fixture
def n2(project: Project) -> str:
    """A node that runs in another folder."""
    return project.node("n2")


@pytest.mark.usefixtures("n2")
def test_a_package_below_the_current_folder_goes_along_with_what_it_imports(project: Project) -> None:
    code = CONNECT + "print(call(lambda: (shop.price(), shop.money.unit), on=n2))"
    assert ok(project.script(code)) == "(1, 'euro')\n"


@pytest.mark.usefixtures("n2")
def test_so_does_one_that_is_imported_when_the_code_runs_or_that_an_argument_is_of(project: Project) -> None:
    project.write("late.py", "class Late:\n    def __init__(self): self.x = 5\n    def get(self): return self.x\n")
    code = """
import late
n2 = connect('n2@localhost')
def imports():
    def deep():
        from shop import prices
        return prices.price()
    return deep()
print(call(imports, on=n2), call(late.Late.get, late.Late(), on=n2), call(lambda l: l.get(), late.Late(), on=n2))
print(call('builtins:getattr', late.Late(), 'x', on=n2))
"""
    assert ok(project.script(code)) == "1 5 5\n5\n"


def test_where_the_same_lies_it_is_used_as_it_is(project: Project) -> None:
    project.node("n2", folder=project.folder)
    code = CONNECT + "print(call(lambda: shop.__file__, on=n2) == shop.__file__)"
    assert ok(project.script(code)) == "True\n"
    assert not (project.home.folder / ".cache/pysh/code").exists()


def test_P16_an_edit_between_two_calls_is_seen_on_four_nodes(project: Project) -> None:
    for name in ("n2", "n3", "n4"):
        project.node(name)
    project.node("n5", folder=project.folder)
    code = (
        WRITE
        + """
import shop
connect('n2@localhost', 'n3@localhost', 'n4@localhost', 'n5@localhost')
for number in range(1, 8):
    write('shop/prices.py', f'def price(): return {number}\\n')
    print(sorted(set(call_all(lambda: shop.price(), on=all_nodes).values())), end=' ')
"""
    )
    assert ok(project.script(code, timeout=60)) == "[1] [2] [3] [4] [5] [6] [7] "


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_task_that_runs_finishes_on_the_code_it_began_with(project: Project, elsewhere: bool) -> None:
    project.node("n2", folder=None if elsewhere else project.folder)
    project.write("shop/late.py", "def name(): return 'old'\n")
    code = (
        CONNECT
        + WRITE
        + """
from pathlib import Path
def runs(gate):
    import time
    shop.price()
    open(gate + '.begun', 'w').close()
    while not Path(gate).exists():
        time.sleep(0.01)
    from shop import late
    return late.name()
def late():
    from shop import late
    return late.name()
gate = str(Path('gate').absolute())
running = task(runs, gate, on=n2)
while not Path(gate + '.begun').exists():
    time.sleep(0.01)
write('shop/late.py', "def name(): return 'new'\\n")
print(call(late, on=n2))
Path(gate).touch()
print(running.result())
"""
    )
    assert ok(project.script(code)) == "new\nold\n"


@pytest.mark.usefixtures("n2")
def test_P16_what_does_not_go_along_has_to_be_there_and_the_same(project: Project) -> None:
    other = project.home.folder / "of_n2/shop"
    other.mkdir()
    (other / "__init__.py").write_text("def price(): open('ran', 'w')\n")
    code = (
        CONNECT
        + """
def off(fn):
    try:
        return task(fn, on=n2, sync='off').result()
    except (CodeSkew, NoModule) as error:
        return error
skew = off(lambda: shop.price())
print(type(skew).__name__, skew.name, len(skew.here), len(skew.there), skew.here != skew.there, skew.executed)
print(all(part in str(skew) for part in (skew.here[:12], skew.here_path, skew.there[:12], skew.there_path)))
print(skew.here_path, skew.there_path, skew.node)
import extra
lacks = off(lambda: extra.unit)
print(type(lacks).__name__, lacks.module, lacks.executed)
print([call(lambda: shop.price(), on=n2) for _ in range(3)])
print(type(off(lambda: shop.price())).__name__)
"""
    )
    project.write("extra.py", "unit = 'cent'\n")
    (other.parent / "money.py").write_text("unit = 'euro'\n")
    there = project.home.folder / "of_n2"
    assert ok(project.script(code)) == (
        f"CodeSkew shop 64 64 True no\nTrue\n{project.folder} {there} n2@localhost\n"
        "NoModule extra no\n[1, 1, 1]\nCodeSkew\n"
    )
    assert not (there / "ran").exists()


def test_P16_so_does_what_processes_actors_supervisors_and_executors_are_of(project: Project) -> None:
    goods = "class Shelf:\n    def get(self): return 1\ndef get(): return 1\nasync def says(to): send(to, 1)\n"
    project.write("goods.py", f"from pysh import send\n{goods}")
    project.node("n2")
    project.node("n3", folder=project.folder)
    (project.home.folder / "of_n2/goods.py").write_text(f"open('ran', 'w')\n{goods}")
    code = """
import goods
connect('n2@localhost', 'n3@localhost')
def told(begin):
    try:
        return begin()
    except PyshError as error:
        return type(error).__name__, error.executed, error.name == 'goods'
for n in ('n2', 'n3'):
    for fn, *args in ((goods.get,), (goods.says, me())):
        spawn(fn, *args, on=n, sync='off', monitor=True)
        print(receive(lambda told: told == 1, timeout=10) if args and n == 'n3' else '', end='')
        print(receive(Down, timeout=10).reason[:22])
    print(told(lambda: actor(goods.Shelf, on=n, sync='off').get().result()))
    print(told(lambda: supervise([Child('s', goods.Shelf)], on=n, sync='off').child('s').result().get().result()))
    with Executor(n, sync='off') as pool:
        print(told(pool.submit(goods.get).result))
with Executor('n2') as pool:
    print(list(pool.map(goods.Shelf.get, [goods.Shelf()] * 2)), pool.submit(lambda: goods.get()).result())
"""
    skew, refused = ["CodeSkew: goods differ"], ["('CodeSkew', 'no', True)"]
    assert own(project.script(code)) == [*skew * 2, *refused * 3, "normal", "1normal", "1", "1", "1", "[1, 1] 1"]
    assert not (project.home.folder / "of_n2/ran").exists()


def test_a_module_that_is_missing_is_named_before_the_first_line_runs(project: Project) -> None:
    bare = project.home.folder / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    project.node("n2", "--python", str(bare))
    project.write("needs.py", "import psutil\n")
    code = """
connect('n2@localhost')
def direct():
    open('left', 'w').close()
    def deep():
        import psutil
    deep()
def by_own():
    open('left', 'w').close()
    import needs
def guarded():
    from typing import TYPE_CHECKING
    if TYPE_CHECKING:
        import psutil
    try:
        import psutil
    except ImportError:
        return 'without'
for fn in (direct, by_own, guarded):
    try:
        print(call(fn, on='n2'))
    except ModuleNotFoundError as error:
        print(type(error).__name__, error.module, error.executed, error.install)
print(call(os.path.exists, 'left', on='n2'))
"""
    import psutil

    told = f"NoModule psutil no {bare}/bin/python -m pip install psutil=={psutil.__version__}\n"
    assert ok(project.script(f"import os\n{code}")) == f"{told}{told}without\nFalse\n"


@pytest.mark.usefixtures("n2")
def test_modules_in_a_circle_and_namespace_packages_go_along(project: Project) -> None:
    project.write("one.py", "import two\nname = 'one'\n")
    project.write("two.py", "import one\ndef name(): return one.name\n")
    project.write("space/deep/leaf.py", "value = 3\n")
    code = """
import one, space.deep.leaf
n2 = connect('n2@localhost')
print(call(lambda: (one.two.name(), space.deep.leaf.value), on=n2))
"""
    assert ok(project.script(code)) == "('one', 3)\n"


@pytest.mark.usefixtures("n2")
def test_a_module_that_is_broken_says_so_and_nothing_runs(project: Project) -> None:
    code = (
        CONNECT
        + WRITE
        + """
def writes():
    open('left', 'w').close()
    return shop.price()
write('shop/prices.py', 'def price(:\\n')
try:
    call(writes, on=n2)
except SyntaxError as error:
    print(error.filename.endswith('shop/prices.py'), error.lineno)
import os
print(call(os.path.exists, 'left', on=n2))
write('shop/prices.py', 'def price(): return 2\\n')
print(call(writes, on=n2))
"""
    )
    assert ok(project.script(code)) == "True 1\nFalse\n2\n"


@pytest.mark.usefixtures("n2")
def test_what_a_link_brings_in_from_elsewhere_does_not_go_along_and_is_named(project: Project) -> None:
    (project.home.folder / "secret.py").write_text("key = 1\n")
    (project.folder / "shop/secret.py").symlink_to(project.home.folder / "secret.py")
    code = (
        CONNECT
        + """
try:
    call(lambda: shop.price(), on=n2)
except NotSendable as error:
    print(error.executed, 'shop/secret.py' in str(error), 'link' in str(error))
print(call(lambda: shop.price()))
"""
    )
    assert ok(project.script(code)) == "no True True\n1\n"


@pytest.mark.usefixtures("n2")
def test_processes_and_actors_bring_their_code_too(project: Project) -> None:
    project.write("goods.py", "class Shelf:\n    def version(self): return 1\nasync def says(to): send(to, 1)\n")
    head = "from pysh import send\n"
    project.write("goods.py", head + (project.folder / "goods.py").read_text())
    code = (
        CONNECT
        + WRITE
        + f"HEAD = {head!r}"
        + """
import goods
for number in (1, 2, 3):
    write('goods.py', HEAD + f'class Shelf:\\n    def version(self): return {number}\\n'
                              f'async def says(to): send(to, {number})\\n')
    shelf = actor(goods.Shelf, on=n2)
    spawn(goods.says, me(), on=n2)
    spawn(goods.says, me())
    print(shelf.version().result(), receive(timeout=10), receive(timeout=10))
    stop(shelf)
"""
    )
    assert ok(project.script(code)) == "1 1 1\n2 2 2\n3 3 3\n"


def test_what_runs_there_hands_its_code_on(project: Project) -> None:
    project.node("n2")
    project.node("n3")
    code = (
        CONNECT
        + """
connect('n3@localhost')
n2.run("from pysh import connect; connect('n3@localhost')")
def hands_on():
    from pysh import call
    return call(lambda: shop.price(), on='n3@localhost')
print(call(hands_on, on=n2))
"""
    )
    assert ok(project.script(code)) == "1\n"


def test_where_nothing_can_be_written_the_code_stays_in_memory(project: Project) -> None:
    project.node("n2")
    (project.home.folder / ".cache/pysh/code").touch()
    code = CONNECT + "print(call(lambda: (shop.price(), shop.__file__[:6]), on=n2))"
    assert ok(project.script(code)) == "(1, '<code ')\n"


@pytest.fixture
def small(home: Home) -> Iterator[Path]:
    """A disk of 64 KiB where sources are kept."""
    folder = home.folder / ".cache/pysh/code"
    folder.mkdir(0o700, parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "none", folder]
    if os.getuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_on_a_full_disk_code_stays_in_memory_and_nothing_of_it_on_the_disk(project: Project, small: Path) -> None:
    project.node("n2")
    for number in range(6):
        project.write(f"shop/shelf{number}.py", f"x = {number} # {os.urandom(10_000).hex()}\n")
    code = (
        CONNECT
        + f"""
import subprocess
print(*push(shop, on=n2).values(), call('shop.shelf3:x.__str__', on=n2), len(os.listdir({str(small)!r} + '/files')))
subprocess.run(['mount', '-o', 'remount,size=1m', {str(small)!r}], check=True)
print(*push(shop, on=n2).values(), call('shop.shelf3:x.__str__', on=n2))
"""
    )
    first, then = ok(project.script(f"import os\n{code}")).splitlines()
    money = rf"money \w+ in {small}/\w+"
    full = f"nothing can be written to {small}: No space left on device"
    assert re.fullmatch(rf"{money}, shop \w+ in memory, since {full} 3 1", first), first
    assert re.fullmatch(rf"{money}, shop \w+ in {small}/\w+ 3", then), then


def test_only_what_changed_is_stored_again_and_only_we_can_read_it(project: Project) -> None:
    project.node("n2")
    code = (
        CONNECT
        + WRITE
        + """
print(call(lambda: shop.price(), on=n2))
write('shop/prices.py', 'def price(): return 2\\n')
print(call(lambda: shop.price(), on=n2))
"""
    )
    assert ok(project.script(code)) == "1\n2\n"
    cache = project.home.folder / ".cache/pysh/code"
    assert len(list((cache / "files").iterdir())) == 4
    inodes = {path.stat().st_ino for path in cache.glob("*/shop/__init__.py")}
    assert len(list(cache.glob("*/shop/__init__.py"))) == 2
    assert len(inodes) == 1
    for path in cache.rglob("*"):
        assert not path.stat().st_mode & 0o077, path


@pytest.mark.usefixtures("n2")
def test_two_who_bring_the_same_at_once_both_run(project: Project) -> None:
    code = CONNECT + "print([t.result() for t in [task(lambda: shop.price(), on=n2) for _ in range(20)]] == [1] * 20)"
    project.write("script.pysh", code)
    start: Callable[[], subprocess.Popen[str]] = lambda: subprocess.Popen(  # noqa: E731
        [*_in(project.folder), *PYSH, "script.pysh"], env=project.home.environ, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    for each in [start() for _ in range(3)]:
        out, err = each.communicate(timeout=60)
        assert out == "True\n", err
    assert not [path for path in (project.home.folder / ".cache/pysh/code").iterdir() if "." in path.name]


@pytest.mark.parametrize("by", ["'stock:count'", "lambda: __import__('stock').count()"])
def test_what_is_found_there_by_its_name_is_what_lies_there_now(project: Project, by: str) -> None:
    project.node("n2")
    project.home.folder.joinpath("of_n2/stock.py").write_text("def count(): return 0\n")
    code = f"""
n2 = connect('n2@localhost')
for number in range(1, 30):
    with open({str(project.home.folder / "of_n2/stock.py")!r}, 'w') as file:
        file.write(f'def count(): return {{number:02}}\\n'.replace(' 0', ' '))
    assert call({by}, on=n2) == number
    assert call({by}, on=n2) == number
"""
    ok(project.script(code, timeout=60))


def test_what_is_pushed_is_what_its_name_means_there_until_it_is_pushed_again(project: Project) -> None:
    for name in ("n2", "n3"):
        project.node(name)
    code = (
        CONNECT
        + WRITE
        + """
connect('n3@localhost')
def asked():
    return [call('shop.prices:price', on=n) for n in ('n2@localhost', 'n3@localhost')]
for n in ('n2@localhost', 'n3@localhost'):
    assert call(shop.price, on=n) == 1  # which is nothing to what is named by text
try:
    asked()
except NoModule as error:
    print(error.module, error.executed)
told = push(shop, on=['n2@localhost', 'n3@localhost'])
print(len(told.ok), all('/code/' in text for text in told.values()), asked())
write('shop/prices.py', 'def price(): return 2\\n')
print(asked())
print(len(push('shop').ok), asked(), call('shop:price', on=n2), call('money:unit.upper', on=n2))
"""
    )
    assert ok(project.script(code)) == "shop no\n2 True [1, 1]\n[1, 1]\n3 [2, 2] 2 EURO\n"


def test_where_it_cannot_be_whole_nothing_of_it_is_used(project: Project) -> None:
    project.node("n2")
    project.node("n3", folder=project.folder)
    (project.home.folder / "secret.py").write_text("key = 1\n")
    (project.folder / "shop/secret.py").symlink_to(project.home.folder / "secret.py")
    code = (
        CONNECT
        + """
n3 = connect('n3@localhost')
told = push(shop, on=[n2, n3])
print(type(told[n2]).__name__, 'link' in str(told[n2]), told[n3].endswith(money.__file__.rpartition('/')[0]))
try:
    call('shop:price', on=n2)
except NoModule as error:
    print(error.executed)
for what, kind in ((5, TypeError), (time, TypeError), ('/no/such/folder', FileNotFoundError)):
    try:
        push(what)
    except kind as error:
        print('nothing was sent' in str(error))
"""
    )
    assert ok(project.script("import money\n" + code)) == "NotSendable True True\nno\nTrue\nTrue\nTrue\n"


def test_what_lies_beside_a_script_goes_along_and_what_lies_elsewhere_has_to_be_pushed(project: Project) -> None:
    project.node("n2")
    other = project.home.folder / "lib/tools.py"
    other.parent.mkdir()
    other.write_text("def use(): return 'tool'\n")
    project.write(
        "script.pysh",
        f"import sys; sys.path.append({str(other.parent)!r})\n"
        + CONNECT
        + """
import tools
print(call(lambda: shop.price(), on=n2))
try:
    call(lambda: tools.use(), on=n2)
except NoModule as error:
    print(error.module, error.executed, error.install)
push(tools, on=n2)
print(call(lambda: tools.use(), on=n2))
""",
    )
    home = project.home
    done = home.run([*_in(home.folder / "of_n2"), *PYSH, str(project.folder / "script.pysh")])
    assert ok(done) == "1\ntools no push(tools)\ntool\n"


def test_a_detached_task_has_its_code_though_its_script_is_gone(project: Project) -> None:
    project.node("n2")
    code = (
        CONNECT
        + """
def late(number):
    from pathlib import Path
    while not Path('gate').exists():
        time.sleep(0.01)
    Path(f'part.{number}').write_text(str(shop.price()))
    Path(f'part.{number}').rename(f'gate.{number}')
for number in range(8):
    task(late, number, on=n2, detach=True)
"""
    )
    ok(project.script(code))
    there = project.home.folder / "of_n2"
    (there / "gate").touch()
    until(lambda: len(list(there.glob("gate.*"))) == 8, "the end of all")
    assert {file.read_text() for file in there.glob("gate.*")} == {"1"}


def test_a_package_of_two_thousand_files_goes_along(project: Project) -> None:
    for number in range(2000):
        project.write(f"shop/aisle{number % 20}/shelf{number}.py", f"number = {number}\n")
    project.node("n2")
    code = (
        CONNECT
        + WRITE
        + """
def read():
    from shop.aisle3.shelf3 import number
    return number
print(call(read, on=n2))
write('shop/aisle3/shelf3.py', 'number = 33')
print(call(read, on=n2))
"""
    )
    assert ok(project.script(code, timeout=60)) == "3\n33\n"


@pytest.mark.usefixtures("n2")
def test_a_module_that_is_written_after_a_call_goes_along_with_the_next(project: Project) -> None:
    project.write("shop/extra.py", "try:\n    import settings\nexcept ImportError:\n    settings = None\n")
    code = (
        WRITE
        + """
from shop import extra
n2 = connect('n2@localhost')
def imports():
    import later
    return later.x
def known():
    return extra.settings and extra.settings.x
try:
    call(imports, on=n2)
except NoModule as error:
    print(error.module, call(known, on=n2))
for name in ('later', 'settings'):
    write(f'{name}.py', 'x = 1')
print(call(imports, on=n2), call(known, on=n2))
"""
    )
    assert ok(project.script(code)) == "later None\n1 1\n"
