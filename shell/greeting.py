"""What is said to somebody who starts a shell for the first time, in one line."""

import os

TEXT = "new here? h() lists what there is, x? tells more of x, tour() shows around"


def greeting(folder: str) -> str:
    """The line, once for each user; then empty, as where `folder`, that of his state, cannot be written."""
    file = f"{folder}/greeted"
    if os.path.lexists(file):  # as at any other start
        return ""
    try:
        os.makedirs(folder, 0o700, exist_ok=True)  # noqa: PTH103
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError:
        return ""
    return TEXT
