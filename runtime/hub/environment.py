"""The environment that a line of shell leaves behind, such as `source venv/bin/activate` or `module load gcc`."""

import os
import subprocess

from pysh.runtime import system
from pysh.runtime.hub.logs import tail
from pysh.runtime.places import ConfigError

SECONDS = 30.0
"""How long such a line may take."""


def after(setup: str, cwd: str) -> dict[str, str]:
    """What the line `setup`, run in folder `cwd` by the user's shell, adds to the environment or changes in it.

    Raises `ConfigError` if it fails.
    """
    shell, hint = os.environ.get("SHELL") or "/bin/sh", f"try it: cd {cwd} && {setup}"
    # What it prints is its own business, and what it starts may hold its descriptors open.
    found, complaint = system.memory_file("pysh-environment", 0), system.memory_file("pysh-setup", 0)
    try:
        line = f"{setup.strip().rstrip(';&')} && env -0 >/dev/fd/{found}"
        done = subprocess.run(
            [shell, "-c", line], cwd=cwd, pass_fds=[found], timeout=SECONDS,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=complaint,
        )  # fmt: skip
        if done.returncode:
            evidence = f"setup={setup!r}: exit status {done.returncode}: {tail(complaint).strip()}"
            raise ConfigError("the setup failed, and nothing was started", evidence, hint)
        size = os.fstat(found).st_size
        pairs = (os.fsdecode(pair).partition("=") for pair in os.pread(found, size, 0).split(b"\0") if pair)
        return {name: value for name, _, value in pairs if os.environ.get(name) != value}
    except subprocess.TimeoutExpired as error:
        raise ConfigError("the setup did not end, and nothing was started", f"{SECONDS:g} s", hint) from error
    except OSError as error:
        raise ConfigError("the shell cannot be started", f"{shell}: {error.strerror}") from error
    finally:
        os.close(found)
        os.close(complaint)
