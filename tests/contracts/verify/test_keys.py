"""Keys: no recorded text contains one, and tokens follow the official documentation."""

from __future__ import annotations

import base64
import contextlib
import pickle
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import count

import jwt
import pytest

from kling_contracts.verify.credentials import Keys, mutated_keys


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


def test_requests_in_one_second_share_a_token() -> None:
    """Until the next second; a token with other claims is made for its request only."""
    now = 1_000_000_000.0
    keys = Keys("access:" + "s" * 32, takes_tokens=True, now=lambda: now)
    token = keys.bearer()
    assert keys.bearer(nbf=None) != token
    now += 0.9
    assert keys.bearer() == token
    now += 0.1
    assert keys.bearer() != token


PAIR = "access-0123456789:secret-" + "0123456789abcdef" * 3


def test_parts_of_a_token_are_replaced() -> None:
    """Segments, first and last characters; a server that echoes half a token has leaked it."""
    keys = Keys(PAIR, takes_tokens=True)
    token = keys.bearer()
    header, payload, signature = token.split(".")
    for part in (header, payload, signature, token[:20], token[-12:], token[30:60], f"{header}.{payload}."):
        shown = keys.scrub(f"got <{part}>")
        assert part[2:-2] not in shown
        assert "[part of a key]" in shown
        assert keys.scrub_bytes(b"\xff" + part.encode()).startswith(b"\xff[part of a key]")
        assert keys.scrub_headers(((f"x!{part}", part),)) == ((f"x!{shown[5:-1]}", shown[5:-1]),)


def test_parts_and_encodings_of_a_key_are_replaced() -> None:
    key = "sk-4fA9cQ7xLm2-0123456789abcdef"
    keys = Keys(key)
    assert keys.scrub(f"<{key[:9]}> <{key[-9:]}>") == "<[part of a key]> <[part of a key]>"
    for encoded in (key.encode().hex(), "".join(f"%{byte:02x}" for byte in key.encode())):
        assert keys.scrub(encoded) == "$KLING_API_KEY"
    assert "$KLING_API_KEY" in keys.scrub(base64.b64encode(f"user:{key}".encode()).decode())
    assert keys.scrub("sk-4fA9***cdef") == "sk-4fA9***cdef", "masked, as gateways do"


def test_the_unknown_key_of_a_probe_hides_no_ordinary_text() -> None:
    """It consists of zeros, as the id of a request may."""
    keys = Keys("sk-4fA9cQ7xLm2-123456789abcdef")
    for mutated, made in mutated_keys(keys.first_key):
        keys.keep_mutated(made, mutated.mark)
        assert keys.scrub(made) in {mutated.mark, "$KLING_API_KEYx"}
    assert keys.scrub("00000000-0000-4000-8000-000000000000") == "00000000-0000-4000-8000-000000000000"


def test_keys_are_in_no_repr_and_cannot_be_pickled() -> None:
    keys = Keys(PAIR, "sk-second-0123456789", takes_tokens=True)
    for shown in (repr(keys), str(keys), f"{keys}", repr(keys.first), repr(keys.second)):
        assert "secret" not in shown
        assert "sk-second" not in shown
    with pytest.raises(TypeError):
        pickle.dumps(keys)
    with pytest.raises(TypeError):
        asdict(keys)
