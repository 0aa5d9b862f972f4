"""The variables of a test, for environments of users."""

from __future__ import annotations

import urllib.request
from typing import Any

import httpx
import httpx2
import pytest
import requests

from kling_contracts.gateways import INTERCEPTED_HOSTS
from kling_mock.environment import variables
from kling_mock.settings import Settings

URL = "http://127.0.0.1:8000"
PLAIN = Settings.of({})
PAIR = Settings.of({"keys": ["sk-one", "access:" + "s" * 32]})

KEYS = [
    "COMETAPI_API_KEY",
    "COMET_API_KEY",
    "COMETAPI_TOKEN",
    "KLINGAI_API_KEY",
    "KLING_AI_API_KEY",
    "KLING_TOKEN",
    "cometapi_key",
    "COMETAPI_KEYS",
    "MYAPP_COMETAPI_KEY",
    "COMETAPI_IMAGE_KEY",
    "KLING_JWT_TOKEN",
    "KLING_SECOND_API_KEY",
    "VITE_COMETAPI_API_KEY",
]
ACCESS = ["KLINGAI_ACCESS_KEY", "KLING_AK", "KLINGAI_ACCESS_KEY_ID", "KLING_AI_ACCESS_KEY"]
SECRETS = ["KLINGAI_SECRET_KEY", "KLING_SK", "KLING_SECRET", "COMETAPI_SECRET"]
ADDRESSES = [
    "COMETAPI_BASE_URL",
    "COMET_API_BASE",
    "COMETAPI_URL",
    "KLINGAI_BASE_URL",
    "KLING_API_URL",
    "KLING_ENDPOINT",
    "KLING_HOST",
    "KLINGAI_API_DOMAIN",
]
OTHERS = ["COMET_WORKSPACE", "KLING", "PATH", "KEY", "COMETS_KEY", "SPARKLING_WATER", "AWS_ACCESS_KEY_ID"]


@pytest.mark.parametrize("name", [*KEYS, *ACCESS, *SECRETS, *ADDRESSES])
def test_a_variable_of_a_real_key_or_address_is_neutralised(name: str) -> None:
    for settings in (PLAIN, PAIR):
        for base_url in (None, URL):
            found = variables({name: "real"}, settings, base_url)
            assert name in found
            assert found[name] != "real"


def test_keys_are_replaced_by_those_that_the_fake_accepts_and_addresses_are_removed() -> None:
    present = dict.fromkeys([*KEYS, *ACCESS, *SECRETS, *ADDRESSES, *OTHERS], "real")
    plain, pair = variables(present, PLAIN, None), variables(present, PAIR, URL)
    assert {plain[name] for name in KEYS} == {"sk-mock"}
    assert {plain[name] for name in (*ACCESS, *SECRETS, *ADDRESSES)} == {None}
    assert {pair[name] for name in KEYS} == {"sk-one"}
    assert {pair[name] for name in ACCESS} == {"access"}
    assert {pair[name] for name in SECRETS} == {"s" * 32}
    assert not set(OTHERS) & {*plain, *pair}


def test_variables_of_our_client_are_set_and_absent_ones_of_others_stay_absent() -> None:
    assert {
        name: value for name, value in variables({}, PLAIN, URL).items() if "proxy" not in name.lower()
    } == {
        "COMETAPI_KEY": "sk-mock",
        "KLING_ACCESS_KEY": None,
        "KLING_SECRET_KEY": None,
        "KLING_API_KEY": "sk-mock",
        "KLING_BASE_URL": URL,
    }


@pytest.mark.parametrize(
    ("address", "replaced"),
    [
        ("https://api.cometapi.com/v1", True),
        ("https://api.openai.com/v1", False),
        ("", False),
        ("https://[", False),
    ],
)
def test_the_key_of_openai_is_replaced_where_its_address_is_the_services(
    address: str, *, replaced: bool
) -> None:
    present = {"OPENAI_API_KEY": "real", "OPENAI_BASE_URL": address}
    assert ("OPENAI_API_KEY" in variables(present, PLAIN, None)) == replaced


def test_loopback_and_the_service_bypass_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """As each library reads the variables; other hosts keep their proxy."""
    present = {"NO_PROXY": "mine.test,.corp", "HTTPS_PROXY": "http://proxy.test:1"}
    found = {**present, **variables(present, PLAIN, None)}
    assert str(found["NO_PROXY"]).startswith("mine.test,.corp,localhost,127.0.0.1,::1,")
    for name in ("HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.setenv(name, str(found[name]))
        monkeypatch.setenv(name.lower(), str(found[name]))
    direct = [*INTERCEPTED_HOSTS, "127.0.0.1", "localhost"]
    for host in (*direct, "other.test"):
        url = f"https://{host}/"
        proxied = host not in direct
        assert bool(requests.utils.get_environ_proxies(url)) == proxied
        assert bool(urllib.request.proxy_bypass(host)) != proxied
        libraries: tuple[Any, ...] = (httpx, httpx2)
        for library in libraries:
            with library.Client(verify=False) as client:
                pool = client._transport_for_url(library.URL(url))._pool
            assert (type(pool).__name__ == "HTTPProxy") == proxied
