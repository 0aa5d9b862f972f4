"""The body of a refused create, as the journal keeps it: its fields as they were sent.

Only small bodies are kept, without inline pictures, and with values that every store can keep.
"""

from __future__ import annotations

from typing import Final, cast

from kling_contracts.composite_fields import AnyField, ListOf, Nested
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
    known = {name for field in operation.fields if not _is_picture(field) for name in field.names}
    for name, value in fields.items():
        if not _is_plain(name) or not _is_plain(value, BODY_KEPT if name in known else TEXT_KEPT):
            return None
    return TaskRequest(tuple(fields), tuple(fields.values()), ())


def _is_picture(field: AnyField) -> bool:
    """Whether a field may have pictures, itself or in its items."""
    return isinstance(field, Picture | PictureList | ListOf | Nested)


def _is_plain(value: object, longest: int = TEXT_KEPT) -> bool:
    """Whether all parts of a value can be kept."""
    pending = [(value, 0)]
    while pending:
        each, depth = pending.pop()
        match each:
            case str() if (len(each) > longest and not is_web_url(each)) or not is_text(each):
                return False
            case int() if not -NUMBER_KEPT <= each <= NUMBER_KEPT:
                return False
            case list() | dict() if depth == DEPTH_KEPT:
                return False
            case list():
                pending += [(item, depth + 1) for item in cast("list[object]", each)]
            case dict():
                pairs = cast("dict[str, object]", each).items()
                pending += [(part, depth + 1) for pair in pairs for part in pair]
            case _:
                pass
    return True
