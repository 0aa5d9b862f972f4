"""The boundary table: values and verdicts, typed by hand from the page, independent of the contract."""

import math

from tests.contracts.boundary_images import BROKEN_ITEMS, COUNTS, LIST_TYPES, NO_HOST, PICTURES, WEB
from tests.contracts.boundary_rows import (
    LIBRARY,
    NO_LIST,
    NO_OBJECT,
    PAGE_URL,
    SUBJECTS,
    SURROGATE,
    good,
    ok,
    refused,
)

BODIES = [
    refused("body null", None, "request body", "body.type"),
    refused("body array", [], "request body", "body.type"),
    refused("body array of one", [good()], "request body", "body.type"),
    refused("body text", "{}", "request body", "body.type"),
    refused("body number", 1, "request body", "body.type"),
    refused("body true", True, "request body", "body.type"),
    refused("body NaN", math.nan, "request body", "body.type"),
    refused("body empty object", {}, "subject_image_list", "subject_image_list.required"),
    ok("body unknown field", good(negative_prompt="", watermark_info={"enabled": True}, seed=7)),
    ok("body key in other case", good(PROMPT=1)),
    refused("surrogate in unknown value", good(note="\ud800"), "'note'", "body.unicode", SURROGATE),
    refused("surrogate in unknown key", good(**{"\udc00": 1}), "'\\udc00'", "body.unicode", SURROGATE),
    refused("surrogate deep", good(note=[{"a": ["\udfff"]}]), "'note'", "body.unicode", SURROGATE),
    refused("surrogate in deep key", good(note={"a": {"\udfff": 0}}), "'note'", "body.unicode", SURROGATE),
    refused(
        "surrogate in an item",
        {"subject_image_list": [SUBJECTS[0], {"subject_image": PAGE_URL, "note": "\ud800"}]},
        "subject_image_list[1]['note']",
        "body.unicode",
        SURROGATE,
    ),
    refused(
        "surrogate in an unneeded alias",
        good(scence_image=PAGE_URL, scene_image="\ud800"),
        "scene_image",
        "body.unicode",
        SURROGATE,
    ),
    ok("surrogate pair", good(prompt="\U0001f600", note="\U0001f600")),
]

UNITS = {
    "ascii": "a",
    "blank": " ",
    "NUL": "\0",
    "BOM": "\ufeff",
    "two bytes": "é",
    "three bytes": "漢",
    "astral": "😀",
    "combining": "e\u0301",
    "ZWJ sequence": "👩\u200d🎨",
    "flag": "🇩🇪",
    "right to left": "\u202eא",
}
PROMPTS = [
    row
    for name, unit in UNITS.items()
    for row in (
        ok(f"prompt 2500 {name}", good(prompt=(unit * 2500)[:2500])),
        refused(f"prompt 2501 {name}", good(prompt=(unit * 2501)[:2501]), "prompt", "prompt.max_length"),
    )
] + [
    ok("prompt 1", good(prompt="x")),
    ok("prompt 1251 astral", good(prompt="😀" * 1251)),
    ok("prompt of blanks", good(prompt="   ")),
    ok("prompt null", good(prompt=None)),
    ok("prompt empty", good(prompt="")),
    refused("prompt padded over", good(prompt=" " + "a" * 2500), "prompt", "prompt.max_length"),
    refused("prompt high surrogate", good(prompt="a\ud83d"), "prompt", "prompt.unicode", SURROGATE),
    refused("prompt low surrogate", good(prompt="\ude00"), "prompt", "prompt.unicode", SURROGATE),
    refused("prompt pair the wrong way", good(prompt="\ude00\ud83d"), "prompt", "prompt.unicode", SURROGATE),
    *[
        refused(f"prompt {value!r}", good(prompt=value), "prompt", "prompt.type")
        for value in (0, 1, True, False, 1.5, ["a"], NO_LIST, NO_OBJECT, math.nan)
    ],
]

NUMBERS = [
    *[ok(f"n {value!r}", good(n=value)) for value in (1, 2, 5, 8, 9, 1.0, 2.0, 9.0, None, "")],
    *[
        refused(f"n {value!r}", good(n=value), "n", f"n.{rule}")
        for value, rule in [
            (0, "minimum"),
            (-1, "minimum"),
            (-0.0, "minimum"),
            (0.0, "minimum"),
            (-(10**30), "minimum"),
            (10, "maximum"),
            (10.0, "maximum"),
            (10**30, "maximum"),
            (1e300, "maximum"),
            (1.5, "integer"),
            (0.5, "integer"),
            (9.000001, "integer"),
            (math.inf, "integer"),
            (-math.inf, "integer"),
            (math.nan, "integer"),
            (float("1e400"), "integer"),
            (True, "type"),
            (False, "type"),
            ("1", "type"),
            ("one", "type"),
            (" ", "type"),
            ([1], "type"),
            ([], "type"),
            ({}, "type"),
        ]
    ],
    refused("n of 5000 digits", good(n=10**5000), "n", "n.maximum", LIBRARY),
]

RATIOS = ["16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9"]
CHOICES = [
    *[ok(f"ratio {text}", good(aspect_ratio=text)) for text in RATIOS],
    *[
        refused(f"ratio {text!r}", good(aspect_ratio=text), "aspect_ratio", "aspect_ratio.enum")
        for text in [
            "9:21",
            "5:4",
            "4:5",
            "32:18",
            "8:4.5",
            "16:10",
            "2:1",
            "1:2",
            "16x9",
            "16/9",
            "16-9",
            "1.78",
            "auto",
            "16:9:1",
            "169",
            ":",
            "16:",
            ":9",
            *(
                "16:9 ",
                " 16:9",
                "16 : 9",
                "16:9\n",
                "16:9\0",
                "16\uff1a9",
                "\uff11\uff16:\uff19",
                "016:9",
                "16:09",
                "\ud800",
            ),
        ]
    ],
    *[
        refused(f"ratio {value!r}", good(aspect_ratio=value), "aspect_ratio", "aspect_ratio.type")
        for value in (1, 1.0, 1.78, True, False, ["16:9"], [16, 9], {"w": 16}, {}, math.nan)
    ],
    ok("ratio null", good(aspect_ratio=None)),
    ok("ratio empty", good(aspect_ratio="")),
    ok("model", good(model_name="kling-v2")),
    ok("model null", good(model_name=None)),
    ok("model empty", good(model_name="")),
    *[
        refused(f"model {text!r}", good(model_name=text), "model_name", "model_name.enum")
        for text in (
            "kling-v1",
            "kling-v2-1",
            "KLING-V2",
            "kling-v2 ",
            " kling-v2",
            "kling_v2",
            "kling-v",
            "v2",
        )
    ],
    *[
        refused(f"model {value!r}", good(model_name=value), "model_name", "model_name.type")
        for value in (2, True, ["kling-v2"], NO_OBJECT, 2.0)
    ],
]

CALLBACKS = [
    *[ok(f"callback {name}", good(callback_url=url)) for name, url in WEB.items()],
    *[
        refused(f"callback {name}", good(callback_url=url), "callback_url", "callback_url.url")
        for name, url in NO_HOST.items()
    ],
    *[
        refused(f"callback {url!r}", good(callback_url=url), "callback_url", "callback_url.url")
        for url in (
            "example.com/x",
            "/x",
            "//example.com/x",
            "ftp://example.com",
            "mailto:a@example.com",
            "x",
            " ",
        )
    ],
    refused("callback port", good(callback_url="http://a:65536/"), "callback_url", "callback_url.url"),
    ok("callback highest port", good(callback_url="http://a:65535/")),
    refused("callback blank before", good(callback_url=" http://a/"), "callback_url", "callback_url.url"),
    refused(
        "callback surrogate",
        good(callback_url="http://a/\udc00"),
        "callback_url",
        "callback_url.unicode",
        SURROGATE,
    ),
    *[
        refused(f"callback {value!r}", good(callback_url=value), "callback_url", "callback_url.type")
        for value in (1, True, NO_LIST, NO_OBJECT, ["http://a/"])
    ],
    ok("callback null", good(callback_url=None)),
    ok("callback empty", good(callback_url="")),
]

EXTERNAL_IDS = [
    *[ok(f"external id {text!r}", good(external_task_id=text)) for text in ("a", " ", "é/%2F?#", "😀", "\0")],
    ok("external id long", good(external_task_id="x" * 5000)),
    ok("external id null", good(external_task_id=None)),
    ok("external id empty", good(external_task_id="")),
    refused(
        "external id surrogate",
        good(external_task_id="\ud800"),
        "external_task_id",
        "external_task_id.unicode",
        SURROGATE,
    ),
    *[
        refused(
            f"external id {value!r}",
            good(external_task_id=value),
            "external_task_id",
            "external_task_id.type",
        )
        for value in (1, 0, True, NO_LIST, NO_OBJECT, ["a"])
    ],
]

ROWS = [
    *BODIES,
    *COUNTS,
    *LIST_TYPES,
    *BROKEN_ITEMS,
    *PICTURES,
    *PROMPTS,
    *NUMBERS,
    *CHOICES,
    *CALLBACKS,
    *EXTERNAL_IDS,
]
