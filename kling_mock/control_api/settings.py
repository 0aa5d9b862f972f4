"""Settings: read them, and change those that can change while the server runs."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final, cast

from kling_mock.auth import account_name
from kling_mock.control_api import models
from kling_mock.control_api.problems import Problem, converted_errors, unknown_name
from kling_mock.fake import Fake
from kling_mock.keys import is_public
from kling_mock.plan import Pace
from kling_mock.rate import Rate
from kling_mock.settings import FIXED, Settings

# Settings that are never shown.
SECRETS: Final = frozenset({"control_token", "webhook_secret"})


def read_settings(fake: Fake) -> models.SettingsInfo:
    """Read the settings except secrets. Keys are shown as the names of their accounts."""
    names = [each.name for each in fields(Settings) if each.name not in SECRETS]
    values = {name: plain_value(name, getattr(fake.settings, name)) for name in names}
    return models.SettingsInfo(values, dict(FIXED))


def change_settings(fake: Fake, body: dict[str, Any]) -> models.SettingsInfo:
    """Change settings by name; the others stay. All of them change, or none."""
    known = [each.name for each in fields(Settings)]
    for name in body:
        if name not in known:
            raise unknown_name("setting", name, known, "/")
        if name in FIXED:
            raise Problem(409, f"{name}: cannot change while the server runs: {FIXED[name]}", f"/{name}")
    for name, value in body.items():  # first alone, to name the one that is invalid
        with converted_errors(f"/{name}"):
            Settings.of({name: value})
    with converted_errors(""):
        fake.change_settings(**body)
    return read_settings(fake)


def plain_value(name: str, value: object) -> object:
    """The value of a setting as JSON data, as `change_settings` accepts it."""
    if name == "keys":
        return [
            key if is_public(key) else account_name(key.partition(":")[0])
            for key in cast("tuple[str, ...]", value)
        ]
    if name == "gateways":
        return [gateway.name for gateway in cast("Any", value)]
    if isinstance(value, Pace | Rate):
        return str(value)
    if isinstance(value, tuple | frozenset):
        items = cast("tuple[object, ...]", value)
        return sorted(cast("Any", items)) if isinstance(value, frozenset) else list(items)
    return value
