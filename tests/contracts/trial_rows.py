"""Values of the fields of trial operations, typed by hand, with violations or normalised values."""

from __future__ import annotations

import math
from typing import NamedTuple

from kling_contracts.image_files import encoded, png
from kling_contracts.operations import Operation
from tests.trial_operations import EXPAND, SERIES, SOUND, SPEECH, VIDEO

URL = "https://example.com/a.png"
INLINE = encoded(png(300, 300))


class Row(NamedTuple):
    operation: Operation
    fields: dict[str, object]
    # the expected paths and rules of violations, or the normalised values
    expected: list[tuple[str, str]] | dict[str, object]
    # whether JSON Schema can express it
    expressible: bool = True


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


def bad(operation: Operation, name: str, rule: str, *values: object, expressible: bool = True) -> list[Row]:
    return [Row(operation, {name: value}, [(name, f"{name}.{rule}")], expressible) for value in values]


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
    *bad(VIDEO, "cfg_scale", "range", math.nan, math.inf, -math.inf, expressible=False),
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
    Row(SPEECH, {"voice_speed": math.inf}, {"voice_speed": 2.0}, expressible=False),
    Row(SPEECH, {"voice_speed": -math.inf}, {"voice_speed": 0.8}, expressible=False),
    *bad(SPEECH, "voice_speed", "decimals", 1.25, 0.79, 2.01, 0.1 * 3),
    *bad(SPEECH, "voice_speed", "type", True, "1.0", [1.0]),
    *bad(SPEECH, "voice_speed", "type", math.nan, expressible=False),
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
    Row(VIDEO, camera(note="\ud800"), [("camera_control['note']", "body.unicode")], expressible=False),
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
