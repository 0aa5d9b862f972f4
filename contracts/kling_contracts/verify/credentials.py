"""Credentials: headers of keys, mutated keys and tokens, and the removal of keys from the evidence."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

from kling_contracts.redaction import Redactor
from kling_contracts.verify.exchange import KEY_MARK, SECOND_KEY_MARK, Headers

# A shorter key could occur in an answer by chance, so it is not replaced.
_SHORTEST_SECRET: Final = 5
TOKEN_LIFE: Final = 1800
TOKEN_LEEWAY: Final = 5


class Credential(NamedTuple):
    """The Authorization headers of a request.

    `name` is recorded in the evidence: `first`, `second`, `none`, or the description of an invalid key.
    `good`: the server should accept it, and may charge for it.
    """

    name: str
    values: tuple[str, ...]
    good: bool = False

    def __repr__(self) -> str:
        """Omits the key, because tracebacks may show arguments."""
        return f"Credential({self.name})"

    @property
    def headers(self) -> Headers:
        return tuple(("authorization", value) for value in self.values)


NO_CREDENTIAL: Final = Credential("none", ())


@dataclass
class Keys:
    """The user's keys: plain, or `ACCESS:SECRET` where the gateway takes signed tokens.

    `now` returns Unix time in seconds, for the claims of tokens. Thread-safe.
    """

    first_key: str
    second_key: str | None = None
    takes_tokens: bool = False
    now: Callable[[], float] = time.time
    _redactor: Redactor = field(default_factory=Redactor, init=False)
    # The current token of each key, and the second of its claims: a run sends many requests in a second.
    _tokens: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]], init=False)
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
        """Access key and secret of the first key; None if it is a plain key."""
        access, colon, secret = self.first_key.partition(":")
        return (access, secret) if colon and self.takes_tokens else None

    def bearer(self, **claims: object) -> str:
        """The bearer value of the first key; `claims` replace those of a token (None removes a claim)."""
        return self._bearer(self.first_key, KEY_MARK, claims)

    def token(self, access: str, secret: str | None, claims: Mapping[str, object] | None = None) -> str:
        """A token as in the official documentation (HS256; iss, exp, nbf); unsigned without a secret."""
        import jwt

        now = int(self.now())
        usual = {"iss": access, "exp": now + TOKEN_LIFE, "nbf": now - TOKEN_LEEWAY}
        payload = {name: value for name, value in {**usual, **(claims or {})}.items() if value is not None}
        algorithm = "none" if secret is None else "HS256"
        # An unsigned token has no key; the annotation denies that if `cryptography` is installed.
        key = cast("Any", secret)
        return jwt.encode(payload, key, algorithm=algorithm)  # pyright: ignore[reportUnknownMemberType]  # partly untyped

    def scrub(self, text: str) -> str:
        """The text with every key, secret and sent token, and every part of one, replaced by a mark."""
        return self._redactor.text(text)

    def scrub_bytes(self, content: bytes) -> bytes:
        return self._redactor.content(content)

    def scrub_headers(self, headers: Headers) -> Headers:
        return tuple((self.scrub(name), self.scrub(value)) for name, value in headers)

    def scrub_sent(self, content: bytes) -> bytes:
        """A request body, which may be large: only whole keys are replaced."""
        return self._redactor.whole(content)

    def keep_mutated(self, key: str, mark: str) -> None:
        """Also replace a mutated key, because it contains most of the valid one."""
        if len(key) >= _SHORTEST_SECRET:
            # Parts that it shares with the valid key are parts of that one; the rest is not secret.
            self._remember({key: mark}, parts=False)

    def _bearer(self, key: str, mark: str, claims: Mapping[str, object] | None = None) -> str:
        access, colon, secret = key.partition(":")
        if not (colon and self.takes_tokens):
            return key
        second = int(self.now())
        made_at, token = self._tokens.get(key, (None, ""))
        if claims or made_at != second:
            token = self.token(access, secret, claims)
            self._remember({token: mark}, encoded=False)
            if not claims:
                self._tokens[key] = second, token
        return token

    def _keep(self, secret: str, mark: str) -> None:
        """Register a secret, and its secret part if it is a pair."""
        secrets = {secret}
        if self.takes_tokens and ":" in secret:
            secrets.add(secret.partition(":")[2])
        self._remember({each: mark for each in secrets if len(each) >= _SHORTEST_SECRET})

    def _remember(self, secrets: Mapping[str, str], *, encoded: bool = True, parts: bool = True) -> None:
        # A registered secret keeps its mark: a mutated first key may equal the second key.
        with self._lock:
            self._redactor.add(secrets, encoded=encoded, parts=parts)


class MutatedKey(NamedTuple):
    """A mutation of a key. `shell` and `python` derive it from the valid one, `$KLING_API_KEY` and `key`."""

    name: str
    make: Callable[[str], str]
    shell: str
    python: str

    @property
    def mark(self) -> str:
        """The replacement of the key in the evidence."""
        return f"<{self.name}>"


def _unknown(key: str) -> str:  # noqa: ARG001 -- the signature of all mutations
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
    MutatedKey("an unknown key", _unknown, "sk-" + "0" * 40, '"sk-" + "0" * 40'),
    MutatedKey(
        "the first half of the key",
        _first_half,
        '$(printf %s "$KLING_API_KEY" | head -c $((${#KLING_API_KEY} / 2)))',
        "key[: len(key) // 2]",
    ),
    MutatedKey("the key without its last character", _shorter, "${KLING_API_KEY%?}", "key[:-1]"),
    MutatedKey("the key with a character appended", _longer, "${KLING_API_KEY}x", 'key + "x"'),
    MutatedKey("the key with another last character", _another_end, "${KLING_API_KEY%?}A", 'key[:-1] + "A"'),
    MutatedKey(
        "the key with upper and lower case swapped",
        str.swapcase,
        '$(printf %s "$KLING_API_KEY" | tr A-Za-z a-zA-Z)',
        "key.swapcase()",
    ),
)


class MutatedToken(NamedTuple):
    """A mutation of a token.

    `expires` and `begins` are seconds from now; `issuer` and `secret` are appended to the valid ones. With
    `secret` None, the token is unsigned (`alg: none`).
    """

    kind: str
    expires: int = TOKEN_LIFE
    begins: int = -TOKEN_LEEWAY
    issuer: str = ""
    secret: str | None = ""

    @property
    def name(self) -> str:
        return f"{self.kind} token"

    @property
    def mark(self) -> str:
        """The replacement of the token in the evidence."""
        return f"<{self.name}>"


MUTATED_TOKENS: Final = (
    MutatedToken("expired", expires=-60, begins=-1900),
    MutatedToken("early", begins=600),
    MutatedToken("signature", secret="x" * 32),
    MutatedToken("unsigned", secret=None),
    MutatedToken("issuer", issuer="-unknown"),
)
RIGHT_TOKEN: Final = MutatedToken("right")


def token_expression(token: MutatedToken, access: str, secret: str) -> str:
    """A Python expression that makes the token; `access` and `secret` are expressions."""
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
    """Every mutation of a key that differs from the key."""
    for mutated in MUTATED_KEYS:
        made = mutated.make(key)
        if made and made != key:
            yield mutated, made
