"""Checks of the values of settings: each raises ValueError that names the setting, the rule and the value."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, cast, get_args

from kling_contracts.gateways import GATEWAYS, Gateway, every_operation
from kling_contracts.redaction import hide_in_urls
from kling_contracts.web_urls import is_web_url
from kling_mock.plan import Pace
from kling_mock.rate import Rate
from kling_mock.suggestions import unknown
from kling_mock.webhook_secret import WebhookSecret

# The last parts of the ids of rules that can be ignored: limits, not types, encodings or the range of `n`.
RELAXABLE: Final = frozenset(
    {"max_length", "enum", "min_items", "max_items", "url", "max_bytes", "format", "min_side", "shape"}
)

# Scheme, host and port, as browsers send them in the header Origin; or `null`, that of files.
_ORIGIN: Final = re.compile(r"null|[a-z][a-z0-9+.-]*://[^/\s?#@*,]+", re.IGNORECASE | re.ASCII)


# The characters and the smallest length of a token.
_VISIBLE: Final = re.compile(r"[!-~]+")
TOKEN_MINIMUM: Final = 8


class SettingType(NamedTuple):
    """The types of a setting's values, and how messages name them."""

    kinds: tuple[type, ...]
    text: str


# The types of plain settings by annotation. Compared exactly, because True is an int too.
TYPES: Final[Mapping[str, SettingType]] = MappingProxyType(
    {
        "Pace": SettingType((Pace,), "a pace such as 'polls:3'"),
        "bool": SettingType((bool,), "true or false"),
        "int": SettingType((int,), "an integer"),
        "int | None": SettingType((int, type(None)), "an integer or none"),
        "float": SettingType((int, float), "a number"),
        "str": SettingType((str,), "text"),
        "Rate | None": SettingType((Rate, type(None)), "a rate such as '10/60' or none"),
        "tuple[int, ...]": SettingType((tuple,), "a list of integers"),
        "tuple[float, ...]": SettingType((tuple,), "a list of numbers (seconds)"),
    }
)


def relaxable(rule: str) -> bool:
    """Whether the setting `ignore` accepts this rule id."""
    return rule.rpartition(".")[2] in RELAXABLE


def check_type(name: str, value: object, annotation: str) -> None:
    """Check the type of a plain setting; the values of others have checks of their own."""
    kind = TYPES.get(annotation)
    if kind is not None and type(value) not in kind.kinds:
        raise ValueError(f"{name} must be {kind.text}, not {value!r}")


def check_word(name: str, value: object, words: Any) -> None:
    """Check that a value is one of the words of a Literal."""
    known = get_args(words)
    if value not in known:
        raise ValueError(f"{name} must be {', '.join(known[:-1])} or {known[-1]}, not {value!r}")


def check_ignored(rules: Iterable[str], gateways: Iterable[Gateway]) -> None:
    known = {rule: None for each in every_operation(tuple(gateways)) for rule in each.rules}
    for rule in sorted(rules):
        if rule not in known:
            raise ValueError(f"ignore: {unknown('rule', rule, filter(relaxable, known))}")
        if not relaxable(rule):
            raise ValueError(f"ignore: rule {rule!r} is always enforced; only limits can be ignored")


def check_cors(value: str) -> None:
    if value not in ("loopback", "off", "*") and not _ORIGIN.fullmatch(value):
        raise ValueError(
            f"cors: must be loopback, off, * or an origin such as https://app.example, not {value!r}"
        )


def check_token(name: str, value: object) -> None:
    """Check a token for a header. The message does not contain it."""
    if value is None or (
        isinstance(value, str) and len(value) >= TOKEN_MINIMUM and _VISIBLE.fullmatch(value)
    ):
        return
    raise ValueError(f"{name} must be at least {TOKEN_MINIMUM} visible ASCII characters, or none")


def read_texts(name: str, values: object) -> tuple[str, ...]:
    """A list of strings as a tuple."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        # The value is left out: it may be an API key.
        raise ValueError(f"{name} must be a list of strings, not of type {type(values).__name__}")  # noqa: TRY004 -- one kind of error for all settings
    texts = tuple(cast("Iterable[object]", values))
    for text in texts:
        if not isinstance(text, str):
            # The value is left out here too.
            raise ValueError(f"{name} must be a list of strings; it contains a {type(text).__name__}")  # noqa: TRY004 -- as above
    return cast("tuple[str, ...]", texts)


def read_gateways(values: object) -> tuple[Gateway, ...]:
    """The gateways for a list of declarations and names."""
    known = {gateway.name: gateway for gateway in GATEWAYS}
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"gateways must be a list of gateways or their names, not {values!r}")  # noqa: TRY004 -- as above
    found: list[Gateway] = []
    for value in cast("Iterable[object]", values):
        if isinstance(value, str) and value not in known:
            raise ValueError(f"gateways: {unknown('gateway', value, known)}")
        gateway = known[value] if isinstance(value, str) else value
        if not isinstance(gateway, Gateway):
            raise ValueError(f"gateways must be a list of gateways or their names; it contains {value!r}")  # noqa: TRY004 -- as above
        found.append(gateway)
    if not found:
        raise ValueError("gateways must not be empty")
    return tuple(found)


def read_path(name: str, path: object) -> str:
    """The path of a file as text."""
    if not isinstance(path, str | os.PathLike):
        raise ValueError(f"{name} must be the path of a file, not {path!r}")  # noqa: TRY004 -- one kind of error for all settings
    text: object = os.fspath(cast("os.PathLike[Any]", path))
    if not isinstance(text, str) or not text or "\0" in text:
        raise ValueError(f"{name} must be the path of a file, not {text!r}")
    scheme, separator, _ = text.partition("://")
    if separator:
        raise ValueError(f"{name} must be the path of a file; {scheme}:// is not supported")
    return text


def read_pauses(name: str, values: object) -> tuple[float, ...]:
    """A list of seconds as a tuple."""
    try:
        pauses = tuple(float(value) for value in cast("Iterable[float]", values))
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be {TYPES['tuple[float, ...]'].text}, not {values!r}") from None
    for pause in pauses:
        if not 0 <= pause < float("inf"):
            raise ValueError(f"{name} must be numbers of seconds, each 0 or more; got {pause}")
    return pauses


def read_units(name: str, values: object) -> tuple[int, ...]:
    """A list of units as a tuple."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"{name} must be a list of integers, not {values!r}")  # noqa: TRY004 -- one kind of error for all settings
    units = tuple(cast("Iterable[object]", values))
    for each in units:
        if type(each) is not int or each < 0:
            raise ValueError(f"{name} must be integers, each 0 or more; got {each!r}")
    return cast("tuple[int, ...]", units)


def read_rate(name: str, text: str) -> Rate:
    """A rate from its text form."""
    try:
        return Rate.parse(text)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def read_secret(name: str, value: object) -> WebhookSecret | None:
    """The secret of a text. Messages do not contain it."""
    if value is None or isinstance(value, WebhookSecret):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string such as 'whsec_...', not a {type(value).__name__}")  # noqa: TRY004 -- as above
    try:
        return WebhookSecret(value)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def read_origin(name: str, url: object) -> str:
    """The URL without trailing slashes, so that a path can be appended."""
    if not isinstance(url, str) or not is_web_url(url):
        raise ValueError(f"{name} must be an absolute http(s) URL, not {hide_in_urls(repr(url))}")
    return url.rstrip("/")
