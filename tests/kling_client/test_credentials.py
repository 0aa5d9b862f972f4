"""Keys and tokens: their sources and precedence; creation, renewal and refusal of tokens."""

from __future__ import annotations

import sys
from typing import Any

import jwt
import pytest

from kling_client.credentials import PlainKey, SignedTokens, resolve_credentials
from kling_client.errors import ConfigError
from kling_contracts.gateways import COMETAPI, KLING, Gateway
from tests.kling_client.conftest import no_environment

ACCESS, SECRET = "ak-0123456789", "sc-0123456789-0123456789-0123456789"


class WallClock:
    """System time, set by a test."""

    now = 1_800_000_000.75

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    clock = WallClock()
    monkeypatch.setattr("kling_client.credentials.time.time", clock)
    return clock


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    no_environment(monkeypatch)


def resolve(gateway: Gateway = COMETAPI, **given: str | None) -> Any:
    arguments: dict[str, str | None] = {"api_key": None, "access_key": None, "secret_key": None}
    return resolve_credentials(gateway, **(arguments | given))


def claims(token: str, secret: str = SECRET) -> dict[str, Any]:
    options: Any = {"verify_exp": False, "verify_nbf": False}
    found: dict[str, Any] = jwt.decode(token, secret, algorithms=["HS256"], options=options)
    return found


# --- plain keys -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gateway", "variable"), [(COMETAPI, "COMETAPI_KEY"), (KLING, "KLING_API_KEY")])
def test_an_explicit_key_wins_over_the_environment(
    monkeypatch: pytest.MonkeyPatch, gateway: Gateway, variable: str
) -> None:
    monkeypatch.setenv(variable, "sk-environment")
    assert resolve(gateway, api_key="sk-explicit").bearer() == "sk-explicit"
    assert resolve(gateway).bearer() == "sk-environment"


@pytest.mark.parametrize("value", [None, "", "  \n", "Bearer "])
def test_a_missing_or_blank_variable_is_a_missing_key(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    """The error names the variable to set."""
    if value is not None:
        monkeypatch.setenv("COMETAPI_KEY", value)
        monkeypatch.setenv("KLING_SECRET_KEY", value)
    with pytest.raises(ConfigError, match="COMETAPI_KEY"):
        resolve()
    with pytest.raises(ConfigError, match="KLING_"):
        resolve(KLING)


@pytest.mark.parametrize("blank", ["", "   ", "Bearer", "bearer  "])
def test_a_blank_explicit_key_is_an_error_even_if_the_environment_has_one(
    monkeypatch: pytest.MonkeyPatch, blank: str
) -> None:
    monkeypatch.setenv("COMETAPI_KEY", "sk-environment")
    with pytest.raises(ConfigError, match="blank"):
        resolve(api_key=blank)


@pytest.mark.parametrize("pasted", [" sk-1234\n", "Bearer sk-1234", "bearer  sk-1234 ", "BEARER\tsk-1234"])
def test_what_people_paste_around_a_key_is_taken_off(pasted: str) -> None:
    assert resolve(api_key=pasted).bearer() == "sk-1234"


def test_a_key_that_only_begins_like_the_scheme_is_left_alone() -> None:
    assert resolve(api_key="bearer-1234").bearer() == "bearer-1234"


@pytest.mark.parametrize(
    "bad", ["sk-12\r\nX-Evil: 1", "sk-12 34", "sk-12\x00", "sk-schlüssel", "sk-\u200b12"]
)
def test_a_key_that_no_header_can_hold_is_refused_without_showing_it(bad: str) -> None:
    for given in (
        {"api_key": bad},
        {"access_key": bad, "secret_key": "s"},
        {"access_key": "a", "secret_key": bad},
    ):
        with pytest.raises(ConfigError) as caught:
            resolve(KLING, **given)
        assert "sk-" not in str(caught.value) + repr(caught.value)


def test_a_plain_key_is_never_renewed() -> None:
    assert PlainKey("sk-1").renewed("sk-1") is None


# --- which kind -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gateway", "given", "message"),
    [
        (COMETAPI, {"access_key": "a", "secret_key": "s"}, "CometAPI does not accept access_key .*'kling'"),
        (COMETAPI, {"access_key": "a", "api_key": "k"}, "CometAPI does not accept access_key"),
        (KLING, {"access_key": "a"}, "access_key requires secret_key"),
        (KLING, {"secret_key": "s"}, "secret_key requires access_key"),
        (KLING, {"access_key": "a", "secret_key": "s", "api_key": "k"}, "pass either api_key, or"),
        (KLING, {"secret_key": "s", "api_key": "k"}, "pass either api_key, or"),
        (KLING, {"access_key": "", "secret_key": "s"}, "access_key is blank"),
    ],
)
def test_contradictory_arguments_are_refused(gateway: Gateway, given: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve(gateway, **given)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"KLING_ACCESS_KEY": "a"}, "KLING_ACCESS_KEY is set without KLING_SECRET_KEY"),
        ({"KLING_SECRET_KEY": "s"}, "KLING_SECRET_KEY is set without KLING_ACCESS_KEY"),
        ({"KLING_SECRET_KEY": "s", "KLING_ACCESS_KEY": "a", "KLING_API_KEY": "k"}, "unset one of the two"),
        (
            {"COMETAPI_KEY": "k"},
            "no key for Kling: set .*KLING_ACCESS_KEY and KLING_SECRET_KEY, or KLING_API_KEY",
        ),
    ],
)
def test_contradictory_variables_are_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        resolve(KLING)


def test_an_explicit_pair_is_never_completed_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token would be signed with the secret of another key."""
    monkeypatch.setenv("KLING_SECRET_KEY", "s")
    with pytest.raises(ConfigError, match="requires secret_key"):
        resolve(KLING, access_key="a")


def test_access_key_and_secret_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, wall: WallClock
) -> None:
    del wall
    monkeypatch.setenv("KLING_ACCESS_KEY", f" {ACCESS}\n")
    monkeypatch.setenv("KLING_SECRET_KEY", SECRET)
    assert claims(resolve(KLING).bearer())["iss"] == ACCESS


def test_without_pyjwt_tokens_are_refused_and_plain_keys_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jwt", None)
    with pytest.raises(ConfigError, match="PyJWT"):
        resolve(KLING, access_key="a", secret_key="s")
    assert resolve(KLING, api_key="k").bearer() == "k"


# --- tokens -----------------------------------------------------------------------------------------------


def test_a_token_has_the_documented_claims(wall: WallClock) -> None:
    token = SignedTokens(ACCESS, SECRET).bearer()
    now = int(wall.now)
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
    assert claims(token) == {"iss": ACCESS, "exp": now + 1800, "nbf": now - 5}


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
@pytest.mark.parametrize("secret", ["s", "x" * 31, "x" * 32, "x" * 64, "x" * 100])
def test_secrets_of_any_length_sign_as_they_are(wall: WallClock, secret: str) -> None:
    """The token verifies with the secret as given. (Verifying warns of short secrets.)"""
    del wall
    assert claims(SignedTokens(ACCESS, secret).bearer(), secret)["iss"] == ACCESS


def test_signing_with_a_short_secret_warns_of_nothing(
    wall: WallClock, recwarn: pytest.WarningsRecorder
) -> None:
    del wall
    SignedTokens("a", "s").bearer()
    assert not recwarn.list


def test_one_token_is_used_until_a_minute_before_its_end(wall: WallClock) -> None:
    signed = SignedTokens(ACCESS, SECRET)
    wall.now = 1_800_000_000.0
    first = signed.bearer()
    wall.now += 1800 - 60.001
    assert signed.bearer() == first
    wall.now += 0.001
    second = signed.bearer()
    assert second != first
    assert claims(second)["exp"] == int(wall.now) + 1800
    assert signed.bearer() == second


def test_a_clock_that_was_put_back_makes_a_new_token(wall: WallClock) -> None:
    """The previous token is not valid yet."""
    signed = SignedTokens(ACCESS, SECRET)
    signed.bearer()
    wall.now -= 3600
    assert claims(signed.bearer())["nbf"] == int(wall.now) - 5


def test_a_renewed_token_is_another_even_within_the_second(wall: WallClock) -> None:
    signed = SignedTokens(ACCESS, SECRET)
    first = signed.bearer()
    second = signed.renewed(first)
    third = signed.renewed(second or "")
    assert len({first, second, third}) == 3
    assert signed.bearer() == third
    wall.now += 100
    fourth = signed.renewed(third or "")
    assert fourth is not None
    assert claims(fourth)["exp"] == int(wall.now) + 1800


def test_a_token_that_another_thread_renewed_is_taken_as_it_is(wall: WallClock) -> None:
    del wall
    signed = SignedTokens(ACCESS, SECRET)
    first = signed.bearer()
    second = signed.renewed(first)
    assert signed.renewed(first) == second == signed.bearer()


# --- redaction --------------------------------------------------------------------------------------------


def test_keys_and_tokens_are_redacted_from_text(wall: WallClock) -> None:
    del wall
    assert PlainKey("sk-1234567").redact("no sk-1234567 here") == "no [key] here"
    assert PlainKey("k").redact("kling") == "kling", "a short key would match parts of words"
    signed = SignedTokens(ACCESS, SECRET)
    token = signed.bearer()
    signed.renewed(token)
    text = f"<{token}> <{token.split('.')[1]}> <{token.rpartition('.')[0]}> <{ACCESS}> <{SECRET}>"
    assert signed.redact(text) == "<[key]> <[key]> <[key]> <[key]> <[key]>"


def test_credentials_do_not_show_themselves() -> None:
    assert [repr(PlainKey("sk-1234567")), repr(SignedTokens(ACCESS, SECRET))] == ["[key]", "[key]"]
