"""The policy for receivers called over HTTP: loopback, none, or any; and URLs in logs."""

from __future__ import annotations

import socket

import pytest

from kling_mock.callbacks.policy import refusal, without_secrets

HERE = [
    "http://127.0.0.1:5000/hook",
    "http://127.9.8.7/hook",
    "https://[::1]:8443/hook",
    "http://[::ffff:127.0.0.1]/hook",
    "http://localhost:3000/hook?x=1",
    "http://LocalHost/hook",
    "http://user:word@127.0.0.1/hook",
]
ELSEWHERE = [
    "https://my.example/hook",
    "http://10.0.0.1/hook",
    "http://192.168.0.1/hook",
    "http://169.254.169.254/hook",
    "http://0.0.0.0/hook",
    "http://[::]/hook",
    "http://[::ffff:10.0.0.1]/hook",
    "http://localhost.my.example/hook",
    "http://127.0.0.1.my.example/hook",
    "http://my.localhost/hook",
    "http://localhost./hook",
    "http://127.1/hook",
    "http://2130706433/hook",
    "http://0x7f000001/hook",
    "http://0177.0.0.1/hook",
    "http://localhost@my.example/hook",
    "http://127.0.0.1:80@my.example/hook",
    "http://my.example/127.0.0.1",
    "http://my.example#@127.0.0.1/",
    "http://[fe80::1]/hook",
    "http://[::1/hook",
    "http:///hook",
    "hook",
    "",
]


@pytest.fixture(autouse=True)
def _no_name_resolution(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking up a host name would already send data off the machine."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a name was resolved")

    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr"):
        monkeypatch.setattr(socket, name, refuse)


@pytest.mark.parametrize("url", HERE)
def test_receivers_on_this_machine_are_called(url: str) -> None:
    assert refusal(url, "loopback") is None


@pytest.mark.parametrize("url", ELSEWHERE)
def test_other_receivers_are_refused_with_the_flag_that_allows_them(url: str) -> None:
    assert "--callbacks any" in str(refusal(url, "loopback"))


@pytest.mark.parametrize("url", [*HERE, *ELSEWHERE])
def test_any_and_off_do_not_depend_on_the_host(url: str) -> None:
    assert refusal(url, "any") is None
    assert "callbacks are off; --callbacks loopback" in str(refusal(url, "off"))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:5000/hook", "http://127.0.0.1:5000/hook"),
        ("https://me:word@my.example/a/b?token=word#word", "https://my.example/a/b"),
        ("http://me:w@ord@my.example/", "http://my.example/"),
        ("http://h/\x1b[31mred", "http://h/\\x1b[31mred"),
        ("http://h/ü图", "http://h/\\xfc\\u56fe"),
        ("http://[::1/word", "(malformed URL)"),
    ],
)
def test_urls_are_shown_without_secrets_and_control_characters(url: str, shown: str) -> None:
    assert without_secrets(url) == shown
