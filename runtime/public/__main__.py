"""`python -m pysh` is the command `pysh`."""

import sys

if __name__ == "__main__":
    from pysh.shell.cli import main

    sys.exit(main())
