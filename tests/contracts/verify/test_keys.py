"""Keys: no recorded text contains one, and tokens follow the official documentation."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import jwt
import pytest

from kling_contracts.verify.credentials import Keys


def test_keys_and_tokens_are_replaced_in_texts() -> None:
    """Both keys, one of which is a prefix of the other, and the token of a pair."""
    keys = Keys("sk-mock", "sk-mock-second")
    assert keys.scrub("sk-mock-second and sk-mock") == "$KLING_SECOND_API_KEY and $KLING_API_KEY"
    assert keys.scrub_bytes(b"\xff sk-mock") == b"\xff $KLING_API_KEY"
    assert "sk-mock" not in repr(keys)
    pair = Keys("access-1234:secret-1234567890-1234567890-1234", takes_tokens=True, now=lambda: 1e9)
    token = pair.bearer()
    assert jwt.decode(token, options={"verify_signature": False})["iss"] == "access-1234"
    assert pair.scrub(f"{token} secret-1234567890-1234567890-1234") == "$KLING_API_KEY $KLING_API_KEY"


@pytest.mark.parametrize("text", ['"sk-a/b\\"c"', '"sk-a\\/b\\"c"', "sk-a%2Fb%22c"])
def test_encoded_keys_are_replaced(text: str) -> None:
    """In JSON, with and without escaped slashes, and in a URL."""
    assert Keys('sk-a/b"c').scrub(text).strip('"') == "$KLING_API_KEY"
    assert "sk-" not in repr(Keys('sk-a/b"c').first)


def test_concurrently_made_tokens_are_all_replaced() -> None:
    """Counterexample: without a lock some tokens were lost, and a recording contained them."""
    ticks = count(1000)
    keys = Keys("access:" + "s" * 32, takes_tokens=True, now=lambda: float(next(ticks)))
    with ThreadPoolExecutor(4) as pool, eager_switching():
        tokens = list(pool.map(lambda _: keys.bearer(), range(80)))
    assert {keys.scrub(token) for token in tokens} == {"$KLING_API_KEY"}


@contextlib.contextmanager
def eager_switching() -> Iterator[None]:
    """Switch threads as often as possible."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def test_a_pair_is_a_plain_key_for_a_gateway_without_tokens() -> None:
    keys = Keys("access:secret", takes_tokens=False)
    assert keys.first.values == ("Bearer access:secret",)
    assert keys.pair is None


def test_a_token_has_the_documented_times() -> None:
    keys = Keys("access:" + "s" * 32, takes_tokens=True, now=lambda: 1_000_000_000.9)
    claims = jwt.decode(
        keys.bearer(), "s" * 32, algorithms=["HS256"], options={"verify_exp": False, "verify_nbf": False}
    )
    assert claims == {"iss": "access", "exp": 1_000_001_800, "nbf": 999_999_995}
