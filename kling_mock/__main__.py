"""`python -m kling_mock` is the command `kling-mock`."""

from kling_mock.cli import main

raise SystemExit(main())
