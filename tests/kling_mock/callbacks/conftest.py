"""A list that receivers fill, and Django with its views."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator

import pytest


@pytest.fixture
def seen() -> list[str]:
    return []


@pytest.fixture
def django_module(seen: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Django with the views of `frameworks`. Its settings exist once in a process."""
    import django
    import django.conf
    from django.urls import clear_url_caches

    from tests.kling_mock.callbacks.frameworks import django_urls

    if not django.conf.settings.configured:
        django.conf.settings.configure(
            ALLOWED_HOSTS=["app.test"],
            ROOT_URLCONF="receiver_urls",
            MIDDLEWARE=[
                "django.middleware.common.CommonMiddleware",
                "django.middleware.csrf.CsrfViewMiddleware",
            ],
            LOGGING_CONFIG=None,
            SECRET_KEY="made up",
        )
        django.setup()
    urls = types.ModuleType("receiver_urls")
    urls.__dict__["urlpatterns"] = django_urls(seen)
    monkeypatch.setitem(sys.modules, "receiver_urls", urls)
    clear_url_caches()
    yield
    clear_url_caches()
