"""The line that finds a Python behind any login shell, and what answers."""

import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pysh.runtime.hub import stage0
from pysh.runtime.hub.stage0 import Answers, BadWord, Noise, Search, command, pythons, why
from tests.pythons import python

WORD, DIGEST = "0123456789abcdef", "f" * 64
MINOR = "{}.{}".format(*sys.version_info)


def answers(line: str, shell: str = "/bin/sh", **environ: str) -> list[str]:
    """What comes back for the command line `line`, and nothing else than the line decides."""
    with tempfile.TemporaryDirectory() as home:  # where fish leaves folders of its own
        env = {"PATH": "/usr/bin:/bin", "HOME": home, **environ}
        done = subprocess.run([shell, "-c", line], input=b"", capture_output=True, env=env, timeout=20)
    return Answers(WORD).feed(done.stdout)


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "csh", "tcsh", "fish", "zsh", "ksh"])
def test_every_login_shell_finds_python(shell: str) -> None:
    if not (path := shutil.which(shell)):
        pytest.skip(f"there is no {shell} here")
    (answer,) = answers(command(WORD, DIGEST, MINOR, python=sys.executable), path)
    assert Search().heard(answer) == stage0.Up(
        sys.version.split()[0], sys.executable, sys.platform, False, sys.executable
    )


@pytest.mark.parametrize("shell", ["sh", "csh", "fish"])
def test_the_folder_and_the_setup_come_first_in_every_login_shell(shell: str, tmp_path: Path) -> None:
    if not (path := shutil.which(shell)):
        pytest.skip(f"there is no {shell} here")
    (tmp_path / "a b").mkdir()
    line = command(WORD, DIGEST, MINOR, python=sys.executable, cwd="~/a b", setup="pwd > it;")
    assert len(answers(line, path, HOME=str(tmp_path))) == 1
    assert (tmp_path / "a b/it").read_text() == f"{tmp_path}/a b\n"


def test_no_word_of_the_line_is_too_long_for_an_old_csh() -> None:
    words = shlex.split(command(WORD, DIGEST, MINOR))
    assert max(map(len, words)) < 1000
    assert all(set(word) & set("'!\\\n") == set() for word in words)


def program(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def chosen(home: Path, path: str = "", **environ: str) -> str:
    """Which of the Pythons, each a script that says its name, is run first."""
    line = command(WORD, DIGEST, "3.11")
    done = subprocess.run(
        ["/bin/sh", "-c", line], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20,
        env={"HOME": str(home), "PATH": f"{path}:/nonexistent", **environ},
    )  # fmt: skip
    return done.stdout.splitlines()[0]


PLACES = [
    "bin/python3.11", ".local/share/uv/python/cpython-3.11.9-linux/bin/python3.11",
    ".pyenv/versions/3.11.7/bin/python3.11", "miniconda3/bin/python3.11", "bin/python3",
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_our_own_version_is_looked_for_where_people_have_it(tmp_path: Path, place: str) -> None:
    for other in PLACES[PLACES.index(place) :]:
        program(tmp_path / other, f"echo {other}")
    assert chosen(tmp_path, str(tmp_path / "bin")) == place


def test_another_root_of_pyenv_is_heeded(tmp_path: Path) -> None:
    program(tmp_path / "other/versions/3.11.1/bin/python3.11", "echo it")
    assert chosen(tmp_path, PYENV_ROOT=str(tmp_path / "other")) == "it"


def test_the_python_that_a_setup_activates_comes_before_our_own_version() -> None:
    assert pythons("3.11", active=True)[0] == "python3"
    assert pythons("3.11")[0] == "python3.11"


def test_a_virtual_environment_may_be_named_or_the_python_itself(tmp_path: Path) -> None:
    (tmp_path / "my venv/bin").mkdir(parents=True)
    (tmp_path / "my venv/bin/python").symlink_to(sys.executable)
    for name in ("~/my venv", "~/my venv/bin/python"):
        (answer,) = answers(command(WORD, DIGEST, MINOR, python=name), HOME=str(tmp_path))
        assert answer.startswith("up ")


@pytest.mark.parametrize("minor", ["2.7", "3.6", "3.10"])
def test_an_old_python_says_what_it_is_and_the_search_goes_on(minor: str) -> None:
    path = python(minor)
    said = answers(command(WORD, DIGEST, MINOR, python=path))
    assert said[-1] == "none"
    search = Search()
    assert [search.heard(answer) for answer in said] == [None, None]
    assert search.tried[0].startswith(f"{path} is Python {minor}.")


def test_a_python_that_cannot_start_does_not_end_the_search(tmp_path: Path) -> None:
    program(tmp_path / "bin/python3.11", "exit 3")
    program(tmp_path / "bin/python3", f'exec {sys.executable} "$@"')
    *failed, up = answers(command(WORD, DIGEST, "3.11"), HOME="/nonexistent", PATH=f"{tmp_path}/bin:/nonexistent")
    assert failed == [f"no 3 {tmp_path}/bin/python3.11"]
    assert up.startswith("up ")


@pytest.mark.parametrize("bad", ["a'b", "a\nb", "$(id)", "`id`", "a!b", "a\\b", 'a"b', "-c"])
def test_a_python_that_no_shell_would_take_as_it_is_is_refused(bad: str) -> None:
    with pytest.raises(BadWord):
        command(WORD, DIGEST, MINOR, python=bad)


@pytest.mark.parametrize("bad", ["a'b", "a\nb", "$(id)", "`id`", "a!b", 'a"b'])
def test_a_folder_that_no_shell_would_take_as_it_is_is_refused(bad: str) -> None:
    with pytest.raises(BadWord):
        command(WORD, DIGEST, MINOR, cwd=bad)


def test_only_lines_with_our_word_are_answers_whatever_comes_between() -> None:
    seen = Answers(WORD)
    assert seen.feed(b"Welcome!\n0123 up x\n" + WORD[:3].encode()) == []
    assert seen.feed(f"{WORD[3:]} none\n\n\x1b[2J{WORD} up x\n".encode()) == ["none"]
    assert seen.noise == b"Welcome!\n0123 up x\x1b[2J" + f"{WORD} up x".encode()


def test_too_much_noise_is_refused() -> None:
    with pytest.raises(Noise):
        Answers(WORD).feed(b"x" * (Answers.LIMIT + 1))
    seen = Answers(WORD)
    with pytest.raises(Noise):
        for _ in range(3000):
            seen.feed(b"a line that is none of ours\n")


def test_why_a_python_was_taken_is_said() -> None:
    up = stage0.Up("3.12.1", "/usr/bin/python3", "linux", True, "python3")
    assert why(up, "3.12") == "our own version"
    assert why(up, "3.11") == "no Python 3.11 there"
    assert why(up, "3.11", active=True) == "the one that setup activated"
    assert why(up, "3.11", python="/usr/bin/python3") == "as asked for"
    assert Search().heard("up " + json.dumps(up)) == up


def test_where_was_looked_is_said_without_what_sh_needs() -> None:
    assert stage0.looked_for("3.12", python="~/env") == ["~/env/bin/python", "~/env"]
    assert not [place for place in stage0.looked_for("3.12") if "$" in place or '"' in place]


def test_what_a_machine_says_is_safe_to_show() -> None:
    search = Search()
    search.heard("old 3.8\x1b[2J /usr/bin/py\x07thon")
    assert search.tried == ["[2J /usr/bin/py thon is Python 3.8"]
    up = search.heard("up " + json.dumps(["3.11.7\x1b", "/a\nb", "linux", True, "x"]))
    assert up == stage0.Up("3.11.7", "/a b", "linux", True, "x")


@pytest.mark.parametrize("told", ["", "[]", "{}", "[1,2,3,4,5]", '["a","b","c",true]', "nonsense", "[" * 100_000])
def test_an_answer_that_makes_no_sense_is_noise(told: str) -> None:
    with pytest.raises(Noise):
        Search().heard(f"up {told}")
