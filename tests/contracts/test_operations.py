"""The operations, typed by hand a second time: sentence and source of each rule; plain generation."""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import pytest

from kling_contracts.gateways import every_operation
from kling_contracts.operations import MULTI_IMAGE, MULTI_IMAGE2IMAGE, TEXT_TO_IMAGE, Operation, validate
from kling_contracts.rules import Effect
from kling_contracts.web_urls import URL_PATTERN
from tests.rows import each_row

URL = "https://example.com/a.png"
RATIOS = "16:9, 9:16, 1:1, 4:3, 3:4, 3:2, 2:3, 21:9"


def picture(name: str, source: str) -> dict[str, tuple[str, str]]:
    return {
        f"{name}.type": (f"{name} is a string", source),
        f"{name}.url": (f"{name} is an absolute http(s) URL if it begins with http(s)://", "assumed"),
        f"{name}.base64": (f"{name} is a URL or raw base64", "captured"),
        f"{name}.max_bytes": (f"{name} has at most 10 MB", "official"),
        f"{name}.format": (f"{name} is a PNG or JPEG", "official"),
        f"{name}.min_side": (f"{name} is at least 300 px on each side", "official"),
        f"{name}.shape": (f"{name} has an aspect ratio between 1:2.5 and 2.5:1", "official"),
    }


def subjects(minimum: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    name = "subject_image_list"
    return {
        "body.type": ("the request body is a JSON object", "seed"),
        f"{name}.required": (f"{name} is given", "seed"),
        f"{name}.type": (f"{name} is an array", "seed"),
        **minimum,
        f"{name}.max_items": (f"{name} has at most 4 images", "seed"),
        f"{name}.item_type": (f"{name} is a list of objects with the key subject_image", "seed"),
        "subject_image.required": ("subject_image is given", "seed"),
        **picture("subject_image", "seed"),
    }


SHARED = {
    "n.type": ("n is an integer", "seed"),
    "n.integer": ("n is a whole number", "seed"),
    "n.minimum": ("n is at least 1", "official"),
    "n.maximum": ("n is at most 9", "official"),
    "aspect_ratio.type": ("aspect_ratio is a string", "seed"),
    "aspect_ratio.enum": (f"aspect_ratio is one of {RATIOS}", "seed"),
    "callback_url.type": ("callback_url is a string", "seed"),
    "callback_url.unicode": ("callback_url is valid Unicode text", "assumed"),
    "callback_url.url": ("callback_url is an absolute http(s) URL", "assumed"),
    "external_task_id.type": ("external_task_id is a string", "seed"),
    "external_task_id.unicode": ("external_task_id is valid Unicode text", "assumed"),
    "body.unicode": ("every string in the body is valid Unicode text", "assumed"),
}
PROMPT = {
    "prompt.type": ("prompt is a string", "seed"),
    "prompt.unicode": ("prompt is valid Unicode text", "assumed"),
    "prompt.max_length": ("prompt has at most 2500 characters", "seed"),
}
RULES = {
    "multi-image": {
        **subjects(
            {"subject_image_list.min_items": ("subject_image_list has at least 2 images", "seed")},
        ),
        "model_name.type": ("model_name is a string", "seed"),
        "model_name.enum": ("model_name is kling-v2", "seed"),
        **PROMPT,
        **picture("scence_image", "seed"),
        **picture("style_image", "seed"),
        **SHARED,
    },
    "multi-image2image": {
        **subjects({}),
        "model_name.type": ("model_name is a string", "seed"),
        "model_name.enum": ("model_name is one of kling-v2, kling-v2-1", "official"),
        **PROMPT,
        **picture("scene_image", "official"),
        **picture("style_image", "seed"),
        **SHARED,
    },
    "text-to-image": {
        "body.type": ("the request body is a JSON object", "seed"),
        "model_name.type": ("model_name is a string", "official"),
        "model_name.enum": ("model_name is one of kling-v2-1, kling-v3", "official"),
        "prompt.required": ("prompt is given", "official"),
        "prompt.type": ("prompt is a string", "official"),
        "prompt.unicode": ("prompt is valid Unicode text", "assumed"),
        "prompt.max_length": ("prompt has at most 2500 characters", "official"),
        "negative_prompt.type": ("negative_prompt is a string", "official"),
        "negative_prompt.unicode": ("negative_prompt is valid Unicode text", "assumed"),
        "negative_prompt.max_length": ("negative_prompt has at most 2500 characters", "official"),
        **picture("image", "official"),
        "image_reference.type": ("image_reference is a string", "official"),
        "image_reference.enum": ("image_reference is one of subject, face", "official"),
        "image_fidelity.type": ("image_fidelity is a number", "official"),
        "image_fidelity.range": ("image_fidelity is between 0 and 1", "official"),
        "human_fidelity.type": ("human_fidelity is a number", "official"),
        "human_fidelity.range": ("human_fidelity is between 0 and 1", "official"),
        "resolution.type": ("resolution is a string", "official"),
        "resolution.enum": ("resolution is one of 1k, 2k", "official"),
        **SHARED,
    },
}
EVERY = (MULTI_IMAGE, MULTI_IMAGE2IMAGE, TEXT_TO_IMAGE)
operation_named = pytest.mark.parametrize("operation", EVERY, ids=[each.name for each in EVERY])


@operation_named
def test_every_rule_is_as_typed_here(operation: Operation) -> None:
    """The ids in order, the sentences, and the kind of evidence."""
    actual = [(rule.id, (rule.sentence, rule.source.origin.value)) for rule in operation.rules.values()]
    assert actual == list(RULES[operation.name].items())


@operation_named
def test_only_bad_pictures_fail_later(operation: Operation) -> None:
    later = {rule.id.partition(".")[2] for rule in operation.rules.values() if rule.effect is Effect.FAILS}
    assert later == {"format", "min_side", "shape"}
    # Only these have a limit in the text of the error response.
    limited = {rule.id.partition(".")[2] for rule in operation.rules.values() if rule.limit}
    assert limited - {"min_items", "max_items", "item_type", "required", "range"} == {
        *("type", "enum", "max_bytes", "max_length", "minimum", "maximum"),
    }
    assert "required" not in limited
    assert {(rule.status, rule.code) for rule in operation.rules.values()} == {(400, 1201)}


def test_operations_are_as_typed_here() -> None:
    """Name, tail, selector, units per picture, and defaults; `RULES` has all operations of the gateways."""
    assert set(RULES) == {each.name for each in EVERY} == {each.name for each in every_operation()}
    assert [(each.name, each.tail, each.selector, each.units_per_image.value) for each in EVERY] == [
        ("multi-image", "images/generations", "subject_image_list", 16),
        ("multi-image2image", "images/multi-image2image", None, 16),
        ("text-to-image", "images/generations", None, 8),
    ]
    usual = {"n": 1, "aspect_ratio": "16:9"}
    assert [each.defaults for each in EVERY] == [
        {"model_name": "kling-v2", **usual},
        {"model_name": "kling-v2", **usual},
        {"model_name": "kling-v3", **usual},
    ]
    aliases = {field.name: field.aliases for each in EVERY for field in each.fields if field.aliases}
    assert aliases == {"scence_image": ("scene_image",), "scene_image": ("scence_image",)}


def test_fields_by_name() -> None:
    assert MULTI_IMAGE.field("n").name == "n"
    with pytest.raises(KeyError, match=r"multi-image has no field .m."):
        MULTI_IMAGE.field("m")


# -- plain generation, value by value


class Row(NamedTuple):
    name: str
    fields: dict[str, object]
    due: tuple[str, ...] = ()


PLAIN = [
    Row("only a prompt", {}),
    *[
        Row(f"{name} {value!r}", {name: value})
        for name in ("image_fidelity", "human_fidelity")
        for value in (0, 1, 0.0, 1.0, 0.5, 5e-324, 0.9999999999999999, -0.0, None, "")
    ],
    *[
        Row(f"{name} {value!r}", {name: value}, (f"{name}.range",))
        for name in ("image_fidelity", "human_fidelity")
        for value in (-1, 2, -5e-324, 1.0000000000000002, math.nan, math.inf, -math.inf, 10**400)
    ],
    *[
        Row(f"{name} {value!r}", {name: value}, (f"{name}.type",))
        for name in ("image_fidelity", "human_fidelity")
        for value in (True, False, "0.5", "1", [0.5], {"value": 1})
    ],
    *[Row(f"reference {text!r}", {"image_reference": text}) for text in ("subject", "face")],
    *[
        Row(f"reference {text!r}", {"image_reference": text}, ("image_reference.enum",))
        for text in ("Face", "style")
    ],
    *[Row(f"resolution {text!r}", {"resolution": text}) for text in ("1k", "2k")],
    *[Row(f"resolution {text!r}", {"resolution": text}, ("resolution.enum",)) for text in ("1K", "4k", "1")],
    Row("resolution 1", {"resolution": 1}, ("resolution.type",)),
    *[Row(f"model {text}", {"model_name": text}) for text in ("kling-v3", "kling-v2-1")],
    *[
        Row(f"model {text}", {"model_name": text}, ("model_name.enum",))
        for text in ("kling-v2", "kling-v1", "kling-v3-0")
    ],
    Row("prompt 2500", {"prompt": "漢" * 2500}),
    Row("prompt 2501", {"prompt": "漢" * 2501}, ("prompt.max_length",)),
    Row("prompt empty", {"prompt": ""}, ("prompt.required",)),
    Row("prompt null", {"prompt": None}, ("prompt.required",)),
    Row("negative prompt 2500", {"negative_prompt": "a" * 2500}),
    Row("negative prompt 2501", {"negative_prompt": "a" * 2501}, ("negative_prompt.max_length",)),
    Row("image", {"image": URL}),
    Row("image no base64", {"image": "a.png"}, ("image.base64",)),
    Row("n 9", {"n": 9}),
    Row("n 10", {"n": 10}, ("n.maximum",)),
    Row("callback", {"callback_url": "/hook"}, ("callback_url.url",)),
]


@each_row("row", PLAIN, ids=[row.name.encode("ascii", "replace").decode() for row in PLAIN])
def test_plain_generation(row: Row) -> None:
    """Each invalid value breaks exactly the expected rule; a valid one is not changed."""
    reading = TEXT_TO_IMAGE.read({"prompt": "at sea", **row.fields})
    assert tuple(violation.rule.id for violation in reading.violations) == row.due
    ((name, value),) = (row.fields or {"prompt": "at sea"}).items()
    if not row.due:
        assert reading.values.get(name) == (value or None if isinstance(value, str) else value)


def test_plain_generation_needs_a_prompt() -> None:
    assert [violation.message for violation in validate({}, TEXT_TO_IMAGE)] == ["prompt cannot be empty"]
    unknown = {"prompt": "a", "model_name": "kling-v1"}
    assert [each.message for each in validate(unknown, TEXT_TO_IMAGE)] == ["model is not supported"]


# -- JSON Schemas of fields


def test_schemas_of_fields_are_as_typed_here() -> None:
    """All keywords except patterns, which other tests cover."""
    found = {
        field.name: dict(field.schema()) for each in (MULTI_IMAGE, TEXT_TO_IMAGE) for field in each.fields
    }
    assert found["callback_url"].pop("pattern") == URL_PATTERN
    url, *inline = cast("list[dict[str, object]]", found["image"].pop("anyOf"))
    assert url == {"format": "uri", "pattern": URL_PATTERN}
    assert [(each["contentEncoding"], each["maxLength"]) for each in inline] == [
        ("base64", 13_981_012),
        ("base64", 13_981_016),
    ]
    items = found["subject_image_list"].pop("items")
    assert items == {
        "type": "object",
        "required": ["subject_image"],
        "properties": {
            "subject_image": {
                "description": "A subject: an http(s) URL, or raw base64 without a `data:` prefix. "
                "PNG or JPEG.",
                **found.pop("scence_image"),
            }
        },
    }
    del found["style_image"]
    assert found == {
        "subject_image_list": {"type": "array", "minItems": 2, "maxItems": 4},
        "model_name": {"type": "string", "enum": ["kling-v2-1", "kling-v3"]},
        "prompt": {"type": "string", "minLength": 1, "maxLength": 2500},  # required in text-to-image
        "negative_prompt": {"type": "string", "maxLength": 2500},
        "image": {"type": "string"},
        "image_reference": {"type": "string", "enum": ["subject", "face"]},
        "image_fidelity": {"type": "number", "minimum": 0.0, "maximum": 1.0},
        "human_fidelity": {"type": "number", "minimum": 0.0, "maximum": 1.0},
        "resolution": {"type": "string", "enum": ["1k", "2k"]},
        "n": {"type": "integer", "minimum": 1, "maximum": 9},
        "aspect_ratio": {"type": "string", "enum": RATIOS.split(", ")},
        "callback_url": {"type": "string", "format": "uri"},
        "external_task_id": {"type": "string"},
    }
