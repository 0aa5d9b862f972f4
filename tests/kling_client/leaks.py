"""Keys for tests of secrecy, and whether a text contains one."""

from __future__ import annotations

import base64
from collections.abc import Callable

from kling_client import KlingError
from tests.kling_client.conftest import KEY

ACCESS, SECRET = "ak-0123456789abcdef0123456789abcd", "sc-fedcba9876543210fedcba9876543"
SECRETS = (
    ACCESS,
    SECRET,
    KEY,
    base64.b64encode(KEY.encode()).decode(),
    base64.b64encode(f":{KEY}".encode()).decode(),
)


def leaks(*texts: str) -> bool:
    return any(secret in text for secret in SECRETS for text in texts)


def error_of(act: Callable[[], object]) -> KlingError | None:
    try:
        act()
    except KlingError as error:
        return error
    return None
