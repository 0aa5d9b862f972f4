"""Signed bearers: JWT with HS256, issued by an access key, as Kling documents them."""

from __future__ import annotations

import math
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

import jwt

from kling_contracts.gateways import Gateway, RefusalReason
from kling_mock.auth import Credential, Denied, Token, account_name
from kling_mock.settings import Settings

# The library's own annotation names types of an optional dependency.
_decode: Final[Callable[..., dict[str, Any]]] = jwt.decode  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
# Times are judged in `decisions`: after the first sight they run on the fake's clock.
_TIMELESS: Final = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}


def read_token(bearer: str, settings: Settings, gateway: Gateway, system: float) -> Credential | Denied:
    """The account of a token whose signature is good, or why it is not. `system` is in Unix seconds.

    Without any accepted keys there is no secret to check a signature with: then every issuer is good, and
    what only looks like a token is a key like any other.
    """
    try:
        algorithm = jwt.get_unverified_header(bearer).get("alg")
        claims = _decode(bearer, options={"verify_signature": False, **_TIMELESS})
    except jwt.InvalidTokenError:
        return Denied(RefusalReason.BAD_KEY) if settings.keys else Credential(account_name(bearer))
    issuer, expires, begins = claims.get("iss"), claims.get("exp"), claims.get("nbf", -math.inf)
    if algorithm != "HS256" or not isinstance(expires, int | float) or not isinstance(begins, int | float):
        return Denied(RefusalReason.BAD_TOKEN)
    if not isinstance(issuer, str) or not issuer:
        return Denied(RefusalReason.BAD_KEY)
    if settings.keys and not _signed(bearer, settings.secrets.get(issuer)):
        return Denied(RefusalReason.BAD_KEY)
    digest = sha256(bearer.encode()).hexdigest()
    return Credential(account_name(issuer), Token(gateway, digest, begins > system, expires - system))


def _signed(bearer: str, secret: str | None) -> bool:
    if secret is None:
        return False
    # HMAC pads its key with zeros anyway; a short one, fine in a test, would make the library warn.
    padded = secret.encode().ljust(32, b"\0")
    try:
        _decode(bearer, padded, algorithms=["HS256"], options=_TIMELESS)
    except jwt.InvalidTokenError:
        return False
    return True
