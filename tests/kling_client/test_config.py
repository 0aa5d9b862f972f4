"""Gateway and base URL: argument, else environment, else default."""

from __future__ import annotations

from typing import Any

import pytest

from kling_client.config import configure, find_gateway, resolve_base_url
from kling_client.errors import ConfigError
from kling_contracts.gateways import COMETAPI, GATEWAYS, KLING, Gateway
from kling_contracts.operations import MULTI_IMAGE, MULTI_IMAGE2IMAGE


def test_the_base_url_is_explicit_then_environment_then_the_services_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KLING_BASE_URL", "http://127.0.0.1:8000/")
    assert resolve_base_url(COMETAPI, "http://other:1") == "http://other:1"
    assert resolve_base_url(COMETAPI, None) == "http://127.0.0.1:8000"
    monkeypatch.setenv("KLING_BASE_URL", " ")
    assert resolve_base_url(COMETAPI, None) == COMETAPI.base_url == "https://api.cometapi.com"


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
    assert resolve_base_url(COMETAPI, given) == kept


@pytest.mark.parametrize(
    ("given", "usable"),
    [
        ("https://h/v1", "https://h"),
        ("https://h/v1/", "https://h"),
        ("https://h/kling", "https://h"),
        ("https://h/kling/v1", "https://h"),
        ("https://h/proxy/kling/v1", "https://h/proxy"),
        ("https://h/kling/v1/images/generations", "https://h"),
    ],
)
def test_a_path_end_that_the_client_appends_itself_is_refused_with_the_usable_url(
    given: str, usable: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_base_url(COMETAPI, given)
    assert str(caught.value).endswith(f"use {usable}")


@pytest.mark.parametrize(
    "bad",
    ["", " ", "h", "//h", "ftp://h", "https://", "https://h:port", "https://h:0", "https://[::1", "https://h?a=1",
     "https://h#a", "https://h/a b", "https://h/\x07"],
)  # fmt: skip
def test_what_is_no_base_url_is_refused(bad: str) -> None:
    with pytest.raises(ConfigError):
        resolve_base_url(COMETAPI, bad)


def test_credentials_in_the_base_url_are_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_base_url(COMETAPI, "https://me:hunter2@h")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("changes", [{"timeout": 0}, {"timeout": float("nan")}, {"max_image_bytes": 0}])
def test_numbers_that_make_no_sense_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(changes))):
        configure(api_key="sk-1", **changes)


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
    config = configure(api_key="sk-1", base_url="https://h")
    assert config.task_url(task_id) == f"https://h/kling/v1/images/generations/{segment}"


def test_the_key_is_absent_from_the_repr() -> None:
    assert "sk-1234567" not in repr(configure(api_key="sk-1234567"))


# --- the gateway ------------------------------------------------------------------------------------------


def test_a_gateway_is_found_by_its_name_and_otherwise_all_are_listed() -> None:
    assert [find_gateway("cometapi"), find_gateway("kling")] == [COMETAPI, KLING]
    for name in ("Kling", "", "comet"):
        with pytest.raises(ConfigError, match=f"gateway: must be 'cometapi' or 'kling', not '{name}'"):
            find_gateway(name)


@pytest.mark.parametrize(
    ("gateway", "host", "path"),
    [
        (COMETAPI, "https://api.cometapi.com", "/kling/v1/images/generations"),
        (KLING, "https://api-singapore.klingai.com", "/v1/images/multi-image2image"),
    ],
)
def test_the_gateway_decides_where_things_are(
    monkeypatch: pytest.MonkeyPatch, gateway: Gateway, host: str, path: str
) -> None:
    monkeypatch.delenv("KLING_BASE_URL", raising=False)
    config = configure(gateway=gateway.name, api_key="sk-1")
    assert config.create_url == host + path
    assert config.task_url("1") == f"{host}{path}/1"
    assert config.page_url(2, 30) == f"{host}{path}?pageNum=2&pageSize=30"
    monkeypatch.setenv("KLING_BASE_URL", "http://127.0.0.1:8000")
    assert configure(gateway=gateway.name, api_key="sk-1").create_url == "http://127.0.0.1:8000" + path


def test_the_gateway_decides_what_is_valid() -> None:
    found = [configure(gateway=gateway.name, api_key="sk-1").operation for gateway in GATEWAYS]
    assert found == [MULTI_IMAGE, MULTI_IMAGE2IMAGE]


def test_only_what_a_gateway_adds_is_refused_at_the_end_of_the_base_url() -> None:
    assert resolve_base_url(KLING, "https://proxy/kling") == "https://proxy/kling"
    with pytest.raises(ConfigError, match=r"use https://proxy/kling$"):
        resolve_base_url(KLING, "https://proxy/kling/v1/images/multi-image2image")
