"""A PAM service for one test: an sshd of its own name asks what the test says; no other service is touched."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.sshd import SSHD

SERVICES = Path("/etc/pam.d")


@contextmanager
def service(folder: Path, password: str, *before: str) -> Iterator[str]:
    """The path of an sshd whose PAM asks for `password`; `before` are lines of its stack that come first.

    sshd takes the name of the service from its own: a link to it is another service.
    """
    if os.geteuid() != 0:
        pytest.skip("only root may add a service to PAM")
    name = f"pysh-test-{secrets.token_hex(4)}"
    check, program = folder / "check", folder / name
    check.write_text(f'#!/bin/sh\nread -r given\n[ "$given" = {password} ]\n')
    check.chmod(0o700)
    program.symlink_to(SSHD)
    stack = [*before, f"auth requisite pam_exec.so expose_authtok quiet {check}"]
    rest = [f"{kind} required pam_permit.so" for kind in ("auth", "account", "session")]
    file = SERVICES / name
    try:
        file.write_text("\n".join([*stack, *rest, ""]))
        yield str(program)
    finally:
        file.unlink(missing_ok=True)
