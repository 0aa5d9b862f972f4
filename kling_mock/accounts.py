"""Accounts: every accepted API key is one of its own. What a request's credentials turn out to be."""

from __future__ import annotations

import sys
from hashlib import sha256
from typing import Final, NamedTuple

from msgspec import Struct

from contracts.gateways import Gateway, Situation
from kling_mock.replies import Headers

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

    situation: Situation
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
