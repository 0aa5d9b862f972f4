"""Kinds of fields, value by value: numbers, flags, objects, lists, constraints. All values typed by hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, NamedTuple, cast

import pytest

from kling_contracts.composite_fields import AnyField, ListOf, Nested, read_field
from kling_contracts.constraints import Constraint, ExactlyOne, RequiredWhen
from kling_contracts.fields import Choice, Field, Flag, Integer, Number
from kling_contracts.image_files import encoded, png
from kling_contracts.openapi.requests import request_schema
from kling_contracts.operations import Operation
from kling_contracts.rules import ValidationResult
from kling_contracts.strategies import BoundaryRequest, InvalidRequest, boundary_classes, invalid_classes
from tests.contracts.test_trial_operations import Judge, draw_each
from tests.trial_operations import EXPAND, SERIES, SOUND, SPEECH, TRIAL_OPERATIONS, VIDEO

URL = "https://example.com/a.png"
INLINE = encoded(png(300, 300))


class Row(NamedTuple):
    operation: Operation
    fields: dict[str, object]
    # the expected paths and rules of violations, or the normalised values
    due: list[tuple[str, str]] | dict[str, object]
    # whether JSON Schema can express it
    said: bool = True


# Required fields of each operation.
NEEDED: dict[str, dict[str, object]] = {
    "trial-expand": {"image": URL, "up_expansion_ratio": 1, "down_expansion_ratio": 1},
    "trial-video": {"prompt": "a"},
    "trial-series": {"prompt": "a", "series_amount": 2},
    "trial-sound": {},
    "trial-speech": {"text": "a", "voice_language": "en"},
}


def good(operation: Operation, name: str, *values: object) -> list[Row]:
    """Values that are valid and not changed by normalisation."""
    return [Row(operation, {name: value}, {name: value}) for value in values]


def bad(operation: Operation, name: str, rule: str, *values: object, said: bool = True) -> list[Row]:
    return [Row(operation, {name: value}, [(name, f"{name}.{rule}")], said) for value in values]


def camera(**fields: object) -> dict[str, object]:
    return {"camera_control": fields}


def shots(*shots: object) -> dict[str, object]:
    return {"multi_prompt": list(shots), "duration": "5"}


CONFIG = "camera_control.config"
NUMBERS = [
    # two decimals, from 0 to 1
    *good(VIDEO, "cfg_scale", 0, 1, 0.0, 1.0, 0.5, 0.01, 0.99, 0.29, 0.57, 0.07),
    *bad(VIDEO, "cfg_scale", "decimals", 0.001, 0.999, 0.125, 0.1 + 0.2, 0.30000000000000004, 5e-324),
    *bad(VIDEO, "cfg_scale", "range", -1, 2, -0.01, 1.01, 1.0000000000000002, 10**400, -1e300, 1e300),
    *bad(VIDEO, "cfg_scale", "range", math.nan, math.inf, -math.inf, said=False),
    *bad(VIDEO, "cfg_scale", "type", True, False, "0.5", [0.5], {"value": 0.5}),
    # from 0 to 2, any decimals
    *good(EXPAND, "left_expansion_ratio", 0, 2, 2.0, 1 / 3, 1.9999999999999998),
    *bad(EXPAND, "left_expansion_ratio", "range", -5e-324, 2.0000000000000004, 3),
    # clamped to 0.8 and 2.0, one decimal
    *good(SPEECH, "voice_speed", 0.8, 1, 1.1, 1.3, 2, 2.0),
    *[
        Row(SPEECH, {"voice_speed": given}, {"voice_speed": read})
        for given, read in ((0.7, 0.8), (0, 0.8), (-3, 0.8), (2.1, 2.0), (10**400, 2.0), (-1e300, 0.8))
    ],
    Row(SPEECH, {"voice_speed": math.inf}, {"voice_speed": 2.0}, said=False),
    Row(SPEECH, {"voice_speed": -math.inf}, {"voice_speed": 0.8}, said=False),
    *bad(SPEECH, "voice_speed", "decimals", 1.25, 0.79, 2.01, 0.1 * 3),
    *bad(SPEECH, "voice_speed", "type", True, "1.0", [1.0]),
    *bad(SPEECH, "voice_speed", "type", math.nan, said=False),
]
FLAGS = [
    *good(SOUND, "asmr_mode", True, False),
    *bad(SOUND, "asmr_mode", "type", 0, 1, 1.0, "true", "false", "True", [], [True], {}),
    Row(SOUND, {"asmr_mode": None}, {}),
    Row(SOUND, {"asmr_mode": ""}, {}),
]
OBJECTS = [
    Row(VIDEO, camera(), camera(type="simple")),
    Row(VIDEO, camera(type=None), camera(type="simple")),
    Row(VIDEO, camera(type="down_back"), camera(type="down_back")),
    Row(VIDEO, camera(type="up"), [("camera_control.type", "camera_control.type.enum")]),
    Row(VIDEO, camera(type=1), [("camera_control.type", "camera_control.type.type")]),
    Row(VIDEO, {"camera": {"type": "down_back"}}, camera(type="down_back")),
    Row(VIDEO, {"camera": {"type": "up"}}, [("camera.type", "camera_control.type.enum")]),
    Row(VIDEO, {"camera": [], "camera_control": {}}, camera(type="simple")),
    Row(VIDEO, camera(config={}), camera(type="simple", config={})),
    Row(
        VIDEO, camera(config={"pan": 10, "zoom": -10}), camera(type="simple", config={"pan": 10, "zoom": -10})
    ),
    Row(VIDEO, camera(config={"pan": 10.5}), [(f"{CONFIG}.pan", f"{CONFIG}.pan.range")]),
    Row(VIDEO, camera(config={"pan": "1"}), [(f"{CONFIG}.pan", f"{CONFIG}.pan.type")]),
    Row(VIDEO, camera(config={"zoom": 0.25}), [(f"{CONFIG}.zoom", f"{CONFIG}.zoom.decimals")]),
    Row(VIDEO, camera(config={"zoom_in": 0.25}), [(f"{CONFIG}.zoom_in", f"{CONFIG}.zoom.decimals")]),
    Row(VIDEO, camera(config={"zoom_in": 1}), camera(type="simple", config={"zoom": 1})),
    Row(VIDEO, camera(config={"zoom": None, "zoom_in": 1}), camera(type="simple", config={"zoom": 1})),
    Row(VIDEO, camera(config={"zoom": 2, "zoom_in": "x"}), camera(type="simple", config={"zoom": 2})),
    Row(VIDEO, camera(config={"roll": "x"}), camera(type="simple", config={})),
    Row(VIDEO, camera(config=3), [(CONFIG, f"{CONFIG}.type")]),
    Row(VIDEO, {"camera_control": "simple"}, [("camera_control", "camera_control.type")]),
    Row(VIDEO, {"camera_control": []}, [("camera_control", "camera_control.type")]),
    Row(VIDEO, camera(note="\ud800"), [("camera_control['note']", "body.unicode")], said=False),
    Row(
        VIDEO,
        camera(type="up", config={"pan": 11, "zoom": 11}),
        [
            ("camera_control.type", "camera_control.type.enum"),
            (f"{CONFIG}.pan", f"{CONFIG}.pan.range"),
            (f"{CONFIG}.zoom", f"{CONFIG}.zoom.range"),
        ],
    ),
]
SHOT = "multi_prompt.shot"
LISTS = [
    Row(VIDEO, shots({"prompt": "a"}), shots({"prompt": "a", "duration": 1})),
    Row(VIDEO, shots({"prompt": "a", "duration": 5.0}), shots({"duration": 5, "prompt": "a"})),
    Row(VIDEO, shots(*[{"prompt": "a"}] * 6), shots(*[{"prompt": "a", "duration": 1}] * 6)),
    Row(VIDEO, shots(*[{"prompt": "a"}] * 7), [("multi_prompt", "multi_prompt.max_items")]),
    Row(VIDEO, shots(), [("multi_prompt", "multi_prompt.min_items")]),
    Row(VIDEO, {"multi_prompt": {}, "duration": "5"}, [("multi_prompt", "multi_prompt.type")]),
    Row(VIDEO, shots({}), [("multi_prompt[0].prompt", f"{SHOT}.prompt.required")]),
    Row(VIDEO, shots({"prompt": ""}), [("multi_prompt[0].prompt", f"{SHOT}.prompt.required")]),
    Row(VIDEO, shots({"prompt": "a"}, None), [("multi_prompt[1]", f"{SHOT}.required")]),
    Row(VIDEO, shots({"prompt": "a"}, ""), [("multi_prompt[1]", f"{SHOT}.required")]),
    Row(VIDEO, shots({"prompt": "a"}, "b"), [("multi_prompt[1]", f"{SHOT}.type")]),
    Row(VIDEO, shots({"prompt": "a" * 64}), shots({"prompt": "a" * 64, "duration": 1})),
    Row(VIDEO, shots({"prompt": "a" * 65}), [("multi_prompt[0].prompt", f"{SHOT}.prompt.max_length")]),
    Row(
        VIDEO,
        shots(*[{"prompt": "a"}] * 5, {"prompt": "a", "duration": 6}),
        [("multi_prompt[5].duration", f"{SHOT}.duration.maximum")],
    ),
    Row(SERIES, {"image_list": []}, {"image_list": []}),
    Row(SERIES, {"image_list": [{"image": URL}]}, {"image_list": [{"image": URL}]}),
    Row(SERIES, {"image_list": [{"image": INLINE}]}, {"image_list": [{}]}),
    Row(SERIES, {"image_list": [{"image_url": URL}] * 3}, {"image_list": [{"image": URL}] * 3}),
    Row(SERIES, {"image_list": [{"image": URL}] * 4}, [("image_list", "image_list.max_items")]),
    Row(
        SERIES,
        {"image_list": [{"type": "scene"}]},
        [("image_list[0].image", "image_list.entry.image.required")],
    ),
    Row(
        SERIES,
        {"image_list": [{"image_url": "a.png"}]},
        [("image_list[0].image_url", "image_list.entry.image.base64")],
    ),
    Row(SERIES, {"mask_list": [URL, INLINE]}, {"mask_list": [URL, None]}),
    Row(SERIES, {"mask_list": [URL]}, [("mask_list", "mask_list.min_items")]),
    Row(SERIES, {"mask_list": []}, [("mask_list", "mask_list.min_items")]),
    Row(SERIES, {"mask_list": [URL, 1]}, [("mask_list[1]", "mask_list.mask.type")]),
    Row(SERIES, {"mask_list": [None, URL]}, [("mask_list[0]", "mask_list.mask.required")]),
]
CLIP = "https://example.com/v.mp4"
CONSTRAINTS = [
    Row(SOUND, {"video_id": None, "video": None}, [("video_id", "video_id.exactly_one")]),
    Row(SOUND, {"video_id": "1"}, {"video_id": "1"}),
    Row(SOUND, {"video": CLIP}, {"video_url": CLIP}),
    Row(SOUND, {"image": INLINE}, {}),
    Row(SOUND, {"image": URL, "video_id": ""}, {"image": URL}),
    Row(SOUND, {"video_id": "1", "video": CLIP}, [("video_id", "video_id.exactly_one")]),
    Row(SOUND, {"video_id": "1", "image": INLINE}, [("video_id", "video_id.exactly_one")]),
    Row(SOUND, {"video_id": "1", "video_url": CLIP, "image": URL}, [("video_id", "video_id.exactly_one")]),
    Row(SOUND, {"video_id": 1}, [("video_id", "video_id.type")]),
    Row(SERIES, {"series_amount": None}, [("series_amount", "series_amount.required_when")]),
    Row(SERIES, {"series_amount": None, "result_type": "single"}, {"result_type": "single"}),
    Row(SERIES, {"series_amount": "", "result": "single"}, {"result_type": "single"}),
    Row(
        SERIES,
        {"series_amount": None, "result": "series"},
        [("series_amount", "series_amount.required_when")],
    ),
    Row(
        SERIES,
        {"series_amount": None, "result_type": None, "result": "series"},
        [("series_amount", "series_amount.required_when")],
    ),
    Row(SERIES, {"series_amount": None, "result_type": "both"}, [("result_type", "result_type.enum")]),
    Row(SERIES, {"series_amount": 1}, [("series_amount", "series_amount.minimum")]),
    Row(VIDEO, {"sound": False}, {"sound": False}),
    Row(VIDEO, {"sound": True}, [("cfg_scale", "cfg_scale.required_when")]),
    Row(VIDEO, {"sound": True, "cfg_scale": 0}, {"sound": True, "cfg_scale": 0}),
    Row(VIDEO, {"multi_prompt": [{"prompt": "a"}]}, [("duration", "duration.required_when")]),
    Row(
        VIDEO,
        {"multi_prompt": [{"prompt": "a"}], "seconds": "10"},
        {"multi_prompt": [{"prompt": "a", "duration": 1}], "duration": "10"},
    ),
]
# A field of `trial-sound` beside one source.
ROWS = [
    row._replace(fields={"video_id": "1"} | row.fields) if row.operation is SOUND and row in FLAGS else row
    for row in (*NUMBERS, *FLAGS, *OBJECTS, *LISTS, *CONSTRAINTS)
]


def body_of(row: Row) -> dict[str, object]:
    return NEEDED[row.operation.name] | row.fields


@pytest.mark.parametrize("row", ROWS, ids=lambda row: ascii(row.fields)[:60])
def test_each_value_has_the_expected_verdict(row: Row) -> None:
    """Each value has the expected path and rule, or the expected normalised value."""
    reading = row.operation.read(body_of(row))
    if isinstance(row.due, list):
        assert [(each.field, each.rule.id) for each in reading.violations] == row.due
        return
    assert reading.violations == []
    needed = {key: value for key, value in NEEDED[row.operation.name].items() if key not in row.fields}
    beside = {"video_id": "1"} if "asmr_mode" in row.fields else {}
    assert reading.values == needed | beside | row.due


def test_the_schema_agrees_with_the_tables() -> None:
    wrong = [
        (row.operation.name, row.fields)
        for row in ROWS
        if row.said
        and Judge(request_schema(row.operation)).is_valid(body_of(row)) == isinstance(row.due, list)
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
    said = {
        each.rule.id: (each.rule.sentence, each.rule.limit)
        for operation in TRIAL_OPERATIONS
        for each in operation.constraints
    }
    assert said == {
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


# -- counterexamples: kinds of fields with a small mistake, which the strategies must find


class OneIsTrue(Flag):
    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        return super().read(bool(value) if value in (0, 1) else value, path, reading)


class WordIsTrue(Flag):
    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        return super().read(value == "true" if value in ("true", "false") else value, path, reading)


class Exclusive(Number):
    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        return super().read(99 if value == self.maximum.value else value, path, reading)


class Rounding(Number):
    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        return super().read(round(value, 2) if isinstance(value, float) else value, path, reading)


class BinaryFraction(Number):
    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        near = isinstance(value, float) and abs(value - round(value, 2)) < 1e-9
        return super().read(round(cast("float", value), 2) if near else value, path, reading)


class Refusing(Number):
    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        high = self.maximum.value
        beyond = isinstance(value, int | float) and value > high
        return super().read("too large" if beyond else value, path, reading)


@dataclass(frozen=True, kw_only=True)
class Shallow(Nested):
    """Checks the type only."""

    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        return value if isinstance(value, dict) else super().read(value, path, reading)


@dataclass(frozen=True, kw_only=True)
class NoAliases(Nested):
    """Ignores aliases of its parts."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", tuple(replace(each, aliases=()) for each in self.fields))


@dataclass(frozen=True, kw_only=True)
class Strict(Nested):
    """Treats null as a value."""

    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        strict = ValidationResult(null_is_absent=False)
        read = super().read(value, path, strict)
        reading.violations += strict.violations
        return read


@dataclass(frozen=True, kw_only=True)
class FirstOnly(ListOf):
    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        items = cast("list[object]", value)
        seen = [items[0]] * len(items) if isinstance(value, list) and items else value
        return super().read(seen, path, reading)


@dataclass(frozen=True, kw_only=True)
class OneMore(ListOf):
    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        long = isinstance(value, list) and len(cast("list[object]", value)) == self.maximum.value + 1
        return super().read(cast("list[object]", value)[:-1] if long else value, path, reading)


@dataclass(frozen=True, kw_only=True)
class OneLess(ListOf):
    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        full = isinstance(value, list) and len(cast("list[object]", value)) == self.maximum.value
        return super().read([*cast("list[object]", value), None] if full else value, path, reading)


@dataclass(frozen=True, kw_only=True)
class NullItems(ListOf):
    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        items = cast("list[object]", value) if isinstance(value, list) else None
        kept = None if items is None else [item for item in items if item is not None]
        return super().read(kept or value, path, reading)


Kind = Callable[..., Any]


def misread(operation: Operation, name: str, kind: Kind) -> Operation:
    """The operation with one field, possibly nested, of a faulty kind."""

    def changed(each: AnyField) -> AnyField:
        if each.name == name:
            known = {key: getattr(each, key) for key in each.__dataclass_fields__}
            return cast("AnyField", kind(**known))
        if isinstance(each, Nested):
            return replace(each, fields=tuple(map(changed, each.fields)))
        return replace(each, item=changed(each.item)) if isinstance(each, ListOf) else each

    return replace(operation, fields=tuple(map(changed, operation.fields)))


@dataclass(frozen=True, kw_only=True)
class AtMostOne(ExactlyOne):
    def check(self, given: Any, reading: ValidationResult, defaults: Mapping[str, object]) -> None:
        if any(name in given for name in self.names):
            super().check(given, reading, defaults)


@dataclass(frozen=True, kw_only=True)
class AtLeastOne(ExactlyOne):
    def check(self, given: Any, reading: ValidationResult, defaults: Mapping[str, object]) -> None:
        if not any(name in given for name in self.names):
            super().check(given, reading, defaults)


@dataclass(frozen=True, kw_only=True)
class NoDefault(RequiredWhen):
    def check(self, given: Any, reading: ValidationResult, defaults: Mapping[str, object]) -> None:
        super().check(given, reading, {})


@dataclass(frozen=True, kw_only=True)
class Always(RequiredWhen):
    values: tuple[str | float, ...] = field(default=(), init=False)

    def check(self, given: Any, reading: ValidationResult, defaults: Mapping[str, object]) -> None:
        super().check({*given, self.when}, reading, defaults)


def constrained(operation: Operation, constraint: Constraint) -> Operation:
    return replace(operation, constraints=(constraint,))


SOURCE = SOUND.source
SOURCES = ("video_id", "video_url", "image")
MISTAKEN: dict[str, tuple[Operation, Operation]] = {
    "1 is true": (SOUND, misread(SOUND, "asmr_mode", OneIsTrue)),
    "'true' is true": (SOUND, misread(SOUND, "asmr_mode", WordIsTrue)),
    "< for <=": (VIDEO, misread(VIDEO, "cfg_scale", Exclusive)),
    "decimals rounded": (VIDEO, misread(VIDEO, "cfg_scale", Rounding)),
    "0.1 + 0.2 is 0.3": (VIDEO, misread(VIDEO, "cfg_scale", BinaryFraction)),
    "refused instead of clamped": (SPEECH, misread(SPEECH, "voice_speed", Refusing)),
    "an object is not read": (VIDEO, misread(VIDEO, "camera_control", Shallow)),
    "an object in an object is not read": (VIDEO, misread(VIDEO, "config", Shallow)),
    "an object in a list is not read": (VIDEO, misread(VIDEO, "shot", Shallow)),
    "aliases at the top only": (VIDEO, misread(VIDEO, "config", NoAliases)),
    "null is a value in an object": (VIDEO, misread(VIDEO, "camera_control", Strict)),
    "only the first item": (VIDEO, misread(VIDEO, "multi_prompt", FirstOnly)),
    "seven shots": (VIDEO, misread(VIDEO, "multi_prompt", OneMore)),
    "five shots": (VIDEO, misread(VIDEO, "multi_prompt", OneLess)),
    "null items are left out": (VIDEO, misread(VIDEO, "multi_prompt", NullItems)),
    "none is enough": (SOUND, constrained(SOUND, AtMostOne(names=SOURCES, source=SOURCE))),
    "several are right": (SOUND, constrained(SOUND, AtLeastOne(names=SOURCES, source=SOURCE))),
    "the third is forgotten": (SOUND, constrained(SOUND, ExactlyOne(names=SOURCES[:2], source=SOURCE))),
    "the default does not count": (
        SERIES,
        constrained(
            SERIES,
            NoDefault(field="series_amount", when="result_type", values=("series",), source=SOURCE),
        ),
    ),
    "always needed": (
        SERIES,
        constrained(SERIES, Always(field="series_amount", when="result_type", source=SOURCE)),
    ),
}


def test_the_right_kinds_in_place_of_themselves_change_nothing() -> None:
    same = misread(misread(VIDEO, "config", Nested), "multi_prompt", ListOf)
    assert same == VIDEO


@cache
def drawn(operation: str) -> list[BoundaryRequest | InvalidRequest]:
    """Requests on limits and beyond them, for a trial operation."""
    (right,) = (each for each in TRIAL_OPERATIONS if each.name == operation)
    cases = [*draw_each(boundary_classes(right), 3), *draw_each(invalid_classes(right), 3)]
    return cast("list[BoundaryRequest | InvalidRequest]", cases)


@pytest.mark.parametrize("name", MISTAKEN)
def test_mistaken_kinds_are_caught(name: str) -> None:
    """At least one request has another verdict than its strategy states."""
    right, mistaken = MISTAKEN[name]

    def broken(operation: Operation, body: object) -> list[str]:
        return [violation.rule.id for violation in operation.read(body).violations]

    cases = drawn(right.name)
    assert any(broken(mistaken, case.body) != broken(right, case.body) for case in cases)


def test_a_field_alone_is_read_like_one_of_a_body() -> None:
    """`read_field`, which objects and bodies share: the name, then aliases, then absence."""
    values: dict[str, object] = {}
    zoom = cast("Nested", cast("Nested", VIDEO.field("camera_control")).fields[1]).fields[1]
    assert isinstance(zoom, Field)
    read_field(zoom, {"zoom_in": 1.5}, ValidationResult(), values, "x.")
    assert values == {"zoom": 1.5}
