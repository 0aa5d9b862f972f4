"""Signed bearers: JWT with HS256, issued by an access key, as Kling documents them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import jwt

# The library's own annotation names types of an optional dependency.
_decode: Final[Callable[..., dict[str, Any]]] = jwt.decode  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
# Times are judged in `decisions.decide`: after a token is first seen they run on the fake's clock.
_TIMELESS: Final = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}


class Claims(NamedTuple):
    """What a token states, unverified: algorithm, issuer, and when it is valid (Unix seconds)."""

    algorithm: object
    issuer: object
    begins: object
    expires: object


def read_claims(bearer: str) -> Claims | None:
    """The claims of a token, or None if the text is not one."""
    try:
        algorithm = jwt.get_unverified_header(bearer).get("alg")
        claims = _decode(bearer, options={"verify_signature": False, **_TIMELESS})
    except jwt.InvalidTokenError:
        return None
    return Claims(algorithm, claims.get("iss"), claims.get("nbf", -math.inf), claims.get("exp"))


def is_signed(bearer: str, secret: str) -> bool:
    """Whether a token is signed with a secret."""
    # HMAC pads its key with zeros anyway; a short one, fine in a test, would make the library warn.
    padded = secret.encode().ljust(32, b"\0")
    try:
        _decode(bearer, padded, algorithms=["HS256"], options=_TIMELESS)
    except jwt.InvalidTokenError:
        return False
    return True
