"""The cookie: from where, and from nobody else's hands; and the names that are made up."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pysh.runtime import config
from pysh.runtime.config import CookieError, new_cookie, read_cookie
from pysh.runtime.protocol.terms import split_name

NOBODY = 65534
root_only = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
pytestmark = pytest.mark.usefixtures("home")


def written(path: Path, text: str = "secret\n", mode: int = 0o600) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(CookieError) as caught:
        action()
    return str(caught.value)


def test_the_first_start_makes_a_cookie_and_the_next_reads_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cookie = read_cookie()
    assert len(cookie) == 52  # 256 bits in base 32
    assert read_cookie() == cookie
    path = home / ".config/pysh/cookie"
    assert path.read_bytes().strip() == cookie
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert capsys.readouterr() == ("", "")


def test_many_first_starts_at_once_agree_on_one_cookie() -> None:
    read: list[bytes] = []
    threads = [threading.Thread(target=lambda: read.append(read_cookie())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read) == 8
    assert len(set(read)) == 1


def test_each_source_hides_those_behind_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(home / ".config/pysh/cookie", "of the file\n")
    assert read_cookie() == b"of the file"
    monkeypatch.setenv("PYSH_COOKIE_FILE", written(home / "named", "of the named file"))
    assert read_cookie() == b"of the named file"
    monkeypatch.setenv("PYSH_COOKIE", "of the variable")
    assert read_cookie() == b"of the variable"
    monkeypatch.setenv("PYSH_COOKIE", "of the variable")
    assert read_cookie(file=written(home / "given", "of the given file")) == b"of the given file"
    assert read_cookie(text="my_secret", file="/none") == b"my_secret"


@pytest.mark.parametrize("text", [None, "given"])
def test_the_variable_is_gone_for_children_whether_it_was_used_or_not(
    monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    monkeypatch.setenv("PYSH_COOKIE", "secret")
    read_cookie(text)
    assert "PYSH_COOKIE" not in os.environ


def test_a_cookie_says_from_where_it_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_cookie().source == f"the cookie file {home}/.config/pysh/cookie"
    assert read_cookie("my_secret").source == "--cookie"
    file = written(home / "given")
    assert read_cookie(file=file).source == f"--cookie-file {file}"
    monkeypatch.setenv("PYSH_COOKIE_FILE", file)
    assert read_cookie().source == f"$PYSH_COOKIE_FILE, {file}"
    monkeypatch.setenv("PYSH_COOKIE", "my_secret")
    assert read_cookie().source == "$PYSH_COOKIE"


def test_a_cookie_in_the_environment_is_seen_by_nobody() -> None:
    code = (
        "from pathlib import Path; from pysh.runtime import config; "
        "print(config.read_cookie(), b'secret' in Path('/proc/self/environ').read_bytes())"
    )
    environ = {**os.environ, "PYSH_COOKIE": "secret-\udcff"}
    told = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, check=True).stdout
    assert told == b"b'secret-\\xff' False\n"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o604])
def test_a_cookie_that_others_may_read_or_change_is_refused_with_the_chmod(home: Path, mode: int) -> None:
    path = written(home / ".config/pysh/cookie", mode=mode)
    assert (
        refusal(read_cookie) == f"others may read or change the cookie file ({path}: mode {mode:04o}); chmod 600 {path}"
    )


@root_only
def test_a_cookie_of_another_user_is_refused(home: Path) -> None:
    path = written(home / "cookie")
    os.chown(path, NOBODY, NOBODY)
    assert f"{path}: uid {NOBODY}" in refusal(lambda: read_cookie(file=path))


def test_a_link_is_refused_and_says_where_it_leads(home: Path) -> None:
    (home / "link").symlink_to(written(home / "cookie"))
    assert f"link -> {home}/cookie" in refusal(lambda: read_cookie(file=str(home / "link")))


def test_a_pipe_on_the_disk_does_not_hang_us(home: Path) -> None:
    os.mkfifo(home / "pipe", 0o600)
    assert "is no file" in refusal(lambda: read_cookie(file=str(home / "pipe")))


def test_a_file_that_is_missing_tells_how_to_make_it(home: Path) -> None:
    error = refusal(lambda: read_cookie(file=f"{home}/none"))
    assert "No such file" in error
    assert f"pysh cookie show > {home}/none" in error


def test_a_pipe_from_the_shell_is_read_to_its_end() -> None:
    out, into = os.pipe()
    os.write(into, b"my_")
    os.write(into, b"secret\n")
    os.close(into)
    assert read_cookie(file=f"/dev/fd/{out}") == b"my_secret"
    os.close(out)


def test_a_file_that_the_shell_opened_is_checked_like_any(home: Path) -> None:
    with open(written(home / "cookie", mode=0o644)) as file:
        assert "mode 0644" in refusal(lambda: read_cookie(file=f"/dev/fd/{file.fileno()}"))


@pytest.mark.parametrize(
    ("text", "said"), [("", "empty"), (" \n", "empty"), ("two\nlines", "one line"), ("x" * 5000, "one line")]
)
def test_what_is_no_cookie_is_refused_wherever_it_stands(home: Path, text: str, said: str) -> None:
    assert said in refusal(lambda: read_cookie(text))
    path = written(home / "cookie", text)
    assert f"({path})" in refusal(lambda: read_cookie(file=path))


def test_a_cookie_of_any_characters_is_the_same_as_text_and_in_a_file(home: Path) -> None:
    assert read_cookie("pass wörd") == read_cookie(file=written(home / "cookie", "pass wörd\n"))


def test_a_new_cookie_replaces_the_old_one(home: Path) -> None:
    old = read_cookie()
    assert new_cookie() == config.cookie_file()
    assert read_cookie() != old
    assert new_cookie(f"{home}/deep/inside/cookie") == f"{home}/deep/inside/cookie"
    assert len(read_cookie(file=f"{home}/deep/inside/cookie")) == 52


def test_where_no_cookie_can_be_written_the_error_says_what_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/proc/none")
    assert "--cookie TEXT" in refusal(read_cookie)


def test_generated_names_are_names() -> None:
    drawn = {config.generated_name() for _ in range(100)}
    assert len(drawn) > 80
    for name in drawn:
        assert split_name(f"{name}@{config.default_node_host()}")
        assert len(name) <= 10


@pytest.mark.parametrize(
    ("nodename", "host"),
    [
        ("db1", "db1"),
        ("db1.example.org", "db1"),
        ("-bad name-", "bad-name"),
        ("", "localhost"),
        ("Büro", "B-ro"),
    ],
)
def test_the_host_of_a_name_is_the_short_name_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, nodename: str, host: str
) -> None:
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", nodename, "", "", "")))
    assert config.default_node_host() == host
    assert {"localhost", host.lower()} <= set(config.machine_names())


@pytest.mark.parametrize(("text", "told"), [("", {}), ("90", {"grace": [90.0, 90.0]}), ("0.5", {"grace": [0.5, 0.5]})])
def test_the_grace_is_that_of_the_environment(
    text: str, told: dict[str, list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYSH_GRACE", text)
    assert config.grace() == told


@pytest.mark.parametrize("text", ["soon", "0", "-1", "inf", "nan"])
def test_a_grace_that_is_no_time_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSH_GRACE", text)
    with pytest.raises(config.ConfigError, match=r"\$PYSH_GRACE: .*export PYSH_GRACE=3600"):
        config.grace()
