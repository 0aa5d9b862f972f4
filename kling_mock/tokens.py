"""Tokens (JWT, HS256) issued by an access key, as Kling documents them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import jwt

# The annotation of the library refers to types of an optional dependency.
_decode: Final[Callable[..., dict[str, Any]]] = jwt.decode  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
# `decisions.decide` checks the times: after the first use of a token they depend on the fake's clock.
_TIMELESS: Final = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}


class Claims(NamedTuple):
    """The unverified claims of a token: algorithm, issuer and validity (Unix seconds)."""

    algorithm: object
    issuer: object
    begins: object
    expires: object


def read_claims(bearer: str) -> Claims | None:
    """The claims of a token, or None if the text is not a token."""
    try:
        algorithm = jwt.get_unverified_header(bearer).get("alg")
        claims = _decode(bearer, options={"verify_signature": False, **_TIMELESS})
    except jwt.InvalidTokenError:
        return None
    return Claims(algorithm, claims.get("iss"), claims.get("nbf", -math.inf), claims.get("exp"))


def is_signed(bearer: str, secret: str) -> bool:
    """Whether the token has a valid signature with this secret."""
    # PyJWT warns about short keys. HMAC pads keys with zeros, so the signature stays the same.
    padded = secret.encode().ljust(32, b"\0")
    try:
        _decode(bearer, padded, algorithms=["HS256"], options=_TIMELESS)
    except jwt.InvalidTokenError:
        return False
    return True
