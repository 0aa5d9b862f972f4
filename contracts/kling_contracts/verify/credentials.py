"""Credentials: the headers of keys, mutated keys and tokens, and how keys stay out of the evidence."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast
from urllib.parse import quote

from kling_contracts.verify.exchange import KEY_MARK, SECOND_KEY_MARK, Headers

# A short key could stand in an answer by chance.
_SHORTEST_SECRET: Final = 5
TOKEN_LIFE: Final = 1800
TOKEN_LEEWAY: Final = 5


class Credential(NamedTuple):
    """What a request is sent with. `good` says that the server owes it an answer, and may charge for it.

    `who` is what the evidence says of it: `first`, `second`, or in words how a key was spoilt.
    """

    who: str
    values: tuple[str, ...]
    good: bool = False

    def __repr__(self) -> str:
        """Without the key: tracebacks may show the arguments of calls."""
        return f"Credential({self.who})"

    @property
    def headers(self) -> Headers:
        return tuple(("authorization", value) for value in self.values)


NOBODY: Final = Credential("none", ())


@dataclass
class Keys:
    """The user's keys: plain, or `ACCESS:SECRET` where the gateway takes signed tokens.

    `now` is Unix time in seconds, what tokens are dated with. Safe to use from several threads.
    """

    first_key: str
    second_key: str | None = None
    takes_tokens: bool = False
    now: Callable[[], float] = time.time
    _secrets: dict[str, str] = field(default_factory=dict[str, str], init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self._keep(self.first_key, KEY_MARK)
        if self.second_key:
            self._keep(self.second_key, SECOND_KEY_MARK)

    def __repr__(self) -> str:
        return f"Keys({KEY_MARK}{', ' + SECOND_KEY_MARK if self.second_key else ''})"

    @property
    def first(self) -> Credential:
        return Credential("first", (f"Bearer {self.bearer()}",), good=True)

    @property
    def second(self) -> Credential | None:
        if self.second_key is None:
            return None
        return Credential("second", (f"Bearer {self._bearer(self.second_key, SECOND_KEY_MARK)}",), good=True)

    @property
    def pair(self) -> tuple[str, str] | None:
        """Access key and secret, if that is what the first key is."""
        access, colon, secret = self.first_key.partition(":")
        return (access, secret) if colon and self.takes_tokens else None

    def bearer(self, **claims: object) -> str:
        """What follows `Bearer` for the first key; `claims` replace those of a token (None: left out)."""
        return self._bearer(self.first_key, KEY_MARK, claims)

    def token(self, access: str, secret: str | None, claims: Mapping[str, object] | None = None) -> str:
        """A token as the official page makes it (HS256, iss, exp, nbf); without a secret: unsigned."""
        import jwt

        now = int(self.now())
        usual = {"iss": access, "exp": now + TOKEN_LIFE, "nbf": now - TOKEN_LEEWAY}
        payload = {name: value for name, value in {**usual, **(claims or {})}.items() if value is not None}
        algorithm = "none" if secret is None else "HS256"
        # An unsigned token has no key; the annotation denies that if `cryptography` is installed.
        key = cast("Any", secret)
        return jwt.encode(payload, key, algorithm=algorithm)  # pyright: ignore[reportUnknownMemberType]

    def scrub(self, text: str) -> str:
        """The text with every key, secret and token we sent replaced by a mark."""
        for secret, mark in self._secrets.items():
            text = text.replace(secret, mark)
        return text

    def scrub_bytes(self, content: bytes) -> bytes:
        for secret, mark in self._secrets.items():
            content = content.replace(secret.encode(), mark.encode())
        return content

    def scrub_headers(self, headers: Headers) -> Headers:
        return tuple((name, self.scrub(value)) for name, value in headers)

    def keep_mutated(self, key: str, mark: str) -> None:
        """Keep a key that is nearly right out of sight as well: it shows most of the right one."""
        if len(key) >= _SHORTEST_SECRET:
            self._remember({key: mark})

    def _bearer(self, key: str, mark: str, claims: Mapping[str, object] | None = None) -> str:
        access, colon, secret = key.partition(":")
        if not (colon and self.takes_tokens):
            return key
        token = self.token(access, secret, claims)
        self._keep(token, mark)
        return token

    def _keep(self, secret: str, mark: str) -> None:
        """Remember what must not be shown, the longest first: one key may begin another."""
        parts = {secret}
        if self.takes_tokens and ":" in secret:
            parts.add(secret.partition(":")[2])
        self._remember({part: mark for part in parts if len(part) >= _SHORTEST_SECRET})

    def _remember(self, secrets: Mapping[str, str]) -> None:
        spelt = {word: mark for secret, mark in secrets.items() for word in _spellings(secret)}
        with self._lock:
            # What is kept already keeps its mark: a spoilt key may be the second one.
            kept = spelt | self._secrets
            self._secrets = dict(sorted(kept.items(), key=lambda item: -len(item[0])))


def _spellings(secret: str) -> tuple[str, ...]:
    """A secret as it stands in texts, in JSON (some escape `/` there), and in a URL."""
    in_json = json.dumps(secret)[1:-1]
    return secret, in_json, in_json.replace("/", "\\/"), quote(secret, safe="")


class MutatedKey(NamedTuple):
    """A way to spoil a key. `shell` and `python` make it of the right one, `$KLING_API_KEY` and `key`."""

    who: str
    make: Callable[[str], str]
    shell: str
    python: str

    @property
    def mark(self) -> str:
        """What stands for it in evidence."""
        return f"<{self.who}>"


def _nobodys(key: str) -> str:  # noqa: ARG001 -- all ways to spoil a key are called alike
    return "sk-" + "0" * 40


def _first_half(key: str) -> str:
    return key[: max(len(key) // 2, 1)]


def _shorter(key: str) -> str:
    return key[:-1]


def _longer(key: str) -> str:
    return key + "x"


def _another_end(key: str) -> str:
    return key[:-1] + ("A" if key[-1:] != "A" else "B")


MUTATED_KEYS: Final = (
    MutatedKey("another key", _nobodys, "sk-" + "0" * 40, '"sk-" + "0" * 40'),
    MutatedKey(
        "the first half of the key",
        _first_half,
        '$(printf %s "$KLING_API_KEY" | head -c $((${#KLING_API_KEY} / 2)))',
        "key[: len(key) // 2]",
    ),
    MutatedKey("all but the last letter", _shorter, "${KLING_API_KEY%?}", "key[:-1]"),
    MutatedKey("one letter more", _longer, "${KLING_API_KEY}x", 'key + "x"'),
    MutatedKey("another last letter", _another_end, "${KLING_API_KEY%?}A", 'key[:-1] + "A"'),
    MutatedKey(
        "letters in the other case",
        str.swapcase,
        '$(printf %s "$KLING_API_KEY" | tr A-Za-z a-zA-Z)',
        "key.swapcase()",
    ),
)


class MutatedToken(NamedTuple):
    """A way to spoil a token: its times in seconds from now, and what follows issuer and secret.

    Without a secret it is not signed, and says so.
    """

    name: str
    expires: int = TOKEN_LIFE
    begins: int = -TOKEN_LEEWAY
    issuer: str = ""
    secret: str | None = ""

    @property
    def who(self) -> str:
        return f"{self.name} token"

    @property
    def mark(self) -> str:
        """What stands for it in evidence."""
        return f"<{self.who}>"


MUTATED_TOKENS: Final = (
    MutatedToken("expired", expires=-60, begins=-1900),
    MutatedToken("early", begins=600),
    MutatedToken("signature", secret="x" * 32),
    MutatedToken("unsigned", secret=None),
    MutatedToken("issuer", issuer="-nobody"),
)
RIGHT_TOKEN: Final = MutatedToken("right")


def token_expression(token: MutatedToken, access: str, secret: str) -> str:
    """A token in Python; `access` and `secret` are expressions."""
    issuer = f'{access} + "{token.issuer}"' if token.issuer else access
    signed = f'{secret} + "{token.secret}"' if token.secret else secret
    if token.secret is None:
        signed = 'None, algorithm="none"'
    times = (("exp", token.expires), ("nbf", token.begins))
    claims = ", ".join(
        f'"{name}": int(time.time()) {"+" if seconds > 0 else "-"} {abs(seconds)}' for name, seconds in times
    )
    return f'jwt.encode({{"iss": {issuer}, {claims}}}, {signed})'


def mutated_keys(key: str) -> Iterator[tuple[MutatedKey, str]]:
    """Every way in which a key can be spoilt that gives another one."""
    for mutated in MUTATED_KEYS:
        made = mutated.make(key)
        if made and made != key:
            yield mutated, made
