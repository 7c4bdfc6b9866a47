"""Which Python a node is started in on a machine of which nothing is known, and what answers from there.

The line of `bootstrap` tries one after the other with the program below, which ends with `OLD` where the
version is too old, and otherwise stays.

Whoever answers writes lines that begin with a word drawn for this start alone: everything else that
comes is noise. The lines are `WORD no STATUS PATH` (sh could not use this one), `WORD old VERSION PATH`,
`WORD none` (all were tried), and `WORD up JSON`; what follows is said by `stage1`.
"""

import json
import re
from typing import NamedTuple

from pysh.runtime.hub import bootstrap
from pysh.runtime.hub.bootstrap import OLD
from pysh.transports.base import cleaned

# Runs in whatever Python there is up to the version check, and without site, whose hooks are the user's.
PROGRAM = f"""
import sys,os
w,h,q=sys.argv[2:5]
v="%d.%d.%d"%sys.version_info[:3]
if sys.version_info<(3,11):
 sys.stdout.write("\\n%s old %s %s\\n"%(w,v,sys.executable or q));sys.stdout.flush();os._exit({OLD})
try:
 import fcntl,hashlib,json,zlib
 i=open(fcntl.fcntl(0,fcntl.F_DUPFD_CLOEXEC,64),"rb")
 o=fcntl.fcntl(1,fcntl.F_DUPFD_CLOEXEC,64)
 os.dup2(os.open(os.devnull,os.O_RDWR),0)
 os.dup2(2,1)
 c=os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),"pysh","node-"+h+".zip")
 try:
  with open(c,"rb") as f:z=f.read()
 except OSError:z=b""
 k=hashlib.sha256(z).hexdigest()==h
 os.write(o,("\\n%s up %s\\n"%(w,json.dumps([v,sys.executable,sys.platform,k,q]))).encode())
 n=i.readline()
 if not n:os._exit(0)
 if not k:z=zlib.decompress(i.read(int(n)))
 if hashlib.sha256(z).hexdigest()!=h:raise ValueError("what came is not what was sent")
 try:
  if os.environ.get("PYSH_OS_FALLBACKS"):raise OSError
  m=os.memfd_create("pysh");p="/proc/self/fd/%d"%m;os.stat(p)
 except (AttributeError,OSError):
  import tempfile
  m,p=tempfile.mkstemp(".zip","pysh-")
 with open(m,"wb",closefd=False) as f:f.write(z)
 sys.path.insert(0,p)
 from pysh.runtime.hub.stage1 import main
 main(i,o,w,p,m,c)
except Exception:
 import traceback;traceback.print_exc()
os._exit(0)
"""

_OWN = (
    "python{0}", "$HOME/.local/share/uv/python/*-{0}.*/bin/python{0}",
    "${{PYENV_ROOT:-$HOME/.pyenv}}/versions/{0}.*/bin/python{0}", "$HOME/*conda3/bin/python{0}",
    "$HOME/miniforge3/bin/python{0}", "/opt/conda/bin/python{0}",
)  # fmt: skip
_ANY = (
    "python3", "/usr/bin/python3", "/usr/local/bin/python3", "/opt/homebrew/bin/python3",
    "python3.14", "python3.13", "python3.12", "python3.11",
    "$HOME/.local/share/uv/python/cpython-3.1[1-9]*/bin/python3",
    "${PYENV_ROOT:-$HOME/.pyenv}/versions/3.1[1-9].*/bin/python3",
    "$HOME/*conda3/bin/python3", "$HOME/miniforge3/bin/python3", "/opt/conda/bin/python3", "python",
)  # fmt: skip
_SAFE = re.compile(r"[A-Za-z0-9_./~+@%=:, -]+")


class BadWord(ValueError):
    """A text that is to go through the login shell there, and would not come out as it is."""


class Up(NamedTuple):
    """The Python that was taken, and whether the machine has our core already."""

    version: str
    executable: str
    platform: str
    has_core: bool
    wanted: str  # as it was looked for

    @property
    def minor(self) -> str:
        """The version as in `3.11`."""
        return ".".join(self.version.split(".")[:2])


def command(word: str, digest: str, minor: str, *, python: str = "", cwd: str = "", setup: str = "") -> str:
    """The line to run there. Everybody there can read it, so nothing in it is secret.

    `word` marks the answers; `digest` is the SHA-256 of the core in hexadecimal. Looked for is `python`
    (a path, a name on the PATH, or a virtual environment), else the best for `minor`, ours, as in `3.11`;
    where `setup`, a line for the login shell, may have activated one, the python3 on the PATH comes
    first. Raises `BadWord`.
    """
    before = [f"cd {_path(cwd)}"] if cwd else []
    if setup:
        before.append(_line(setup))
    candidates = pythons(minor, python=python, active=bool(setup))
    return bootstrap.command(PROGRAM, candidates, word=word, more=digest, before=before)


def pythons(minor: str, *, python: str = "", active: bool = False) -> list[str]:
    """Where a Python is looked for, in this order; as sh reads it. Raises `BadWord`."""
    if python:
        path = _quoted(python)
        return [f'{path}"/bin/python"', path]
    own = [place.format(minor) for place in _OWN]
    return [*(["python3"] if active else []), *own, *(place for place in _ANY if place not in own)]


def looked_for(minor: str, *, python: str = "") -> list[str]:
    """Where a Python is looked for, as people read it."""
    if python:
        return [f"{python}/bin/python", python]
    places = pythons(minor)
    return [place.replace("${PYENV_ROOT:-$HOME/.pyenv}", "~/.pyenv").replace("$HOME", "~") for place in places]


def why(up: Up, minor: str, *, python: str = "", active: bool = False) -> str:
    """Why this Python was taken, in words."""
    if python:
        return "as asked for"
    if active and up.wanted == "python3":
        return "the one that setup activated"
    return "our own version" if up.minor == minor else f"no Python {minor} there"


def _quoted(text: str) -> str:
    """`text` as one word of sh; a `~` in front is the home directory there."""
    if not _SAFE.fullmatch(text) or text.startswith("-"):
        raise BadWord(f"python={text!r}: letters, digits and . _ / ~ + @ % = : , - make the path of a Python")
    return f'"$HOME{text[1:]}"' if text == "~" or text.startswith("~/") else f'"{text}"'


def _path(text: str) -> str:
    """`text` as one word of whatever shell."""
    if not _SAFE.fullmatch(text):
        raise BadWord(f"cwd={text!r}: letters, digits and . _ / ~ + @ % = : , - make a path that every shell takes")
    text = f"./{text}" if text.startswith("-") else text
    home, slash, rest = text.partition("/") if text.startswith("~") else ("", "", text)
    return f"{home}{slash}" + (f"'{rest}'" if rest else "")


def _line(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise BadWord(f"setup={text!r}: it is one line for the login shell there")
    return text.strip().rstrip(";&")


class Noise(Exception):
    """So much came that is none of ours that no answer is to be expected."""


class Answers:
    """The lines that bear our word, out of all that comes. `noise` keeps the beginning of the rest."""

    LIMIT = 64 * 1024

    def __init__(self, word: str) -> None:
        self.noise = b""
        self._word = word.encode() + b" "
        self._line = b""
        self._seen = 0

    def feed(self, data: bytes) -> list[str]:
        """The answers that `data` completes. Raises `Noise`."""
        *lines, self._line = (self._line + data).split(b"\n")
        answers = [line.removeprefix(self._word).decode(errors="replace") for line in lines if self._ours(line)]
        noise = b"\n".join(line for line in lines if line and not self._ours(line))
        self._seen += len(noise)
        self.noise = (self.noise + noise)[:1000]
        if self._seen > self.LIMIT or len(self._line) > self.LIMIT:
            raise Noise
        return answers

    def _ours(self, line: bytes) -> bool:
        return line.startswith(self._word)


class Search:
    """What was found out about the Pythons there, from the answers one by one.

    They are text from elsewhere, and are made safe to show.
    """

    def __init__(self) -> None:
        self.tried: list[str] = []

    def heard(self, answer: str) -> Up | None:
        """The Python that was taken, once one is; an answer of sh is noted in `tried`. Raises `Noise`."""
        kind, _, rest = answer.partition(" ")
        if kind == "up":
            return _up(rest)
        said, _, path = cleaned(rest).partition(" ")
        if kind == "old":
            self.tried.append(f"{path} is Python {said}")
        elif kind == "no":
            self.tried.append(f"{path} ended with status {said}")
        return None


def _up(told: str) -> Up:
    try:
        version, executable, platform, has_core, wanted = json.loads(told)
        return Up(cleaned(version), cleaned(executable), cleaned(platform), bool(has_core), cleaned(wanted))
    except (ValueError, TypeError, RecursionError) as error:
        raise Noise from error
