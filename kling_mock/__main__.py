"""`python -m kling_mock` runs the command `kling-mock`."""

from kling_mock.cli import main

raise SystemExit(main())
