"""A FIDO security key in software: a key that only it holds, and that signs when somebody touches it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_suffix(".c")
HEADER = Path("/usr/include/openssl/evp.h")


def missing() -> str:
    """Why there can be no security key here; in CI that is a failure and no reason to skip."""
    absent = [name for name, there in (("gcc", shutil.which("gcc")), ("libssl-dev", HEADER.exists())) if not there]
    if absent and os.environ.get("CI") == "true":
        pytest.fail(f"CI needs {' and '.join(absent)}")
    return f"there is no {' and no '.join(absent)} here" if absent else ""


class SecurityKey:
    """The library is `provider`, and `identity` the file that ssh takes for the private key."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.provider, self.identity = folder / "provider.so", folder / "id_ed25519_sk"
        words = ["-Wall", "-Werror", "-shared", "-fPIC", f'-DTOKEN="{folder}"', "-o", str(self.provider)]
        subprocess.run(["gcc", *words, str(SOURCE), "-lcrypto"], check=True)
        words = ["-t", "ed25519-sk", "-w", str(self.provider), "-N", "", "-f", str(self.identity)]
        subprocess.run(["ssh-keygen", "-q", *words], check=True, stdin=subprocess.DEVNULL)
        self.public = self.identity.with_suffix(".pub").read_text()

    def touch(self) -> None:
        """Touch it."""
        (self._folder / "touch").touch()

    def pull(self) -> None:
        """Take it out."""
        (self._folder / "pulled").touch()
