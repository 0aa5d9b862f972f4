"""The credentials of the suite: a plain key, or a token signed with a pair of keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any, Final, cast

# Made up for the suite; not valid at any service.
KEY: Final = "sk-5f0c1e7a9b3d4c2e8fa6"
ACCESS_KEY: Final = "ak-7d31c05e92b84f6a"
SECRET_KEY: Final = "41f9a6d2e0837b5c9d14e6f2a8037c5b"  # noqa: S105 -- made up for the suite
# Seconds of tolerance, because times of tokens may be whole seconds.
_ROUNDING: Final = 1.0


def token_fault(token: str, now: float) -> str:
    """The fault of a token (JWT, HS256) at the time `now` in Unix seconds; empty if it is valid."""
    parts = token.split(".")
    if len(parts) != 3:
        return "neither `service.api_key` nor a token of three parts"
    try:
        header, claims = (cast("dict[str, Any]", json.loads(_decoded(part))) for part in parts[:2])
        signature = _decoded(parts[2])
    except ValueError:
        return "a token whose parts are not base64url of JSON"
    if header.get("alg") != "HS256":
        return f"a token with alg {header.get('alg')!r}, not HS256"
    if claims.get("iss") != ACCESS_KEY:
        return "a token whose `iss` is not `service.access_key`"
    wanted = hmac.new(SECRET_KEY.encode(), f"{parts[0]}.{parts[1]}".encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(signature, wanted):
        return "a token that is not signed with `service.secret_key`"
    expires, begins = claims.get("exp"), claims.get("nbf", now)
    if not isinstance(expires, int | float) or expires < now - _ROUNDING:
        return f"a token that has expired (exp {expires!r}, now {now:.0f})"
    if not isinstance(begins, int | float) or begins > now + _ROUNDING:
        return f"a token that is not valid yet (nbf {begins!r}, now {now:.0f})"
    return ""


def _decoded(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
