"""The standard streams of the commands."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def replace_closed_streams() -> None:
    """Replace standard streams that are closed by the null device.

    Python sets them to None, so that the first output, perhaps after a paid request, would be an error.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 -- to the end
