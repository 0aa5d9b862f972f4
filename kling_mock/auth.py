"""Authentication: the key or token of a request, and the account that it belongs to.

Every accepted API key is an account of its own. On Kling's gateway the bearer may also be a token (JWT,
HS256) that is signed with the secret of an access key; then the access key is the account.
"""

from __future__ import annotations

import hmac
import sys
from hashlib import sha256
from typing import Final, NamedTuple

from msgspec import Struct

from kling_contracts.gateways import Gateway, RefusalReason
from kling_mock.http import Headers, Request
from kling_mock.settings import Settings

# What a header counts for beside its characters, in HTTP/2's reckoning of a list of headers.
HEADER_LEAST: Final = 32
SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})


class Token(Struct, frozen=True):
    """A token with a good signature: what system time says of it on its arrival.

    `early`: it is not valid yet. `left`: the seconds until it expires, negative once it has.
    """

    gateway: Gateway
    digest: str
    early: bool
    left: float


class Credential(Struct, frozen=True):
    """The account that a request speaks for."""

    account: str
    token: Token | None = None


class Denied(NamedTuple):
    """A request speaks for no account. `parts` is how many parts its bearer has where a token has three."""

    reason: RefusalReason
    parts: str = "0"


def account_name(key: str) -> str:
    """The account of a key. It is kept and shown wherever the key would be, and does not give it away.

    Keys that begin with `sk-mock` are no secrets: they are their own names.
    """
    if key.startswith("sk-mock"):
        return sys.intern(key)  # every task of the account holds it
    return f"account-{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def without_secrets(headers: Headers) -> tuple[Headers, int]:
    """The headers that hold no credentials, and their length: that of each, and `HEADER_LEAST`."""
    kept = [header for header in headers if header[0] not in SECRET_HEADERS]
    return tuple(kept), sum([len(name) + len(value) + HEADER_LEAST for name, value in kept])


def credential_of(
    request: Request, settings: Settings, gateway: Gateway, system: float
) -> Credential | Denied:
    """The account a request speaks for, or why it speaks for none.

    The scheme is taken in any case. Two Authorization headers are ambiguous: proxies differ in which one
    they read, so neither counts. `system` is system time in Unix seconds.
    """
    given = [value for name, value in request.headers if name == "authorization"]
    bearer = given[0].strip() if given else ""
    if not bearer:
        return Denied(RefusalReason.NO_KEY)
    scheme, _, key = bearer.partition(" ")
    key = key.strip()
    if len(given) > 1 or scheme.lower() != "bearer" or not key:
        return Denied(RefusalReason.MALFORMED_KEY)
    if settings.keys and accepts(settings, key):
        return Credential(account_name(key))
    if gateway.takes_tokens and key.count(".") == 2:
        return _read_token(key, settings, gateway, system)
    if not settings.keys:
        return Credential(account_name(key))
    return Denied(RefusalReason.MALFORMED_KEY if gateway.takes_tokens else RefusalReason.BAD_KEY, _parts(key))


def _parts(key: str) -> str:
    """How the service counts: it looks for the first dot, then for the second."""
    dots = key.count(".")
    return "0" if dots == 0 else "2" if dots == 1 else "> 3"


def accepts(settings: Settings, key: str) -> bool:
    """Whether a plain key is good. Takes as long for a key that is nearly right as for any other."""
    good = False
    for known in settings.plain_keys:
        prefix = known.endswith("*")
        wanted = known[:-1] if prefix else known
        shown = key[: len(wanted)] if prefix else key
        good |= hmac.compare_digest(wanted.encode(), shown.encode("utf-8", "surrogatepass"))
    return good


def _read_token(bearer: str, settings: Settings, gateway: Gateway, system: float) -> Credential | Denied:
    """The account of a token whose signature is good, or why it is not. `system` is in Unix seconds.

    Without any accepted keys there is no secret to check a signature with: then every issuer is good, and
    text that only resembles a token is a key like any other.
    """
    from kling_mock.tokens import is_signed, read_claims

    claims = read_claims(bearer)
    if claims is None:
        return Denied(RefusalReason.BAD_KEY) if settings.keys else Credential(account_name(bearer))
    algorithm, issuer, begins, expires = claims
    if algorithm != "HS256" or not isinstance(expires, int | float) or not isinstance(begins, int | float):
        return Denied(RefusalReason.BAD_TOKEN)
    if not isinstance(issuer, str) or not issuer:
        return Denied(RefusalReason.BAD_KEY)
    if settings.keys:
        secret = settings.secrets.get(issuer)
        if secret is None or not is_signed(bearer, secret):
            return Denied(RefusalReason.BAD_KEY)
    digest = sha256(bearer.encode()).hexdigest()
    return Credential(account_name(issuer), Token(gateway, digest, begins > system, expires - system))
