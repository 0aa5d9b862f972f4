"""Tokens with claims, headers and texts of every kind: a documented refusal, and never an internal error."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any, cast

import pytest

from kling_contracts.gateways import KLING as KLING_ITSELF
from kling_mock import Fake, ManualClock, Reply, Request
from kling_mock.auth import Credential, Token, account_name, credential_of
from kling_mock.commands import CheckHealth
from kling_mock.decisions import decide
from kling_mock.header_facts import header_facts
from kling_mock.stores import Snapshot, TokenKey
from tests.rows import each_row

ACCESS, SECRET = "a" * 32, "s" * 32
COSTS = "/account/costs"
KLING = ("host", "api.klingai.com")


def segment(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def sign(payload: bytes, header: object = None, secret: str = SECRET) -> str:
    """A token with a valid signature around any bytes."""
    head = {"alg": "HS256", "typ": "JWT"} if header is None else header
    head_bytes = head if isinstance(head, bytes) else json.dumps(head).encode()
    signed = f"{segment(head_bytes)}.{segment(payload)}"
    return f"{signed}.{segment(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())}"


def claims(**texts: str | None) -> bytes:
    """A payload from JSON texts; None leaves a claim out."""
    now = int(time.time())
    given = {"iss": f'"{ACCESS}"', "exp": str(now + 1800), "nbf": str(now - 5)} | texts
    members = [f'"{name}": {text}' for name, text in given.items() if text is not None]
    return f"{{{', '.join(members)}}}".encode()


def ask(bearer: str, fake: Fake | None = None) -> Reply:
    ours = fake or Fake(keys=[f"{ACCESS}:{SECRET}"])
    return ours.handle(Request("GET", COSTS, "", (KLING, ("authorization", f"Bearer {bearer}"))))


def code(reply: Reply) -> int:
    return cast("int", cast("dict[str, Any]", reply.json())["code"])


def test_a_usual_token_is_accepted() -> None:
    """Counterexample to all refusals below; also with `iat`, and with times as floats."""
    assert code(ask(sign(claims()))) == 0
    assert code(ask(sign(claims(iat=str(int(time.time())))))) == 0
    assert code(ask(sign(claims(exp=f"{time.time() + 60:.3f}", nbf=None)))) == 0
    assert code(ask(sign(claims(exp="1e300", nbf="-5")))) == 0


NO_TIME = {
    "10^400": "1" + "0" * 400,
    "-10^400": "-1" + "0" * 400,
    "5000 digits": "1" * 5000,
    "1e400": "1e400",
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
    "true": "true",
    "false": "false",
    "string": '"4102444800"',
    "empty string": '""',
    "null": "null",
    "list": "[4102444800]",
    "object": "{}",
}


@pytest.mark.parametrize("keys", [(f"{ACCESS}:{SECRET}",), ()])
@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@each_row("text", NO_TIME.values(), ids=NO_TIME)
def test_a_time_that_is_not_a_finite_number_is_refused(claim: str, text: str, keys: tuple[str, ...]) -> None:
    """RFC 7519: a NumericDate is a number. Also where the fake accepts every key."""
    reply = ask(sign(claims(**{claim: text})), Fake(keys=keys))
    assert (reply.status, code(reply)) == (401, 1000)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"exp": None}, 1000),
        ({"exp": "-1"}, 1004),
        ({"exp": "-1e300"}, 1004),
        ({"exp": "0"}, 1004),
        ({"nbf": "4102444800.5"}, 1003),
        ({"nbf": "1e300"}, 1003),
        ({"nbf": None}, 0),
        ({"nbf": "-1"}, 0),
        ({"iat": "4102444800"}, 0),
        ({"iat": "-1"}, 0),
        ({"sub": "5"}, 0),
        ({"jti": "[]"}, 0),
        ({"aud": '["x"]'}, 0),
        ({"iss": "5"}, 1002),
        ({"iss": "null"}, 1002),
        ({"iss": '""'}, 1002),
        ({"iss": '"\\ud800"'}, 1002),
        ({"iss": "[]"}, 1002),
    ],
)
def test_other_claims(changed: dict[str, str | None], expected: int) -> None:
    assert code(ask(sign(claims(**changed)))) == expected


@pytest.mark.parametrize("issuer", ["5", "[5]", '""', "null"])
def test_an_issuer_is_a_text_also_where_every_key_is_accepted(issuer: str) -> None:
    assert code(ask(sign(claims(iss=issuer)), Fake())) == 1002


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"alg": "none"}, 1000),
        ({"alg": "None"}, 1000),
        ({"alg": "HS384"}, 1000),
        ({"alg": "RS256"}, 1000),
        ({"alg": None}, 1000),
        ({"alg": ["HS256"]}, 1000),
        ({"alg": "hs256"}, 1000),
        ({}, 1000),
        ([], 1002),
        (b"{", 1002),
        (b"\xff", 1002),
        (b"[" * 100_000, 1002),
        ({"alg": "HS256", "kid": 5}, 1002),
        ({"alg": "HS256", "b64": False}, 1002),
    ],
)
def test_other_headers(header: object, expected: int) -> None:
    assert code(ask(sign(claims(), header))) == expected


@pytest.mark.parametrize(
    "payload", [b"", b"5", b"[]", b"null", b"NaN", b'"x"', b"\xff", b"{", b"[" * 9000, b'{"a":' * 2000]
)
def test_payloads_that_are_not_an_object(payload: bytes) -> None:
    assert code(ask(sign(payload))) == 1002
    assert ask(sign(payload), Fake()).status == 200, "where every key is accepted, it is one"


@pytest.mark.parametrize(
    "bearer",
    [
        "\ud800.\ud800.\ud800",
        "a\udcff.b.c",
        "ключ.ключ.ключ",
        "..",
        "a..",
        ".a.",
        "=.=.=",
        "\x00.\x00.\x00",
        "x" * 1_000_000 + ".y.z",
        "\ud800",
        "猫",
    ],
)
def test_bearers_that_are_not_tokens(bearer: str) -> None:
    assert (ask(bearer).status, code(ask(bearer))) == (401, 1002)
    fake = Fake(keys=["\ud800*"])
    assert ask(bearer, fake).status in (200, 401)


def test_a_signed_token_beyond_all_sizes_is_refused() -> None:
    assert code(ask(sign(claims(x=f'"{"x" * 100_000}"')))) == 1002
    assert code(ask(sign(claims(x=f'"{"x" * 5000}"')))) == 0


@pytest.mark.parametrize("cut", [1, 2, 10])
def test_a_damaged_signature_is_refused(cut: int) -> None:
    token = sign(claims())
    for bearer in (token[:-cut], token + "A" * 4, token[:-cut] + "\ud800", sign(claims(), secret="t" * 32)):
        assert code(ask(bearer)) == 1002


def test_two_headers_are_refused_even_with_valid_tokens() -> None:
    headers = (KLING, *[("authorization", f"Bearer {sign(claims())}")] * 2)
    assert code(Fake(keys=[f"{ACCESS}:{SECRET}"]).handle(Request("GET", COSTS, "", headers))) == 1002


def test_the_leeway_is_a_setting() -> None:
    """Zero by default: Kling does not document one, and its sample code sets `nbf` back."""
    now = time.time()
    early, late = sign(claims(nbf=f"{now + 20:.3f}")), sign(claims(exp=f"{now - 20:.3f}"))
    assert [code(ask(early)), code(ask(late))] == [1003, 1004]
    patient = Fake(keys=[f"{ACCESS}:{SECRET}"], token_leeway=60)
    assert [code(ask(early, patient)), code(ask(late, patient))] == [0, 0]
    beyond = sign(claims(nbf=f"{now + 120:.3f}"))
    assert code(ask(beyond, patient)) == 1003


def test_a_token_expires_by_the_clock_of_the_mock_from_its_first_use() -> None:
    """A new one of the same life is accepted then."""
    fake = Fake(keys=[f"{ACCESS}:{SECRET}"], clock=ManualClock())
    token = sign(claims())
    codes = []
    for seconds in (0, 1600, 200):
        fake.clock.advance(seconds)
        codes.append(code(ask(token, fake)))
    assert codes == [0, 0, 1004]
    assert code(ask(sign(claims(sub='"new"')), fake)) == 0


@pytest.mark.parametrize("leeway", [0, 60])
def test_a_token_is_valid_from_the_instant_of_its_begin(leeway: int) -> None:
    """RFC 7519: not accepted before it. The leeway makes its life longer at both ends."""
    settings = Fake(keys=[f"{ACCESS}:{SECRET}"], token_leeway=leeway).settings
    facts = header_facts((("authorization", f"Bearer {sign(claims(nbf='1000', exp='2000'))}"),))
    for system, early in ((999 - leeway, True), (1000 - leeway, False), (1001 - leeway, False)):
        found = credential_of(facts, settings, KLING_ITSELF, system)
        assert isinstance(found, Credential)
        assert found.token is not None
        assert (found.token.early, found.token.left) == (early, 2000 + leeway - system)


def test_a_token_is_expired_at_the_instant_of_its_end() -> None:
    """RFC 7519: not accepted on or after it."""
    settings = Fake().settings
    snapshot = Snapshot(1_800_000_000.0, {TokenKey("digest"): None})
    decisions = [
        decide(snapshot, (CheckHealth(), Token(KLING_ITSELF, "digest", False, left)), settings, "1", 0)
        for left in (-1.0, 0.0, 1.0)
    ]
    assert [each.reply.status for each in decisions] == [401, 401, 200]


def test_account_names_never_control_a_terminal() -> None:
    fake = Fake()
    for key in (
        "sk-mock-\x1b[2J",
        "sk-mock-\u202e",
        "sk-mock-\x9b1m",
        "sk-mock-\ud800",
        "sk-mock-" + "x" * 5000,
    ):
        ask(key, fake)
    names = {call.account for call in fake.calls}
    assert len(names) == 5
    assert all(name is not None and name.startswith("account-") for name in names)


def test_a_name_has_at_most_a_hundred_characters() -> None:
    longest = "sk-mock-".ljust(100, "x")
    assert account_name(longest) == longest
    assert account_name(longest + "x").startswith("account-")
