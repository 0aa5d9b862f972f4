"""Key and address: explicit, then environment, then default."""

from __future__ import annotations

import pytest

from contracts.gateways import COMETAPI
from kling_client.config import Config, resolve_base_url, resolve_key
from kling_client.errors import ConfigError
from kling_client.retry import Poll, Retry


def test_an_explicit_key_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMETAPI_KEY", "sk-environment")
    assert resolve_key("sk-explicit") == "sk-explicit"
    assert resolve_key(None) == "sk-environment"


@pytest.mark.parametrize("value", [None, "", "  \n"])
def test_a_missing_or_blank_variable_is_a_missing_key(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    """The error names the variable to set."""
    monkeypatch.delenv("COMETAPI_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("COMETAPI_KEY", value)
    with pytest.raises(ConfigError, match="COMETAPI_KEY"):
        resolve_key(None)


@pytest.mark.parametrize("blank", ["", "   ", "Bearer", "bearer  "])
def test_a_blank_explicit_key_is_an_error_even_if_the_environment_has_one(
    monkeypatch: pytest.MonkeyPatch, blank: str
) -> None:
    monkeypatch.setenv("COMETAPI_KEY", "sk-environment")
    with pytest.raises(ConfigError, match="blank"):
        resolve_key(blank)


@pytest.mark.parametrize("pasted", [" sk-1234\n", "Bearer sk-1234", "bearer  sk-1234 ", "BEARER\tsk-1234"])
def test_what_people_paste_around_a_key_is_taken_off(pasted: str) -> None:
    assert resolve_key(pasted) == "sk-1234"


def test_a_key_that_only_begins_like_the_scheme_is_left_alone() -> None:
    assert resolve_key("bearer-1234") == "bearer-1234"


@pytest.mark.parametrize(
    "bad", ["sk-12\r\nX-Evil: 1", "sk-12 34", "sk-12\x00", "sk-schlüssel", "sk-\u200b12"]
)
def test_a_key_that_no_header_can_hold_is_refused_without_showing_it(bad: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_key(bad)
    assert "sk-" not in str(caught.value) + repr(caught.value)


def test_the_base_url_is_explicit_then_environment_then_the_services_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KLING_BASE_URL", "http://127.0.0.1:8000/")
    assert resolve_base_url("http://other:1") == "http://other:1"
    assert resolve_base_url(None) == "http://127.0.0.1:8000"
    monkeypatch.setenv("KLING_BASE_URL", " ")
    assert resolve_base_url(None) == COMETAPI.base_url == "https://api.cometapi.com"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://h", "https://h"),
        ("https://h///", "https://h"),
        ("https://h/proxy/", "https://h/proxy"),
        ("https://h/v1beta", "https://h/v1beta"),
        ("https://h/v1/proxy", "https://h/v1/proxy"),
        ("HTTP://[::1]:8000", "HTTP://[::1]:8000"),
    ],
)
def test_a_gateway_may_be_mounted_under_a_path(given: str, kept: str) -> None:
    assert resolve_base_url(given) == kept


@pytest.mark.parametrize(
    ("given", "way_out"),
    [
        ("https://h/v1", "https://h"),
        ("https://h/v1/", "https://h"),
        ("https://h/kling", "https://h"),
        ("https://h/kling/v1", "https://h"),
        ("https://h/proxy/kling/v1", "https://h/proxy"),
        ("https://h/kling/v1/images/generations", "https://h"),
    ],
)
def test_an_end_that_the_client_adds_itself_is_refused_with_the_way_out(given: str, way_out: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_base_url(given)
    assert str(caught.value).endswith(f"use {way_out}")


@pytest.mark.parametrize(
    "bad",
    ["", " ", "h", "//h", "ftp://h", "https://", "https://h:port", "https://h:0", "https://[::1", "https://h?a=1",
     "https://h#a", "https://h/a b", "https://h/\x07"],
)  # fmt: skip
def test_what_is_no_base_url_is_refused(bad: str) -> None:
    with pytest.raises(ConfigError):
        resolve_base_url(bad)


def test_credentials_in_the_base_url_are_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_base_url("https://me:hunter2@h")
    assert "hunter2" not in str(caught.value)


def _config(**changes: object) -> Config:
    values: dict[str, object] = {
        "api_key": "sk-1234567",
        "base_url": "https://h",
        "timeout": 30.0,
        "retry": Retry(),
        "poll": Poll(),
        "max_image_bytes": 1,
        "clock": float,
    }
    return Config(**values | changes)  # type: ignore[arg-type]  # the point is to give wrong ones too


@pytest.mark.parametrize("changes", [{"timeout": 0}, {"timeout": float("nan")}, {"max_image_bytes": 0}])
def test_numbers_that_make_no_sense_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        _config(**changes)


@pytest.mark.parametrize(
    ("task_id", "segment"),
    [
        ("867283741759111202", "867283741759111202"),
        ("a/b?c#d", "a%2Fb%3Fc%23d"),
        ("..", "%2E%2E"),
        ("é", "%C3%A9"),
        ("\ud800", "%5Cud800"),
    ],
)
def test_a_task_id_stays_one_segment_of_the_path(task_id: str, segment: str) -> None:
    assert _config().task_url(task_id) == f"https://h/kling/v1/images/generations/{segment}"


def test_the_key_is_redacted_from_text_and_absent_from_the_repr() -> None:
    assert _config().redact("no sk-1234567 here") == "no [key] here"
    assert "sk-1234567" not in repr(_config())
    assert _config(api_key="k").redact("kling") == "kling", "a short key is no secret, but part of words"
