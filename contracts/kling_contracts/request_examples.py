"""Example bodies of a create request, from the fields of an operation."""

from __future__ import annotations

import math
from typing import Final, assert_never

from kling_contracts.composite_fields import AnyField, ListOf, Nested
from kling_contracts.fields import CallbackUrl, Choice, Flag, Integer, Number, Text
from kling_contracts.operations import Operation
from kling_contracts.picture_fields import Picture, PictureList
from kling_contracts.request_schemas import Document
from kling_contracts.rules import Reading
from kling_contracts.sample_pictures import encoded, jpeg
from kling_contracts.vocabulary import INPUT_SIDE_MINIMUM

# The page's own example repeats this address four times.
_PAGE_URL: Final = "https://filesystem.site/cdn/20250814/goDW44JIf6eSuxAS7TNringhWjO9kW.png"
_LIST: Final = "subject_image_list"
_URL: Final = "https://example.com/anna.png"
# Values that read well, for fields of these names that accept them. All others have a value of their kind.
_VALUES: Final[Document] = {
    _LIST: [{"subject_image": f"https://example.com/{name}.png"} for name in ("anna", "boat")],
    "prompt": "Anna in her boat at sea, la soirée, 夕焼け 🌅",
    "negative_prompt": "rain",
    "scence_image": "https://example.com/lamp.png",
    "scene_image": "https://example.com/lamp.png",
    "style_image": "https://example.com/tree.png",
    "image_reference": "face",
    "image_fidelity": 0.5,
    "human_fidelity": 0.45,
    "resolution": "2k",
    "n": 2,
    "aspect_ratio": "3:2",
    "callback_url": "https://example.com/hooks/kling",
    "external_task_id": "poster-42",
}


def request_examples(operation: Operation) -> Document:
    """Bodies that the schema accepts: the page's own, every field, pictures inline, nothing optional.

    Fields that exclude each other are not in one body. Without picture fields there is no inline picture.
    """
    required = operation.completed(
        {field.name: example_value(field) for field in operation.fields if field.required}, example_value
    )
    full = {field.name: example_value(field) for field in operation.fields}
    examples: Document = {}
    if any(field.name == _LIST for field in operation.fields):
        page = [{"subject_image": _PAGE_URL}] * 4
        examples["page"] = _example("The example of the page: equal pictures count", {_LIST: page})
    examples["full"] = _example("Every field", operation.completed(full, example_value))
    pictured = [field for field in operation.fields if _holds_pictures(field)]
    if pictured:
        inline = required | {pictured[0].name: _inline_value(pictured[0])}
        body = operation.completed(inline, example_value, keep=pictured[0].name)
        examples["inline"] = _example("Pictures as raw base64", body)
    optional = [field for field in operation.fields if not field.required]
    empty = {field.name: None if at % 2 else "" for at, field in enumerate(optional)}
    examples["empty"] = _example("null and the empty string mean absence", required | empty | required)
    return examples


def example_value(field: AnyField) -> object:
    """A valid value; optional parts of objects included."""
    known = _VALUES.get(field.name)
    if known is not None and _accepts(field, known):
        return known
    return _value(field, _URL)


def _accepts(field: AnyField, value: object) -> bool:
    reading = Reading()
    field.read(value, field.name, reading)
    return not reading.violations


def _value(field: AnyField, picture: str) -> object:  # noqa: C901 -- one case for each kind
    match field:
        case PictureList():
            return [{field.item.name: picture}] * max(field.minimum.value, 2)
        case Picture():
            return picture
        case Integer():
            return field.minimum.value
        case Number():
            whole = math.ceil(field.minimum.value)
            return whole if whole <= field.maximum.value else field.minimum.value
        case Flag():
            return True
        case Choice():
            return field.options.value[0] if field.default is None else field.default
        case CallbackUrl():
            return "https://example.com/hooks/kling"
        case Text():
            text = field.name.replace("_", " ")
            return text[: field.maximum.value] if field.maximum else text
        case Nested():
            return {part.name: _value(part, picture) for part in field.fields}
        case ListOf():
            return [_value(field.item, picture)] * max(field.minimum.value, 1)
        case _:
            assert_never(field)


def _inline_value(field: AnyField) -> object:
    # A JPEG: unlike a compressed PNG it comes out the same whatever zlib is installed.
    return _value(field, encoded(jpeg(INPUT_SIDE_MINIMUM.value, INPUT_SIDE_MINIMUM.value)))


def _holds_pictures(field: AnyField) -> bool:
    match field:
        case Picture() | PictureList():
            return True
        case Nested():
            return any(_holds_pictures(part) for part in field.fields)
        case ListOf():
            return _holds_pictures(field.item)
        case Text() | Choice() | Integer() | Number() | Flag():
            return False
        case _:
            assert_never(field)


def _example(summary: str, body: Document) -> Document:
    return {"summary": summary, "value": body}
