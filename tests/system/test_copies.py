"""`put` and `get` between real nodes: what arrives, what is refused, and what a cut leaves."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.shell.terminal import Terminal
from tests.system.conftest import Home, Machines, Screens, ok, until

BIG = 48 << 20
TWO = "n1, n2 = connect('n1@localhost', 'n2@localhost')\n"


class Pair:
    """Nodes n1 and n2, each in a folder of its own, and the folder of who asks."""

    def __init__(self, home: Home) -> None:
        self.home, self.here = home, home.folder
        for name in ("n1", "n2"):
            (home.folder / name).mkdir()
            home.run(
                [*home.prefix, "sh", "-c", f'cd {name} && exec "$0" -m pysh node --name {name}@localhost --detach',
                 sys.executable]
            )  # fmt: skip

    def script(self, code: str) -> list[str]:
        return ok(self.home.script(TWO + code)).splitlines()

    def parts(self) -> list[Path]:
        """What lies there of copies that were not made to their end."""
        return [*self.here.rglob("*.pysh-part")]

    def workers(self) -> list[psutil.Process]:
        """Those that have a part open."""
        found = []
        for process in self.home.processes():
            try:
                if any(file.path.endswith(".pysh-part") for file in process.open_files()):
                    found.append(process)
            except psutil.Error:
                pass
        return found


@pytest.fixture
def pair(home: Home) -> Pair:
    return Pair(home)


@pytest.fixture
def big(pair: Pair) -> Path:
    """A file that takes a moment."""
    path = pair.here / "big"
    path.write_bytes(os.urandom(1 << 20) * (BIG >> 20))
    return path


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def project(folder: Path) -> None:
    (folder / "proj/sub").mkdir(parents=True)
    (folder / "proj/run.sh").write_text("echo run\n")
    (folder / "proj/run.sh").chmod(0o751)
    (folder / "proj/sub/data").write_bytes(os.urandom(3 << 20))
    (folder / "proj/sub/up").symlink_to("../run.sh")
    (folder / "proj/empty").touch()


def same(one: Path, two: Path) -> None:
    done = subprocess.run(["diff", "-r", "--no-dereference", one, two], capture_output=True, text=True, check=False)
    assert not done.stdout, done.stdout


def test_a_file_goes_to_many_nodes_and_comes_back_from_each(pair: Pair) -> None:
    data = pair.here / "data.bin"
    data.write_bytes(os.urandom(5_000_000))
    data.chmod(0o640)
    told = pair.script(
        "print(put('data.bin', on='n[1-3]', to='~/copy'))\n"
        "c = n2.put('data.bin'); print(c.size, c.files, c.sent, c.sha256, c.took > 0)\n"
        "print(n2.put('data.bin').sent)\n"
        "print(get('data.bin', on=n2, to='back.bin'))\n"
        "print(get('~/copy', on=[n1, n2], to='all/'))\n"
        "async def both():\n"
        "    await aio.put('data.bin', on=n1, to='async')\n"
        "    return (await aio.get('async', on=n1)).raise_first()\n"
        "print(await both())\n"
        "print(put('data.bin', on=n2, to='no/such/folder'))\n"
        "print(get('missing', on=n2))\n"
        "try: put('missing', on=n2)\n"
        "except FileNotFoundError as error: print(error)\n"
    )
    here, copy = pair.here, pair.here / "copy"
    assert told[0] == f"n[1-2]: {copy} (5.0 MB)" or "somebody else is copying there" in told[0] + told[1]
    told = told[0 if told[0].startswith("n[1-2]") else 1 :]
    assert told[1].startswith("n3: ConnectError: ")
    assert told[2] == f"5000000 1 5000000 {sha(data)} True" and told[3] == "0"
    assert told[4] == f"n2: {here}/back.bin (5.0 MB)"
    assert told[5:7] == [f"n{n}: {here}/all/n{n}/copy (5.0 MB)" for n in (1, 2)]
    assert told[7] == f"n1: {here}/async (5.0 MB)"
    assert told[
        8
    ] == f"n2: FileNotFoundError: [Errno 2] there is no folder {here}/n2/no/such; nothing was written: " + (
        f"'{here}/n2/no/such/folder'"
    )
    assert told[9] == "n2: FileNotFoundError: [Errno 2] No such file or directory: 'missing'"
    assert told[10] == f"[Errno 2] No such file or directory: '{here}/missing'"
    for made in ("copy", "n2/data.bin", "back.bin", "all/n1/copy", "all/n2/copy", "async"):
        assert sha(here / made) == sha(data) and (here / made).stat().st_mode & 0o777 == 0o640
    assert not pair.parts()


def test_a_folder_goes_there_and_back_and_only_what_changed_goes_again(pair: Pair) -> None:
    project(pair.here)
    told = pair.script(
        "print(n2.put('proj'))\n"
        "print(n2.get('proj', to='back'))\n"
        "open('proj/run.sh', 'a').write('more\\n'); open('proj/new', 'w').write('new')\n"
        "print([(c.sent, c.files) for c in put('proj', on=n2).values()])\n"
    )
    here = pair.here
    assert told == [f"{here}/n2/proj (3 files, 3.1 MB)", f"{here}/back (3 files, 3.1 MB)", "[(17, 4)]"]
    same(here / "proj", here / "n2/proj")
    assert (here / "back/run.sh").stat().st_mode & 0o777 == 0o751
    assert not pair.parts()


def test_names_may_be_anything(pair: Pair) -> None:
    odd = pair.here / "odd"
    (odd / "d\n1").mkdir(parents=True)
    for name in ("new\nline", "\u00fcn\u00ef", "sp ace", "-dash", "~", "a" * 250, os.fsdecode(b"\xff\xfe")):
        (odd / name).write_text("x")
        (odd / "d\n1" / name).symlink_to(f"../{name}")
    told = pair.script(
        "import os\n"
        "print(n2.put('odd').files, n2.get('odd', to='back').files)\n"
        "n2.sh('mkdir one')\n"
        "for name in os.listdir('odd'):\n"
        "    if os.path.isfile('odd/' + name): n2.put('odd/' + name, to='one/' + name)\n"
        "print(n2.get('one', to='each').files)\n"
        "print(n2.sh(['echo', os.fsdecode(b'\\xff'), 'a\\nb'], stream=False).status)\n"
    )
    assert told == ["7 7", "7", "0"]
    same(odd, pair.here / "back")
    each = {path.name for path in (pair.here / "each").iterdir()}
    assert each == {path.name for path in odd.iterdir()} - {"d\n1"}


def test_two_thousand_files_arrive(pair: Pair) -> None:
    for number in range(2000):
        file = pair.here / f"many/{number % 50}/{number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(number))
    assert pair.script("print(n2.put('many').files)\nprint(n2.get('many', to='back').files)\n") == ["2000", "2000"]
    same(pair.here / "many", pair.here / "back")


def started(pair: Pair, code: str) -> "subprocess.Popen[str]":
    """A script that runs until a copy has begun to arrive."""
    file = pair.here / "script.pysh"
    file.write_text(TWO + code)
    return subprocess.Popen(
        [sys.executable, "-m", "pysh", str(file)], env=pair.home.environ, cwd=pair.here, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def stopped(pair: Pair) -> psutil.Process:
    """The process that writes a copy, stopped before it is done."""
    while True:
        [worker] = until(pair.workers, "a copy that arrives")
        try:
            worker.suspend()
            return worker
        except psutil.Error:
            continue


def test_what_is_cut_goes_on_from_what_has_arrived(pair: Pair, big: Path) -> None:
    script = started(pair, "print(put('big', on=n2))\nc = n2.put('big')\nprint(c.sent, c.sha256)\n")
    worker = stopped(pair)
    [part] = pair.parts()
    worker.resume()
    until(lambda: has_begun(part), "some of it")
    worker.kill()
    out, err = script.communicate(timeout=30)
    died, failed, again = out.splitlines()
    assert died.startswith("n2 | ") and died.endswith("the worker died of SIGKILL")
    assert failed.startswith("n2: ") and "runner_killed" in failed, out + err
    sent, digest = again.split()
    assert int(sent) <= BIG - (1 << 20) and digest == sha(big) == sha(pair.here / "n2/big")
    assert not pair.parts()


def test_a_file_that_changes_while_it_is_read_does_not_arrive(pair: Pair, big: Path) -> None:
    script = started(pair, "print(put('big', on=n2))\n")
    worker = stopped(pair)
    with big.open("ab") as file:
        file.write(b"more")
    worker.resume()
    out, err = script.communicate(timeout=30)
    assert f"it changed while it was read ({BIG:,} bytes, then {BIG + 4:,}); nothing was written: '{big}'" in out, err
    assert not pair.parts() and not (pair.here / "n2/big").exists()


def test_a_copy_ends_when_who_asked_for_it_does(pair: Pair, big: Path) -> None:
    script = started(pair, "print(put('big', on=n2))\n")
    worker = stopped(pair)
    script.kill()
    script.communicate()
    worker.resume()
    until(lambda: not pair.workers(), "the end of the copy that nobody sends any more")
    assert pair.script("print(n2.put('big').sha256)\n") == [sha(big)]


def test_a_node_that_goes_down_meanwhile_is_told_and_the_other_has_it(pair: Pair, big: Path) -> None:
    script = started(pair, "print(put('big', on=[n1, n2]))\n")
    until(lambda: list((pair.here / "n2").glob(".big*")), "the beginning of a copy")
    [hub] = [node["pid"] for node in pair.home.nodes() if node["node"] == "n2@localhost"]
    psutil.Process(hub).kill()
    out, err = script.communicate(timeout=30)
    assert f"n1: {pair.here}/n1/big (50.3 MB)\n" in out, out + err
    assert "n2: NodeDown: n2@localhost is down" in out or f"n2: {pair.here}/n2/big" in out, out + err


def prompt(screens: Screens) -> Terminal:
    shell: Terminal = screens.open("--name", "n0@localhost", "--connect", "n2@localhost")
    shell.wait_for_end("n0@localhost[1]>")
    return shell


def test_ctrl_c_ends_a_copy_and_the_next_goes_on(pair: Pair, big: Path, screens: Screens) -> None:
    shell = prompt(screens)
    shell.type("put('big', on='n2')\r")
    worker = stopped(pair)
    shell.type("\x03")
    worker.resume()
    until(lambda: not pair.workers(), "the end of the copy")
    shell.wait_for_end("n0@localhost[1]>")
    shell.type("c = Node('n2@localhost').put('big')\r")
    shell.type("print('files:', c.files)\r")
    shell.wait(lambda: "files: 1" in shell.lines, "the second copy")
    assert not any("not delivered" in line for line in shell.lines), shell.lines
    assert sha(pair.here / "n2/big") == sha(big)


def test_what_takes_a_while_shows_how_far_it_is(pair: Pair, big: Path, screens: Screens) -> None:
    shell = prompt(screens)
    shell.type("n2 = Node('n2@localhost'); n2.put('big')\r")
    worker = stopped(pair)
    end = time.monotonic() + 1.2
    until(lambda: time.monotonic() > end, "a while")
    worker.resume()
    shell.wait(lambda: any(line.startswith("n2 | big 100% of 50.3 MB, ") for line in shell.lines), "the progress")
    shell.wait(lambda: any(line.endswith("n2/big (50.3 MB)") for line in shell.lines), "what came of it")


def test_a_path_outside_of_all_homes_is_as_any_other(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "file").write_text("abc")
    told = pair.script(
        f"print(n2.put('{outside}/file', to='{outside}/copy'))\n"
        f"print(n2.get('{outside}/copy'))\n"
        f"print(put('{outside}/file', on=n2, to='/proc/version/x'))\n"
        f"print(put('{outside}/file', on=n2, to='/proc/'))\n"
    )
    assert told[0] == f"{outside}/copy (3 B)" and told[1] == f"{pair.here}/copy (3 B)"
    assert all("Error: [Errno" in line and "nothing was written" in line for line in told[2:]), told


def test_a_folder_with_a_link_that_leads_out_is_refused_on_either_side(pair: Pair) -> None:
    project(pair.here)
    (pair.here / "proj/out").symlink_to("/etc")
    told = pair.script("print(put('proj', on=[n1, n2]))\nprint(get('../proj', on=n2, to='back'))\n")
    said = f"BadManifest: the link {pair.here}/proj/out leads out of {pair.here}/proj, to /etc; nothing was copied: "
    assert told[0].startswith(f"n[1-2]: {said}")
    assert told[1].startswith("n2: BadManifest: the link ../proj/out leads out of ../proj, to /etc; ")
    assert not pair.parts() and not list(pair.here.glob("n?/proj"))


EVIL = """
from pysh.runtime import copying
def offered(entries, *parts):
    def evil(peer):
        peer.say("offer", "name", entries)
        peer.hear()
        for part in parts:
            peer.part(copying.Part(*part))
        return peer.hear()
    try:
        print(copying.converse(evil, (), n2, copying.receive_tree, ("", False, False)))
    except Exception as error:
        print(type(error).__name__, error)
TOP = ("", "folder", 0o755, 0, "")
offered([TOP, ("../evil", "file", 0o600, 1, "")], (1, 0, b"x", b""))
offered([TOP, ("l", "link", 0o600, 0, "../.."), ("l/evil", "file", 0o600, 1, "")], (2, 0, b"x", b""))
offered([TOP, ("/tmp/evil", "file", 0o600, 1, "")], (1, 0, b"x", b""))
offered([TOP, ("evil", "file", 0o600, 1, "")], (1, 5, b"x", b""))
offered([("", "file", 0o600, 1, "")], (0, 0, b"x", b"not its digest"))
offered([("", "file", 0o600, 1, "")], (0, 0, b"much more than was said", b""))
offered("nonsense")
"""


def test_a_sender_that_lies_writes_nothing(pair: Pair) -> None:
    before = sorted(pair.here.rglob("*evil*"))
    told = pair.script(EVIL)
    assert [line.split()[0] for line in told] == ["BadManifest"] * 4 + ["OSError", "BadManifest", "TypeError"], told
    assert sorted(pair.here.rglob("*evil*")) == before and not pair.parts()
    assert not (pair.here / "n2/name").exists()


def has_begun(part: Path) -> bool:
    """Whether some of a copy has arrived, or all of it already."""
    try:
        return part.stat().st_size > 1 << 20
    except FileNotFoundError:
        return part.with_name(part.name[1:].removesuffix(".pysh-part")).exists()


@pytest.mark.parametrize("transport", ["asyncssh", "openssh"])
def test_a_copy_between_machines_goes_on_when_the_connection_is_cut(both: Machines, transport: str) -> None:
    server = both.sshd()
    both.there.node("w1@db1")
    here, there = both.here.folder, both.there.folder
    (here / "big").write_bytes(os.urandom(1 << 20) * (BIG >> 20))
    code = (
        f"w1 = connect('w1@db1', transport={transport!r})\n"
        "c = w1.put('big'); print(c.sent, c.sha256)\n"
        "c = w1.get('big', to='back'); print(c.sent, c.sha256)\n"
    )
    (here / "script.pysh").write_text(code)
    script = subprocess.Popen(
        [sys.executable, "-m", "pysh", "script.pysh"], env=both.here.environ, cwd=here, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    for folder, name in ((there, "big"), (here, "back")):
        part = folder / f".{name}.pysh-part"
        until(lambda part=part: has_begun(part), "some of it")  # type: ignore[misc]
        for pid in server.sessions():
            with suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()
    out, err = script.communicate(timeout=60)
    assert out.splitlines() == [f"{BIG} {sha(here / 'big')}"] * 2, out + err
    assert sha(there / "big") == sha(here / "back") == sha(here / "big")


@pytest.fixture
def small(pair: Pair) -> Iterator[Path]:
    """A disk of one MiB in the folder of n2."""
    folder = pair.here / "n2/disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder]
    if os.getuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_node_without_room_says_so_and_the_others_have_it(pair: Pair, small: Path) -> None:
    (pair.here / "n1/disk").mkdir()
    (pair.here / "data").write_bytes(bytes(2 << 20))
    told = pair.script("r = put('data', on=[n1, n2], to='disk/')\nprint(r)\n")
    assert told[0] == f"n1: {pair.here}/n1/disk/data (2.1 MB)"
    assert "n2: OSError: [Errno 28] no space: 2.1 MB to write, 1.0 MB free; nothing was written: " in told[1]
    assert list(small.iterdir()) == []
