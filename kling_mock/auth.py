"""Authentication: finds the account of a request's API key or token.

Each accepted API key is a separate account. Kling's gateway also accepts a token (JWT, HS256) signed with the
secret of an access key; its account is that of the access key.
"""

from __future__ import annotations

import hmac
import sys
from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple

from msgspec import Struct

from kling_contracts.gateways import Gateway, RefusalReason
from kling_mock.header_facts import HeaderFacts
from kling_mock.keys import is_public
from kling_mock.settings import Settings

# Longer account names are digests, as are those that would control a terminal.
_LONGEST_NAME: Final = 100


class Token(Struct, frozen=True):
    """A token with a valid signature. `digest` is the SHA-256 of the token in hexadecimal.

    `early`: `nbf` is in the future. `left`: seconds until `exp`, negative if expired. Both are measured
    against system time when the request arrives, with the setting `token_leeway`.
    """

    gateway: Gateway
    digest: str
    early: bool
    left: float


class Credential(Struct, frozen=True):
    """An accepted request: its account, and its token if it had one."""

    account: str
    token: Token | None = None


class Denied(NamedTuple):
    """A request without a valid key or token. `parts` is the number of segments that the message reports."""

    reason: RefusalReason
    parts: str = "0"


def account_name(key: str) -> str:
    """The account name of a key: a digest, so that journals and reports do not contain the key.

    Keys that begin with `sk-mock` are not secret and are returned unchanged, if they are short and printable
    ASCII. Raises TypeError for a key that is not a string.
    """
    if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
        raise TypeError(f"key must be a string, not {type(key).__name__}")
    if is_public(key) and len(key) <= _LONGEST_NAME and key.isascii() and key.isprintable():
        return sys.intern(key)  # one string for all tasks of the account
    return f"account-{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def credential_of(
    facts: HeaderFacts, settings: Settings, gateway: Gateway, system: float
) -> Credential | Denied:
    """The account of a request by its headers, or the reason for refusing it.

    `system` is system time in Unix seconds. The scheme `Bearer` is case-insensitive. A request with two
    Authorization headers is refused, because proxies differ in which one they use.
    """
    given = facts.authorization
    if not given or not given[0].strip():
        if any(name == "Authorization" for name, _ in facts.kept):
            raise ValueError("Request.headers: names must be in lower case; got 'Authorization'")
        return Denied(RefusalReason.NO_KEY)
    bearer = _read_bearer(given[0], settings.keys)
    if len(given) > 1 or bearer is None:
        return Denied(RefusalReason.MALFORMED_KEY)
    key, known = bearer
    if known is not None:
        return known
    if gateway.takes_tokens and key.count(".") == 2:
        return _read_token(key, settings, gateway, system)
    if not settings.keys:
        return Credential(account_name(key))
    return Denied(RefusalReason.MALFORMED_KEY if gateway.takes_tokens else RefusalReason.BAD_KEY, _parts(key))


@lru_cache(maxsize=256)
def _read_bearer(authorization: str, keys: tuple[str, ...]) -> tuple[str, Credential | None] | None:
    """The key in the value of an Authorization header, and its credential; None for another scheme or no key.

    The credential is None for a key that is not in `keys`, and for one that may be a token if there are no
    `keys`.
    """
    scheme, _, key = authorization.strip().partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key:
        return None
    accepted = accepts(keys, key) if keys else key.count(".") != 2
    return key, Credential(account_name(key)) if accepted else None


def _parts(key: str) -> str:
    """The number of segments in the wording of the service: `0`, `2` or `> 3`, by the number of dots."""
    dots = key.count(".")
    return "0" if dots == 0 else "2" if dots == 1 else "> 3"


def accepts(keys: tuple[str, ...], key: str) -> bool:
    """Whether a plain key is one of the accepted `keys`. Compares in constant time."""
    good = False
    for known in keys:
        if ":" in known:  # with a secret
            continue
        prefix = known.endswith("*")
        wanted = known[:-1] if prefix else known
        shown = key[: len(wanted)] if prefix else key
        good |= hmac.compare_digest(
            wanted.encode("utf-8", "surrogatepass"), shown.encode("utf-8", "surrogatepass")
        )
    return good


def _read_token(bearer: str, settings: Settings, gateway: Gateway, system: float) -> Credential | Denied:
    """The account of a signed token, or the reason for refusing it. `system` is system time in Unix seconds.

    If `settings.keys` is empty, signatures are not verified: every issuer is accepted, and a bearer that
    cannot be decoded as a token is treated as a plain key.
    """
    from kling_mock.tokens import is_signed, read_claims

    claims = read_claims(bearer)
    if claims is None:
        return Denied(RefusalReason.BAD_KEY) if settings.keys else Credential(account_name(bearer))
    algorithm, issuer, begins, expires, times = claims
    if algorithm != "HS256" or not times:
        return Denied(RefusalReason.BAD_TOKEN)
    if not isinstance(issuer, str) or not issuer:
        return Denied(RefusalReason.BAD_KEY)
    if settings.keys:
        secret = settings.secrets.get(issuer)
        if secret is None or not is_signed(bearer, secret):
            return Denied(RefusalReason.BAD_KEY)
    digest = sha256(bearer.encode()).hexdigest()
    leeway = settings.token_leeway
    token = Token(gateway, digest, begins - leeway > system, expires + leeway - system)
    return Credential(account_name(issuer), token)
