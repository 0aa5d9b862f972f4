"""Removes secrets from the replies of the control API: API keys, token, webhook secret, and those in URLs."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, cast

from kling_contracts.redaction import HIDDEN, Redactor, hide_in_urls
from kling_mock.auth import account_name
from kling_mock.fake import Fake
from kling_mock.keys import is_public
from kling_mock.settings import Settings

# Shorter texts, in characters, are kept with their results.
SHORT: Final = 256


class Redaction:
    """Hides the secrets of a fake. Keys are shown as the names of their accounts."""

    def __init__(self, fake: Fake) -> None:
        self._fake = fake
        self._settings: Settings | None = None
        self._redactor: Redactor | None = None
        # The URLs of pictures and receivers repeat in the tasks and calls of a page.
        self._without_parameters = lru_cache(maxsize=4096)(hide_in_urls)

    def hide(self, value: Any) -> Any:
        """A decoded JSON value without secrets."""
        settings = self._fake.settings
        if settings is not self._settings:
            self._redactor, self._settings = _redactor(settings), settings
        return self._hide(value)

    def _hide(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._hide_in_text(value)
        if isinstance(value, dict):
            pairs, hide = cast("dict[str, Any]", value).items(), self._hide_in_text
            return {
                hide(name): hide(each) if isinstance(each, str) else self._hide(each) for name, each in pairs
            }
        if isinstance(value, list | tuple):
            return [self._hide(each) for each in cast("list[Any]", value)]
        return value

    def _hide_in_text(self, text: str) -> str:
        if "=" in text or "://" in text:
            text = self._without_parameters(text) if len(text) <= SHORT else hide_in_urls(text)
        if self._redactor is not None:
            text = self._redactor.text(text)
        # Surrogates, which a client may have sent, cannot be encoded.
        return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _redactor(settings: Settings) -> Redactor | None:
    marks: dict[str, str] = {}
    for key in settings.keys:
        access, pair, secret = key.partition(":")
        if not is_public(key):
            marks[access] = account_name(access)
        if pair:
            marks[secret] = HIDDEN
    if settings.control_token:
        marks[settings.control_token] = HIDDEN
    if settings.webhook_secret is not None:
        marks[settings.webhook_secret.text] = HIDDEN
    if not marks:
        return None
    redactor = Redactor()
    redactor.add(marks)
    return redactor
