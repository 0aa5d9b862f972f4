"""Keys and tokens that are nearly right, and how to write them down without giving the right one away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from kling_contracts.verify.keys import TOKEN_LEEWAY, TOKEN_LIFE


class Spoilt(NamedTuple):
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


SPOILT: Final = (
    Spoilt("another key", _nobodys, "sk-" + "0" * 40, '"sk-" + "0" * 40'),
    Spoilt(
        "the first half of the key",
        _first_half,
        '$(printf %s "$KLING_API_KEY" | head -c $((${#KLING_API_KEY} / 2)))',
        "key[: len(key) // 2]",
    ),
    Spoilt("all but the last letter", _shorter, "${KLING_API_KEY%?}", "key[:-1]"),
    Spoilt("one letter more", _longer, "${KLING_API_KEY}x", 'key + "x"'),
    Spoilt("another last letter", _another_end, "${KLING_API_KEY%?}A", 'key[:-1] + "A"'),
    Spoilt(
        "letters in the other case",
        str.swapcase,
        '$(printf %s "$KLING_API_KEY" | tr A-Za-z a-zA-Z)',
        "key.swapcase()",
    ),
)


class SpoiltToken(NamedTuple):
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


SPOILT_TOKENS: Final = (
    SpoiltToken("expired", expires=-60, begins=-1900),
    SpoiltToken("early", begins=600),
    SpoiltToken("signature", secret="x" * 32),
    SpoiltToken("unsigned", secret=None),
    SpoiltToken("issuer", issuer="-nobody"),
)
RIGHT_TOKEN: Final = SpoiltToken("right")


def token_expression(token: SpoiltToken, access: str, secret: str) -> str:
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


def spoilt_keys(key: str) -> Iterator[tuple[Spoilt, str]]:
    """Every way in which a key can be spoilt that gives another one."""
    for spoilt in SPOILT:
        made = spoilt.make(key)
        if made and made != key:
            yield spoilt, made
