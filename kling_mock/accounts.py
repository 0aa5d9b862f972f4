"""Keys and accounts: every accepted API key is an account of its own."""

from __future__ import annotations

from typing import Final

from contracts.gateways import Situation
from kling_mock.replies import Headers, Request
from kling_mock.settings import Settings

SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})


def account_of(request: Request, settings: Settings) -> str | Situation:
    """The account a request speaks for, or why it speaks for none.

    The account is the key. The scheme is taken in any case. Two Authorization headers are ambiguous:
    proxies differ in which one they read, so neither counts.
    """
    given = [value for name, value in request.headers if name == "authorization"]
    if not given or not given[0].strip():
        return Situation.NO_KEY
    scheme, _, key = given[0].strip().partition(" ")
    key = key.strip()
    if len(given) > 1 or scheme.lower() != "bearer" or not key or not settings.accepts(key):
        return Situation.BAD_KEY
    return key


def without_secrets(headers: Headers) -> Headers:
    return tuple(header for header in headers if header[0] not in SECRET_HEADERS)


def label(account: str | None) -> str:
    """How an account is shown to people: enough of the key to tell two apart, never the whole of it."""
    if account is None:
        return "nobody"
    return account if len(account) <= 8 else f"{account[:6]}...{account[-2:]}"
