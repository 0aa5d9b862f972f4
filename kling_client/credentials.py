"""What a client shows as its bearer: a plain key, or tokens signed with a secret and renewed in time.

Explicit arguments go before the environment. Nothing in here is ever shown.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from kling_client.errors import ConfigError
from kling_contracts.gateways import GATEWAYS, Gateway
from kling_contracts.vocabulary import (
    ACCESS_KEY_VARIABLE,
    API_KEY_VARIABLE,
    KLING_API_KEY_VARIABLE,
    SECRET_KEY_VARIABLE,
)

HIDDEN: Final = "[key]"
SHORTEST_SECRET: Final = 6

# Seconds: how long a token is good for, how long before its end it is replaced, and how far the clock of
# the service may be behind ours.
TOKEN_LIFE: Final = 1800
TOKEN_RESERVE: Final = 60
CLOCK_SKEW: Final = 5

_PASTED_SCHEME: Final = re.compile(r"^bearer(\s+|$)", re.IGNORECASE)
_KEY: Final = re.compile(r"[\x21-\x7e]+")
# A token or one of its parts: "eyJ" is how a JSON object begins in base64.
_TOKEN: Final = re.compile(r"eyJ[\w-]{8,}(\.[\w-]*)*")
# PyJWT warns of HMAC keys that are shorter than this.
_UNSUSPICIOUS: Final = 32


class Credentials(Protocol):
    """Where the bearer of each request comes from."""

    def bearer(self) -> str:
        """The bearer of a request made now."""
        ...

    def renewed(self, refused: str) -> str | None:
        """A bearer in place of one that the service calls expired; None if there is no other."""
        ...

    def redact(self, text: str) -> str:
        """Text from outside without what is secret here, should anybody have echoed it."""
        ...


class PlainKey:
    """A key that is sent as it is."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __repr__(self) -> str:
        return HIDDEN

    def bearer(self) -> str:
        return self._key

    def renewed(self, refused: str) -> str | None:
        del refused  # a key does not expire
        return None

    def redact(self, text: str) -> str:
        return _without(text, self._key)


class _Token(NamedTuple):
    """A signed token, and from when until when it is good (Unix seconds)."""

    text: str
    begins: int
    expires: int


class SignedTokens:
    """Tokens (JWT, HS256) of an access key. Threads may share them: a token replaces another in one step.

    Times are those of the system clock: the service compares them with its own. Raises ConfigError where
    PyJWT is missing.
    """

    def __init__(self, access_key: str, secret_key: str) -> None:
        try:
            import jwt
        except ImportError as error:
            raise ConfigError(
                "access key and secret need PyJWT: pip install PyJWT, or use a plain key"
            ) from error
        # The library's own annotation names types of an optional dependency.
        self._encode: Callable[..., str] = jwt.encode  # pyright: ignore[reportUnknownMemberType]
        self._access_key, self._secret_key = access_key, secret_key
        self._token: _Token | None = None

    def __repr__(self) -> str:
        return HIDDEN

    def bearer(self) -> str:
        """The token in use, or a new one if that ends soon (or begins later: a clock was put back)."""
        token, now = self._token, time.time()
        if token is None or not token.begins <= now < token.expires - TOKEN_RESERVE:
            token = self._sign(int(now) + TOKEN_LIFE)
        return token.text

    def renewed(self, refused: str) -> str | None:
        """A token that differs from the refused one even within the same second."""
        token = self._token
        if token is not None and token.text != refused:
            return token.text  # another thread was faster
        earliest = 0 if token is None else token.expires + 1
        return self._sign(max(int(time.time()) + TOKEN_LIFE, earliest)).text

    def redact(self, text: str) -> str:
        return _TOKEN.sub(HIDDEN, _without(_without(text, self._secret_key), self._access_key))

    def _sign(self, expires: int) -> _Token:
        begins = int(time.time()) - CLOCK_SKEW
        claims = {"iss": self._access_key, "exp": expires, "nbf": begins}
        # HMAC fills short keys up with zeros itself, so these change nothing but what PyJWT thinks of
        # the short made-up secrets of tests.
        secret = self._secret_key.encode().ljust(_UNSUSPICIOUS, b"\0")
        self._token = token = _Token(self._encode(claims, secret, algorithm="HS256"), begins, expires)
        return token


def resolve_credentials(
    gateway: Gateway, api_key: str | None, access_key: str | None, secret_key: str | None
) -> Credentials:
    """The credentials for a gateway: the arguments, else the environment. Raises ConfigError."""
    pair = access_key is not None or secret_key is not None
    if pair and not gateway.takes_tokens:
        others = " or ".join(repr(each.name) for each in GATEWAYS if each.takes_tokens)
        raise ConfigError(
            f"{gateway.title} takes no access key and secret: pass api_key, or choose gateway {others}"
        )
    if pair and api_key is not None:
        raise ConfigError("api_key goes without access_key and secret_key: pass one kind of key")
    if pair:
        if access_key is None or secret_key is None:
            given, missing = ("access_key", "secret_key")[:: -1 if access_key is None else 1]
            raise ConfigError(f"{given} without {missing}: pass both, or api_key alone")
        return SignedTokens(_clean("access_key", access_key), _clean("secret_key", secret_key))
    if api_key is not None:
        return PlainKey(_clean("api_key", api_key))
    return _token_environment() if gateway.takes_tokens else _key_environment()


def _key_environment() -> Credentials:
    key = _variable(API_KEY_VARIABLE)
    if not key:
        raise ConfigError(f"no API key: set {API_KEY_VARIABLE} (in Python, or pass api_key)")
    return PlainKey(key)


def _token_environment() -> Credentials:
    key = _variable(KLING_API_KEY_VARIABLE)
    access_key, secret_key = _variable(ACCESS_KEY_VARIABLE), _variable(SECRET_KEY_VARIABLE)
    if key and (access_key or secret_key):
        raise ConfigError(
            f"{KLING_API_KEY_VARIABLE} and {ACCESS_KEY_VARIABLE} or {SECRET_KEY_VARIABLE} are set: "
            "unset one kind of key"
        )
    if key:
        return PlainKey(key)
    if access_key and secret_key:
        return SignedTokens(access_key, secret_key)
    if access_key or secret_key:
        names = (ACCESS_KEY_VARIABLE, SECRET_KEY_VARIABLE)
        given, missing = names if access_key else names[::-1]
        raise ConfigError(f"{given} is set without {missing}: set both")
    raise ConfigError(
        f"no key: set {ACCESS_KEY_VARIABLE} and {SECRET_KEY_VARIABLE}, or {KLING_API_KEY_VARIABLE}; "
        "or pass access_key and secret_key, or api_key"
    )


def _variable(name: str) -> str:
    """The key in an environment variable; nothing if it is unset or blank."""
    text = os.environ.get(name, "")
    return _clean(name, text) if text.strip() else ""


def _clean(name: str, given: str) -> str:
    """A key without white space around it or a pasted `Bearer` in front. Raises ConfigError."""
    if not isinstance(given, str):  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
        raise ConfigError(f"{name} must be text, not {type(given).__name__}")
    key = _PASTED_SCHEME.sub("", given.strip())
    if not key:
        raise ConfigError(f"{name} is blank: leave it out to use the environment, or give a key")
    if not _KEY.fullmatch(key):
        raise ConfigError(f"{name} holds white space, control or non-ASCII characters (it is not shown here)")
    return key


def _without(text: str, secret: str) -> str:
    # A key of a few letters is a test's, and would hit ordinary words.
    return text.replace(secret, HIDDEN) if len(secret) >= SHORTEST_SECRET else text
