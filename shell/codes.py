"""Exit codes, as scripts see them."""

OK, FAILED, USAGE, CANNOT_CONNECT, REFUSED, NODE_LOST = 0, 1, 2, 3, 4, 5
TIMED_OUT, INTERRUPTED, UNREAD, TERMINATED = 124, 130, 141, 143


def of(error: Exception) -> int:
    """The code for an error that kept a node from answering."""
    refused = getattr(error, "stage", "") in ("cookie", "sshauth") or getattr(error, "code", "") == "bad_cookie"
    return REFUSED if refused or type(error).__name__ == "CookieError" else CANNOT_CONNECT
