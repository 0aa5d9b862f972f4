"""Removes secrets from the replies of the control API: API keys, token, webhook secret, and those in URLs."""

from __future__ import annotations

from typing import Any, cast

from kling_contracts.redaction import HIDDEN, Redactor, hide_in_urls
from kling_mock.auth import account_name
from kling_mock.fake import Fake
from kling_mock.keys import is_public
from kling_mock.settings import Settings


class Redaction:
    """Hides the secrets of a fake. Keys are shown as the names of their accounts."""

    def __init__(self, fake: Fake) -> None:
        self._fake = fake
        self._settings: Settings | None = None
        self._redactor: Redactor | None = None

    def hide(self, value: Any) -> Any:
        """A decoded JSON value without secrets."""
        settings = self._fake.settings
        if settings is not self._settings:
            self._redactor, self._settings = _redactor(settings), settings
        return self._hide(value)

    def _hide(self, value: Any) -> Any:
        if isinstance(value, str):
            text = hide_in_urls(value)
            text = text if self._redactor is None else self._redactor.text(text)
            # Surrogates, which a client may have sent, cannot be encoded.
            return text.encode("utf-8", "backslashreplace").decode()
        if isinstance(value, dict):
            pairs = cast("dict[str, Any]", value).items()
            return {self._hide(name): self._hide(each) for name, each in pairs}
        if isinstance(value, list | tuple):
            return [self._hide(each) for each in cast("list[Any]", value)]
        return value


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
