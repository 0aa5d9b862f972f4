"""`python -m contracts` is `kling-contracts`."""

import sys

from contracts.cli import main

if __name__ == "__main__":
    sys.exit(main())
