"""The body of a refused create, as the journal keeps it: its fields as they were sent.

Only small bodies are kept, without inline pictures, and with values that every store can keep.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, cast

from kling_contracts.composite_fields import ListOf, Nested
from kling_contracts.image_fields import Picture, PictureList
from kling_contracts.operations import Operation
from kling_contracts.rules import is_text
from kling_contracts.web_urls import is_web_url
from kling_mock.task_request import TaskRequest

# Larger bodies, in bytes, are not kept.
BODY_KEPT: Final = 16_384
# A longer text, in characters, may be a picture: except a URL, and the value of another field.
TEXT_KEPT: Final = 64
DEPTH_KEPT: Final = 16
# JSON texts exchange integers up to this exactly.
NUMBER_KEPT: Final = 2**53


def refused_body(body: object, size: int, operation: Operation) -> TaskRequest | None:
    """The fields of a decoded body of this size in bytes; None if it is not kept."""
    if size > BODY_KEPT or not isinstance(body, dict):
        return None
    fields = cast("dict[str, object]", body)
    known = _without_pictures(operation)
    for name, value in fields.items():
        if not _is_plain(name) or not _is_plain(value, BODY_KEPT if name in known else TEXT_KEPT):
            return None
    return TaskRequest(tuple(fields), tuple(fields.values()), ())


@lru_cache
def _without_pictures(operation: Operation) -> frozenset[str]:
    """The names of the fields that have no pictures, neither themselves nor in their items."""
    kinds = (Picture, PictureList, ListOf, Nested)
    return frozenset(
        name for field in operation.fields if not isinstance(field, kinds) for name in field.names
    )


def _is_plain(value: object, longest: int = TEXT_KEPT, depth: int = 0) -> bool:
    """Whether all parts of a JSON value can be kept. Bounded by `DEPTH_KEPT`, so it may be recursive."""
    if isinstance(value, str):
        return (len(value) <= longest or is_web_url(value)) and is_text(value)
    if isinstance(value, dict):
        pairs = cast("dict[str, object]", value).items()
        return depth < DEPTH_KEPT and all(
            _is_plain(name) and _is_plain(each, longest, depth + 1) for name, each in pairs
        )
    if isinstance(value, list):
        items = cast("list[object]", value)
        return depth < DEPTH_KEPT and all(_is_plain(each, longest, depth + 1) for each in items)
    return not isinstance(value, int) or -NUMBER_KEPT <= value <= NUMBER_KEPT
