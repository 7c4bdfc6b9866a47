"""`python askpass.py SOCKET QUESTION`: what the ssh binary runs to have a person asked; whoever started it does that.

It is run by its path, without the rest of pysh, so that a question takes no longer than Python itself.
"""

import os
import socket
import sys


def main(path: str, question: str) -> int:
    """Pass `question` on, with what kind it is, and print the answer; 1 if there is none."""
    kind = os.environ.get("SSH_ASKPASS_PROMPT", "")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
        sock.sendall(f"{kind}\n{question}".encode(errors="surrogateescape"))
        sock.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: sock.recv(4096), b""))
    sys.stdout.buffer.write(answer)
    return 0 if answer else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
