"""`python -m kling_mock` is the command `kling-mock`."""

from kling_mock import check_contracts

check_contracts()  # with `-m` the working directory comes first on the path

from kling_mock.cli import main  # noqa: E402 -- only now is it sure to find what it needs

raise SystemExit(main())
