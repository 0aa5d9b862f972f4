"""Tokens (JWT, HS256) issued by an access key, as Kling documents them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, cast

import jwt

# Characters. Tokens of clients have about 200; headers of a real server are limited to some kilobytes.
LONGEST_TOKEN: Final = 16_384
# Checks signatures and headers only: the claims are checked here and in `decisions.decide`.
# The annotation of the library refers to types of an optional dependency.
_decode: Final[Callable[..., dict[str, Any]]] = jwt.PyJWS().decode_complete  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]

_encode: Final[Callable[..., str]] = jwt.encode  # pyright: ignore[reportUnknownMemberType]


class Claims(NamedTuple):
    """The unverified claims of a token: algorithm, issuer and validity in Unix seconds.

    `times` is False if `exp` is missing or a time (`exp`, `nbf`, `iat`) is not a finite number (RFC 7519).
    """

    algorithm: object
    issuer: object
    begins: float
    expires: float
    times: bool


def read_claims(bearer: str) -> Claims | None:
    """The claims of a token, or None if the text is not a token."""
    if len(bearer) > LONGEST_TOKEN or not bearer.isascii():
        return None
    try:
        read = _decode(bearer, options={"verify_signature": False})
        # As floats: an integer of 5000 digits would be an error, not a number beyond all times.
        payload: object = json.loads(read["payload"], parse_int=float)
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return None
    if not isinstance(payload, dict):
        return None
    claims = cast("Mapping[str, object]", payload)
    expires, begins, issued = (_time(claims, name) for name in ("exp", "nbf", "iat"))
    times = "exp" in claims and expires is not None and begins is not None and issued is not None
    algorithm = cast("Mapping[str, object]", read["header"]).get("alg")
    return Claims(
        algorithm, claims.get("iss"), -math.inf if begins is None else begins, expires or 0.0, times
    )


def _time(claims: Mapping[str, object], name: str) -> float | None:
    """A time in Unix seconds, minus infinity if the claim is missing, None if it is not a finite number."""
    if name not in claims:
        return -math.inf
    value = claims[name]
    return value if isinstance(value, float) and math.isfinite(value) else None


def is_signed(bearer: str, secret: str) -> bool:
    """Whether the token has a valid signature with this secret."""
    # PyJWT warns about short keys. HMAC pads keys with zeros, so the signature stays the same.
    padded = secret.encode("utf-8", "surrogatepass").ljust(32, b"\0")
    try:
        _decode(bearer, padded, algorithms=["HS256"])
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return False
    return True


def sign_token(access_key: str, secret: str, now: float) -> str:
    """A token that is valid for half an hour from `now` (Unix seconds), as Kling's sample code makes it."""
    claims = {"iss": access_key, "exp": int(now) + 1800, "nbf": int(now) - 5}
    padded = secret.encode("utf-8", "surrogatepass").ljust(32, b"\0")
    return _encode(claims, padded, algorithm="HS256", headers={"typ": "JWT"})
