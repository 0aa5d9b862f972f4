"""Words of a POSIX shell: what repeats is made by a command, so that a line stays short."""

from __future__ import annotations

import re
import shlex
from typing import Final

from kling_contracts.verify.shorthand import Run, runs

# So many arguments are too many for `seq` in a command line.
_MANY: Final = 100_000
_NO_FORMAT: Final = re.compile(r"[^-%\\'\n][^%\\'\n]*")


def word(text: str) -> str:
    """A text as one word."""
    return "".join(_repeated(it) if isinstance(it, Run) else shlex.quote(it) for it in runs(text)) or "''"


def octal(content: bytes) -> str:
    """Bytes that are no text as the format of `printf`."""
    signs = (
        chr(byte) if 32 <= byte < 127 and chr(byte) not in "'\\%" else f"\\{byte:03o}" for byte in content
    )
    return f"'{''.join(signs)}'"


def _repeated(run: Run) -> str:
    if run.times > _MANY and run.unit.isalnum() and run.unit.isascii() and len(run.unit) == 1:
        return f"\"$(head -c {run.times} /dev/zero | tr '\\0' {run.unit})\""
    if _NO_FORMAT.fullmatch(run.unit):
        return f"\"$(printf '{run.unit}%.0s' $(seq {run.times}))\""
    return shlex.quote(run.unit * run.times)
