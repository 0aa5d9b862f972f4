"""`python -m kling_contracts` is `kling-contracts`."""

import sys

from kling_contracts.cli import main

if __name__ == "__main__":
    sys.exit(main())
