"""Kinds of fields, value by value: numbers, flags, objects, lists, constraints."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any, cast

import pytest

from kling_contracts.composite_fields import Nested, read_field
from kling_contracts.constraints import RequiredWhen
from kling_contracts.fields import Choice, Field, Integer
from kling_contracts.image_files import encoded, png
from kling_contracts.openapi.requests import request_schema
from kling_contracts.operations import Operation
from kling_contracts.rules import ValidationResult
from tests.contracts.test_trial_operations import Judge
from tests.contracts.trial_rows import CLIP, INLINE, NEEDED, ROWS, URL, Row, body_of
from tests.rows import each_row
from tests.trial_operations import SERIES, SOUND, SPEECH, TRIAL_OPERATIONS, VIDEO


@each_row("row", ROWS, ids=lambda row: ascii(row.fields)[:60])
def test_each_value_has_the_expected_verdict(row: Row) -> None:
    """Each value has the expected path and rule, or the expected normalised value."""
    reading = row.operation.read(body_of(row))
    if isinstance(row.expected, list):
        assert [(each.field, each.rule.id) for each in reading.violations] == row.expected
        return
    assert reading.violations == []
    needed = {key: value for key, value in NEEDED[row.operation.name].items() if key not in row.fields}
    beside = {"video_id": "1"} if "asmr_mode" in row.fields else {}
    assert reading.values == needed | beside | row.expected


def test_the_schema_agrees_with_the_tables() -> None:
    wrong = [
        (row.operation.name, row.fields)
        for row in ROWS
        if row.expressible
        and Judge(request_schema(row.operation)).is_valid(body_of(row)) == isinstance(row.expected, list)
    ]
    assert wrong == []


@pytest.mark.parametrize("required", [False, True])
def test_the_schema_agrees_about_three_names_of_a_field(required: bool) -> None:
    """Schema and validation agree for each name absent, null, empty, valid or invalid."""
    mode = replace(
        cast("Choice", VIDEO.field("mode")), aliases=("way", "kind"), required=required, default=None
    )
    amount = replace(cast("Integer", SERIES.field("n")), name="amount", default=None)
    needed = RequiredWhen(field="amount", when="mode", values=("pro",), source=VIDEO.source)
    operation = replace(VIDEO, fields=(mode, amount), constraints=(needed,))
    schema = Judge(request_schema(operation))
    nothing = object()
    values = (nothing, None, "", "std", "pro", "x")
    for given in itertools.product(values, values, values, (nothing, None, 2)):
        names = zip(("mode", "way", "kind", "amount"), given, strict=True)
        body = {name: value for name, value in names if value is not nothing}
        assert schema.is_valid(body) == (operation.read(body).violations == []), body


def test_schemas_of_kinds_are_as_typed_here() -> None:
    def schema(operation: Operation, name: str) -> dict[str, Any]:
        return dict(operation.field(name).schema())

    absent: list[dict[str, object]] = [{"type": "null"}, {"const": ""}]
    number: dict[str, object] = {"type": "number", "minimum": -10.0, "maximum": 10.0}
    config = {
        "type": "object",
        "required": [],
        "properties": {
            "pan": {"description": "Up.", "anyOf": [number, *absent]},
            "zoom": {"description": "Closer.", "anyOf": [number | {"multipleOf": 0.1}, *absent]},
            "zoom_in": {
                "description": "Alias of `zoom`; ignored if `zoom` is given.",
                "x-alias-of": "zoom",
            },
        },
        "allOf": [
            {
                "if": {"required": ["zoom"], "properties": {"zoom": {"not": {"enum": [None, ""]}}}},
                "else": {
                    "properties": {"zoom_in": {"anyOf": [number | {"multipleOf": 0.1}, *absent]}},
                },
            }
        ],
    }
    kind = {"type": "string", "enum": ["simple", "down_back"]}
    assert schema(VIDEO, "camera_control") == {
        "type": "object",
        "required": [],
        "properties": {
            "type": {
                "description": "The kind of movement.",
                "anyOf": [kind, *absent],
                "default": "simple",
            },
            "config": {"description": "The movement.", "anyOf": [config, *absent]},
        },
    }
    shots = schema(VIDEO, "multi_prompt")
    assert (shots["type"], shots["minItems"], shots["maxItems"]) == ("array", 1, 6)
    assert shots["items"]["description"] == "A shot."
    assert shots["items"]["required"] == ["prompt"]
    assert shots["items"]["properties"]["prompt"] == {
        "description": "The shot.",
        "type": "string",
        "minLength": 1,
        "maxLength": 64,
    }
    assert schema(VIDEO, "sound") == {"type": "boolean"}
    assert schema(VIDEO, "cfg_scale") == {"type": "number", "minimum": 0, "maximum": 1, "multipleOf": 0.01}
    assert schema(SPEECH, "voice_speed") == {
        "type": "number",
        "x-clamped-to": {"minimum": 0.8, "maximum": 2.0},
        "multipleOf": 0.1,
    }


def test_messages_name_the_path() -> None:
    def messages(operation: Operation, **fields: object) -> list[str]:
        reading = operation.read(NEEDED[operation.name] | fields)
        return [violation.message for violation in reading.violations]

    assert messages(VIDEO, camera={"config": {"pan": 11}}) == ["camera.config.pan value '11' is invalid"]
    assert messages(VIDEO, multi_prompt=[{}], duration="5") == ["multi_prompt[0].prompt cannot be empty"]
    assert messages(VIDEO, multi_prompt=[], duration="5") == ["multi_prompt size must be between 1 and 6"]
    assert messages(VIDEO, camera=1) == ["camera value type is invalid, expected object"]
    assert messages(SOUND) == ["exactly one of video_id, video_url, image must be given"]
    assert messages(VIDEO, sound=True) == ["cfg_scale cannot be empty"]
    assert messages(SPEECH, voice_speed="1") == ["voice_speed value type is invalid, expected number"]


def test_constraints_as_typed_here() -> None:
    """The sentences of constraints, and the values in their violations."""
    texts = {
        each.rule.id: (each.rule.sentence, each.rule.limit)
        for operation in TRIAL_OPERATIONS
        for each in operation.constraints
    }
    assert texts == {
        "duration.required_when": ("duration is given when multi_prompt is given", ""),
        "cfg_scale.required_when": ("cfg_scale is given when sound is true", ""),
        "series_amount.required_when": ("series_amount is given when result_type is series", ""),
        "video_id.exactly_one": (
            "exactly one of video_id, video_url, image is given",
            "video_id, video_url, image",
        ),
    }
    two = RequiredWhen(field="a", when="b", values=("x", 2), source=SOUND.source)
    assert two.rule.sentence == "a is given when b is x or 2"
    assert [each.value for each in SOUND.read({}).violations] == ["null"]
    both = SOUND.read({"image": URL, "video": CLIP})
    assert [each.value for each in both.violations] == ["video_url, image"]
    assert [each.value for each in VIDEO.read({"prompt": "a", "sound": True}).violations] == ["null"]


def test_notes_name_the_path() -> None:
    """Notes on ignored keys, aliases and clamped numbers, at every depth."""
    config: dict[str, object] = {"pan": 1, "zoom": 1, "zoom_in": 2, "roll": 1}
    body: dict[str, object] = {
        "prompt": "a",
        "camera": {"config": config, "x" * 61: 1},
        "multi_prompt": [{"prompt": "a", "y": 2}],
        "seconds": "5",
    }
    assert VIDEO.read(body).notes == [
        "seconds used as duration",
        "camera used as camera_control",
        "camera.config.zoom_in ignored: camera_control.config.zoom is given",
        "unknown field ignored: camera.config['roll']",
        f"unknown field ignored: camera['{'x' * 60}']",
        "unknown field ignored: multi_prompt[0]['y']",
    ]
    assert SPEECH.read({"text": "a", "voice_language": "en", "voice_speed": 9}).notes == [
        "voice_speed: 9 replaced by the limit 2"
    ]


def test_pictures_are_found_wherever_they_are() -> None:
    """Pictures at every depth, with paths, in order. A bad one makes the task fail; values have no bytes."""
    small = encoded(png(100, 100))
    reading = SERIES.read(
        {
            "prompt": "a",
            "series_amount": 2,
            "image_list": [{"image": URL}, {"image_url": INLINE}],
            "mask_list": [small, URL],
        }
    )
    assert [(each.field, each.url, each.data is None) for each in reading.pictures] == [
        ("image_list[0].image", URL, True),
        ("image_list[1].image_url", None, False),
        ("mask_list[0]", None, False),
        ("mask_list[1]", URL, True),
    ]
    assert [(each.field, each.rule.id, each.effect.value) for each in reading.violations] == [
        ("mask_list[0]", "mask_list.mask.min_side", "fails")
    ]
    assert INLINE not in repr(reading.values)
    assert small not in repr(reading.values)


def test_null_counts_inside_objects_too_where_it_is_a_value() -> None:
    body = {"prompt": "a", "camera_control": {"type": None}, "multi_prompt": [None], "duration": "5"}
    found = VIDEO.read(body, null_is_absent=False).violations
    assert [each.rule.id for each in found] == ["camera_control.type.type", "multi_prompt.shot.type"]


@pytest.mark.parametrize("operation", TRIAL_OPERATIONS, ids=lambda each: each.name)
def test_rule_ids_are_unique_and_name_their_field(operation: Operation) -> None:
    ids = [rule.id for each in operation.fields for rule in each.rules]
    ids += [constraint.rule.id for constraint in operation.constraints]
    assert len(set(ids)) == len(ids)
    assert list(operation.rules) == ["body.type", *ids, "body.unicode"]
    assert {rule.partition(".")[0] for rule in ids} <= {each.name for each in operation.fields}


def test_rules_of_objects_and_lists_as_typed_here() -> None:
    """A field's own rules first, then those of its parts; a list that may be empty has no minimum."""

    def sentences(operation: Operation, name: str) -> dict[str, str]:
        return {rule.id: rule.sentence for rule in operation.field(name).rules}

    shot = "multi_prompt.shot"
    assert sentences(VIDEO, "multi_prompt") == {
        "multi_prompt.type": "multi_prompt is an array",
        "multi_prompt.min_items": "multi_prompt has at least 1 items",
        "multi_prompt.max_items": "multi_prompt has at most 6 items",
        f"{shot}.required": f"{shot} is given",
        f"{shot}.type": f"{shot} is an object",
        f"{shot}.prompt.required": f"{shot}.prompt is given",
        f"{shot}.prompt.type": f"{shot}.prompt is a string",
        f"{shot}.prompt.unicode": f"{shot}.prompt is valid Unicode text",
        f"{shot}.prompt.max_length": f"{shot}.prompt has at most 64 characters",
        f"{shot}.duration.type": f"{shot}.duration is an integer",
        f"{shot}.duration.integer": f"{shot}.duration is a whole number",
        f"{shot}.duration.minimum": f"{shot}.duration is at least 1",
        f"{shot}.duration.maximum": f"{shot}.duration is at most 5",
    }
    assert list(sentences(SERIES, "image_list"))[:4] == [
        "image_list.type",
        "image_list.max_items",
        "image_list.entry.required",
        "image_list.entry.type",
    ]
    assert sentences(SPEECH, "voice_speed") == {
        "voice_speed.type": "voice_speed is a number",
        "voice_speed.decimals": "voice_speed has at most 1 decimals",
    }
    assert sentences(VIDEO, "cfg_scale")["cfg_scale.decimals"] == "cfg_scale has at most 2 decimals"
    assert sentences(SOUND, "asmr_mode") == {"asmr_mode.type": "asmr_mode is a boolean"}


def test_full_names_of_nested_fields() -> None:
    """Full names at every depth, also after an object is renamed."""
    control = cast("Nested", VIDEO.field("camera_control"))
    renamed = replace(control, name="view")
    config = cast("Nested", renamed.fields[1])
    assert config.fields[0].full_name == "view.config.pan"
    assert [rule.id for rule in config.fields[0].rules] == ["view.config.pan.type", "view.config.pan.range"]
    assert "view.config.pan is between -10 and 10" in [rule.sentence for rule in renamed.rules]


def test_a_field_alone_is_read_like_one_of_a_body() -> None:
    """`read_field`, which objects and bodies share: the name, then aliases, then absence."""
    values: dict[str, object] = {}
    zoom = cast("Nested", cast("Nested", VIDEO.field("camera_control")).fields[1]).fields[1]
    assert isinstance(zoom, Field)
    read_field(zoom, {"zoom_in": 1.5}, ValidationResult(), values, "x.")
    assert values == {"zoom": 1.5}
