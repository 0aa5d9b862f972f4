"""`python -m kling_client` is the command `kling-client`."""

from kling_client.cli import main

raise SystemExit(main())
