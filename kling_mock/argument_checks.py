"""Values of arguments, checked: ValueError names the argument, the rule and the value."""

from __future__ import annotations

import json
from collections.abc import Iterable

from kling_mock.suggestions import unknown


def check_whole(name: str, value: object, least: int) -> int:
    """Return an integer of at least `least`; True and False are not integers."""
    if type(value) is not int or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, not {value!r}")
    return value


def check_positive(name: str, value: object) -> float:
    """Return a finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError(f"{name} must be a positive number, not {value!r}")
    return value


def check_text(name: str, value: object) -> str:
    """Return a string that is not empty, and can be encoded as UTF-8."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be a non-empty string, not {value!r}")
    check_unicode(name, value)
    return value


def check_unicode(name: str, value: str) -> bytes:
    """Return a string in UTF-8."""
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        found = value[error.start : error.end]
        raise ValueError(
            f"{name} must be Unicode text; {found!a} at {error.start} is a part of a character"
        ) from None


def check_json(name: str, value: object) -> bytes:
    """Return a value as JSON in UTF-8."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{name} must be a value of JSON; {error}") from None
    return check_unicode(name, text)


def check_word(name: str, value: object, known: Iterable[str]) -> str:
    """Return one of the known words. The error suggests similar ones."""
    words = list(known)
    if value not in words or not isinstance(value, str):
        raise ValueError(unknown(f"value of {name}", str(value), words))
    return value
