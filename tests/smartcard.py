"""A smartcard in software (SoftHSM), of one home: a key that only the token holds, behind a PIN."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.sshd import Home, keygen

PROVIDER = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "135792"


def missing() -> str:
    """Why there can be no smartcard here; in CI that is a failure and no reason to skip."""
    if PROVIDER.exists() and shutil.which("softhsm2-util"):
        return ""
    if os.environ.get("CI") == "true":
        pytest.fail("CI needs softhsm2")
    return "there is no softhsm2 here"


class Smartcard:
    """A token in `home`, where SoftHSM looks for it; `public` is its key as authorized_keys has it.

    The key is made in a file, which is gone once the token has it.
    """

    def __init__(self, home: Home) -> None:
        settings, tokens = home.path / ".config" / "softhsm2" / "softhsm2.conf", home.path / "tokens"
        tokens.mkdir()
        settings.parent.mkdir(parents=True)
        settings.write_text(f"directories.tokendir = {tokens}\nlog.level = ERROR\n")
        self._environ = os.environ | {"HOME": str(home.path), "SOFTHSM2_CONF": str(settings)}
        self._run("softhsm2-util", "--init-token", "--free", "--label", "pysh", "--so-pin", PIN, "--pin", PIN)
        key = keygen(home.path / "key", "-t", "rsa", "-m", "PKCS8")
        words = ["--import", str(key), "--token", "pysh", "--label", "key", "--id", "01", "--pin", PIN]
        self._run("softhsm2-util", *words)
        key.unlink()
        self.public = self._run("ssh-keygen", "-D", str(PROVIDER))

    def _run(self, *command: str) -> str:
        done = subprocess.run(command, env=self._environ, capture_output=True, text=True, check=True)
        return done.stdout
