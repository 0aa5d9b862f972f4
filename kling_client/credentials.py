"""The bearer token of requests: a plain API key, or tokens (JWT) signed with a secret and renewed in time.

Explicit arguments take precedence over the environment. No repr or message contains a key.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Final, NamedTuple, NoReturn, Protocol, TypeAlias

from kling_client.errors import ConfigError
from kling_contracts.gateways import GATEWAYS, Gateway
from kling_contracts.redaction import Redactor
from kling_contracts.vocabulary import (
    ACCESS_KEY_VARIABLE,
    API_KEY_VARIABLE,
    KLING_API_KEY_VARIABLE,
    SECRET_KEY_VARIABLE,
)

Redact: TypeAlias = Callable[[str], str]

HIDDEN: Final = "[key]"
# Keys of a few letters occur in tests only, and would match ordinary words.
SHORTEST_SECRET: Final = 6
# Shorter ones may be part of a host name, so they are not removed from values that are used, such as URLs.
_LONG_SECRET: Final = 16

# Seconds: lifetime of a token; time before its expiry at which it is replaced; tolerated lag of the
# service's clock.
TOKEN_LIFE: Final = 1800
TOKEN_RESERVE: Final = 60
CLOCK_SKEW: Final = 5

_PASTED_SCHEME: Final = re.compile(r"^bearer(\s+|$)", re.IGNORECASE)
_KEY: Final = re.compile(r"[\x21-\x7e]+")
# A token or one of its parts: "eyJ" is the start of a JSON object in base64.
_TOKEN: Final = re.compile(r"eyJ[\w-]{8,}(\.[\w-]*)*")
# PyJWT warns about shorter HMAC keys.
_HMAC_KEY_BYTES: Final = 32


class Credentials(Protocol):
    """Source of the bearer token of each request."""

    def bearer(self) -> str:
        """The bearer token for a request sent now."""
        ...

    def renewed(self, refused: str) -> str | None:
        """A replacement for a token that the service reported as expired; None for a plain key."""
        ...

    def redact(self, text: str) -> str:
        """Received text without the secrets and parts of them, in any usual encoding."""
        ...

    def redact_body(self, body: bytes) -> bytes:
        """A received body without whole secrets; it can still be parsed and used."""
        ...


class PlainKey:
    """An API key that is sent unchanged."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._secrets = _Secrets(key)

    def __repr__(self) -> str:
        return HIDDEN

    def __reduce__(self) -> NoReturn:
        _refuse_pickling()

    def bearer(self) -> str:
        return self._key

    def renewed(self, refused: str) -> str | None:
        del refused  # a key does not expire
        return None

    def redact(self, text: str) -> str:
        return self._secrets.texts.text(text)

    def redact_body(self, body: bytes) -> bytes:
        return _without_secrets(body, self._secrets)


class _Token(NamedTuple):
    """A signed token and its period of validity (Unix seconds)."""

    text: str
    begins: int
    expires: int


class SignedTokens:
    """Tokens (JWT, HS256) signed with an access key and its secret. Thread-safe: replaced by one assignment.

    Times are of the system clock, since the service compares them with its own. Raises ConfigError if PyJWT
    is not installed.
    """

    def __init__(self, access_key: str, secret_key: str) -> None:
        try:
            import jwt
        except ImportError as error:
            raise ConfigError(
                "access_key and secret_key require PyJWT: pip install PyJWT, or pass api_key"
            ) from error
        # PyJWT's annotation refers to types of an optional dependency.
        self._encode: Callable[..., str] = jwt.encode  # pyright: ignore[reportUnknownMemberType]
        self._access_key, self._secret_key = access_key, secret_key
        self._token: _Token | None = None
        self._secrets = _Secrets(access_key, secret_key)
        # The current token and the one before it: responses to both may be on their way.
        self._tokens = _Secrets()

    def __repr__(self) -> str:
        return HIDDEN

    def __reduce__(self) -> NoReturn:
        _refuse_pickling()

    def bearer(self) -> str:
        """The current token, or a new one if it expires soon or is not valid yet (the clock was set back)."""
        token, now = self._token, time.time()
        if token is None or not token.begins <= now < token.expires - TOKEN_RESERVE:
            token = self._sign(int(now) + TOKEN_LIFE)
        return token.text

    def renewed(self, refused: str) -> str | None:
        """A token that differs from the refused one even within the same second."""
        token = self._token
        if token is not None and token.text != refused:
            return token.text  # another thread renewed it meanwhile
        earliest = 0 if token is None else token.expires + 1
        return self._sign(max(int(time.time()) + TOKEN_LIFE, earliest)).text

    def redact(self, text: str) -> str:
        return self._tokens.texts.text(self._secrets.texts.text(_TOKEN.sub(HIDDEN, text)))

    def redact_body(self, body: bytes) -> bytes:
        return _without_secrets(body, self._secrets, self._tokens)

    def _sign(self, expires: int) -> _Token:
        begins = int(time.time()) - CLOCK_SKEW
        claims = {"iss": self._access_key, "exp": expires, "nbf": begins}
        # HMAC itself pads short keys with zeros, so the signature is the same; it avoids PyJWT's warning
        # about the short secrets of tests.
        secret = self._secret_key.encode().ljust(_HMAC_KEY_BYTES, b"\0")
        token, before = _Token(self._encode(claims, secret, algorithm="HS256"), begins, expires), self._token
        self._tokens = _Secrets(token.text, *([] if before is None else [before.text]), encoded=False)
        self._token = token
        return token


def resolve_credentials(
    gateway: Gateway, api_key: str | None, access_key: str | None, secret_key: str | None
) -> Credentials:
    """The credentials for a gateway, from the arguments or else the environment. Raises ConfigError."""
    pair = access_key is not None or secret_key is not None
    if pair and not gateway.takes_tokens:
        others = " or ".join(repr(each.name) for each in GATEWAYS if each.takes_tokens)
        raise ConfigError(
            f"{gateway.title} does not accept access_key and secret_key; "
            f"pass api_key, or use gateway {others}"
        )
    if pair and api_key is not None:
        raise ConfigError("pass either api_key, or access_key and secret_key, not both")
    if pair:
        if access_key is None or secret_key is None:
            given, missing = ("access_key", "secret_key")[:: -1 if access_key is None else 1]
            raise ConfigError(f"{given} requires {missing}: pass both, or api_key alone")
        return SignedTokens(_clean("access_key", access_key), _clean("secret_key", secret_key))
    if api_key is not None:
        return PlainKey(_clean("api_key", api_key))
    return _token_environment(gateway) if gateway.takes_tokens else _key_environment(gateway)


def _key_environment(gateway: Gateway) -> Credentials:
    key = _variable(API_KEY_VARIABLE)
    if not key:
        raise ConfigError(
            f"no API key for {gateway.title}: set the environment variable {API_KEY_VARIABLE} "
            "(or, in Python, pass api_key)"
        )
    return PlainKey(key)


def _token_environment(gateway: Gateway) -> Credentials:
    key = _variable(KLING_API_KEY_VARIABLE)
    access_key, secret_key = _variable(ACCESS_KEY_VARIABLE), _variable(SECRET_KEY_VARIABLE)
    if key and (access_key or secret_key):
        pair = f"{ACCESS_KEY_VARIABLE} and {SECRET_KEY_VARIABLE}"
        raise ConfigError(f"both {KLING_API_KEY_VARIABLE} and the pair {pair} are set; unset one of the two")
    if key:
        return PlainKey(key)
    if access_key and secret_key:
        return SignedTokens(access_key, secret_key)
    if access_key or secret_key:
        names = (ACCESS_KEY_VARIABLE, SECRET_KEY_VARIABLE)
        given, missing = names if access_key else names[::-1]
        raise ConfigError(f"{given} is set without {missing}; set both")
    raise ConfigError(
        f"no key for {gateway.title}: set the environment variables {ACCESS_KEY_VARIABLE} and "
        f"{SECRET_KEY_VARIABLE}, or {KLING_API_KEY_VARIABLE} (or, in Python, pass access_key and secret_key, "
        "or api_key)"
    )


def _variable(name: str) -> str:
    """The key in an environment variable; empty if it is unset or blank."""
    text = os.environ.get(name, "")
    return _clean(name, text) if text.strip() else ""


def _clean(name: str, given: str) -> str:
    """A key without surrounding white space and without a pasted `Bearer` prefix. Raises ConfigError."""
    if not isinstance(given, str):  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
        raise ConfigError(f"{name}: must be a string, not {type(given).__name__}")
    key = _PASTED_SCHEME.sub("", given.strip())
    if not key:
        raise ConfigError(f"{name} is blank; omit it to use the environment, or pass a key")
    if not _KEY.fullmatch(key):
        raise ConfigError(
            f"{name}: must not contain white space, control or non-ASCII characters (value not shown)"
        )
    return key


class _Secrets:
    """Secrets to remove from received texts, and from bodies that are parsed."""

    def __init__(self, *secrets: str, encoded: bool = True) -> None:
        self._secrets, self._encoded = secrets, encoded

    @cached_property
    def texts(self) -> Redactor:
        return self._redactor(SHORTEST_SECRET, encoded=self._encoded)

    @cached_property
    def bodies(self) -> Redactor:
        return self._redactor(_LONG_SECRET, encoded=False)

    def _redactor(self, shortest: int, *, encoded: bool) -> Redactor:
        redactor = Redactor(HIDDEN)
        for each in self._secrets:
            if len(each) >= shortest:
                redactor.add(dict.fromkeys((each, json.dumps(each)[1:-1]), HIDDEN), encoded=encoded)
        return redactor


def _without_secrets(body: bytes, *holders: _Secrets) -> bytes:
    """A body without whole secrets, also where its JSON has optional escapes, such as those of a slash."""
    plain = _hidden(body, holders)
    if b"\\" not in plain:
        return plain
    try:
        written = json.dumps(json.loads(plain)).encode()
    except (ValueError, RecursionError):  # not JSON: a text that is shown has all its encodings removed
        return plain
    hidden = _hidden(written, holders)
    return plain if hidden == written else hidden


def _hidden(body: bytes, holders: Sequence[_Secrets]) -> bytes:
    for each in holders:
        body = each.bodies.whole(body)
    return body


def _refuse_pickling() -> NoReturn:
    raise TypeError("credentials cannot be pickled or copied: they hold a key")
