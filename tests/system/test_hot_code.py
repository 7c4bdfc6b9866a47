"""Code that is swapped while nodes run: `reload`, `push` and `upgrade`, on real nodes in folders of their own."""

import subprocess

import pytest

from tests.system.conftest import PYSH, Home, ok, until
from tests.system.test_code import CONNECT, WRITE, Project, _in


class Person(Project):
    """Somebody with a project of his own."""

    def __init__(self, home: Home, name: str) -> None:
        self.home = home
        self.folder = home.folder / name
        self.write("shop/__init__.py", "from shop.prices import price\n")

    def begin(self, code: str) -> "subprocess.Popen[str]":
        """Run `code` as a script."""
        self.write("script.pysh", code)
        return subprocess.Popen(
            [*_in(self.folder), *PYSH, "script.pysh"], env=self.home.environ, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip


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


SHELF_1 = """
class Shelf:
    def __init__(self): self.calls = []
    def put(self, number): self.calls.append(number)
    def version(self): return 1
    def all(self): return self.calls, getattr(self, 'told', None)
class Plain:
    def version(self): return 1
"""
SHELF_2 = """
__version__ = '2.0'
class Shelf:
    def code_change(old_version, state):
        return {'calls': [*state['calls'], 'changed'], 'told': old_version}
    def put(self, number): self.calls.append(-number)
    def version(self): return 2
    def all(self): return self.calls, self.told
class Plain:
    def version(self): return 2
"""
SHELF_3 = """
class Shelf:
    @classmethod
    async def code_change(cls, old_version, state):
        del state['calls']
        raise KeyError(old_version)
    def version(self): return 3
"""


def test_actors_change_their_code_between_two_calls_and_lose_none(project: Project) -> None:
    for name in ("n2", "n3"):
        project.node(name)
    project.write("goods.py", SHELF_1)
    code = (
        CONNECT
        + WRITE
        + f"SHELVES = {[SHELF_2, SHELF_3]!r}"
        + """
import goods, re
n3 = connect('n3@localhost')
shelves = [actor(goods.Shelf, on=n) for n in (n2, n3)]
plain = actor(goods.Plain, on=n2)
class Mine:
    def version(self): return goods.Plain().version()
mine = actor(Mine, on=n3)
def versions():
    return [each.version().result() for each in (*shelves, plain, mine)]
print(versions())
write('goods.py', SHELVES[0])
before = [shelf.put(n) for n in range(1, 101) for shelf in shelves]
told = push(goods, on=[n2, n3])
after = [shelf.put(n) for n in range(101, 201) for shelf in shelves]
for put in before + after:
    put.result()
for shelf in shelves:
    calls, old = shelf.all().result()
    at = calls.index('changed')
    print(calls[:at] == list(range(1, at + 1)), calls[at + 1:] == [-n for n in range(at + 1, 201)], at >= 100, len(old))
print(versions())
def shown(told):
    for text in told.values():
        print(re.sub(r'<n[.0-9]+>', '<n>', text.partition('; ')[2]))
shown(told)
write('goods.py', SHELVES[1])
shown(push(goods, on=n2))
print(versions(), shelves[0].all().result()[0][0])
"""
    )
    assert ok(project.script(code)) == (
        "[1, 1, 1, 1]\nTrue True True 64\nTrue True True 64\n[2, 2, 1, 1]\n"
        "changed <n> Shelf; <n> Plain keeps its old code: its class has no code_change\n"
        "changed <n> Shelf; <n> Mine keeps its old code: its class is of __main__, which was not pushed\n"
        "<n> Shelf keeps its old code: KeyError: '2.0'; "
        "<n> Plain keeps its old code: there is no class Plain in the new goods\n"
        "[2, 2, 1, 1] 1\n"
    )


def test_what_does_not_compile_is_pushed_to_no_node_and_what_does_not_import_is_not_used(project: Project) -> None:
    for name in ("n2", "n3"):
        project.node(name)
    project.home.folder.joinpath("of_n3/marker").touch()
    project.write("one.py", "import two\nname = 'one'\n")
    project.write("two.py", "from one import name\n")
    project.write("picky.py", "import os\nassert os.path.exists('marker')\ndef here(): return 1\n")
    code = (
        CONNECT
        + WRITE
        + """
import itertools
n3 = connect('n3@localhost')
on = [n2, n3]
print(len(push(shop, on=on).ok))
def told(what, **options):
    try:
        return push(what, **{'on': on, **options})
    except Exception as error:
        return error
write('shop/extra.py', 'def (')
write('shop/prices.py', 'def price(): return 2')
error = told(shop)
print(type(error).__name__, error.filename.endswith('shop/extra.py'), error.__notes__)
print([call('shop:price', on=n) for n in on])
for error in told('one.py').values():
    print(type(error).__name__, 'circular' in str(error), error.path.endswith('one.py'))
results = told('picky.py')
print(type(results[n2]).__name__, results[n3][:5], call('picky:here', on=n3))
try:
    call('picky:here', on=n2)
except NoModule as error:
    print(error.executed)
print([type(told(what)).__name__ for what in (itertools, 'no_such', 5)], type(told(shop, on='n9')).__name__)
"""
    )
    assert ok(project.script(code)) == (
        "2\nSyntaxError True ['nothing was pushed, to no node']\n[1, 1]\n"
        "ImportError True True\nImportError True True\n"
        "AssertionError picky 1\nno\n"
        "['TypeError', 'FileNotFoundError', 'TypeError'] ConnectError\n"
    )


def test_supervised_functions_start_anew_in_their_order_and_actors_keep_their_state(project: Project) -> None:
    project.node("n2")
    head = "from pysh import receive\n"
    poll = "def poll(log, name):\n    open(log, 'a').write(f'{name} VERSION\\n')\n    receive()\n"
    project.write("work.py", SHELF_1 + head + poll.replace("VERSION", "1"))
    news = SHELF_2 + head + poll.replace("VERSION", "2")
    code = (
        CONNECT
        + WRITE
        + f"NEWS = {news!r}"
        + """
import re, work
from pathlib import Path
log = str(Path('log').absolute())
Path(log).touch()
def mine():
    receive()
def logged(count):
    while len(Path(log).read_text().split('\\n')) <= count:
        time.sleep(0.01)
    return Path(log).read_text().split('\\n')[:-1]
children = [Child(name, work.poll, log, name) for name in ('first', 'second')]
s = supervise([*children, Child('shelf', work.Shelf), mine], on=n2)
shelf = s.child('shelf').result()
shelf.put(1).result()
print(sorted(logged(2)))
pids = {row['name']: row['process'] for row in s.children().result()}
write('work.py', NEWS)
print(re.sub('<n2[.0-9]+>', '<p>', push(work, on=n2)[n2].partition('; ')[2]))
print(sorted(logged(4)[2:]), shelf.version().result(), shelf.all().result()[0])
rows = s.children().result()
print([row['restarts'] for row in rows], [row['name'] for row in rows if row['process'] == pids[row['name']]])
kill(shelf)
while (again := s.child('shelf').result()) in (shelf, None):
    time.sleep(0.01)
print(again.version().result())
stop(s)
"""
    )
    assert ok(project.script(code)) == (
        "['first 1', 'second 1']\nchanged <p> Supervisor, <p> Shelf\n"
        "['first 2', 'second 2'] 2 [1, 'changed']\n[0, 0, 0, 0] ['shelf', 'mine']\n2\n"
    )


LEDGER = """
import os
def record(folder, number):
    os.close(os.open(f'{folder}/{number}', os.O_CREAT | os.O_EXCL))
    return VERSION
def clerk(log):
    from pysh import receive
    with open(log, 'a') as file:
        print(VERSION, file=file)
    receive()
class Till:
    def __init__(self): self.count = 0
    def code_change(old_version, state): return state
    def add(self):
        self.count += 1
        return self.count, VERSION
"""
UNDER_LOAD = """
import asyncio, ledger
from pysh import aio
from pathlib import Path
nodes = [connect(f'n{k}@localhost') for k in (2, 3, 4)]
folder = Path('done').absolute()
folder.mkdir()
push(ledger, on=nodes)
tills = [actor(ledger.Till, on=n) for n in nodes]
supervise([Child('clerk', ledger.clerk, f'{folder}.log')], on=nodes[0])
def clerks():
    return Path(f'{folder}.log').read_text().split()
while not (Path(f'{folder}.log').exists() and clerks()):
    pass
write('ledger.py', NEWS)
async def send(rate, over, sent, added):
    loop = asyncio.get_running_loop()
    begun, number = loop.time(), 0
    while not over.is_set() or number < 400:
        await asyncio.sleep(max(0.0, begun + number / rate - loop.time()))
        sent.append(await aio.task('ledger:record', str(folder), number, on=nodes if number % 4 else nodes[number % 3]))
        if number % 10 == 0:
            added.append(tills[number // 10 % 3].add())
        number += 1
    return [await each for each in sent], [await each for each in added]
async def both(**options):
    over, sent, added = asyncio.Event(), [], []
    sender = asyncio.create_task(send(200, over, sent, added))
    await asyncio.sleep(0.3)
    try:
        told = await aio.upgrade(ledger, on=nodes, drain=0.2, **options)
    except UpgradeFailed as error:
        told = error
    over.set()
    return told, *await sender
def counts(added):
    return all([count for count, _ in added[k::3]] == list(range(1, len(added[k::3]) + 1)) for k in range(3))
def after():
    called = {call('ledger:record', str(folder), f'{n.name}{k}', on=n) for n in nodes for k in range(20)}
    return sorted({till.add().result()[1] for till in tills} | called)
"""


def test_no_task_is_lost_or_run_twice_while_nodes_are_upgraded_under_load(project: Project) -> None:
    for name in ("n2", "n3", "n4"):
        project.node(name)
    project.write("ledger.py", LEDGER.replace("VERSION", "1"))
    code = (
        WRITE
        + f"NEWS = {LEDGER.replace('VERSION', '2')!r}"
        + UNDER_LOAD
        + """
told, versions, added = asyncio.run(both())
print(len(told.ok), all('changed <' in text for text in told.values()), set(versions) == {1, 2})
print(len(list(folder.iterdir())) == len(versions) >= 400, counts(added), after())
while len(clerks()) < 2:
    pass
print(clerks())
"""
    )
    assert ok(project.script(code)) == "3 True True\nTrue True [2]\n['1', '2']\n"


def test_where_a_check_fails_every_node_is_back_and_no_task_is_lost_either(project: Project) -> None:
    for name in ("n2", "n3", "n4"):
        project.node(name)
    project.write("ledger.py", LEDGER.replace("VERSION", "1"))
    code = (
        WRITE
        + f"NEWS = {LEDGER.replace('VERSION', '2')!r}"
        + UNDER_LOAD
        + """
def check():
    assert ledger.Till().add() == (1, 2)
    return node() != nodes[2]
told, versions, added = asyncio.run(both(check=check))
print(told.node, told.why, told.executed, list(told.table))
print(all(text.startswith('rolled back; changed back <') for text in told.table.values()), set(versions) == {1, 2})
print(len(list(folder.iterdir())) == len(versions) >= 400, counts(added), after())
while len(clerks()) < 3:
    pass
print(clerks())
while any('cordoned' in row[3] for row in pysh.nodes().__pysh_table__()[1]):
    pass
"""
    )
    assert ok(project.script(code)) == (
        "n4@localhost PyshError: check check returned False yes ['n4@localhost', 'n3@localhost', 'n2@localhost']\n"
        "True True\nTrue True [1]\n['1', '2', '1']\n"
    )


def test_what_the_new_code_ended_or_began_is_told_where_nodes_go_back(project: Project) -> None:
    project.node("n2")
    head = "from pysh import receive\nclass Till:\n    def version(self): return VERSION\n"
    head += "    def code_change(old_version, state): return state\n"
    old = head.replace("VERSION", "1") + "def poll(): receive()\n"
    project.write("work.py", old)
    news = head.replace("VERSION", "2") + "def poll(): pass\n"
    code = (
        CONNECT
        + WRITE
        + f"NEWS = {news!r}"
        + """
import re, work
push(work, on=n2)
lasting = supervise([Child('till', work.Till)], on=n2)
ending = supervise([Child('poll', work.poll)], intensity=(0, 5), on=n2)
unlink(ending)
single = actor(work.Till, on=n2)
register('ending', ending)
write('work.py', NEWS)
def check():
    import work
    kill(whereis('till'))
    def again():
        try:
            return lasting.child('till').result().version().result()
        except (AttributeError, NoProcess):  # it is not back yet
            return None
    while again() != 2:
        time.sleep(0.01)
    register('late', actor(work.Till))
    while whereis('ending') is not None:
        time.sleep(0.01)
    return False
try:
    upgrade(work, on=n2, drain=0, check=check)
except UpgradeFailed as error:
    print(error.why)
    print(re.sub('<n2[.0-9]+>', '<p>', error.table['n2@localhost']))
print(lasting.child('till').result().version().result(), single.version().result())
"""
    )
    assert ok(project.script(code)) == (
        "PyshError: check check returned False\n"
        "rolled back; changed back <p> Supervisor, <p> Till; <p> Till keeps the new code: it began with that; "
        "<p> Till has ended; <p> Supervisor has ended; <p> Till has ended\n1 1\n"
    )


def test_two_upgrades_at_once_and_a_node_that_goes_down_in_the_middle(project: Project) -> None:
    for name in ("n2", "n3"):
        project.node(name)
    code = (
        CONNECT
        + WRITE
        + """
import asyncio
from pysh import aio
n3 = connect('n3@localhost')
on = [n2, n3]
push(shop, on=on)
async def failure(awaitable):
    try:
        return await awaitable
    except PyshError as error:
        return error
def waits():
    time.sleep(60)
async def main():
    write('shop/prices.py', '1 / 0')
    error = await failure(aio.upgrade(shop, on=on, drain=0))
    print(error.node, error.why, error.executed, set(error.table.values()))
    write('shop/prices.py', 'def price(): return 2')
    task(waits, on=n3, detach=True)
    first = asyncio.create_task(aio.upgrade(shop, on=on, drain=30))
    while not any('cordoned' in row[3] for row in (await aio.nodes()).__pysh_table__()[1] if row[0] == n3.name):
        await asyncio.sleep(0.01)
    print([await aio.call('shop:price', on=n) for n in on])
    second = await failure(aio.upgrade('shop', on=n3, drain=0))
    pushed = await aio.push(shop, on=on)
    for error in (second, *pushed.values()):
        print(error.executed, 'localhost is being upgraded to shop' in str(error))
    print({(await aio.task(shop.price, on=on)).node.name for _ in range(9)})
    await aio.stop_node(n3)
    error = await failure(first)
    print(error.node, error.why.split(':')[0], error.executed, error.table)
    print(await aio.call('shop:price', on=n2), list((await aio.push(shop, on=n2)).failed))
asyncio.run(main())
"""
    )
    assert ok(project.script(code)) == (
        "n2@localhost ZeroDivisionError: division by zero no {'nothing was pushed'}\n"
        "[2, 1]\nno True\nno True\nno True\n{'n2@localhost'}\n"
        "n3@localhost NodeDown yes {'n2@localhost': 'rolled back', 'n3@localhost': 'nothing was pushed'}\n1 []\n"
    )


def test_a_ctrl_c_takes_the_nodes_back_as_well(project: Project) -> None:
    project.node("n2")
    code = (
        CONNECT
        + WRITE
        + """
import os, signal, threading
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell has in the background
push(shop, on=n2)
write('shop/prices.py', 'def price(): return 2')
gate = Path('gate').absolute()
def check():
    import time
    from pathlib import Path
    from shop.prices import price
    Path(f'{gate}.part').write_text(str(price()))
    Path(f'{gate}.part').rename(gate)
    time.sleep(60)
def presses():
    while not gate.exists():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=presses).start()
try:
    upgrade(shop, on=n2, drain=0, check=check)
except KeyboardInterrupt as interrupt:
    print(interrupt.__notes__[0].split('\\n')[1:])
print(gate.read_text(), call('shop:price', on=n2))
push(shop, on=n2)
print(call('shop:price', on=n2))
while any('check' in row['label'] for row in tasks(on=n2)):
    time.sleep(0.01)
"""
    )
    assert ok(project.script(code)) == (
        "['  n2@localhost: rolled back', 'Tasks may have run with the new code.']\n2 1\n2\n"
    )


def test_of_two_who_push_at_once_each_node_has_all_that_one_of_them_pushed(project: Project) -> None:
    for name in ("n2", "n3"):
        project.node(name)
    pushes = """
import shop
from pathlib import Path
on = [connect('n2@localhost'), connect('n3@localhost')]
Path('ready').touch()
while not Path('../go').exists():
    pass
print([len(push(shop, on=on).ok) for _ in range(6)])
"""
    people = [Person(project.home, name) for name in ("one", "two")]
    for each in people:
        name = each.folder.name
        each.write("shop/prices.py", f"import money\ndef price(): return {name!r}, money.unit\n")
        each.write("money.py", f"unit = {name!r}\n")
    running = [each.begin(pushes) for each in people]
    until(lambda: all((each.folder / "ready").exists() for each in people), "the connections of both")
    (project.home.folder / "go").touch()
    for each in running:
        out, err = each.communicate(timeout=30)
        assert out == "[2, 2, 2, 2, 2, 2]\n", err
    code = "for n in (2, 3):\n    print(len(set(call('shop:price', on=connect(f'n{n}@localhost')))))"
    assert ok(project.script(code)) == "1\n1\n"
