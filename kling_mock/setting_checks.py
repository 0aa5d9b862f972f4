"""Values of settings, converted and checked: ValueError names the setting, the rule and the value."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, cast, get_args

from kling_contracts.gateways import GATEWAYS, Gateway, every_operation
from kling_contracts.redaction import hide_in_urls
from kling_contracts.web_urls import is_web_url
from kling_mock.keys import AcceptedKeys, check_keys
from kling_mock.plan import Pace
from kling_mock.rate import Rate
from kling_mock.setting_types import (
    TYPES,
    CallbackFault,
    ClockMode,
    Reach,
    RetryAfter,
    UnusedScriptLevel,
    ValidationShape,
)
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

# Raises ValueError, for the name of a setting and its value.
SettingCheck = Callable[[str, Any], None]


def relaxable(rule: str) -> bool:
    """Whether the setting `ignore` accepts this rule id."""
    return rule.rpartition(".")[2] in RELAXABLE


def check_operations(names: Iterable[str], gateways: Iterable[Gateway]) -> None:
    """Check that each name is that of an optional operation of these gateways."""
    optional = {each.name for gateway in gateways for route in gateway.routes for each in route.optional}
    for name in set(names) - optional:
        raise ValueError(f"operations: {unknown('optional operation', name, sorted(optional))}")


def check_ignored(rules: Iterable[str], gateways: Iterable[Gateway]) -> None:
    """Check that each rule is one of these gateways and can be ignored."""
    known = {rule: None for each in every_operation(tuple(gateways)) for rule in each.rules}
    for rule in sorted(rules):
        if rule not in known:
            raise ValueError(f"ignore: {unknown('rule', rule, filter(relaxable, known))}")
        if not relaxable(rule):
            raise ValueError(f"ignore: rule {rule!r} is always enforced; only limits can be ignored")


def _check_cors(name: str, value: str) -> None:
    if value not in ("loopback", "off", "*") and not _ORIGIN.fullmatch(value):
        raise ValueError(
            f"{name}: must be loopback, off, * or an origin such as https://app.example, not {value!r}"
        )


def check_token(name: str, value: object) -> None:
    """Check a token for a header. The message does not contain it."""
    if value is None or (
        isinstance(value, str) and len(value) >= TOKEN_MINIMUM and _VISIBLE.fullmatch(value)
    ):
        return
    raise ValueError(f"{name} must be at least {TOKEN_MINIMUM} visible ASCII characters, or none")


def _check_seed(name: str, value: int) -> None:
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{name} must fit in 64 bits (signed); it has {value.bit_length()} bits")


def _check_faults(name: str, values: tuple[str, ...]) -> None:
    known = get_args(CallbackFault)
    for each in values:
        if each not in known:
            raise ValueError(f"{name}: {unknown('fault', each, known)}")


def _check_limit(name: str, value: int | None) -> None:
    if value is not None and value < 0:
        raise ValueError(f"{name} must be 0 or more, or none for no limit; got {value}")


def _check_seconds(name: str, value: float) -> None:
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name} must be a number of seconds, 0 or more; got {value!r}")


def _check_positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} must be positive; got {value!r}")


def _one_of(words: Any) -> SettingCheck:
    """A check that a value is one of the words of a Literal."""
    known = get_args(words)

    def check(name: str, value: object) -> None:
        if value not in known:
            raise ValueError(f"{name} must be {', '.join(known[:-1])} or {known[-1]}, not {value!r}")

    return check


def _read_texts(name: str, values: object) -> tuple[str, ...]:
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


def _read_text_set(name: str, values: object) -> frozenset[str]:
    return frozenset(_read_texts(name, values))


def _read_keys(name: str, values: object) -> AcceptedKeys:
    keys = AcceptedKeys(_read_texts(name, values))
    check_keys(keys)
    return keys


def _read_gateways(name: str, values: object) -> tuple[Gateway, ...]:
    """The gateways for a list of declarations and names."""
    known = {gateway.name: gateway for gateway in GATEWAYS}
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"{name} must be a list of gateways or their names, not {values!r}")  # noqa: TRY004 -- as above
    found: list[Gateway] = []
    for value in cast("Iterable[object]", values):
        if isinstance(value, str) and value not in known:
            raise ValueError(f"{name}: {unknown('gateway', value, known)}")
        gateway = known[value] if isinstance(value, str) else value
        if not isinstance(gateway, Gateway):
            raise ValueError(f"{name} must be a list of gateways or their names; it contains {value!r}")  # noqa: TRY004 -- as above
        found.append(gateway)
    if not found:
        raise ValueError(f"{name} must not be empty")
    return tuple(found)


def _read_state(name: str, path: object) -> str | None:
    """The path of a file as text, or the URL of a namespace in Redis."""
    if path is None:
        return None
    if not isinstance(path, str | os.PathLike):
        raise ValueError(f"{name} must be the path of a file, not {path!r}")  # noqa: TRY004 -- one kind of error for all settings
    text: object = os.fspath(cast("os.PathLike[Any]", path))
    if not isinstance(text, str) or not text or "\0" in text:
        raise ValueError(f"{name} must be the path of a file, not {text!r}")
    if "://" in text:
        from kling_mock.stores.redis.address import Address

        Address.parse(text)
    return text


def _read_pauses(name: str, values: object) -> tuple[float, ...]:
    """A list of seconds as a tuple."""
    try:
        pauses = tuple(float(value) for value in cast("Iterable[float]", values))
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be {TYPES['tuple[float, ...]'].text}, not {values!r}") from None
    for pause in pauses:
        if not 0 <= pause < float("inf"):
            raise ValueError(f"{name} must be numbers of seconds, each 0 or more; got {pause}")
    return pauses


def _read_units(name: str, values: object) -> tuple[int, ...]:
    """A list of units as a tuple."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"{name} must be a list of integers, not {values!r}")  # noqa: TRY004 -- one kind of error for all settings
    units = tuple(cast("Iterable[object]", values))
    for each in units:
        if type(each) is not int or each < 0:
            raise ValueError(f"{name} must be integers, each 0 or more; got {each!r}")
    return cast("tuple[int, ...]", units)


def _read_pace(_name: str, value: object) -> object:
    """A pace from its text form, which is all that markers and files can give; another value as it is."""
    return Pace.parse(value) if isinstance(value, str) else value


def _read_rate(name: str, value: object) -> object:
    """A rate from its text form; another value as it is."""
    if not isinstance(value, str):
        return value
    try:
        return Rate.parse(value)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def _read_secret(name: str, value: object) -> WebhookSecret | None:
    """The secret of a text. Messages do not contain it."""
    if value is None or isinstance(value, WebhookSecret):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string such as 'whsec_...', not a {type(value).__name__}")  # noqa: TRY004 -- as above
    try:
        return WebhookSecret(value)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def read_origin(name: str, url: object) -> str | None:
    """The URL without trailing slashes, so that a path can be appended."""
    if url is None:
        return None
    if not isinstance(url, str) or not is_web_url(url):
        raise ValueError(f"{name} must be an absolute http(s) URL, not {hide_in_urls(repr(url))}")
    return url.rstrip("/")


# The reader of a setting, which converts and checks its value: by name, or else by annotation.
_READERS: Final[Mapping[str, Callable[[str, object], object]]] = MappingProxyType(
    {
        "keys": _read_keys,
        "state": _read_state,
        "base_url": read_origin,
        "Pace": _read_pace,
        "Rate | None": _read_rate,
        "WebhookSecret | None": _read_secret,
        "frozenset[str]": _read_text_set,
        "tuple[str, ...]": _read_texts,
        "tuple[int, ...]": _read_units,
        "tuple[float, ...]": _read_pauses,
        "tuple[Gateway, ...]": _read_gateways,
    }
)
# The check of a value that has the right type: by name, or else by annotation.
_CHECKS: Final[Mapping[str, SettingCheck]] = MappingProxyType(
    {
        "seed": _check_seed,
        "cors": _check_cors,
        "control_token": check_token,
        "callback_faults": _check_faults,
        "token_leeway": _check_seconds,
        **dict.fromkeys(("retention_days", "body_cap", "journal_bytes"), _check_positive),
        "int | None": _check_limit,
        "ValidationShape": _one_of(ValidationShape),
        "ClockMode": _one_of(ClockMode),
        "Reach": _one_of(Reach),
        "RetryAfter": _one_of(RetryAfter),
        "UnusedScriptLevel": _one_of(UnusedScriptLevel),
    }
)


def read_setting(name: str, value: object, annotation: str) -> object:
    """The value of a setting as `Settings` keeps it, such as a pace for its text form."""
    reader = _READERS.get(name) or _READERS.get(annotation)
    if reader is not None:
        value = reader(name, value)
    kind = TYPES.get(annotation)
    if kind is not None and type(value) not in kind.kinds:
        raise ValueError(f"{name} must be {kind.text}, not {value!r}")
    check = _CHECKS.get(name) or _CHECKS.get(annotation)
    if check is not None:
        check(name, value)
    return value
